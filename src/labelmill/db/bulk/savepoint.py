"""A savepoint whose failure never hides what went wrong inside of it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, NestedTransaction


@contextmanager
def savepoint(connection: Connection) -> Iterator[NestedTransaction]:
    """Keep all that the block did in the open transaction, or after an error nothing of it; the error is raised as it was.

    Some errors (a full disk on SQLite, a deadlock on MariaDB, a connection that is gone) take back the whole transaction, and the
    savepoint with it. Then the transaction has ended for SQLAlchemy too: else what follows would be committed one by one.
    """
    nested = connection.begin_nested()
    try:
        yield nested
        if nested.is_active:
            nested.commit()
    except BaseException:
        if nested.is_active and not _taken_back(nested):
            with suppress(SQLAlchemyError):
                connection.rollback()
        raise


def _taken_back(nested: NestedTransaction) -> bool:
    try:
        nested.rollback()
    except SQLAlchemyError:
        return False
    return True
