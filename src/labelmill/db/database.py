"""Transactions: one function is one transaction, tried again where the database asks for it."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

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

#: How often a transaction is tried in all, and for how many seconds, before the caller hears of it.
TRIES = 6
#: MariaDB: deadlock, lock wait; PostgreSQL: serialisation failure, deadlock, lock not available.
_RETRY_NUMBERS = frozenset({1213, 1205})
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
        with _answering(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection whose changes are committed at the end, all or none; it is not tried again."""
        with _answering(), self.engine.begin() as connection:
            yield connection

    def transact(self, verb: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``verb(connection, ...)``, committed; a deadlock or a busy database starts the whole transaction again."""
        for attempt in range(1, TRIES + 1):
            try:
                with self.engine.begin() as connection:
                    return verb(connection, *args, **kwargs)
            except DBAPIError as error:
                if attempt == TRIES or not is_transient(error):
                    raise _translated(error) from error
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
def _answering() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _translated(error) from error
    except PoolTimeout as error:
        raise _unavailable(error) from error


def _translated(error: DBAPIError) -> Exception:
    """Return Unavailable for a database that is away, busy or full, and every other error as it is (it is a fault of ours)."""
    away = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return _unavailable(error) if away else error


def _unavailable(error: Exception) -> Unavailable:
    reason = str(getattr(error, "orig", error)).splitlines()[0]
    return Unavailable(
        f"The database does not answer: {reason}", way_out="Try again in a moment; see /readyz or `labelmill db check`."
    )
