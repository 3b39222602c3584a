"""Transactions: one function is one transaction, tried again where the database asks for it."""

from __future__ import annotations

import random
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Concatenate, NoReturn, ParamSpec, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from labelmill import clock
from labelmill.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection, Engine

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: How often a transaction is tried in all, and until when another try is begun, before the caller hears of it.
TRIES = 6
LONGEST_SECONDS = 10.0
#: MariaDB: deadlock, lock wait, and a savepoint that went with the transaction that a deadlock took back; PostgreSQL: serialisation
#: failure, deadlock, lock not available.
_RETRY_NUMBERS = frozenset({1213, 1205, 1305})
#: MariaDB: unknown column, no default value.
_FAULT_NUMBERS = frozenset({1054, 1364})
_RETRY_STATES = frozenset({"40001", "40P01", "55P03"})


class Database:
    """labelmill's own database: reads and writes as short transactions."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reader = engine.execution_options(labelmill_read=True)

    @property
    def dialect(self) -> str:
        """``sqlite``, ``postgresql`` or ``mysql``."""
        return self.engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection for reading; raises Unavailable when the database does not answer."""
        with answering(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection whose changes are committed at the end, all or none; it is not tried again."""
        with answering(), self.engine.begin() as connection:
            yield connection

    def transact(self, verb: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``verb(connection, ...)``, committed.

        The whole transaction starts again after a deadlock, where the database is busy, and where the connection broke before the
        commit. Raises Unavailable when that does not help, and when the connection breaks during the commit: then nobody knows.
        """
        deadline = clock.monotonic() + LONGEST_SECONDS
        for attempt in range(1, TRIES + 1):
            committing = False
            try:
                with self.engine.connect() as connection:
                    answer = verb(connection, *args, **kwargs)
                    committing = True
                    connection.commit()
                    return answer
            except DBAPIError as error:
                again = is_transient(error) or (error.connection_invalidated and not committing)
                if attempt == TRIES or clock.monotonic() > deadline or not again:
                    _raise_translated(error)
                log.debug("transaction tried again", attempt=attempt, reason=str(error.orig))
            except PoolTimeout as error:
                raise _unavailable(error) from error
            clock.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 - spreads retries, keeps no secret
        raise AssertionError("unreachable")

    def close(self) -> None:
        self.engine.dispose()


def is_transient(error: DBAPIError) -> bool:
    """Tell whether the same transaction may succeed when tried again at once."""
    original = error.orig
    if getattr(original, "sqlstate", None) in _RETRY_STATES:
        return True
    number = original.args[0] if original is not None and original.args else None
    return number in _RETRY_NUMBERS or "database is locked" in str(original)


@contextmanager
def answering() -> Iterator[None]:
    """Turn what a database that is away, busy or full makes the driver raise into Unavailable."""
    try:
        yield
    except DBAPIError as error:
        _raise_translated(error)
    except PoolTimeout as error:
        raise _unavailable(error) from error


def _raise_translated(error: DBAPIError) -> NoReturn:
    """Raise Unavailable for a database that is away, busy or full, and every other error as it is (it is a fault of ours)."""
    away = isinstance(error, OperationalError | InterfaceError) and not _is_our_fault(error.orig)
    if error.connection_invalidated or away:
        raise _unavailable(error) from error
    raise error


def _is_our_fault(original: BaseException | None) -> bool:
    """Tell a wrong statement from a database in trouble where the driver calls both operational."""
    sqlite_code = getattr(original, "sqlite_errorcode", None)
    if sqlite_code is not None:
        return bool(sqlite_code == sqlite3.SQLITE_ERROR)
    return bool(original is not None and original.args and original.args[0] in _FAULT_NUMBERS)


def _unavailable(error: Exception) -> Unavailable:
    reason = str(getattr(error, "orig", error)).splitlines()[0]
    return Unavailable(
        f"The database does not answer: {reason}", way_out="Try again in a moment; see /readyz or `labelmill db check`."
    )
