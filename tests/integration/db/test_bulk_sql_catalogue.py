"""Which tables a server has, and what is found out about them, by as few questions as that takes."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from labelmill.db.bulk.location import at_url
from labelmill.db.bulk.sql import open_table
from labelmill.db.engine import make_engine
from labelmill.errors import BadSource


def test_postgresql_names_everything_that_can_be_read(postgresql_database):
    """Tables first, then views, then materialized views; partitions and their parent are tables, indexes and sequences are none."""
    engine = make_engine(postgresql_database)
    with engine.begin() as connection:
        for statement in (
            "CREATE TABLE whole (id SERIAL PRIMARY KEY)",
            "CREATE TABLE apart (id INT PRIMARY KEY) PARTITION BY RANGE (id)",
            "CREATE TABLE apart_low PARTITION OF apart FOR VALUES FROM (0) TO (10)",
            "CREATE UNLOGGED TABLE kept (id INT)",
            "CREATE VIEW a_view AS SELECT id FROM whole",
            "CREATE MATERIALIZED VIEW a_copy AS SELECT id FROM whole",
            "CREATE SCHEMA other",
            "CREATE TABLE other.elsewhere (id INT)",
            "CREATE TYPE pair AS (a INT, b INT)",
        ):
            connection.exec_driver_sql(statement)
    engine.dispose()
    with pytest.raises(BadSource) as refusal:
        open_table(at_url(engine.url, table=None))
    names = ["apart", "apart_low", "kept", "whole", "a_view", "a_copy"]
    assert refusal.value.way_out == f"Name one of: {', '.join(f'public.{name}' for name in names)}."
    for name in names:
        with open_table(at_url(engine.url, table=name)) as source:
            assert source.plan(10) == (() if name in ("apart", "apart_low", "whole") else None)
    with open_table(at_url(engine.url, table="elsewhere", schema="other")) as source:
        assert (source.table.schema, source.table.name) == ("other", "elsewhere")


def test_postgresql_partitions_are_split_by_the_key_of_the_whole(postgresql_database):
    engine = make_engine(postgresql_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE posts (id TEXT PRIMARY KEY) PARTITION BY HASH (id)")
        for number in range(3):
            connection.exec_driver_sql(
                f"CREATE TABLE posts_{number} PARTITION OF posts FOR VALUES WITH (MODULUS 3, REMAINDER {number})"
            )
        connection.exec_driver_sql("INSERT INTO posts SELECT 'k' || i FROM generate_series(1, 100) AS i")
    engine.dispose()
    with open_table(at_url(engine.url, table="posts")) as source:
        found = [[row for frame in source.read(["id"], part) for row in frame["id"]] for part in source.plan(30)]
    assert [len(part) for part in found] == [30, 30, 30, 10]
    assert sorted(row for part in found for row in part) == sorted(f"k{number}" for number in range(1, 101))


@pytest.mark.parametrize(("kind", "most"), [("postgresql", 9), ("mariadb", 8)])
def test_opening_a_table_asks_few_questions(request, kind, most):
    """However many tables there are: a step of a task opens its source anew."""
    engine = make_engine(request.getfixturevalue(f"{kind}_database"))
    with engine.begin() as connection:
        for number in range(30):
            connection.exec_driver_sql(f"CREATE TABLE t{number} (id VARCHAR(20) PRIMARY KEY, at TIMESTAMP NULL)")
    engine.dispose()
    asked = []
    opener = threading.get_ident()

    def note(_connection, _cursor, statement, *_rest):
        if threading.get_ident() == opener:
            asked.append(statement)

    event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        open_table(at_url(engine.url, table="t7")).engine.dispose()
    finally:
        event.remove(sa.Engine, "before_cursor_execute", note)
    assert 0 < len(asked) <= most
