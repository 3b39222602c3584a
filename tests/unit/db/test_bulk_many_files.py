"""Several files are one source: every row once, in the order of the files, whatever their kinds."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from labelmill.db.bulk import many_files
from labelmill.db.bulk.location import parse_location
from labelmill.db.bulk.many_files import ManyFiles
from labelmill.db.bulk.model import Kind, Part
from labelmill.db.bulk.open import open_source
from labelmill.db.bulk.spool import open_spool, spool
from labelmill.errors import BadInput, BadSource

MONTHS = ["2020-01", "2020-02", "2020-10"]


def write(path: Path, frame: pl.DataFrame) -> None:
    """Write without the code that is tested here."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".parquet":
            frame.write_parquet(path, row_group_size=100)
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dicts()))
        case ".gz":
            path.write_bytes(gzip.compress(frame.write_csv().encode()))
        case _:
            frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")


def posts(month: str, rows: int = 250) -> pl.DataFrame:
    return pl.DataFrame({"id": [f"{month}#{row}" for row in range(rows)], "author": [f"王{row}, “x”" for row in range(rows)]})


def opened(folder: Path, pattern: str) -> ManyFiles:
    source = open_source(parse_location(str(folder / pattern)))
    assert isinstance(source, ManyFiles)
    return source


def ids(frames) -> list[str]:
    return [value for frame in frames for value in frame["id"]]


@pytest.fixture
def everything() -> list[str]:
    return [value for month in MONTHS for value in posts(month)["id"]]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "jsonl", "parquet"])
def test_all_rows_come_in_the_order_of_the_files(tmp_path, everything, ending):
    """Read as one stream, of any format, below folders with blanks and accents too."""
    for month in MONTHS:
        write(tmp_path / "é x" / f"posts {month}.{ending}", posts(month))
    source = opened(tmp_path, f"**/posts*.{ending}")
    assert source.files == tuple(f"é x/posts {month}.{ending}" for month in MONTHS)
    frames = list(source.read(["author", "id"], batch_rows=64))
    assert ids(frames) == everything
    assert all(frame.columns == ["author", "id"] and frame.height <= 64 for frame in frames)
    assert [column.name for column in source.table.columns] == ["id", "author"]
    assert source.table.name == "posts"
    assert source.table.rows == (750 if ending in ("jsonl", "parquet") else None)


def test_an_open_ending_means_what_is_found(tmp_path, everything):
    """Packed and plain text of one format go together, and the format is known once the files are."""
    for month, ending in zip(MONTHS, ["csv", "csv.gz", "csv"], strict=True):
        write(tmp_path / f"{month}.{ending}", posts(month))
    for source in (opened(tmp_path, "2020*"), opened(tmp_path, "")):
        assert ids(source.read(["id"])) == everything
        assert source.location.format == "csv"


class TestParts:
    @pytest.fixture
    def source(self, tmp_path) -> ManyFiles:
        for month in MONTHS:
            write(tmp_path / f"{month}.parquet", posts(month))
        write(tmp_path / "2020-05.parquet", posts("none", 0))
        return opened(tmp_path, "2020-*.parquet")

    @pytest.mark.parametrize("rows", [70, 250, 1_000])
    def test_the_parts_hold_every_row_once_and_in_order(self, source, everything, rows):
        """They are those of each file, one file after another, and say how many rows they have."""
        parts = source.plan(rows)
        assert ids(frame for part in parts for frame in source.read(["id"], part)) == everything
        assert [part.rows for part in parts] == [sum(map(len, source.read(["id"], part))) for part in parts]
        assert len({part.name for part in parts}) == len(parts)
        files = [own["file"] for part in parts for own in part.bounds["of"]]
        assert files == sorted(files)
        assert max(part.rows for part in parts) <= rows

    def test_parts_are_read_by_who_has_only_their_json(self, tmp_path, source, everything):
        """A step runs elsewhere: the part is stored, and nothing but its own file is opened."""
        stored = [json.loads(json.dumps(vars(part))) for part in source.plan(100)]
        (tmp_path / "2020-10.parquet").write_bytes(b"not a Parquet file any more")
        elsewhere = opened(tmp_path, "2020-*.parquet")
        first = [Part(**part) for part in stored[:3]]
        assert ids(frame for part in first for frame in elsewhere.read(["id"], part)) == everything[:250]

    def test_small_files_share_a_part(self, source, everything, monkeypatch):
        """So that a thousand small files are not a thousand steps; a part is never larger than was asked for."""
        assert [part.rows for part in source.plan(500)] == [500, 250]
        assert [part.rows for part in source.plan(600)] == [500, 250]
        assert [part.rows for part in source.plan(200)] == [200, 50, 200, 50, 200, 50]
        assert [part.rows for part in source.plan(160)] == [160, 90, 160, 90, 160, 90]
        assert [part.rows for part in source.plan(750)] == [750]
        assert ids(source.read(["id"], source.plan(750)[0])) == everything
        monkeypatch.setattr(many_files, "MOST_JOINED", 2)
        assert [part.rows for part in source.plan(1_000)] == [500, 250]

    def test_files_are_those_of_the_plan(self, tmp_path, source, everything):
        """One that comes later is not read, one that went away is an error that names it."""
        parts = source.plan(250)
        write(tmp_path / "2020-00.parquet", posts("late"))
        (tmp_path / "2020-10.parquet").unlink()
        again = opened(tmp_path, "2020-*.parquet")
        assert ids(frame for part in parts[:2] for frame in again.read(["id"], part)) == everything[:500]
        with pytest.raises(BadSource, match="gone now") as caught:
            list(again.read(["id"], parts[2]))
        assert caught.value.where == str(tmp_path / "2020-10.parquet")

    def test_a_file_that_changed_is_refused(self, tmp_path, source):
        """As that file itself would refuse the part: by its rows and its columns."""
        part = source.plan(1_000)[0]
        write(tmp_path / "2020-01.parquet", posts("2020-01", 9))
        with pytest.raises(BadSource, match="9 rows now") as caught:
            list(source.read(["id"], part))
        assert caught.value.where == str(tmp_path / "2020-01.parquet")
        write(tmp_path / "2020-01.parquet", posts("2020-01").rename({"id": "nr"}))
        with pytest.raises(BadSource, match=r"2020-01\.parquet has no column 'id'"):
            list(source.read(["id"], part))

    def test_a_part_of_something_else_is_refused(self, source):
        """A plan that was made for a single file names none."""
        with pytest.raises(BadSource, match="planned for one file"):
            list(source.read(["id"], Part(name="rows-0", bounds={"offset": 0, "rows": 1}, rows=1)))

    def test_one_file_that_cannot_be_split_has_all_spooled(self, tmp_path, source, everything):
        """Text has no parts, nor has a huge row group; the spool then holds all rows in order."""
        assert source.plan(100) is not None
        posts("2020-03", 2_000).write_parquet(tmp_path / "2020-03.parquet", row_group_size=2_000)
        source = opened(tmp_path, "2020-*.parquet")
        assert source.plan(100) is None
        parts = spool(source, ["id"], tmp_path / "spool", 300)
        spooled = open_spool(tmp_path / "spool", source.table)
        found = ids(frame for part in parts for frame in spooled.read(["id"], part))
        assert found == [*everything[:500], *posts("2020-03", 2_000)["id"], *everything[500:]]


MOMENT = dt.datetime(2020, 2, 3, 4, 5, 6)
TAIPEI = pl.Series([MOMENT]).dt.replace_time_zone("Asia/Taipei")


class TestKinds:
    @pytest.mark.parametrize(
        ("first", "second", "kind", "found"),
        [
            (pl.Series([7]), pl.Series(["007"]), Kind.TEXT, ["7", "007"]),
            (pl.Series([7]), pl.Series([8]), Kind.INTEGER, [7, 8]),
            (pl.Series([7], dtype=pl.Int8), pl.Series([2**64 - 1], dtype=pl.UInt64), Kind.TEXT, ["7", str(2**64 - 1)]),
            (pl.Series([1]), pl.Series([1.5]), Kind.TEXT, ["1", "1.5"]),
            (pl.Series(["a"]), pl.Series(["a"], dtype=pl.Categorical), Kind.TEXT, ["a", "a"]),
            (pl.Series(["é"]), pl.Series([b"\xff"]), Kind.BYTES, ["é".encode(), b"\xff"]),
            (pl.Series([1]), pl.Series([b"\xff"]), Kind.BYTES, [b"1", b"\xff"]),
            (pl.Series([True]), pl.Series([None], dtype=pl.String), Kind.TEXT, ["true", None]),
            (pl.Series([MOMENT]), pl.Series(["2020"]), Kind.TEXT, ["2020-02-03 04:05:06.000000", "2020"]),
            (TAIPEI, pl.Series(["2020"]), Kind.TEXT, ["2020-02-02 20:05:06.000000+00:00", "2020"]),
            (pl.Series([MOMENT.date()]), pl.Series([MOMENT]), Kind.TEXT, ["2020-02-03", "2020-02-03 04:05:06.000000"]),
        ],
    )
    def test_kinds_that_differ_come_as_text(self, tmp_path, first, second, kind, found):
        """Read as one stream, all frames have one type; where all files agree it is their own."""
        write(tmp_path / "1.parquet", first.alias("x").to_frame())
        write(tmp_path / "2.parquet", second.alias("x").to_frame())
        source = opened(tmp_path, "?.parquet")
        assert source.table.column("x").kind is kind
        assert pl.concat(source.read(["x"]))["x"].to_list() == found

    def test_the_parts_have_the_types_of_their_files(self, tmp_path):
        """So a step needs to open one file only."""
        write(tmp_path / "1.parquet", pl.DataFrame({"x": [7]}))
        write(tmp_path / "2.parquet", pl.DataFrame({"x": ["007"]}))
        source = opened(tmp_path, "?.parquet")
        frames = [frame for part in source.plan(10) for frame in source.read(["x"], part)]
        assert [frame["x"].to_list() for frame in frames] == [[7], ["007"]]
        assert source.table.column("x").declared == "Int64 or String"

    def test_columns_may_have_another_order(self, tmp_path):
        """They are found by name."""
        write(tmp_path / "1.csv", posts("1", 2))
        write(tmp_path / "2.csv", posts("2", 2).select("author", "id"))
        assert ids(opened(tmp_path, "*.csv").read(["id"])) == ["1#0", "1#1", "2#0", "2#1"]

    def test_files_of_json_may_leave_keys_out_as_its_lines_may(self, tmp_path):
        """What is not there is null, in every file's rows; a file without any of the columns still gives its rows."""
        lines = {
            "1": {"id": 1, "author": "Tom"},
            "2": {"id": 2},
            "3": {"id": "x", "other": True, "author": None},
            "4": {"y": 1},
        }
        for name, line in lines.items():
            (tmp_path / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
        source = opened(tmp_path, "*.jsonl")
        assert [column.name for column in source.table.columns] == ["id", "author", "other", "y"]
        frame = pl.concat(source.read(["author", "id", "other", "y"]))
        assert frame.rows() == [
            ("Tom", "1", None, None),
            (None, "2", None, None),
            (None, "x", "true", None),
            (None, None, None, "1"),
        ]
        assert source.table.column("id").kind is Kind.TEXT

    def test_kinds_of_json_are_kept_where_files_agree(self, tmp_path):
        """How JSON spells them is not what counts."""
        for name, line in {"1": {"id": 1, "x": [1]}, "2": {"id": 2, "x": {"a": 2}}}.items():
            (tmp_path / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
        assert pl.concat(opened(tmp_path, "*.jsonl").read(["id", "x"])).rows() == [(1, "[1]"), (2, '{"a":2}')]


class TestRejects:
    def test_a_refused_row_names_its_file(self, tmp_path):
        """Its place is the line in that file."""
        (tmp_path / "1.csv").write_text("id,author\n1,Tom\n2\n")
        (tmp_path / "2.csv").write_text("id,author\n3,Amy\n4,Ann\n5,x,y\n")
        source = opened(tmp_path, "*.csv")
        assert ids(source.read(["id"])) == ["1", "3", "4"]
        assert [(each.place, each.reason.partition(":")[0], each.text) for each in source.rejects] == [
            (3, "1.csv", "2"),
            (4, "2.csv", "5,x,y"),
        ]
        assert source.rejected == 2
        assert ids(source.read(["id"])) == ["1", "3", "4"]
        assert source.rejected == 2

    def test_all_are_counted_and_some_are_kept(self, tmp_path, monkeypatch):
        """The limit is that of one source, however many files it has."""
        monkeypatch.setattr("labelmill.db.bulk.file_source.KEPT_REJECTS", 3)
        for name in "12":
            (tmp_path / f"{name}.csv").write_text("id,author\n1,Tom\n" + "2\n" * 5)
        source = opened(tmp_path, "*.csv")
        list(source.read(["id"]))
        assert (source.rejected, len(source.rejects)) == (10, 3)


def test_options_are_those_of_every_file(tmp_path):
    """And are refused where they mean nothing."""
    from labelmill.db.bulk.files import FileOptions

    for name in "12":
        (tmp_path / f"{name}.csv").write_bytes("id|author\n1|é\n".encode("latin-1"))
    location = parse_location(str(tmp_path / "*.csv"))
    with open_source(location, options=FileOptions(encoding="latin-1", separator="|")) as source:
        assert pl.concat(source.read(["author"]))["author"].to_list() == ["é", "é"]
    write(tmp_path / "1.jsonl", posts("1", 1))
    with pytest.raises(BadInput, match="mean nothing"):
        _ = open_source(parse_location(str(tmp_path / "*.jsonl")), options=FileOptions(separator="|")).table
