"""A SQLite file whose writer was killed in the middle of a transaction is read as it was before it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from labelmill.db.bulk.location import at_url
from labelmill.db.bulk.sql import open_table

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(f"PRAGMA journal_mode = {sys.argv[2]}")
connection.execute("CREATE TABLE posts (id INTEGER PRIMARY KEY, text TEXT)")
connection.execute("INSERT INTO posts VALUES (1, 'kept')")
connection.execute("PRAGMA cache_size = 2")
connection.execute("BEGIN IMMEDIATE")
# More than the cache holds: pages go into the file, and what they were into the journal.
connection.executemany("INSERT INTO posts VALUES (?, ?)", [(number, "x" * 2000) for number in range(2, 500)])
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_p05_a_file_that_a_killed_writer_left_is_read_as_it_was(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "posts.db"
    ended = subprocess.run([sys.executable, "-c", WRITER, str(path), journal], check=False, timeout=60)
    assert ended.returncode == -9
    assert path.with_name("posts.db-journal" if journal == "DELETE" else "posts.db-wal").exists()
    with open_table(at_url(make_url(f"sqlite:///{path}"), table="posts")) as source:
        rows = [row for frame in source.read(["id", "text"]) for row in frame.rows()]
    assert [text for _, text in rows] == ["kept"]
