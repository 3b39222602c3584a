"""A spool holds each row of its source once, in pieces that can be read again, and what the source refused."""

from __future__ import annotations

import polars as pl
import pytest

from labelmill.db.bulk import spool as spool_module
from labelmill.db.bulk.files import open_file
from labelmill.db.bulk.location import parse_location
from labelmill.db.bulk.spool import open_spool, spool
from labelmill.errors import BadFile, BadSource

COLUMNS = ["text", "id"]


@pytest.fixture
def source(tmp_path):
    lines = [f"{number:04d},text {number},x" for number in range(1000)]
    lines.insert(500, "broken,row")
    (tmp_path / "posts.csv").write_text("\n".join(["id,text,other", *lines]))
    return open_file(parse_location(str(tmp_path / "posts.csv")))


@pytest.fixture
def everything(source):
    return pl.concat(list(source.read(COLUMNS)))


@pytest.mark.parametrize(("rows", "pieces"), [(300, 4), (1000, 1), (1, 1000), (5000, 1)])
def test_pieces_hold_every_row_once(tmp_path, source, everything, rows, pieces):
    """The parts, read in order, are the source; each is of the size that was asked for."""
    parts = spool(source, COLUMNS, tmp_path / "spool", rows)
    spooled = open_spool(tmp_path / "spool", source.table)
    assert (pieces, 1000) == (len(parts), sum(part.rows for part in parts))
    assert everything.equals(pl.concat(frame for part in parts for frame in spooled.read(COLUMNS, part)))
    assert everything.equals(pl.concat(spooled.read(COLUMNS)))
    assert parts == spooled.plan(7)


def test_a_part_reads_the_same_rows_again_and_again(tmp_path, source):
    """Parts can be read in any order, any number of times, a few columns at a time."""
    parts = spool(source, COLUMNS, tmp_path / "spool", 300)
    spooled = open_spool(tmp_path / "spool", source.table)
    for _ in range(2):
        frames = list(spooled.read(["id"], parts[2], batch_rows=100))
        assert [f"{number:04d}" for number in range(600, 900)] == pl.concat(frames)["id"].to_list()
        assert [frame.height for frame in frames] == [100, 100, 100]


def test_refused_rows_are_kept(tmp_path, source):
    """What the source refused is known to whoever reads the spool."""
    spool(source, COLUMNS, tmp_path / "spool", 300)
    spooled = open_spool(tmp_path / "spool", source.table)
    assert (spooled.rejected, spooled.rejects[0].place, spooled.rejects[0].text) == (1, 502, "broken,row")
    assert list(source.rejects) == list(spooled.rejects)


def test_all_refused_rows_are_counted_where_not_all_are_kept(tmp_path):
    """The count is full also when only the first thousands are kept."""
    (tmp_path / "x.csv").write_text("a,b\n" + "broken\n" * 6000 + "1,2\n")
    source = open_file(parse_location(str(tmp_path / "x.csv")))
    spool(source, ["a"], tmp_path / "spool", 300)
    spooled = open_spool(tmp_path / "spool", source.table)
    assert (spooled.rejected, len(spooled.rejects)) == (6000, 5000)


def test_large_rows_end_a_piece_early(tmp_path, source, everything, monkeypatch):
    """A piece never grows beyond what fits in memory, and no row is lost by it."""
    monkeypatch.setattr(spool_module, "PIECE_BYTES", 1_000)
    spooled_parts = spool_module.spool(_Batches(everything, 100), COLUMNS, tmp_path / "spool", 10_000)
    assert len(spooled_parts) == 10
    assert everything.equals(pl.concat(open_spool(tmp_path / "spool", source.table).read(COLUMNS)))


def test_the_table_is_that_of_the_source(tmp_path, source):
    """Name and kinds are kept; columns that were not spooled are gone; the rows are counted."""
    spool(source, COLUMNS, tmp_path / "spool", 300)
    table = open_spool(tmp_path / "spool", source.table).table
    assert ("posts", {"id", "text"}, 1000) == (table.name, {column.name for column in table.columns}, table.rows)
    with pytest.raises(BadSource):
        list(open_spool(tmp_path / "spool", source.table).read(["other"]))


def test_a_finished_spool_is_not_written_again(tmp_path, source):
    """A step that runs again finds the parts of the first time, even when the source has gone."""
    parts = spool(source, COLUMNS, tmp_path / "spool", 300)
    (tmp_path / "posts.csv").unlink()
    assert parts == spool(source, COLUMNS, tmp_path / "spool", 300)


@pytest.mark.parametrize("killed_after", [0, 1, 2, 3])
def test_an_interrupted_spool_starts_anew(tmp_path, source, everything, killed_after):
    """Wherever it stopped, the folder is no spool yet, and the next try makes it one."""
    with pytest.raises(KeyboardInterrupt):
        spool(_Batches(everything, 250, stop_after=killed_after), COLUMNS, tmp_path / "spool", 250)
    with pytest.raises(BadSource, match="not complete"):
        open_spool(tmp_path / "spool", source.table)
    spool(source, COLUMNS, tmp_path / "spool", 300)
    assert everything.equals(pl.concat(open_spool(tmp_path / "spool", source.table).read(COLUMNS)))


def test_a_spool_of_other_columns_is_refused(tmp_path, source):
    """A folder is not quietly used for something else."""
    spool(source, COLUMNS, tmp_path / "spool", 300)
    with pytest.raises(BadSource, match="other columns") as caught:
        spool(source, ["id"], tmp_path / "spool", 300)
    assert "new folder" in caught.value.way_out


@pytest.mark.parametrize("damage", [b"", b"PAR1 no", None])
def test_a_damaged_piece_is_named(tmp_path, source, damage):
    """A piece that was cut, overwritten or deleted is refused by its name, never skipped."""
    parts = spool(source, COLUMNS, tmp_path / "spool", 300)
    piece = tmp_path / "spool" / "piece-000001.parquet"
    piece.unlink()
    if damage is not None:
        piece.write_bytes(damage)
    with pytest.raises((BadFile, BadSource)) as caught:
        list(open_spool(tmp_path / "spool", source.table).read(["id"], parts[1]))
    assert str(piece) == caught.value.where


def test_an_empty_source_is_a_spool_without_parts(tmp_path):
    """No rows are no parts, and no error."""
    (tmp_path / "x.csv").write_text("a\n")
    source = open_file(parse_location(str(tmp_path / "x.csv")))
    assert spool(source, ["a"], tmp_path / "spool", 300) == ()
    assert list(open_spool(tmp_path / "spool", source.table).read(["a"])) == []


class _Batches:
    """A source of one frame in batches, which may be interrupted."""

    rejects = ()
    rejected = 0

    def __init__(self, frame: pl.DataFrame, rows: int, stop_after: int | None = None) -> None:
        self._frames = list(frame.iter_slices(rows))
        self._stop_after = stop_after

    def read(self, columns):
        for number, frame in enumerate(self._frames):
            if number == self._stop_after:
                raise KeyboardInterrupt
            yield pl.DataFrame(frame.select(columns).to_dict(as_series=False))
