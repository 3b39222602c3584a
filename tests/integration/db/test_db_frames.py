"""Rows as columns: what comes out is what SQLAlchemy's own rows say, on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pytest
import sqlalchemy as sa

from labelmill.db.frames import read_frame, read_many
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


def test_many_values_of_every_kind_and_nulls(things: Database) -> None:
    schema = {name: kind for name, kind in SCHEMA.items() if name != "share"}
    query = sa.select(*(THINGS.c[name] for name in schema)).order_by(THINGS.c.id.desc())
    with things.read() as connection:
        found = read_many(connection, query, schema)
        one = read_many(connection, query.where(THINGS.c.id == 1), schema)
        nothing = read_many(connection, query.where(THINGS.c.id > 3), schema)
    assert found.to_dicts() == [{name: row[name] for name in schema} for row in reversed(ROWS)]
    assert one.rows() == [(1, None, None, None)]
    assert nothing.is_empty()
    assert found.schema == one.schema == nothing.schema == pl.Schema(schema)


@pytest.mark.parametrize("text", ["a\x1fb", "\x1f", "\x1e0", "\x1e"])
def test_a_text_with_the_characters_that_part_many_values_stays_as_it_is(things: Database, text: str) -> None:
    things.transact(lambda connection: connection.execute(sa.update(THINGS).where(THINGS.c.id == 2).values(text=text)))
    with things.read() as connection:
        found = read_many(
            connection, sa.select(THINGS.c.id, THINGS.c.text).order_by(THINGS.c.id), {"id": pl.Int64, "text": pl.String}
        )
    assert found.rows() == [(1, None), (2, text), (3, "")]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_what_follows_a_character_0_stays(things: Database) -> None:
    texts = ["a\x00b", "\x00", "c\x00"]
    for number, text in enumerate(texts, 1):
        things.transact(
            lambda connection, *at: connection.execute(sa.update(THINGS).where(THINGS.c.id == at[0]).values(text=at[1])),
            number,
            text,
        )
    with things.read() as connection:
        found = read_many(connection, sa.select(THINGS.c.text).order_by(THINGS.c.id), {"text": pl.String})
    assert found["text"].to_list() == texts
