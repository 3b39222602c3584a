"""A written file is there whole or not at all, and reads back as what was written."""

from __future__ import annotations

import csv
import datetime as dt
import json
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.db.bulk import sink
from labelmill.db.bulk.files import FileOptions, open_file
from labelmill.db.bulk.location import parse_location
from labelmill.db.bulk.sink import concat_parts, write_file
from labelmill.errors import BadSource, Conflict

SCHEMA = pl.Schema({"id": pl.Int64, "author": pl.String})
FORMATS = ["parquet", "csv", "tsv", "jsonl"]
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)


def frames(count: int, rows: int = 10) -> list[pl.DataFrame]:
    return [
        pl.DataFrame({"id": range(start * rows, (start + 1) * rows), "author": [f'王, "{start}"\n'] * rows}, schema=SCHEMA)
        for start in range(count)
    ]


def read_back(path: Path, names: list[str]) -> list[tuple]:
    options = FileOptions(quoting=True) if path.suffix in (".csv", ".tsv") else FileOptions()
    return [row for frame in open_file(parse_location(str(path)), options=options).read(names) for row in frame.rows()]


def expected(path: Path, rows: list[tuple]) -> list[tuple]:
    text_only = path.suffix in (".csv", ".tsv")
    return [tuple(str(value) for value in row) for row in rows] if text_only else rows


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("piece_bytes", [1, 400, 1 << 30])
def test_every_row_is_written_once_in_order(tmp_path, monkeypatch, ending, piece_bytes):
    """Whether it takes one piece or many, the file holds the frames' rows in their order, and nothing else is left."""
    monkeypatch.setattr(sink, "PIECE_BYTES", piece_bytes)
    path = tmp_path / f"out.{ending}"
    rows = [row for frame in frames(7) for row in frame.rows()]
    assert len(rows) == write_file(path, iter(frames(7)), SCHEMA)
    assert expected(path, rows) == read_back(path, ["id", "author"])
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv"])
def test_no_rows_still_make_a_file_with_its_columns(tmp_path, ending):
    """An empty result is a readable file that names its columns."""
    path = tmp_path / f"out.{ending}"
    assert write_file(path, [], SCHEMA) == 0
    assert [column.name for column in open_file(parse_location(str(path))).table.columns] == ["id", "author"]


def test_no_rows_make_an_empty_jsonl(tmp_path):
    """JSON Lines have no header: no rows are no lines."""
    assert write_file(tmp_path / "out.jsonl", [], SCHEMA) == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=6), ending=st.sampled_from(FORMATS))
def test_any_text_survives_the_way_out_and_back(cells, ending):
    """Quotes, separators, line ends and odd characters come back; in delimited text null comes back as empty."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"out.{ending}"
        write_file(
            path,
            [pl.DataFrame(cells, schema={"a": pl.String, "b": pl.String}, orient="row")],
            pl.Schema({"a": pl.String, "b": pl.String}),
        )
        delimited = ending in ("csv", "tsv")
        if cells or ending != "jsonl":
            assert [(a, (b or "") if delimited else b) for a, b in cells] == read_back(path, ["a", "b"])


@settings(max_examples=40, deadline=None)
@given(cells=st.lists(st.none() | TEXT, min_size=1, max_size=6))
def test_an_only_column_keeps_its_empty_rows(cells):
    """A null alone on its line is a row, not a blank line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.csv"
        write_file(path, [pl.DataFrame({"a": pl.Series(cells, dtype=pl.String)})], pl.Schema({"a": pl.String}))
        assert [(cell or "",) for cell in cells] == read_back(path, ["a"])


def test_times_and_numbers_are_written_in_a_form_that_machines_read(tmp_path):
    """ISO times, plain numbers, true and false."""
    frame = pl.DataFrame({"t": [dt.datetime(2020, 1, 2, 3, 4, 5)], "x": [0.1], "b": [True]})
    write_file(tmp_path / "o.csv", [frame], frame.schema)
    write_file(tmp_path / "o.jsonl", [frame], frame.schema)
    [row] = csv.DictReader((tmp_path / "o.csv").read_text().splitlines())
    assert dt.datetime(2020, 1, 2, 3, 4, 5) == dt.datetime.fromisoformat(row["t"])
    assert {key: value for key, value in json.loads((tmp_path / "o.jsonl").read_text()).items() if key != "t"} == {
        "x": 0.1,
        "b": True,
    }


class TestRefusals:
    def test_a_file_is_not_overwritten_unless_told(self, tmp_path):
        """The old file stays as it was until somebody says that it may go."""
        path = tmp_path / "out.csv"
        path.write_text("precious")
        with pytest.raises(Conflict, match="exists") as caught:
            write_file(path, frames(1), SCHEMA)
        assert str(path) == caught.value.where
        assert "--overwrite" in caught.value.way_out
        assert path.read_text() == "precious"
        assert write_file(path, frames(1), SCHEMA, overwrite=True) == 10
        assert [path] == list(tmp_path.iterdir())

    def test_a_file_that_appears_meanwhile_is_not_overwritten(self, tmp_path):
        """Somebody else's file, made while ours was being written, is kept."""
        path = tmp_path / "out.parquet"

        def slow():
            yield from frames(1)
            path.write_text("precious")

        with pytest.raises(Conflict):
            write_file(path, slow(), SCHEMA)
        assert ("precious", [path]) == (path.read_text(), list(tmp_path.iterdir()))

    @pytest.mark.parametrize("ending", FORMATS)
    @pytest.mark.parametrize("piece_bytes", [1, 1 << 30])
    def test_a_failing_source_leaves_nothing_behind(self, tmp_path, monkeypatch, ending, piece_bytes):
        """An error from the frames passes through; the old file is whole and no other remains."""
        monkeypatch.setattr(sink, "PIECE_BYTES", piece_bytes)
        path = tmp_path / f"out.{ending}"
        path.write_text("old")

        def broken():
            yield from frames(2)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write_file(path, broken(), SCHEMA, overwrite=True)
        assert ("old", [path]) == (path.read_text(), list(tmp_path.iterdir()))

    def test_a_frame_of_another_schema_is_refused(self, tmp_path):
        """What does not fit is not squeezed in."""
        with pytest.raises(BadSource, match="schema"):
            write_file(tmp_path / "out.csv", [pl.DataFrame({"id": ["x"]})], SCHEMA)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["out.xlsx", "out.csv.gz", "out.db", "missing/out.csv"])
    def test_what_cannot_be_written_is_refused_before_any_work(self, tmp_path, name):
        """No frame is asked for when the target cannot be written."""

        def never():
            raise AssertionError
            yield

        with pytest.raises(BadSource) as caught:
            write_file(tmp_path / name, never(), SCHEMA)
        assert caught.value.way_out


class TestFormulas:
    RISKY = ("=1+1", "+1", "-1", "@x", "\tx", "\rx")

    def test_cells_are_not_changed_by_default(self, tmp_path):
        """Files for machines hold the data as it is."""
        write_file(tmp_path / "o.csv", [pl.DataFrame({"a": self.RISKY})], pl.Schema({"a": pl.String}))
        assert [(cell,) for cell in self.RISKY] == read_back(tmp_path / "o.csv", ["a"])

    def test_defused_cells_and_names_cannot_start_a_formula(self, tmp_path):
        """Text and names that a spreadsheet would run get an apostrophe; numbers and harmless text stay."""
        frame = pl.DataFrame({"=cmd": [*self.RISKY, "a=1", None], "n": range(-1, 7)})
        write_file(tmp_path / "o.csv", [frame], frame.schema, defuse=True)
        rows = read_back(tmp_path / "o.csv", ["'=cmd", "n"])
        assert [*("'" + cell for cell in self.RISKY), "a=1", ""] == [text for text, _ in rows]
        assert [str(number) for number in range(-1, 7)] == [number for _, number in rows]


@pytest.mark.parametrize("ending", FORMATS)
def test_parts_are_joined_in_order(tmp_path, ending):
    """Parquet parts become one file of any format."""
    parts = [tmp_path / f"part{number}.parquet" for number in (2, 1)]
    for part, frame in zip(parts, frames(2), strict=True):
        frame.write_parquet(part)
    path = tmp_path / f"out.{ending}"
    concat_parts(parts, path)
    assert expected(path, [row for frame in frames(2) for row in frame.rows()]) == read_back(path, ["id", "author"])
    assert {path, *parts} == set(tmp_path.iterdir())


def test_no_parts_are_no_file(tmp_path):
    """Without a part there is no schema: the error says what to use."""
    with pytest.raises(BadSource) as caught:
        concat_parts([], tmp_path / "out.csv")
    assert "write_file" in caught.value.way_out
