"""Transactions: one function is one transaction, tried again where the database asks for it."""

from __future__ import annotations

import random
import sqlite3
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from labelmill import clock
from labelmill.db.prepared import execute
from labelmill.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one of several verbs returned, or raised."""

    value: Any = None
    error: Exception | None = None


class Database:
    """labelmill's own database: reads and writes as short transactions."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reader = engine.execution_options(labelmill_read=True)
        # SQLite takes one writer at a time and lets the others sleep for longer and longer: here they are woken in turn.
        self._turn = threading.RLock() if self.dialect == "sqlite" else nullcontext()

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
        with self._turn, answering(), self.engine.begin() as connection:
            yield connection

    def transact(self, verb: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``verb(connection, ...)``, committed.

        The whole transaction starts again after a deadlock, where the database is busy, and where the connection broke before the
        commit. Raises Unavailable when that does not help, and when the connection breaks during the commit: then nobody knows.
        """
        deadline = clock.monotonic() + LONGEST_SECONDS
        for attempt in range(1, TRIES + 1):
            committing, begun = False, clock.monotonic()
            try:
                with self._turn, self.engine.connect() as connection:
                    answer = verb(connection, *args, **kwargs)
                    committing = True
                    connection.commit()
                    return answer
            except DBAPIError as error:
                again = is_transient(error) or (error.connection_invalidated and not committing)
                # Another try may wait as long as this one did.
                late = 2 * clock.monotonic() - begun > deadline
                if attempt == TRIES or late or not again:
                    _raise_translated(error)
                log.debug("transaction tried again", attempt=attempt, reason=str(error.orig))
            except PoolTimeout as error:
                raise _unavailable(error) from error
            clock.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 - spreads retries, keeps no secret
        raise AssertionError("unreachable")

    def transact_many(self, verbs: Sequence[Callable[[Connection], Any]]) -> list[Outcome]:
        """Return for each ``verb(connection)`` what it returned or raised, all committed.

        On SQLite they share a transaction, in which one that raises changes nothing: the disk is waited for once. Elsewhere, and
        where the database refuses something, each has a transaction of its own.
        """
        try:
            together = self._together(verbs) if len(verbs) > 1 and self.dialect == "sqlite" else None
        except Unavailable as error:
            return [Outcome(error=error)] * len(verbs)
        return [self._alone(verb) for verb in verbs] if together is None else together

    def _together(self, verbs: Sequence[Callable[[Connection], Any]]) -> list[Outcome] | None:
        try:
            with self._turn, self.engine.connect() as connection:
                outcomes = [_in_savepoint(connection, verb) for verb in verbs]
                connection.commit()
        except (DBAPIError, PoolTimeout) as error:
            if isinstance(error, DBAPIError) and is_transient(error):
                # They have waited for the file's lock together: one after the other they would wait for minutes.
                raise _unavailable(error) from error
            log.debug("transactions parted", reason=str(error))
            return None
        return outcomes

    def _alone(self, verb: Callable[[Connection], Any]) -> Outcome:
        try:
            return Outcome(value=self.transact(verb))
        except Exception as error:  # noqa: BLE001 - whoever asked for it is told
            return Outcome(error=error)

    def close(self) -> None:
        self.engine.dispose()


def _in_savepoint(connection: Connection, verb: Callable[[Connection], Any]) -> Outcome:
    execute(connection, "SAVEPOINT verb")
    try:
        outcome = Outcome(value=verb(connection))
    except DBAPIError:  # SQLite may have taken the whole transaction back
        raise
    except Exception as error:  # noqa: BLE001 - whoever asked for it is told
        outcome = Outcome(error=error)
        execute(connection, "ROLLBACK TO verb")
    execute(connection, "RELEASE verb")
    return outcome


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
