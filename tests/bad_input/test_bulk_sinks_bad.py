"""Places that cannot be written: told before any work where that can be known, and by the folder where the disk is full."""

from __future__ import annotations

import random
import sqlite3

import polars as pl
import pytest

from labelmill.db.bulk import sink
from labelmill.db.bulk.database_sink import check_database_sink
from labelmill.db.bulk.location import parse_location
from labelmill.db.bulk.sink import check_target, concat_parts, save_file, save_parquet, write_file
from labelmill.db.bulk.spool import spool
from labelmill.errors import BadFile, BadSource, Conflict, LabelmillError, Unavailable
from small_disk import little_room

FORMATS = ["parquet", "csv", "tsv", "jsonl"]
ROOM = 100_000  # bytes that a file may have in these tests


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    """Make rows that no format packs into the room there is."""
    numbers = random.Random(1)
    return pl.DataFrame({"n": range(20_000), "text": [f"{numbers.getrandbits(128):x}" for _ in range(20_000)]})


class _Rows:
    rejects = ()
    rejected = 0

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def read(self, columns):
        yield self._frame.select(columns)


class TestFullDisk:
    def refused(self, folder, write) -> None:
        """Check the error, and that nothing new is left in the folder."""
        before = set(folder.iterdir())
        with little_room(ROOM), pytest.raises(Unavailable, match="no room") as caught:
            write()
        assert str(folder) in caught.value.message
        assert caught.value.way_out
        assert set(folder.iterdir()) == before

    @pytest.mark.parametrize("ending", FORMATS)
    @pytest.mark.parametrize("piece_bytes", [1, 1 << 30])
    def test_a_file_of_frames(self, tmp_path, frame, monkeypatch, ending, piece_bytes):
        monkeypatch.setattr(sink, "PIECE_BYTES", piece_bytes)
        self.refused(tmp_path, lambda: write_file(tmp_path / f"out.{ending}", frame.iter_slices(10_000), frame.schema))

    @pytest.mark.parametrize("ending", FORMATS)
    def test_joined_parts(self, tmp_path, frame, ending):
        frame.write_parquet(tmp_path / "part.parquet")
        self.refused(tmp_path, lambda: concat_parts([tmp_path / "part.parquet"], tmp_path / f"out.{ending}"))

    def test_one_frame(self, tmp_path, frame):
        self.refused(tmp_path, lambda: save_parquet(tmp_path / "out.parquet", frame))

    def test_a_small_file_that_is_too_large(self, tmp_path):
        self.refused(tmp_path, lambda: save_file(tmp_path / "list.json", b"x" * (ROOM + 1)))

    def test_a_spool(self, tmp_path, frame):
        (tmp_path / "spool").mkdir()
        self.refused(tmp_path / "spool", lambda: spool(_Rows(frame), ["n", "text"], tmp_path / "spool", 100_000))

    def test_a_spool_where_a_file_stands_in_the_way(self, tmp_path, frame):
        """A folder that cannot be made is an error of ours too."""
        (tmp_path / "file").touch()
        with pytest.raises(LabelmillError, match="cannot be written") as caught:
            spool(_Rows(frame), ["n", "text"], tmp_path / "file" / "spool", 100_000)
        assert str(tmp_path / "file") in caught.value.where


class TestCheckTarget:
    @pytest.mark.parametrize("ending", FORMATS)
    def test_a_new_file_in_a_folder_that_is_there_is_fine(self, tmp_path, ending):
        """Asking makes nothing."""
        check_target(tmp_path / f"out.{ending}", overwrite=False)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "name", ["out.csv.gz", "out.jsonl.gz", "out.xlsx", "out", "out.db", "missing/out.csv", "folder.csv"]
    )
    @pytest.mark.parametrize("overwrite", [False, True])
    def test_what_cannot_be_written_is_refused_with_a_way_out(self, tmp_path, name, overwrite):
        (tmp_path / "folder.csv").mkdir()
        with pytest.raises(BadSource) as caught:
            check_target(tmp_path / name, overwrite=overwrite)
        assert caught.value.way_out
        assert caught.value.where

    def test_a_file_that_is_there_may_be_overwritten_if_said_so(self, tmp_path):
        (tmp_path / "out.csv").write_text("precious")
        check_target(tmp_path / "out.csv", overwrite=True)
        with pytest.raises(Conflict, match="exists already"):
            check_target(tmp_path / "out.csv", overwrite=False)
        assert (tmp_path / "out.csv").read_text() == "precious"


class TestCheckDatabaseSink:
    def test_a_new_file_an_empty_one_and_a_database_are_fine(self, tmp_path):
        """Asking makes nothing and changes nothing."""
        (tmp_path / "empty.db").touch()
        connection = sqlite3.connect(tmp_path / "full.db")
        connection.execute("CREATE TABLE posts (id INTEGER)")
        connection.close()
        content = (tmp_path / "full.db").read_bytes()
        for name in ("new.db", "empty.db", "full.db"):
            check_database_sink(parse_location(str(tmp_path / name)))
            check_database_sink(parse_location(f"sqlite:///{tmp_path / name}::posts"))
        assert {path.name for path in tmp_path.iterdir()} == {"empty.db", "full.db"}
        assert (tmp_path / "full.db").read_bytes() == content

    @pytest.mark.parametrize("url", ["postgresql://ann@127.0.0.1:1/shop", "mariadb://ann@127.0.0.1:1/shop"])
    def test_servers_are_not_asked(self, url):
        """Nobody listens there, and that is found out when the engine connects."""
        check_database_sink(parse_location(url))

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(BadSource, match="The folder does not exist") as caught:
            check_database_sink(parse_location(str(tmp_path / "missing" / "out.db")))
        assert caught.value.where == str(tmp_path / "missing")
        assert caught.value.way_out
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_is_refused(self, tmp_path):
        (tmp_path / "folder.db").mkdir()
        with pytest.raises(BadSource, match="a folder") as caught:
            check_database_sink(parse_location(str(tmp_path / "folder.db")))
        assert caught.value.way_out

    @pytest.mark.parametrize("content", [b"id,author\n1,x\n", b"S", b"SQLite format 3", b"SQLite format 4\0", b"\0" * 4096])
    def test_a_file_that_is_no_database_is_refused_and_kept(self, tmp_path, content):
        path = tmp_path / "posts.db"
        path.write_bytes(content)
        with pytest.raises(BadFile, match="not a SQLite database") as caught:
            check_database_sink(parse_location(str(path)))
        assert caught.value.where == str(path)
        assert caught.value.way_out
        assert path.read_bytes() == content

    def test_a_file_that_may_not_be_read_is_an_error_of_ours(self, tmp_path, monkeypatch):
        """A link that leads to itself is neither a file nor missing for those who open it."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "loop.db").symlink_to("loop.db")
        with pytest.raises(LabelmillError) as caught:
            check_database_sink(parse_location("loop.db"))
        assert caught.value.way_out

    def test_memory_is_no_place_to_keep_results(self):
        with pytest.raises(BadSource, match="no file") as caught:
            check_database_sink(parse_location("sqlite://"))
        assert caught.value.way_out
