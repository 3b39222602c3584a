"""Splitting tables of PostgreSQL and MariaDB by a key of text: every row in one part, in the order of the column's own collation."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.pool import NullPool

from labelmill.db.bulk import postgresql
from labelmill.db.bulk.location import at_url
from labelmill.db.bulk.model import Part, TimeRange
from labelmill.db.bulk.splitting import Ordered
from labelmill.db.bulk.sql import open_table
from labelmill.db.engine import make_engine
from labelmill.errors import BadSource

START = datetime(2020, 1, 1, tzinfo=UTC)
NEW_YEAR = START.replace(tzinfo=None)
EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
#: Signs that mean something in a statement, sort by their case or accent, or need several bytes.
SIGNS = "aAbBéßñ王👩 '\"\\%:;_-0~\t\n"
#: Collations that tell all texts apart, and those that see some as equal or pass over signs.
COLLATIONS = {
    "postgresql": ["", 'COLLATE "C"', 'COLLATE "en-x-icu"', 'COLLATE "und-x-icu"'],
    "mysql": ["COLLATE utf8mb4_bin", "COLLATE utf8mb4_nopad_bin", "COLLATE utf8mb4_general_ci", "COLLATE utf8mb4_unicode_ci"],
}


@pytest.fixture(params=["postgresql", "mariadb"])
def engine(request):
    # No pool: a statement that is kept prepared stumbles over a table that was made anew.
    made = make_engine(request.getfixturevalue(f"{request.param}_database"))
    engine = sa.create_engine(made.url, poolclass=NullPool)
    yield engine
    engine.dispose()


def opened(engine, table="posts"):
    return open_table(at_url(engine.url, table=table))


def fill(engine, keys, declared="VARCHAR(64)"):
    """Make the table anew with the keys that its collation tells apart, and return those."""
    ignore = "IGNORE " if engine.dialect.name == "mysql" else ""
    skip = "" if ignore else " ON CONFLICT DO NOTHING"
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS posts")
        connection.exec_driver_sql(f"CREATE TABLE posts (id {declared} PRIMARY KEY)")
        if keys:
            connection.execute(sa.text(f"INSERT {ignore}INTO posts VALUES (:key){skip}"), [{"key": key} for key in keys])
        return list(connection.scalars(sa.text("SELECT id FROM posts")))


def rows_of(source, parts):
    """Return the keys of each part, from what JSON makes of it, as a job's step keeps it."""
    again = [Part(name=part.name, bounds=json.loads(json.dumps(part.bounds)), rows=part.rows) for part in parts]
    return [[row[0] for frame in source.read(["id"], part) for row in frame.rows()] for part in again]


@EXAMPLES
@given(keys=st.sets(st.text(SIGNS, max_size=6), max_size=60), rows=st.integers(-1, 70), collation=st.integers(0, 3))
def test_parts_hold_every_row_once(engine, keys, rows, collation):
    """Quotes, backslashes, cases, accents, spaces at the end and the empty text, by any collation: each key is in one part."""
    wanted = fill(engine, keys, f"VARCHAR(64) {COLLATIONS[engine.dialect.name][collation]}")
    with opened(engine) as source:
        found = rows_of(source, source.plan(rows))
    assert sorted(key for part in found for key in part) == sorted(wanted)
    assert all(len(part) <= max(1, rows) for part in found)


def test_keys_of_the_usual_form_are_cut_evenly(engine):
    """Each part has as many rows as asked for, and says so; the last one has the rest."""
    fill(engine, [f"15778183{number:05}_FBEXUB" for number in range(1_050)])
    with opened(engine) as source:
        parts = source.plan(100)
        found = rows_of(source, parts)
    assert [len(part) for part in found] == [100] * 10 + [50]
    assert [part.rows for part in parts] == [len(part) for part in found]
    assert {part.bounds["by"] for part in parts} == {"text"}


def test_rows_that_come_after_planning_are_in_a_part_too(engine):
    """The first and the last part are open: keys below and above those that were there belong to them."""
    fill(engine, [f"m{number}" for number in range(10)])
    with opened(engine) as source:
        parts = source.plan(3)
        with engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO posts VALUES ('a'), ('z'), ('m44')")
        found = rows_of(source, parts)
    assert {"a"} <= set(found[0])
    assert {"z"} <= set(found[-1])
    assert sum(map(len, found)) == 13


def test_an_empty_table_has_no_parts(engine):
    fill(engine, [])
    with opened(engine) as source:
        assert source.plan(10) == ()


def test_keys_that_do_not_sort_as_they_compare_are_one_stream(engine):
    """An enum sorts by the place of its word, PostgreSQL's CHAR without its spaces, bytes are no text: no parts, all rows."""
    with engine.begin() as connection:
        if engine.dialect.name == "mysql":
            kinds = ["ENUM('z', 'a')", "VARBINARY(9)", "DATE"]
            values = ["'z'", "'z'", "'2020-01-01'"]
        else:
            connection.exec_driver_sql("CREATE TYPE mood AS ENUM ('z', 'a')")
            kinds, values = ["mood", "CHAR(9)", "BYTEA", "DATE"], ["'z'", "'z'", "'z'", "'2020-01-01'"]
        for number, (kind, value) in enumerate(zip(kinds, values, strict=True)):
            connection.exec_driver_sql(f"CREATE TABLE t{number} (id {kind} PRIMARY KEY)")
            connection.exec_driver_sql(f"INSERT INTO t{number} VALUES ({value})")
    for number in range(len(kinds)):
        with opened(engine, f"t{number}") as source:
            assert source.plan(10) is None
            assert sum(frame.height for frame in source.read(["id"])) == 1


def test_a_small_range_of_times_uses_the_index_and_a_large_one_the_key(engine):
    """Also where the catalogue does not know yet how many rows there are."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE posts (id VARCHAR(20) PRIMARY KEY, at TIMESTAMP NULL)")
        connection.exec_driver_sql("CREATE INDEX by_time ON posts (at)")
        rows = [{"id": f"k{number}", "at": NEW_YEAR + timedelta(hours=number)} for number in range(1_000)]
        connection.execute(sa.text("INSERT INTO posts VALUES (:id, :at)"), rows)
    with opened(engine) as source:
        small = source.plan(20, TimeRange(column="at", start=START + timedelta(days=5), end=START + timedelta(days=6)))
        large = source.plan(20, TimeRange(column="at", start=START, end=START + timedelta(days=30)))
        assert {"k120", "k143"} <= {key for part in rows_of(source, small) for key in part}
        assert len([key for part in rows_of(source, large) for key in part]) == 1_000
    assert {part.bounds["by"] for part in small} == {"time"}
    assert {part.bounds["by"] for part in large} == {"text"}


@pytest.mark.parametrize(
    "bounds",
    [
        {"by": "text"},
        {"by": "text", "column": "id"},
        {"by": "text", "column": "other", "low": "a", "below": "b"},
        {"by": "text", "column": "id", "low": 5, "below": None},
        {"by": "text", "column": "id", "low": None, "below": ["a"]},
    ],
)
def test_p20_bounds_that_no_plan_made_are_refused(engine, bounds):
    fill(engine, ["a"])
    with opened(engine) as source, pytest.raises(BadSource):
        list(source.read(["id"], Part(name="odd", bounds=bounds, rows=1)))


@pytest.mark.parametrize("conforming", ["on", "off"])
@pytest.mark.parametrize("low", ["x'; DROP TABLE posts; --", "x\\'; DROP TABLE posts; --", "x\\", "x''", ":x %s %(low)s"])
def test_p20_a_text_in_a_bound_is_a_value_and_no_statement(engine, low, conforming):
    """Whatever a foreign key holds and however the server reads backslashes, it is compared and nothing else."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" SET standard_conforming_strings = {conforming}')
        engine.dispose()
    fill(engine, ["a", low, f"{low}!", "zz"])
    with opened(engine) as source:
        found = rows_of(
            source, [Part(name="odd", bounds={"by": "text", "column": "id", "low": low, "below": f"{low}!"}, rows=1)]
        )
    assert found == [[low]]
    assert sa.inspect(engine).has_table("posts")


def test_p20_no_text_is_split_by_what_the_column_does_not_hold(engine):
    """A whole number as key is no text: bounds of text are refused there."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE posts (id INT PRIMARY KEY)")
    with opened(engine) as source, pytest.raises(BadSource):
        list(source.read(["id"], Part(name="odd", bounds={"by": "text", "column": "id", "low": "a", "below": None}, rows=1)))


class TestEstimates:
    """Large tables of MariaDB are cut by what the server estimates, without walking along their rows."""

    @pytest.fixture
    def mariadb(self, mariadb_database, monkeypatch):
        monkeypatch.setattr("labelmill.db.bulk.mariadb.LARGE_ROWS", 1_000)
        engine = sa.create_engine(make_engine(mariadb_database).url, poolclass=NullPool)
        yield engine
        engine.dispose()

    @staticmethod
    def analysed(engine, keys, declared="VARCHAR(64)"):
        fill(engine, keys, declared)
        with engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE TABLE posts")
        return opened(engine)

    @pytest.mark.parametrize(
        "make",
        [
            lambda number: f"15778183{number:05}_FBEXUB",
            lambda number: f"{number * 2654435761 % 2**32:08x}",
            lambda number: f"Post-{number % 97:02}-{number}",
            lambda number: f"王{number}👩",
            lambda number: "same" * 10 + f"{number}",
        ],
    )
    def test_keys_of_many_forms_are_each_in_one_part(self, mariadb, make):
        keys = {make(number) for number in range(6_000)}
        with self.analysed(mariadb, sorted(keys), "VARCHAR(64) COLLATE utf8mb4_bin") as source:
            parts = source.plan(500)
            found = rows_of(source, parts)
        assert sorted(key for part in found for key in part) == sorted(keys)
        assert len(parts) > 3
        assert parts[0].bounds["low"] is None
        assert parts[-1].bounds["below"] is None

    def test_an_estimate_may_be_as_wrong_as_it_likes(self, mariadb, monkeypatch):
        """Whatever the server says, no row is lost and none comes twice."""
        import random

        from labelmill.db.bulk import bisecting

        keys = [f"k{number:05}" for number in range(3_000)]
        draw = random.Random(7)
        real = bisecting._cut

        def lying(texts, rows, estimate, ends, patience):
            return real(texts, rows, lambda _low, _below: draw.choice([0, 1, 400, 5_000]), ends, patience)

        monkeypatch.setattr(bisecting, "_cut", lying)
        with self.analysed(mariadb, keys) as source:
            found = rows_of(source, source.plan(400))
        assert sorted(key for part in found for key in part) == keys


def test_a_large_table_of_postgresql_is_cut_by_the_keys_of_some_of_its_pages(postgresql_database, monkeypatch):
    """Parts are about as large as asked for and hold every row once, also rows that came after the server counted last.

    Of the keys that are looked at only those come here where a part begins: all of them would be more the larger a table is.
    """
    # Enough pages for chance to leave the bounds below alone (six standard deviations), of a table that is small for a test.
    monkeypatch.setattr(postgresql, "SAMPLED_PAGES", 40)
    monkeypatch.setattr(postgresql, "MOST_SAMPLED", 0.5)
    engine = make_engine(postgresql_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE posts (id TEXT PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO posts SELECT 'p' || md5(number::text) FROM generate_series(1, 40000) AS number")
        connection.exec_driver_sql("ANALYZE posts")
        connection.exec_driver_sql("INSERT INTO posts SELECT 'q' || number FROM generate_series(1, 20000) AS number")
    with opened(engine) as source:
        came: list[int] = []
        sa.event.listen(source.engine, "after_cursor_execute", lambda *given: came.append(given[1].rowcount))
        with monkeypatch.context() as walking:
            walking.setattr(Ordered, "cuts", lambda *_: pytest.fail("the whole key was walked along"))
            parts = source.plan(15_000)
        assert max(came) == len(parts) - 1
        found = rows_of(source, parts)
    engine.dispose()
    assert len(parts) in {3, 4, 5, 6}
    assert sum(map(len, found)) == len({key for part in found for key in part}) == 60_000
    assert max(map(len, found)) < 30_000
    assert all(abs(part.rows - 15_000) < 100 for part in parts[:-1])


def test_a_table_that_postgresql_never_counted_is_walked_along(postgresql_database):
    engine = make_engine(postgresql_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE posts (id TEXT PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO posts SELECT md5(number::text) FROM generate_series(1, 2000) AS number")
    with opened(engine) as source:
        assert [part.rows for part in source.plan(900)] == [900, 900, 200]
    engine.dispose()
