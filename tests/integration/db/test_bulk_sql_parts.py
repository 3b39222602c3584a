"""Splitting tables of SQLite, PostgreSQL and MariaDB: every row in one part, whatever the keys and the times are like."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from labelmill.db.bulk.location import at_url
from labelmill.db.bulk.model import Part, TimeRange
from labelmill.db.bulk.splitting import Keys, cut_keys
from labelmill.db.bulk.sql import open_table
from labelmill.db.engine import make_engine
from labelmill.errors import BadSource

START = datetime(2020, 1, 1, tzinfo=UTC)
#: As a column without a zone keeps it.
NEW_YEAR = START.replace(tzinfo=None)
LARGEST = 2**63 - 1
EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
keys = st.one_of(
    st.sets(st.integers(-LARGEST - 1, LARGEST), max_size=60),
    st.sets(st.integers(-50, 50), max_size=60),
    st.sets(st.integers(0, 5).map(lambda power: 10**power) | st.integers(10**12, 10**12 + 40), max_size=40),
    st.integers(1, 80).map(lambda count: set(range(1, count))),
)


@pytest.fixture
def engine(database_url):
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def opened(engine, table):
    return open_table(at_url(engine.url, table=table))


def fill(engine, name, columns, rows):
    """Make the table anew with ``rows``, tuples, and return nothing."""
    table = sa.Table(name, sa.MetaData(), *columns, mysql_charset="utf8mb4")
    table.drop(engine, checkfirst=True)
    table.create(engine)
    with engine.begin() as connection:
        if engine.dialect.name == "mysql":
            connection.exec_driver_sql("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        if rows:
            connection.execute(table.insert(), [dict(zip(table.columns.keys(), row, strict=True)) for row in rows])


def rows_of(source, parts, *columns):
    """Return the rows of all parts, each part from what JSON makes of it, as a job's step keeps it."""
    again = [Part(name=part.name, bounds=json.loads(json.dumps(part.bounds)), rows=part.rows) for part in parts]
    return [row for part in again for frame in source.read(columns, part) for row in frame.rows()]


@EXAMPLES
@given(numbers=keys, rows=st.integers(-1, 70))
def test_parts_by_key_hold_every_row_once(engine, numbers, rows):
    """With gaps, negative and extreme keys, and any wanted size, the parts together are the table, without a row twice."""
    fill(
        engine,
        "posts",
        [sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)],
        [(number,) for number in numbers],
    )
    with opened(engine, "posts") as source:
        found = [row[0] for row in rows_of(source, source.plan(rows), "id")]
    assert sorted(found) == sorted(numbers)


times = st.lists(
    st.one_of(st.none(), st.integers(-400, 400).map(lambda hours: NEW_YEAR + timedelta(days=9) + timedelta(hours=hours))),
    max_size=60,
)


@EXAMPLES
@given(
    moments=times, rows=st.integers(1, 30), hours=st.tuples(st.integers(-300, 300), st.integers(1, 300)), has_key=st.booleans()
)
def test_parts_by_time_hold_the_asked_range_and_the_unknown_times_once(engine, moments, rows, hours, has_key):
    """No row of the asked range is missing, none comes twice, and rows without a time come too."""
    number = sa.Column("id", sa.Integer, primary_key=True, autoincrement=False) if has_key else sa.Column("id", sa.Integer)
    fill(engine, "posts", [number, sa.Column("at", sa.DateTime, index=True)], list(enumerate(moments)))
    start = START + timedelta(hours=hours[0])
    asked = TimeRange(column="at", start=start, end=start + timedelta(hours=hours[1]))
    low, below = (edge.replace(tzinfo=None) for edge in (asked.start, asked.end))
    with opened(engine, "posts") as source:
        parts = source.plan(rows, asked)
        found = [row[0] for row in rows_of(source, parts, "id")]
    wanted = {row for row, moment in enumerate(moments) if moment is None or low <= moment < below}
    assert len(found) == len(set(found))
    assert wanted <= set(found) <= set(range(len(moments)))


SPELLINGS = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S+08:00",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%S.000-11:00",
    "%Y-%m-%d",
]
OFFSETS = [0, 0, 8, 0, -11, 0]


@EXAMPLES
@given(
    moments=st.lists(st.tuples(st.integers(0, len(SPELLINGS) - 1), st.integers(0, 1000)), max_size=60),
    odd=st.lists(st.sampled_from([None, "", "soon", 1577836803, b"\xff", "2020-02-31 00:00:00", "2020-1-5", 1.5]), max_size=2),
    rows=st.integers(1, 20),
    without_rowid=st.booleans(),
)
def test_sqlite_times_in_any_spelling_are_found_by_their_moment(tmp_path_factory, moments, odd, rows, without_rowid):
    """Whatever zone and separator a text has, its row is in a part of the range; so are rows with no readable time."""
    path = tmp_path_factory.mktemp("spelling") / "a.db"
    utc = [START + timedelta(hours=hours) for _, hours in moments]
    texts = [
        (moment + timedelta(hours=OFFSETS[form])).strftime(SPELLINGS[form])
        for moment, (form, _) in zip(utc, moments, strict=True)
    ]
    engine = make_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME) {'WITHOUT ROWID' if without_rowid else ''}"
        )
        connection.exec_driver_sql("CREATE INDEX by_time ON t (at)")
        for row in enumerate([*texts, *odd]):
            connection.exec_driver_sql("INSERT INTO t VALUES (?, ?)", row)
    engine.dispose()
    asked = TimeRange(column="at", start=START + timedelta(hours=100), end=START + timedelta(hours=200))
    with open_table(at_url(make_url(f"sqlite:///{path}"), table="t")) as source:
        parts = source.plan(rows, asked)
        if parts is None:  # no key to split by, and times that do not sort
            assert without_rowid
            assert any(value is not None for value in odd)
            return
        found = [row[0] for row in rows_of(source, parts, "id")]
    days = [moment if form != 5 else moment.replace(hour=0) for moment, (form, _) in zip(utc, moments, strict=True)]
    wanted = {row for row, moment in enumerate(days) if asked.start <= moment < asked.end} | set(
        range(len(texts), len(texts) + len(odd))
    )
    assert len(found) == len(set(found))
    assert wanted <= set(found)


@pytest.mark.parametrize(
    "numbers",
    [
        range(1, 100_001),
        range(-50_000, 50_000),
        [number * number for number in range(60_000)],
        [*range(1, 30_000), *range(10**15, 10**15 + 40_000)],
        sorted(random.Random(1).sample(range(10**9), 50_000)),
        [*range(0, 10**9, 50_000), *range(400_000_001, 400_030_000)],
    ],
    ids=["dense", "negative", "thinning", "two islands", "random", "a dense spot in thin rows"],
)
def test_parts_are_about_as_large_as_asked_however_the_keys_lie(tmp_path, numbers):
    """Cutting 2,000 rows at a time gives no part of more than 4,000 and not three times as many parts as needed, with few look-ups."""
    engine = make_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("INSERT OR IGNORE INTO t VALUES (?)", [(number,) for number in numbers])
    looked_up = 0

    class Counting(Keys):
        def between(self, *arguments, **named):
            nonlocal looked_up
            looked_up += 1
            return super().between(*arguments, **named)

    with engine.connect() as connection:
        spans = cut_keys(Counting(connection, sa.table("t"), sa.column("id")), 2_000)
    engine.dispose()
    present = pl.Series("id", sorted(set(numbers)))
    sizes = [((present >= span.first) & (present <= span.last)).sum() for span in spans]
    assert sum(sizes) == len(present)
    assert max(sizes) <= 4_000
    assert len(sizes) <= 3 * len(present) / 2_000
    assert looked_up < 60 * len(spans) + 400


def test_a_text_key_on_sqlite_is_split_by_its_rowid(tmp_path):
    """Tables whose key is a text have a rowid all the same, under a name that no column takes."""
    engine = make_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id TEXT PRIMARY KEY, rowid TEXT, oid INTEGER)")
        connection.exec_driver_sql("INSERT INTO t VALUES (?, ?, ?)", [(f"{number}_X", "same", 1) for number in range(500)])
    engine.dispose()
    with opened(engine, "t") as source:
        parts = source.plan(100)
        found = [row[0] for row in rows_of(source, parts, "id", "rowid")]
    assert 5 <= len(parts) <= 12
    assert sorted(found) == sorted(f"{number}_X" for number in range(500))


def test_a_small_range_of_times_uses_the_index_and_a_large_one_the_key(engine):
    """The index is worth it for a quarter of the table at most."""
    moments = [NEW_YEAR + timedelta(hours=6 * number) for number in range(2_000)]
    fill(
        engine,
        "posts",
        [sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("at", sa.DateTime, index=True)],
        list(enumerate(moments)),
    )
    with opened(engine, "posts") as source:
        small = source.plan(20, TimeRange(column="at", start=START, end=START + timedelta(days=30)))
        large = source.plan(20, TimeRange(column="at", start=START, end=START + timedelta(days=400)))
    assert {part.bounds["by"] for part in small} == {"time"}
    assert {part.bounds["by"] for part in large} == {"key"}
    assert sum(part.rows for part in small) < 150


def test_a_table_without_key_or_time_is_one_stream(engine):
    """Nothing to split by gives None, and the whole table is read without a part."""
    fill(
        engine,
        "posts",
        [sa.Column("id", sa.String(10), primary_key=True), sa.Column("author", sa.String(10), primary_key=True)],
        [("007", "x"), ("8", "y")],
    )
    with opened(engine, "posts") as source:
        if engine.dialect.name == "sqlite":
            assert [part.bounds["by"] for part in source.plan(10)] == ["key"]
        else:
            assert source.plan(10) is None
        assert sorted(pl.concat(source.read(["id"]))["id"]) == ["007", "8"]


def test_many_rows_at_one_moment_do_not_stop_the_walk(engine):
    moments = [NEW_YEAR] * 50 + [NEW_YEAR + timedelta(seconds=second) for second in (1, 1, 1, 2)]
    fill(
        engine,
        "posts",
        [sa.Column("id", sa.String(5), primary_key=True), sa.Column("at", sa.DateTime, index=True)],
        [(str(row), at) for row, at in enumerate(moments)],
    )
    with opened(engine, "posts") as source:
        parts = source.plan(3, TimeRange(column="at", start=START, end=START + timedelta(days=1)))
        assert len(rows_of(source, parts, "id")) == 54


def test_postgresql_infinite_and_ancient_times_are_delivered(postgresql_database):
    """A time that Python cannot hold is in the part of unreadable times."""
    engine = make_engine(postgresql_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE posts (id TEXT PRIMARY KEY, at TIMESTAMPTZ)")
        connection.exec_driver_sql("CREATE INDEX ON posts (at)")
        connection.exec_driver_sql(
            "INSERT INTO posts VALUES ('a', 'infinity'), ('b', '-infinity'), ('c', '0044-03-15 BC'), ('d', NULL), ('e', '2020-01-01 08:00+08'), ('f', '2021-01-01'), ('g', '20000-01-01')"
        )
    engine.dispose()
    with opened(engine, "posts") as source:
        parts = source.plan(1, TimeRange(column="at", start=START, end=START + timedelta(days=1)))
        assert sorted(row[0] for row in rows_of(source, parts, "id")) == list("abcdeg")


def test_mariadb_zero_dates_are_delivered(mariadb_database):
    engine = make_engine(mariadb_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET SESSION sql_mode = ''")
        connection.exec_driver_sql("CREATE TABLE posts (id VARCHAR(9) PRIMARY KEY, at DATETIME, KEY (at))")
        connection.exec_driver_sql(
            "INSERT INTO posts VALUES ('a', '0000-00-00'), ('b', NULL), ('c', '2020-01-01 00:00:03'), ('d', '2022-01-01'), ('e', '2020-01-01'), ('f', '2020-01-00')"
        )
        connection.exec_driver_sql("INSERT INTO posts SELECT CONCAT('later', seq), '2022-01-01' FROM seq_1_to_20")
    engine.dispose()
    with opened(engine, "posts") as source:
        for rows in (1, 2, 10):
            parts = source.plan(rows, TimeRange(column="at", start=START, end=START + timedelta(days=1)))
            found = sorted(row[0] for row in rows_of(source, parts, "id"))
            assert found == list("abcef")


@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"by": "key"},
        {"by": "key", "first": "1; DROP TABLE posts", "last": 2},
        {"by": "time", "column": "id; --", "low": None, "below": None},
    ],
)
def test_p20_bounds_that_no_plan_made_are_refused(engine, bounds):
    """A part comes back from storage: what is no number, no time and no column of the table never reaches a statement."""
    fill(engine, "posts", [sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)], [(1,)])
    with opened(engine, "posts") as source, pytest.raises(BadSource):
        list(source.read(["id"], Part(name="odd", bounds=bounds, rows=1)))


def test_p20_a_time_in_a_bound_is_a_value_and_no_statement(engine):
    fill(
        engine,
        "posts",
        [sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("at", sa.DateTime, index=True)],
        [(1, NEW_YEAR)],
    )
    bounds = {"by": "time", "column": "at", "low": "2020-01-01'; DROP TABLE posts; --", "below": None}
    with opened(engine, "posts") as source:
        if engine.dialect.name == "sqlite":  # a text like any other: it sorts after all times of that day
            assert list(source.read(["id"], Part(name="odd", bounds=bounds, rows=1))) == []
        else:
            with pytest.raises(BadSource):
                list(source.read(["id"], Part(name="odd", bounds=bounds, rows=1)))
    assert sa.inspect(engine).has_table("posts")
