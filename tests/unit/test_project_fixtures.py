"""The fixtures that every other test stands on."""

from __future__ import annotations

import secrets
from contextlib import closing

import psycopg
import pymysql
import pytest
import redis
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

import fresh
import lent
import testservers


def _run(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


@pytest.mark.parametrize("turn", [1, 2])
def test_a_database_is_empty_whatever_the_test_before_did(database_url, turn):
    """Both turns create the same table: the second would fail if it saw the first one's."""
    _run(database_url, "CREATE TABLE only_once (id INTEGER)")
    assert _run(database_url, "SELECT COUNT(*) FROM only_once") == [(0,)]


def test_two_databases_of_one_kind_differ(database_url, request):
    kind = make_url(database_url).get_backend_name()
    name = {"sqlite": "sqlite_database", "postgresql": "postgresql_database", "mysql": "mariadb_database"}[kind]
    assert request.getfixturevalue(name) == database_url  # function-scoped: one per test, whichever name asks for it


@pytest.fixture(params=["postgresql", "mariadb"])
def lend(request, worker_name):
    server_url = request.getfixturevalue(f"{request.param}_url")
    with lent.Lender(worker_name) as lender:
        yield lambda: lender.lend(request.param, server_url)


ENTRY = "INSERT INTO audit_entries (at, action, object, details) VALUES ('2020-01-01 00:00:00', 'test', 'it', '{}')"


def test_a_lent_database_is_as_new_although_the_test_before_left_rows_and_an_open_transaction(lend):
    with lend() as first:
        _run(first, ENTRY)
        guest = create_engine(first).connect()
        guest.execute(text("DELETE FROM audit_entries"))
    with lend() as second:
        assert second == first
        _run(second, ENTRY)
        assert _run(second, "SELECT id FROM audit_entries") == [(1,)]
    guest.invalidate()
    guest.close()


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE left_behind (id INTEGER)",
        "ALTER TABLE rule_sets ADD COLUMN note INTEGER",
        "DROP INDEX {index}",
        "UPDATE alembic_version SET version_num = '0001'",
    ],
)
def test_a_database_whose_schema_was_changed_is_not_lent_again(lend, change):
    with lend() as first:
        kind = make_url(first).get_backend_name()
        _run(first, change.format(index="ix_job_steps_owner" if kind == "postgresql" else "ix_job_steps_owner ON job_steps"))
    with lend() as second:
        assert second != first
        assert _run(second, "SELECT COUNT(*) FROM audit_entries") == [(0,)]


def test_mariadb_tells_tom_from_tom_with_a_blank(mariadb_database):
    assert _run(mariadb_database, "SELECT _utf8mb4'Tom' = _utf8mb4'Tom ' COLLATE utf8mb4_nopad_bin") == [(0,)]
    assert _run(mariadb_database, "SELECT @@collation_database") == [("utf8mb4_nopad_bin",)]


def test_a_postgresql_database_goes_although_somebody_is_connected(postgresql_url):
    with fresh.database("postgresql", postgresql_url, "main") as url:
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        guest = psycopg.connect(plain)
        guest.execute("CREATE TABLE held (id INTEGER)")  # its transaction stays open
    with pytest.raises(psycopg.OperationalError):
        guest.execute("SELECT 1")
    guest.close()
    assert not _names_like(postgresql_url, "pg_database", "datname", make_url(url).database)


def test_a_mariadb_database_goes_although_a_transaction_is_open(mariadb_url):
    with fresh.database("mariadb", mariadb_url, "main") as url:
        _run(url, "CREATE TABLE held (id INTEGER)")
        parts = make_url(url)
        login = {"host": parts.host, "port": parts.port, "user": parts.username, "password": parts.password or ""}
        guest = pymysql.connect(**login, database=parts.database)
        guest.begin()
        guest.cursor().execute("SELECT * FROM held")
    guest.close()
    assert not _names_like(mariadb_url, "information_schema.schemata", "schema_name", make_url(url).database)


def _names_like(url: str, table: str, column: str, name: str | None) -> list[tuple[object, ...]]:
    return _run(url, f"SELECT {column} FROM {table} WHERE {column} = '{name}'")


def test_a_redis_database_is_empty_alone_and_emptied_after(redis_url):
    with fresh.redis_database(redis_url) as first, fresh.redis_database(redis_url) as second:
        assert first != second
        assert "/0" not in {first[-2:], second[-2:]}
        with closing(redis.Redis.from_url(first)) as client:
            assert client.keys() == [fresh.CLAIM.encode()]
            client.set("left behind", 1)
    with fresh.redis_database(redis_url) as third, closing(redis.Redis.from_url(third)) as client:
        assert client.get("left behind") is None


def test_a_redis_database_that_holds_data_is_never_taken(redis_url):
    with fresh.redis_database(redis_url) as url, closing(redis.Redis.from_url(url)) as client:
        client.delete(fresh.CLAIM)
        client.set("somebody's", "data")
        assert not fresh._claim(url)
        assert client.keys() == [b"somebody's"]


def test_each_broker_answers(broker_url, queue_prefix):
    server = testservers.SERVERS["redis" if broker_url.startswith("redis") else "rabbitmq"]
    server.probe(broker_url)
    assert queue_prefix.startswith("labelmill-test-")


def test_queue_prefixes_differ_between_tests(queue_prefix, worker_name):
    other = f"labelmill-test-{worker_name}-{secrets.token_hex(6)}-"
    assert len(queue_prefix) == len(other)
    assert queue_prefix != other


def test_the_browser_exists(chromium_path):
    assert testservers.find_browser() == chromium_path
