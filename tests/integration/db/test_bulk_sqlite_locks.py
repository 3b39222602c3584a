"""A look at a SQLite file keeps the locks that this process holds on it: POSIX drops them all when any descriptor of the file is closed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from labelmill.db.bulk.database_sink import check_database_sink
from labelmill.db.bulk.location import parse_location
from labelmill.db.bulk.open import open_source
from labelmill.errors import BadFile
from labelmill.labeltasks.state_table import StateTable

OTHER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    connection.execute("BEGIN EXCLUSIVE")
except sqlite3.OperationalError as error:
    sys.exit(str(error))
"""


def look_at_sink(path: Path) -> None:
    check_database_sink(parse_location(f"sqlite:///{path}"))


def look_at_source(path: Path) -> None:
    with open_source(parse_location(f"{path}::posts")):
        pass


def look_at_state(path: Path) -> None:
    with StateTable(parse_location(f"sqlite:///{path}"), "state"):
        pass


@pytest.mark.parametrize("look", [look_at_sink, look_at_source, look_at_state])
def test_who_looks_at_a_file_keeps_the_locks_of_who_writes_it(tmp_path: Path, look: Callable[[Path], None]) -> None:
    """Another process that came in between would write at the same time, and the file would be malformed."""
    path = tmp_path / "out.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE posts (id TEXT PRIMARY KEY)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO posts VALUES ('mine')")
        look(path)
        other = subprocess.run([sys.executable, "-c", OTHER, str(path)], capture_output=True, text=True, check=False)
        assert (other.returncode, other.stderr.strip()) == (1, "database is locked")
        writer.execute("COMMIT")


def test_a_look_leaves_a_database_in_use_as_it_is(tmp_path: Path) -> None:
    """With a write-ahead log and without, while somebody writes: nothing is made beside it, and what is no database is told."""
    for mode in ("wal", "delete"):
        path = tmp_path / f"{mode}.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute(f"PRAGMA journal_mode={mode}")
            writer.execute("CREATE TABLE posts (id TEXT PRIMARY KEY)")
            writer.execute("BEGIN IMMEDIATE")
            before = sorted(file.name for file in tmp_path.iterdir())
            look_at_sink(path)
            assert sorted(file.name for file in tmp_path.iterdir()) == before
    look_at_sink(tmp_path / "wal.db")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["delete.db", "wal.db"]
    for content in (b"mine", b"SQLite format 2\0" + bytes(5000), b"id,author\n" * 900):
        (tmp_path / "other.db").write_bytes(content)
        with pytest.raises(BadFile, match="not a SQLite database"):
            look_at_sink(tmp_path / "other.db")
        assert (tmp_path / "other.db").read_bytes() == content
    (tmp_path / "other.db").write_bytes(b"")
    look_at_sink(tmp_path / "other.db")
