"""Writes an import slice after slice: so short, with such pauses, that whoever labels meanwhile waits for none of them long.

On SQLite one writes at a time, and who waits looks again at the latest after 25 ms: a pause that is longer lets everybody in. A slice
there costs about as much for the pages of its indexes that it changes as for its rows, so where nobody is served slices are large.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import event

from labelmill import clock
from labelmill.db.company import PAUSE_SECONDS, is_served
from labelmill.db.database import Database
from labelmill.db.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.engine import Connection

T = TypeVar("T")

#: Seconds that a slice should take.
SLICE_SECONDS: Final = 0.02
#: The first slice shows what a row costs: an answer ten times what a record does, one that is known already a tenth.
FIRST_ROWS, FEWEST_ROWS = 50, 50
#: What came before may be rows that are known, the next ones new: on SQLite even then a slice is soon over.
MOST_ROWS: Final = 5_000
MOST_ROWS_SQLITE: Final = 1_000
#: The same where nobody is served.
ALONE_SECONDS: Final = 0.5
ALONE_FIRST, ALONE_ROWS = 500, 25_000
#: Who has waited for a quarter of a second looks again every 100 ms only: the hearts of workers need such a pause now and then.
REST_EVERY, REST_SECONDS = 2.0, 0.11


class SliceWriter:
    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._bulk: Database | None = None
        self._lock = threading.Lock()
        self._size = 0
        self._alone = False
        self._used = 0.0
        self._rested = 0.0

    def write(self, verb: Callable[[Connection, int], T], done: int, rows: int) -> T:
        """Return ``verb(connection, size)``, committed, for the next rows of ``rows``, of which ``done`` are done."""
        database = self._open()
        most, wanted = self._bounds(done)
        size = max(1, min(self._size, most, rows - done))
        began = clock.monotonic()

        def alone_with_it(connection: Connection) -> T:
            nonlocal began
            connection.begin()  # SQLite's one lock is waited for here
            began = clock.monotonic()
            return verb(connection, size)

        answer = database.transact(alone_with_it)
        # What was waited for others is no reason for smaller slices: they would be ever smaller, and wait ever more often.
        seconds = clock.monotonic() - began
        self._used = clock.monotonic()
        self._size = max(FEWEST_ROWS, int(size * min(4.0, wanted / max(seconds, 0.001))))
        if self._database.dialect == "sqlite":
            _let_in(database, self._pause())
        return answer

    def _bounds(self, done: int) -> tuple[int, float]:
        """Return how many rows a slice may have at most, and how many seconds it should take."""
        is_sqlite = self._database.dialect == "sqlite"
        alone = is_sqlite and not is_served(self._folder)
        if not self._size or alone != self._alone or not (done or alone):
            # Slices of half a second, or of another import, are no measure for what others wait for.
            self._size, self._alone = ALONE_FIRST if alone else FIRST_ROWS, alone
        if alone:
            return ALONE_ROWS, ALONE_SECONDS
        return MOST_ROWS_SQLITE if is_sqlite else MOST_ROWS, SLICE_SECONDS

    def _pause(self) -> float:
        """Return the seconds to wait for others: now and then as long as who has waited for a large slice sleeps."""
        if clock.monotonic() - self._rested < REST_EVERY:
            return PAUSE_SECONDS
        self._rested = clock.monotonic()
        return REST_SECONDS

    def close_idle(self, seconds: float) -> None:
        """Close the connections that were not used for so long."""
        with self._lock:
            if self._bulk is not None and self._bulk is not self._database and clock.monotonic() - self._used >= seconds:
                self._bulk.close()
                self._bulk = None

    def _open(self) -> Database:
        """Return the database for writing much: on SQLite with connections of its own."""
        with self._lock:
            if self._bulk is None:
                self._bulk = self._database
                if self._database.dialect == "sqlite":
                    engine = make_engine(self._database.engine.url, pool_size=1)
                    event.listen(engine, "connect", _prepare)
                    self._bulk = Database(engine)
            self._used = clock.monotonic()
            return self._bulk


def _let_in(database: Database, seconds: float) -> None:
    """Bring the log into the database, while others may write to it, and do nothing else for so long."""
    end = clock.monotonic() + seconds
    reading = database.engine.execution_options(labelmill_read=True, isolation_level="AUTOCOMMIT")
    with reading.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
    if (rest := end - clock.monotonic()) > 0:
        clock.sleep(rest)


def _prepare(connection: Any, _entry: Any) -> None:
    cursor = connection.cursor()
    # What a power cut takes of an import it takes with the count of it: the next attempt adds it again. The step's end is synced.
    for pragma in ("synchronous=NORMAL", "wal_autocheckpoint=0", "cache_size=-128000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
