"""SQLite's texts read in blocks: the same frames as row by row, whatever the values are."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelmill.db.bulk import sqlite_blocks
from labelmill.db.bulk.location import parse_location
from labelmill.db.bulk.open import open_source
from labelmill.db.bulk.sqlite import SqliteSource
from labelmill.db.bulk.sqlite_blocks import FIRST_KEY, LAST_KEY, SEPARATOR, Blocks
from labelmill.errors import LabelmillError

TEXT = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.sampled_from(["", SEPARATOR, "\x1e", f"a{SEPARATOR}", "1.5", "Inf", "1e5", "\0", "a\0b", "🌸", "007", "\r\n"]),
    st.binary(max_size=4),
)
NUMBER = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.sampled_from(["2020-01-01", "1.50", ""])
)


def write(path: Path, rows: list[tuple[Any, ...]], keys: list[int] | None = None) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE posts (key INTEGER PRIMARY KEY, author TEXT, post_time DATETIME)")
        keyed = zip(keys or range(1, len(rows) + 1), rows, strict=True)
        connection.executemany("INSERT INTO posts VALUES (?, ?, ?)", [(key, *row) for key, row in keyed])
        connection.commit()


def read(path: Path, part_rows: int | None = None, columns: tuple[str, ...] = ("author", "post_time")) -> tuple[list[Any], int]:
    """Return the rows of all parts and how many were refused."""
    with open_source(parse_location(f"{path}::posts")) as source:
        parts = source.plan(part_rows) if part_rows else (None,)
        rows = [row for part in parts or () for frame in source.read(columns, part) for row in frame.rows()]
        return rows, source.rejected


@pytest.fixture
def by_row(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads a table row by row, as tables without a key are read."""

    def read_rows(path: Path) -> tuple[list[Any], int]:
        with monkeypatch.context() as patched:
            patched.setattr(SqliteSource, "_blocks", lambda self, _key, columns, condition: self._rows(columns, condition))
            return read(path)

    return read_rows


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(TEXT, NUMBER), max_size=12))
def test_blocks_give_what_rows_give(tmp_path_factory: pytest.TempPathFactory, by_row: Any, rows: list[tuple[Any, ...]]) -> None:
    path = tmp_path_factory.mktemp("blocks") / "posts.db"
    write(path, rows)
    assert read(path) == by_row(path)


def test_a_value_with_the_separator_costs_its_block_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_blocks, "FIRST_ROWS", 10)
    monkeypatch.setattr(sqlite_blocks, "MOST_ROWS", 10)
    path = tmp_path / "posts.db"
    rows = [(f"author {number}" if number != 25 else f"a{SEPARATOR}b", None) for number in range(100)]
    write(path, rows)
    asked: list[int] = []
    real = SqliteSource._rows

    def noting(self: Any, columns: Any, condition: Any, opened: Any = None) -> Any:
        asked.append(1)
        return real(self, columns, condition, opened)

    monkeypatch.setattr(SqliteSource, "_rows", noting)
    assert read(path)[0] == rows
    assert len(asked) == 1


def test_parts_hold_each_row_once_at_every_edge(tmp_path: Path) -> None:
    """Keys with gaps, negative ones and the outermost ones that there are."""
    path = tmp_path / "posts.db"
    keys = [FIRST_KEY, -5, -1, 0, 1, 7, 8, 1000, LAST_KEY]
    rows = [(f"a{key}", None) for key in keys]
    write(path, rows, keys)
    for part_rows in (1, 2, 3, 100):
        assert sorted(read(path, part_rows)[0]) == sorted(rows)


def test_bytes_that_are_no_text_refuse_their_row_only(tmp_path: Path) -> None:
    path = tmp_path / "posts.db"
    write(path, [("one", None), (b"\xff", None), ("three", None)])
    assert read(path) == ([("one", None), ("three", None)], 1)


def test_texts_that_are_too_long_together_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite holds no text above its limit: then the block is made smaller, down to one row."""
    path = tmp_path / "posts.db"
    rows = [("x" * 4000, None) for _ in range(20)]
    write(path, rows)
    real = sqlite3.connect

    def limited(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = real(*arguments, **options)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 6000)
        return connection

    monkeypatch.setattr("labelmill.db.bulk.sqlite.sqlite3.connect", limited)
    assert read(path)[0] == rows


def test_all_blocks_are_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is written between two blocks of one read is not in it, nor does the writer wait."""
    monkeypatch.setattr(sqlite_blocks, "FIRST_ROWS", 10)
    monkeypatch.setattr(sqlite_blocks, "MOST_ROWS", 10)
    path = tmp_path / "posts.db"
    write(path, [(f"a{number}", None) for number in range(50)])
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        with open_source(parse_location(f"{path}::posts")) as source:
            frames = source.read(["author"], batch_rows=10)
            first = next(frames)
            writer.execute("INSERT INTO posts VALUES (1000, 'late', NULL)")
            writer.commit()
            rest = pl.concat(list(frames))
        assert first.height + rest.height == 50


def test_the_order_is_that_of_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "posts.db"
    keys = list(range(2000, 0, -1))
    write(path, [(f"a{key}", None) for key in keys], keys)
    assert [author for author, _ in read(path)[0]] == [f"a{key}" for key in sorted(keys)]


def test_an_index_that_holds_what_is_read_does_not_change_the_order(tmp_path: Path) -> None:
    """SQLite would rather read a small index than the table, and this one runs the other way."""
    path = tmp_path / "posts.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE posts (key INTEGER PRIMARY KEY, author TEXT, content TEXT)")
        connection.executemany(
            "INSERT INTO posts (author, content) VALUES (?, 'x')", [(f"a{number}",) for number in range(2000)]
        )
        connection.execute("CREATE INDEX falling ON posts (key DESC, author)")
        connection.commit()
    assert read(path, columns=("author",))[0] == [(f"a{number}",) for number in range(2000)]


@pytest.mark.parametrize("most", [1, 7, 100])
def test_blocks_stay_small_where_a_crowd_of_keys_follows_thin_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """A block as wide as the ones before it would hold the whole crowd."""
    monkeypatch.setattr(sqlite_blocks, "FIRST_ROWS", most)
    monkeypatch.setattr(sqlite_blocks, "MOST_ROWS", most)
    path = tmp_path / "posts.db"
    thin = [number * 10**12 for number in range(1, 200)]
    keys = [*thin, *range(thin[-1] + 1, thin[-1] + 500), *(10**16 + number * 10**12 for number in range(200))]
    write(path, [(f"a{key}", None) for key in keys], keys)
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        frames = [block.frame for block in Blocks("posts", "key", {"author": False}).read(connection)]
    whole = [frame for frame in frames if frame is not None]
    assert len(whole) == len(frames)
    assert pl.concat(whole)["author"].to_list() == [f"a{key}" for key in keys]
    assert max(frame.height for frame in whole) <= most


def test_a_column_that_was_renamed_meanwhile_is_an_error_and_no_text(tmp_path: Path) -> None:
    """To SQLite a quoted name without its table is a text where there is no such column: every row would hold that name."""
    path = tmp_path / "posts.db"
    write(path, [("Tom", "2020"), ("Amy", "2021")])
    with open_source(parse_location(f"{path}::posts")) as source:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("ALTER TABLE posts RENAME COLUMN author TO writer")
            connection.commit()
        with pytest.raises(LabelmillError, match="no such column"):
            list(source.read(["author"]))
