"""Files that do not go together, and files that cannot be read, are refused with the name of the one at fault."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import polars as pl
import pytest

from labelmill.db.bulk.location import parse_location
from labelmill.db.bulk.many_files import ManyFiles
from labelmill.db.bulk.open import open_source
from labelmill.errors import BadFile, BadSource, LabelmillError

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "id,author\n1,Tom\n"


def refused(folder: Path, pattern: str, kind: type[LabelmillError], words: str) -> LabelmillError:
    """Every way to begin with the source says the same."""
    location = parse_location(str(folder / pattern))
    for begin in (lambda source: source.table, lambda source: source.plan(10), lambda source: list(source.read(["id"]))):
        with pytest.raises(kind, match=words) as caught, open_source(location) as source:
            begin(source)
        assert caught.value.where
        assert caught.value.way_out
    return caught.value


def put(folder: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name.replace("__", ".")).write_bytes(data)


@pytest.mark.parametrize("pattern", ["*.csv", "**/*.csv", "x?", "*", "[a-c]*.jsonl.gz"])
def test_nothing_matches(tmp_path, pattern):
    """What was looked for is in the error."""
    error = refused(tmp_path, pattern, BadSource, "No file matches")
    assert pattern in error.where


def test_formats_that_do_not_go_together(tmp_path):
    """They are listed with some of their files."""
    put(tmp_path, a__csv=HEADER, b__csv=HEADER, c__csv=HEADER, d__csv=HEADER, e__jsonl="{}", README="text", f__db="")
    error = refused(tmp_path, "*", BadSource, "not all of one format")
    assert "csv (4): a.csv, b.csv, c.csv, ...; jsonl (1): e.jsonl; unknown (2): README, f.db." in error.message
    assert "*.csv" in error.way_out
    refused(tmp_path, "R*", BadSource, r"unknown \(1\): README")


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ("id\n2\n", r"2\.csv has no column 'author'"),
        ("id,Author\n2,Amy\n", r"2\.csv has no column 'author'"),
        ("id,author,more\n2,Amy,x\n", r"2\.csv has the column 'more', which 1\.csv has not"),
    ],
)
def test_columns_that_differ(tmp_path, second, words):
    """The file and the column are named."""
    put(tmp_path, **{"1__csv": HEADER, "2__csv": second})
    error = refused(tmp_path, "*.csv", BadSource, words)
    assert error.where == str(tmp_path / "2.csv")


def test_columns_of_parquet_that_differ(tmp_path):
    """Names are compared as they are."""
    pl.DataFrame({"id": [1], "a": [1]}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame({"id": [1], "A": [1]}).write_parquet(tmp_path / "2.parquet")
    refused(tmp_path, "*.parquet", BadSource, r"2\.parquet has no column 'a'")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("2.csv", b"", "empty"),
        ("2.csv", b"\n\n", "blank lines"),
        ("2.csv", b"id,id\n", "both named"),
        ("2.parquet", b"PAR1 no more", "Parquet"),
        ("2.jsonl", b"[1]\n", "No line is a JSON object"),
        ("2.csv.gz", b"id,author\n", "gzip"),
    ],
)
def test_one_bad_file_of_many(tmp_path, name, content, words):
    """It is not left out in silence, and the error says which one it is."""
    good = {"csv": HEADER.encode(), "jsonl": b'{"id":1}\n'}
    ending = name.split(".")[1]
    if ending == "parquet":
        pl.DataFrame({"id": [1]}).write_parquet(tmp_path / "1.parquet")
    else:
        (tmp_path / f"1.{ending}").write_bytes(good[ending])
    (tmp_path / name).write_bytes(content)
    error = refused(tmp_path, f"*.{ending}*", BadFile, words)
    assert error.where == str(tmp_path / name)


def test_a_link_to_nowhere(tmp_path):
    """A month that is missing is missed."""
    put(tmp_path, **{"1__csv": HEADER})
    (tmp_path / "2.csv").symlink_to(tmp_path / "gone.csv")
    assert refused(tmp_path, "*.csv", BadSource, "no such file").where == str(tmp_path / "2.csv")


def test_a_column_that_no_file_has(tmp_path):
    """The columns that there are, are listed."""
    put(tmp_path, **{"1__csv": HEADER, "2__csv": HEADER})
    with open_source(parse_location(str(tmp_path / "*.csv"))) as source, pytest.raises(BadSource, match="'text'") as caught:
        list(source.read(["text"]))
    assert "id, author" in caught.value.way_out
    with open_source(parse_location(str(tmp_path / "*.csv"))) as source, pytest.raises(BadSource, match="twice"):
        list(source.read(["id", "id"]))


@pytest.mark.skipif(os.name == "nt", reason="no file can have these names")
def test_names_that_are_patterns_themselves(tmp_path):
    """A matched file is opened by its name, whatever it holds."""
    for name in ("posts[1]", "posts*", "posts?"):
        pl.DataFrame({"^.*$": [name]}).write_parquet(tmp_path / f"{name}.parquet")
    with open_source(parse_location(str(tmp_path / "posts**.parquet"))) as source:
        parts = source.plan(10)
        found = [value for part in parts for frame in source.read(["^.*$"], part) for value in frame.to_series()]
    assert found == ["posts*", "posts?", "posts[1]"]


def test_one_file_is_no_pattern(tmp_path):
    """Who opens one directly is told."""
    put(tmp_path, **{"1__csv": HEADER})
    with pytest.raises(BadSource, match="no pattern"):
        ManyFiles(parse_location(str(tmp_path / "1.csv")))
