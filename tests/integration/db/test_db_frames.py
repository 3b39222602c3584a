"""Rows as columns: what comes out is what SQLAlchemy's own rows say, on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pytest
import sqlalchemy as sa

from labelmill.db.frames import read_frame
from labelmill.db.types import Flag, LongText, Real, UtcTime, Whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from labelmill.db.database import Database

SCHEMA = {
    "id": pl.Int64, "text": pl.String, "at": pl.Datetime("us", "UTC"), "is_so": pl.Boolean, "share": pl.Float64,
}  # fmt: skip
THINGS = sa.Table(
    "things", sa.MetaData(), sa.Column("id", Whole, primary_key=True), sa.Column("text", LongText), sa.Column("at", UtcTime),
    sa.Column("is_so", Flag), sa.Column("share", Real),
)  # fmt: skip
ROWS = [
    {"id": 1, "text": None, "at": None, "is_so": None, "share": None},
    {"id": 2, "text": "a\n\u00e9\U0001f600", "at": datetime(2026, 3, 29, 1, 30, 0, 123456, UTC), "is_so": True, "share": 0.1},
    {"id": 3, "text": "", "at": datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), "is_so": False, "share": -2.5},
]


@pytest.fixture
def things(database: Database) -> Iterator[Database]:
    def make(connection: Connection) -> None:
        THINGS.create(connection)
        connection.execute(sa.insert(THINGS), ROWS)

    database.transact(make)
    yield database
    database.transact(THINGS.drop)


def test_values_of_every_kind_and_nulls(things: Database) -> None:
    with things.read() as connection:
        found = read_frame(connection, sa.select(THINGS).order_by(THINGS.c.id), SCHEMA)
        plain = [dict(row) for row in connection.execute(sa.select(THINGS).order_by(THINGS.c.id)).mappings()]
    assert found.schema == pl.Schema(SCHEMA)
    assert found.to_dicts() == ROWS == plain


def test_nulls_alone_and_no_rows_keep_the_types(things: Database) -> None:
    with things.read() as connection:
        nulls = read_frame(connection, sa.select(THINGS).where(THINGS.c.id == 1), SCHEMA)
        nothing = read_frame(connection, sa.select(THINGS).where(THINGS.c.id > 3), SCHEMA)
    assert nulls.rows() == [(1, None, None, None, None)]
    assert nothing.is_empty()
    assert nulls.schema == nothing.schema == pl.Schema(SCHEMA)
