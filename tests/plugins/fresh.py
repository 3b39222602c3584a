"""Databases that are empty, belong to one test and are gone after it."""

from __future__ import annotations

import secrets
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import redis
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

CREATE = {
    "postgresql": "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'",
    "mariadb": "CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
}
#: Redis comes with 16 databases. Number 0 is left alone: it is where a developer's own data would be.
REDIS_NUMBERS = range(1, 16)
CLAIM = "labelmill-test-claim"
CLAIM_SECONDS = 600


@contextmanager
def database(kind: str, server_url: str, worker: str) -> Iterator[str]:
    """Give the URL of a new database on a PostgreSQL or MariaDB server; drop it afterwards, whoever is still connected."""
    name = f"labelmill_test_{worker}_{secrets.token_hex(6)}"
    with administration(server_url) as connection:
        connection.execute(text(CREATE[kind].format(name=name)))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with administration(server_url) as connection:
            _drop(kind, connection, name)


@contextmanager
def administration(server_url: str) -> Iterator[Connection]:
    """Give a connection on which each statement commits by itself, as CREATE DATABASE wants."""
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def _drop(kind: str, connection: Connection, name: str) -> None:
    if kind == "postgresql":
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        return
    end_connections(connection, name)  # DROP waits for open transactions, up to a day
    connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))


def end_connections(connection: Connection, name: str) -> None:
    """End the connections of everybody else to a database."""
    if connection.dialect.name == "postgresql":
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
        connection.execute(text(query), {"name": name})
        return
    query = "SELECT id FROM information_schema.processlist WHERE db = :name AND id <> CONNECTION_ID()"
    for (number,) in connection.execute(text(query), {"name": name}).all():
        with suppress(OperationalError):  # it ended by itself meanwhile
            connection.execute(text(f"KILL {number}"))


@contextmanager
def redis_database(server_url: str) -> Iterator[str]:
    """Give the URL of a Redis database that was empty, claimed by a key in it; empty it afterwards.

    Raises LookupError when all of them hold data.
    """
    url = next((url for number in REDIS_NUMBERS if _claim(url := _with_number(server_url, number))), None)
    if url is None:
        raise LookupError(f"every Redis database from 1 to 15 at {make_url(server_url).host} holds data; empty one: FLUSHDB")
    try:
        yield url
    finally:
        with closing(redis.Redis.from_url(url)) as client:
            client.flushdb()


def _with_number(server_url: str, number: int) -> str:
    return make_url(server_url).set(database=str(number)).render_as_string(hide_password=False)


def _claim(url: str) -> bool:
    """Take a database that holds nothing. The claim comes first, the look second: of two workers one sees the other's key."""
    with closing(redis.Redis.from_url(url)) as client:
        if not client.set(CLAIM, "1", nx=True, ex=CLAIM_SECONDS):
            return False
        if client.dbsize() == 1:
            return True
        client.delete(CLAIM)
        return False
