"""Short transactions: tried again where that can help and never where nobody knows how they ended."""

from __future__ import annotations

import sqlite3
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from labelmill.db import database as module
from labelmill.db.database import Database
from labelmill.db.engine import make_engine
from labelmill.errors import Unavailable


@pytest.fixture
def database(sqlite_database):
    made = Database(make_engine(sqlite_database))
    with made.write() as connection:
        connection.execute(sa.text("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
    yield made
    made.close()


def insert(connection, number):
    connection.execute(sa.text("INSERT INTO t VALUES (:n)"), {"n": number})


def count(database):
    with database.read() as connection:
        return connection.scalar(sa.text("SELECT count(*) FROM t"))


def test_what_a_verb_wrote_is_there_or_not_at_all(database):
    database.transact(insert, 1)
    with pytest.raises(IntegrityError):
        database.transact(lambda connection: (insert(connection, 2), insert(connection, 1)))
    assert count(database) == 1


def test_a_busy_database_is_tried_again(database):
    failures = [3]

    def verb(connection):
        insert(connection, 1)
        if failures[0]:
            failures[0] -= 1
            raise OperationalError("x", {}, sqlite3.OperationalError("database is locked"))
        return "done"

    assert database.transact(verb) == "done"
    assert count(database) == 1


def test_p11_nobody_waits_for_a_second_lock_when_the_first_took_nearly_all_the_time(database, monkeypatch):
    """A lock is waited for for 8 seconds: twice that would be more than a request may take."""
    moment, begun = [0.0], []
    monkeypatch.setattr(module.clock, "monotonic", lambda: moment[0])

    def verb(_connection):
        begun.append(moment[0])
        moment[0] += 8
        raise OperationalError("x", {}, sqlite3.OperationalError("database is locked"))

    with pytest.raises(Unavailable):
        database.transact(verb)
    assert begun == [0.0]


def test_p11_many_that_find_the_file_locked_wait_for_it_once_together(sqlite_database, monkeypatch):
    """One after the other they would wait for minutes; each is told, and none is done."""
    monkeypatch.setattr("labelmill.db.engine.LOCK_SECONDS", 0.2)
    made, alone = Database(make_engine(sqlite_database)), []
    with made.write() as connection:
        connection.execute(sa.text("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
    monkeypatch.setattr(made, "transact", alone.append)
    with made.engine.connect() as other:
        other.execute(sa.text("INSERT INTO t VALUES (9)"))
        outcomes = made.transact_many([lambda connection, n=n: insert(connection, n) for n in range(5)])
    assert [type(each.error) for each in outcomes] == [Unavailable] * 5
    assert alone == []
    assert count(made) == 0
    made.close()


@pytest.mark.parametrize(("broke_at", "runs"), [("verb", 2), ("commit", 1)])
def test_p11_a_broken_connection_is_tried_again_only_before_the_commit(database, broke_at, runs):
    """When it breaks during the commit nobody knows whether it counts: that is for the caller to find out."""
    begun, broken = [], OperationalError("x", {}, Exception("gone"), connection_invalidated=True)

    def verb(connection):
        begun.append(1)
        if len(begun) == 1 and broke_at == "verb":
            raise broken
        if broke_at == "commit":
            connection.commit = _raiser(broken)

    if broke_at == "verb":
        database.transact(verb)
    else:
        with pytest.raises(Unavailable):
            database.transact(verb)
    assert len(begun) == runs


def _raiser(error):
    def commit():
        raise error

    return commit


def test_trying_again_has_an_end(database, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_SECONDS", 0.0)
    begun = []

    def verb(_connection):
        begun.append(1)
        raise OperationalError("x", {}, sqlite3.OperationalError("database is locked"))

    with pytest.raises(Unavailable, match="locked"):
        database.transact(verb)
    assert len(begun) == 1


def test_a_fault_of_ours_is_not_called_an_outage(database):
    """A statement that is wrong stays wrong, however often it is tried."""
    with pytest.raises(OperationalError), database.read() as connection:
        connection.execute(sa.text("SELECT * FROM nothing"))
    with pytest.raises(OperationalError):
        database.transact(lambda connection: connection.execute(sa.text("SELEKT")))


def test_a_file_that_cannot_be_opened_is_an_outage(tmp_path):
    database = Database(make_engine(f"sqlite:///{tmp_path / 'missing' / 'x.db'}"))
    with pytest.raises(Unavailable, match="unable to open"):
        database.transact(insert, 1)
    with pytest.raises(Unavailable), database.read():
        pass
    database.close()


def test_readers_do_not_wait_for_a_writer(database):
    with database.write() as connection:
        insert(connection, 1)
        assert count(database) == 0  # if it waited, then for its own thread: in vain
    assert count(database) == 1


def test_many_writers_at_once_lose_nothing(database):
    def write(start):
        for number in range(start, start + 20):
            database.transact(insert, number)

    threads = [threading.Thread(target=write, args=(start,)) for start in range(0, 160, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert count(database) == 160


def test_a_new_file_opened_by_many_at_once(tmp_path):
    """The switch to the write-ahead log happens once, the others wait for it."""
    for round_ in range(5):
        url, errors = f"sqlite:///{tmp_path / f'{round_}.db'}", []

        def open_it(url=url, errors=errors):
            made = Database(make_engine(url))
            try:
                made.transact(lambda connection: connection.execute(sa.text("CREATE TABLE IF NOT EXISTS t (n INTEGER)")))
            except Unavailable as error:
                errors.append(error)
            made.close()

        threads = [threading.Thread(target=open_it) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert errors == []
