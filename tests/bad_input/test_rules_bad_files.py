"""A rule file that cannot be read is refused with its file and line, and a way out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from labelmill.errors import BadFile, BadInput, BadRules, NotFound, TooLarge
from labelmill.rules import load
from labelmill.rules.readers import text

if TYPE_CHECKING:
    from pathlib import Path

HEADER = b"content,label,rule_type,match_type\n"
RULE = b'{"labels":["/a"],"rules":[{"label":"/a","kind":"keyword","match":"end","content":"%b"}]}'


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def refused(path: Path, kind: type[BadInput] = BadFile, **options: str) -> BadInput:
    """Return the error of loading ``path``: it is of this kind and tells the way out."""
    with pytest.raises(kind) as caught:
        load(path, **options)
    assert caught.value.way_out
    assert len(str(caught.value)) < 1_000
    str(caught.value).encode()
    return caught.value


@pytest.mark.parametrize(
    ("data", "line", "fault"),
    [
        ("王\tend\n".encode() + "王\tend\n".encode("big5"), 2, "is not UTF-8"),
        ("王\tend\n".encode("utf-16"), 1, "is not UTF-8"),
        (b"a\tend\nb\0c\tend\n", 2, "NUL"),
        (b"a\tend\nno tab\n", 2, "no tab"),
        (b"a\tend\nb\tbegin\n", 2, "'begin' is no match type"),
        (b"a\tend\nb\n", 2, "no tab"),
        (b"a\tend\rb\tend\r", 1, "no match type"),
        (b"a\tend\n" + b"x" * 5_000 + b"\tend\n", 2, "has 5000 characters"),
    ],
)
def test_lines_of_a_folder(tmp_path, data, line, fault):
    """Other encodings, NUL, lines of another form and pasted texts are named by file and line."""
    write(tmp_path, "m/a/author_name.txt", data)
    error = refused(tmp_path / "m", BadInput)
    assert error.where.endswith(f"author_name.txt:{line}")
    assert fault in error.message


def test_folders_that_are_none(tmp_path):
    """An empty folder, one of the wrong depth, an unknown predict type, a hidden character in a label's folder."""
    (tmp_path / "empty").mkdir()
    assert "holds no rule files" in refused(tmp_path / "empty").message
    write(tmp_path, "flat/author_name.txt", b"a\tend\n")
    assert "<model>/<label>" in refused(tmp_path / "flat").way_out
    write(tmp_path, "m/a/author_name.txt", b"a\tend\n")
    assert "author_name" in refused(tmp_path / "m", BadRules, predict_type="title").way_out
    write(tmp_path, "m/a/content.txt", b"a\tend\n")
    assert "author_name, content" in refused(tmp_path / "m", BadRules).way_out
    write(tmp_path, "n/a\u202eb/author_name.txt", b"a\tend\n")
    assert "U+202E" in refused(tmp_path / "n", BadRules).message


@pytest.mark.parametrize("name", ["nowhere", "nowhere.csv", "nowhere.json"])
def test_missing_paths(tmp_path, name):
    """What is not there is not found, whatever form it would have."""
    with pytest.raises(NotFound) as caught:
        load(tmp_path / name)
    assert name in caught.value.where
    assert caught.value.way_out


@pytest.mark.parametrize(
    ("data", "line", "fault"),
    [
        (b"", 1, "'content' is missing"),
        (b"content,label,match_type\n", 1, "'rule_type' is missing"),
        (b"content,content,label,rule_type,match_type\n", 1, "twice"),
        (HEADER + b"a,/x,keyword,end\na,b,/x,keyword,end\n", 3, "5 cells"),
        (HEADER + b"a,/x\n", 2, "2 cells"),
        (HEADER + b"a,/x,keyword,end\n\nb,/x,word,end\n", 4, "rule_type is 'word'"),
        (HEADER + b"a,,keyword,end\n", 2, "no label"),
        (HEADER + b'a,/x,keyword,end\n"b,/x,keyword,end\n', 3, "not CSV"),
        (HEADER + b'a"b"c,/x,keyword,end\n"b"c,/x,keyword,end\n', 3, "not CSV"),
        (HEADER + "a,/x\u200b,keyword,end\n".encode(), 2, "U+200B"),
        (
            HEADER + b"a,/x,keyword,end\n" + b"y" * 200_000 + b",/x,keyword,end\n",
            3,
            "",
        ),  # the reason depends on whether a larger limit was set for tables
        (HEADER + b"y" * 2_000 + b",/x,keyword,end\n", 2, "has 2000 characters"),
        (HEADER + b"\xff,/x,keyword,end\n", 2, "is not UTF-8"),
        (HEADER + b"a\0,/x,keyword,end\n", 2, "NUL"),
    ],
)
def test_rows_of_a_csv(tmp_path, data, line, fault):
    """Missing columns, ragged rows, stray quotes, huge cells and bad bytes are named by file and line."""
    error = refused(write(tmp_path, "rules.csv", data), BadInput)
    assert error.where.endswith(f"rules.csv:{line}")
    assert fault in error.message


@pytest.mark.parametrize(
    ("data", "where", "fault"),
    [
        (b"", "rules.json:1", "not JSON"),
        (b'{"labels": [],\n "rules": [}', "rules.json:2", "not JSON"),
        (b'{"labels": [], "rules": NaN}', "rules.json", "NaN"),
        (b'{"labels": [], "rules": [-Infinity]}', "rules.json", "-Infinity"),
        (b'{"labels": [], "rules": [], "rules": []}', "rules.json", "'rules' stands twice"),
        (b'{"labels": [], "rules": [' + b"9" * 5_000 + b"]}", "rules.json", "limit"),
        (b"[" * 200_000, "rules.json", "nested too deeply"),
        (b'{"labels": [], "rules": [1e999]}', "rules.json, rule 1", "Expected an object"),
        (RULE % rb"\ud800x", "rules.json, rule 1", "surrogate"),
        (RULE % rb"a\u0000", "rules.json, rule 1", "NUL"),
        (RULE % (b"x" * 1_001), "rules.json, rule 1", "1001 characters"),
        (b'{"labels": ["/\\ud800"], "rules": []}', "rules.json, label 1", "invisible"),
        (b'{"labels": [], "rules": [], "\\ud800": 1}', "rules.json, the rule set", "not known"),
        (b'{"labels": ["/a", "/a"], "rules": []}', "rules.json", "listed twice"),
        (b'{"name": "\xff"}', "rules.json:1", "is not UTF-8"),
        (b"null", "rules.json, the rule set", "Expected an object"),
    ],
)
def test_json_documents(tmp_path, data, where, fault):
    """Broken, deep, huge and ambiguous documents, and characters that are none."""
    error = refused(write(tmp_path, "rules.json", data), BadInput)
    assert error.where.endswith(where)
    assert fault in error.message


def test_other_kinds_of_files(tmp_path):
    """A spreadsheet or a pickle is not opened; a folder that cannot be read as a file says so."""
    assert ".csv" in refused(write(tmp_path, "rules.xlsx", b"PK")).way_out
    assert "'.pkl'" in refused(write(tmp_path, "author_name.pkl", b"\x80")).message
    (tmp_path / "m" / "a" / "author_name.txt").mkdir(parents=True)
    assert refused(tmp_path / "m").where.endswith("author_name.txt")


def test_a_file_without_end_is_not_read_to_its_end(tmp_path, monkeypatch):
    """Beyond the limit the file is refused, before it is decoded."""
    monkeypatch.setattr(text, "LARGEST_FILE", 1_000)
    refused(write(tmp_path, "rules.csv", HEADER + b"\xff" * 2_000), TooLarge)
    write(tmp_path, "small.json", json.dumps({"labels": [], "rules": []}).encode())
    assert load(tmp_path / "small.json").rule_set.rules == ()
