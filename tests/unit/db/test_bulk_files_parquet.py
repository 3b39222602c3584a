"""Parquet is read in slices that hold every row once, in bounded memory, with its own types."""

from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys

import polars as pl
import pytest

from labelmill.db.bulk import parquet
from labelmill.db.bulk.files import open_file
from labelmill.db.bulk.location import parse_location
from labelmill.db.bulk.model import Kind
from labelmill.db.bulk.parquet_footer import read_footer
from labelmill.errors import BadSource

ROWS = 10_000


def open_frame(folder, frame: pl.DataFrame, **options):
    frame.write_parquet(folder / "x.parquet", **options)
    return open_file(parse_location(str(folder / "x.parquet")))


@pytest.fixture
def posts() -> pl.DataFrame:
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    return pl.DataFrame(
        {
            "id": range(ROWS),
            "author": [f"王{number % 77}" for number in range(ROWS)],
            "post_time": pl.datetime_range(start, start + dt.timedelta(minutes=ROWS - 1), "1m", eager=True),
        }
    )


class TestParts:
    @pytest.mark.parametrize("group", [100, 999, ROWS])
    @pytest.mark.parametrize("rows", [700, 2_500, ROWS, 3 * ROWS])
    def test_the_parts_together_hold_every_row_once(self, tmp_path, posts, group, rows):
        """Whatever the row groups and the size of the parts, reading part by part equals the table."""
        source = open_frame(tmp_path, posts, row_group_size=group)
        parts = source.plan(rows)
        frames = [frame for part in parts for frame in source.read(posts.columns, part, batch_rows=600)]
        assert posts.equals(pl.concat(frames))
        assert max(frame.height for frame in frames) <= 600
        assert [part.rows for part in parts] == [part.bounds["rows"] for part in parts]

    def test_a_group_of_very_many_parts_is_not_split(self, tmp_path, posts):
        """Where each slice would skip too much of its row group, the source says that it must be spooled, and is still readable."""
        source = open_frame(tmp_path, posts, row_group_size=ROWS)
        assert source.plan(ROWS // 20) is None
        assert posts.equals(pl.concat(source.read(posts.columns)))

    def test_no_rows_make_no_parts(self, tmp_path, posts):
        """An empty table has a schema, no parts and no frames."""
        source = open_frame(tmp_path, posts.clear())
        assert (source.plan(10), list(source.read(["id"]))) == ((), [])
        assert source.table.rows == 0

    def test_a_part_of_a_file_that_shrank_is_refused(self, tmp_path, posts):
        """A plan made for a longer file is not silently cut."""
        part = open_frame(tmp_path, posts).plan(4_000)[-1]
        with pytest.raises(BadSource, match="rows now") as caught:
            list(open_frame(tmp_path, posts.head(9_000)).read(["id"], part))
        assert "plan it again" in caught.value.way_out

    def test_wide_rows_are_decoded_a_few_at_a_time(self, tmp_path, monkeypatch):
        """The rows decoded at once follow from the size of the columns asked for."""
        monkeypatch.setattr(parquet, "SLICE_BYTES", 100_000)
        source = open_frame(tmp_path, pl.DataFrame({"id": range(1000), "text": [f"{number:01000d}" for number in range(1000)]}))
        assert max(frame.height for frame in source.read(["text"])) < 200
        assert [frame.height for frame in source.read(["id"])] == [1000]


class TestTypes:
    @pytest.mark.parametrize(
        ("values", "dtype", "kind", "found"),
        [
            (["007", None], pl.String, Kind.TEXT, ["007", None]),
            ([1, None], pl.Int8, Kind.INTEGER, [1, None]),
            ([2**64 - 1], pl.UInt64, Kind.INTEGER, [2**64 - 1]),
            ([1.5], pl.Float32, Kind.REAL, [1.5]),
            ([True, None], pl.Boolean, Kind.BOOLEAN, [True, None]),
            ([b"\xff"], pl.Binary, Kind.BYTES, [b"\xff"]),
            ([dt.date(2020, 2, 29)], pl.Date, Kind.DATETIME, [dt.date(2020, 2, 29)]),
            ([dt.datetime(2020, 1, 1)], pl.Datetime("ns"), Kind.DATETIME, [dt.datetime(2020, 1, 1)]),
            (["a", None], pl.Categorical, Kind.TEXT, ["a", None]),
            ([decimal.Decimal("1.10")], pl.Decimal(10, 2), Kind.OTHER, ["1.10"]),
            ([dt.time(1, 2)], pl.Time, Kind.OTHER, ["01:02:00"]),
            ([dt.timedelta(days=1)], pl.Duration, Kind.OTHER, ["P1D"]),
            ([None], pl.Null, Kind.OTHER, [None]),
            ([[1, 2], None, []], pl.List(pl.Int64), Kind.OTHER, ["[1,2]", None, "[]"]),
            ([{"a": 'q"}', "b": None}], pl.Struct({"a": pl.String, "b": pl.Int8}), Kind.OTHER, ['{"a":"q\\"}","b":null}']),
        ],
    )
    def test_plain_values_keep_their_type_and_others_become_text(self, tmp_path, values, dtype, kind, found):
        """What labelmill has a kind for stays as it is; nested values come as JSON, the rest as text."""
        source = open_frame(tmp_path, pl.DataFrame({"a": pl.Series(values, dtype=dtype)}))
        assert (kind, found) == (source.table.column("a").kind, pl.concat(source.read(["a"]))["a"].to_list())

    def test_bytes_inside_nested_values_are_refused_by_name(self, tmp_path):
        """The one type that cannot be written as JSON names its column; the other columns can be read."""
        source = open_frame(tmp_path, pl.DataFrame({"a": [[b"x"]], "b": [1]}))
        assert pl.concat(source.read(["b"]))["b"].to_list() == [1]
        with pytest.raises(BadSource, match="'a'") as caught:
            list(source.read(["a"]))
        assert "Leave the column out" in caught.value.way_out

    def test_the_order_of_columns_is_that_of_the_request(self, tmp_path, posts):
        """Frames hold exactly the columns, as asked."""
        assert next(open_frame(tmp_path, posts).read(["author", "id"])).columns == ["author", "id"]


class TestFooter:
    @pytest.mark.parametrize("writer", ["polars", "pyarrow"])
    @pytest.mark.parametrize("compression", ["zstd", "snappy", "uncompressed"])
    def test_it_agrees_with_what_pyarrow_reads(self, tmp_path, posts, writer, compression):
        """Rows, groups, sizes and places are those that another reader finds."""
        pq = pytest.importorskip("pyarrow.parquet")
        path = tmp_path / "x.parquet"
        if writer == "polars":
            posts.write_parquet(path, row_group_size=3_000, compression=compression)
        else:
            pq.write_table(
                posts.to_arrow(), path, row_group_size=3_000, compression={"uncompressed": "none"}.get(compression, compression)
            )
        known, footer = pq.read_metadata(path), read_footer(path)
        assert known.num_rows == footer.rows
        for number, group in enumerate(footer.groups):
            expected = known.row_group(number)
            columns = [expected.column(place) for place in range(expected.num_columns)]
            assert expected.num_rows == group.rows
            assert [
                (column.path_in_schema, column.total_compressed_size, column.total_uncompressed_size) for column in columns
            ] == [(chunk.name, chunk.packed, chunk.unpacked) for chunk in group.chunks]  # fmt: skip


MEASURE = """
import sys, resource
import polars as pl
from labelmill.db.bulk.files import open_file
from labelmill.db.bulk.location import parse_location
pl.DataFrame({"a": ["1"]}).lazy().select(pl.len()).collect()
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = open_file(parse_location(sys.argv[1]))
names = [column.name for column in source.table.columns]
rows = sum(frame.height for part in source.plan(250_000) for frame in source.read(names, part))
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) // 1024)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is asked of the operating system by the resource module")
def test_a_large_row_group_is_read_in_bounded_memory(tmp_path):
    """2.4 million rows in one row group take less than 200 MB above idle when read in parts of 250,000."""
    rows = 2_400_000
    number = pl.int_range(rows, eager=True)
    frame = pl.DataFrame(
        {
            "id": (number + 1_577_818_324_915).cast(pl.String),
            "author": (number * 7919 % 300_007).cast(pl.String) + "王",
            "n": number,
        }
    )
    frame.write_parquet(tmp_path / "x.parquet", row_group_size=rows)
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "x.parquet")], capture_output=True, text=True, check=True
    )
    found, megabytes = map(int, answer.stdout.split())
    assert rows == found
    assert megabytes < 200
