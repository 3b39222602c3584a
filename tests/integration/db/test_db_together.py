"""Several verbs in one transaction: each has its own outcome, whatever becomes of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from labelmill.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from labelmill.db.database import Database

counts = sa.Table("together", sa.MetaData(), sa.Column("name", sa.String(20), primary_key=True))


def adds(name: str) -> Callable[[Connection], str]:
    """Return a verb that adds a row with this id."""

    def add(connection: Connection) -> str:
        connection.execute(sa.insert(counts).values(name=name))
        return name

    return add


def refuses(connection: Connection) -> None:
    """Add a row, and find that it must not be."""
    adds("never")(connection)
    raise NotFound("There is none.")


@pytest.fixture
def made(database: Database) -> Iterator[Database]:
    counts.create(database.engine)
    yield database
    counts.drop(database.engine)


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.scalars(sa.select(counts.c.name)))


def test_each_verb_has_its_own_outcome(made: Database):
    found = made.transact_many([adds("a"), refuses, adds("b")])
    assert [each.value for each in found] == ["a", None, "b"]
    assert [type(each.error) for each in found] == [type(None), NotFound, type(None)]
    assert names(made) == ["a", "b"]


def test_what_the_database_refuses_harms_no_other(made: Database):
    found = made.transact_many([adds("a"), adds("a"), adds("b")])
    assert [each.value for each in found] == ["a", None, "b"]
    assert isinstance(found[1].error, IntegrityError)
    assert names(made) == ["a", "b"]


def test_on_sqlite_they_share_one_transaction(made: Database):
    commits: list[Connection] = []

    def count(connection: Connection) -> None:
        commits.append(connection)

    sa.event.listen(made.engine, "commit", count)
    try:
        made.transact_many([adds("a"), refuses, adds("b"), adds("c")])
    finally:
        sa.event.remove(made.engine, "commit", count)
    assert len(commits) == (1 if made.dialect == "sqlite" else 3)


def test_a_commit_that_fails_is_no_acknowledgement(embedded: Database):
    """Where all cannot be committed, each is tried alone, and told what became of it."""
    counts.create(embedded.engine)
    left = [1]

    def fail(_connection: Connection) -> None:
        if left and left.pop():
            raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

    sa.event.listen(embedded.engine, "commit", fail)
    try:
        found = embedded.transact_many([adds("a"), adds("b")])
    finally:
        sa.event.remove(embedded.engine, "commit", fail)
    assert sorted(each.value for each in found if each.error is None) == names(embedded)
