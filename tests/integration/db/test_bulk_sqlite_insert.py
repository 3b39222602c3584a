"""SQLite's many rows of one statement: columns with one text for all rows are sent once, the others row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import sqlalchemy as sa

from labelmill.db.bulk import sqlite_insert
from labelmill.db.bulk.insert import insert_frame
from labelmill.db.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAME = ["王"] * 4
COLUMNS: dict[str, list[Any]] = {
    "first": SAME,
    "?2": [1, 2, 3, 4],
    "^.*$": SAME,
    "ends alike": ["a", "b", "c", "a"],
    "a null in it": ["a", None, "a", "a"],
    "nulls": [None] * 4,
    "numbers": [7] * 4,
    "bytes": [b"\xff"] * 4,
    "empty": [""] * 4,
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = make_engine(f"sqlite:///{tmp_path / 'a.db'}")
    yield engine
    engine.dispose()


def stored(engine: sa.Engine, frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Insert the frame into a new table and return what is in it."""
    kinds: dict[Any, Any] = {pl.Int64: sa.Integer, pl.Binary: sa.LargeBinary}
    columns: list[Any] = [sa.Column(name, kinds.get(dtype, sa.Text)) for name, dtype in frame.schema.items()]
    table = sa.Table("results", sa.MetaData(), sa.Column("row_id", sa.Integer, primary_key=True), *columns)
    table.create(engine)
    with engine.begin() as connection:
        insert_frame(connection, table, frame)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*table.columns[1:]).order_by(table.c.row_id))]


@pytest.mark.parametrize("names", [[*COLUMNS], [*reversed(COLUMNS)], ["first"], ["first", "^.*$"], ["?2"], ["nulls", "first"]])
@pytest.mark.parametrize("most_values", [1, 10, 27, 960])
@pytest.mark.parametrize("chunk_rows", [1, 3, 1_000])
def test_each_value_stands_in_its_own_row_and_column(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, names: list[str], most_values: int, chunk_rows: int
) -> None:
    monkeypatch.setattr(sqlite_insert, "MOST_VALUES", most_values)
    monkeypatch.setattr(sqlite_insert, "CHUNK_ROWS", chunk_rows)
    frame = pl.DataFrame({name: COLUMNS[name] for name in names})
    assert stored(engine, frame) == frame.rows()


def test_a_statement_has_no_more_values_than_any_sqlite_takes(engine: sa.Engine) -> None:
    sent: list[int] = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: Any) -> None:
        if statement.startswith("INSERT"):
            sent.extend(len(each) for each in values)

    frame = pl.DataFrame({"n": range(5_000), "task": "one", "name": "two"})
    assert stored(engine, frame) == frame.rows()
    # One text for all rows is one value of a statement, however many rows it has.
    assert max(sent) == sqlite_insert.MOST_VALUES
    assert sum(sent) < 5_000 + 2 * len(sent) + 1
