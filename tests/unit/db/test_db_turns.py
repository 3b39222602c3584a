"""Writers of one process take turns on SQLite: none sleeps while the database is free."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from labelmill.db.database import Database
from labelmill.db.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(make_engine(f"sqlite:///{tmp_path / 'turns.db'}"))
    with made.write() as connection:
        connection.execute(sa.text("CREATE TABLE counts (n INTEGER)"))
        connection.execute(sa.text("INSERT INTO counts VALUES (0)"))
    yield made
    made.close()


def add(connection: Connection) -> None:
    connection.execute(sa.text("UPDATE counts SET n = n + 1"))


def test_nobody_begins_before_the_other_has_committed(database: Database) -> None:
    inside, leave, events = threading.Event(), threading.Event(), []

    def slow(connection: Connection) -> None:
        add(connection)
        inside.set()
        leave.wait(10)
        events.append("slow")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(database.transact, slow)
        assert inside.wait(10)
        second = pool.submit(database.transact, lambda _connection: events.append("quick"))
        assert not second.done()
        leave.set()
        first.result(10)
        second.result(10)
    assert events == ["slow", "quick"]


def test_many_writers_lose_nothing(database: Database) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _number: database.transact(add), range(200)))
    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT n FROM counts")) == 200


def test_a_failed_transaction_gives_its_turn_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        database.transact(lambda _connection: 1 / 0)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(database.transact, add).result(10)


def test_who_reads_waits_for_nobody(database: Database) -> None:
    with database.write() as connection:
        add(connection)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: _count(database)).result(10) == 0


def _count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.scalar(sa.text("SELECT n FROM counts")) or 0)
