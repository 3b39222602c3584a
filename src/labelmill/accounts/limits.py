"""How often one address may try to get in, and how often one account is tried, whichever of the web processes is asked."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from labelmill import clock
from labelmill.accounts.people import hashed
from labelmill.accounts.tables import attempts
from labelmill.errors import TooManyRequests

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from labelmill.db.database import Database

WINDOW: Final = 60.0  # seconds
#: Addresses that are forgotten at once; each new one makes room.
SWEPT: Final = 100


class Attempts:
    """Counts attempts in the last minute for each address, or whatever else they are counted by.

    ``what`` keeps the counts of one kind of attempt from those of another. All web processes of one database count together.
    """

    def __init__(self, database: Database, what: str, most: int) -> None:
        self._database = database
        self._what = what
        self._most = most

    def count(self, address: str, times: int = 1) -> None:
        """Count an attempt; raises TooManyRequests when the address has used up its attempts, ``times`` as many as usual."""
        most = self._most * times
        wait = self._database.transact(_add, self._key(address), most)
        if wait is not None:
            raise TooManyRequests(
                f"That was tried {most} times within a minute.", way_out=f"Try again in {wait} seconds.", retry_after=wait
            )

    def take_back(self, address: str) -> None:
        """Count the newest attempt no more: it succeeded. The others stay, or whoever has an account could guess without end."""
        self._database.transact(_take_back, self._key(address))

    def _key(self, address: str) -> str:
        return hashed(f"{self._what} {address}")


def _add(connection: Connection, key: str, most: int) -> int | None:
    """Count an attempt and return None, or the seconds to wait where there were as many as may be."""
    now = clock.now()
    # A clock that was put back leaves attempts in the future: they would count for as long as it was wrong.
    times = [at for at in _times(connection, key, now) if abs(now.timestamp() - at) < WINDOW]
    if len(times) >= most:
        return max(1, round(WINDOW - (now.timestamp() - times[0])))
    _write(connection, key, [*times, now.timestamp()], now)
    return None


def _take_back(connection: Connection, key: str) -> None:
    if times := connection.scalar(_locked(key)):
        _write(connection, key, times[:-1], clock.now())


def _times(connection: Connection, key: str, now: datetime) -> list[float]:
    """Return when the last attempts were, in seconds since 1970; whoever else counts the same waits for the end of the transaction."""
    found: list[float] | None = connection.scalar(_locked(key))
    if found is not None:
        return found
    _forget(connection, now)
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(attempts).values(counted=key, times=[], last_at=now))
    except IntegrityError:  # somebody was faster
        return list(connection.scalar(_locked(key)) or ())
    return []


def _locked(key: str) -> sa.Select[Any]:
    return sa.select(attempts.c.times).where(attempts.c.counted == key).with_for_update()


def _write(connection: Connection, key: str, times: list[float], now: datetime) -> None:
    connection.execute(sa.update(attempts).where(attempts.c.counted == key).values(times=times, last_at=now))


def _forget(connection: Connection, now: datetime) -> None:
    """Remove what is too old to count, some at a time, or left in the future by a clock that was wrong."""
    window = timedelta(seconds=WINDOW)
    old = sa.or_(attempts.c.last_at < now - window, attempts.c.last_at > now + window)
    keys = list(connection.scalars(sa.select(attempts.c.counted).where(old).limit(SWEPT).with_for_update(skip_locked=True)))
    if keys:
        connection.execute(sa.delete(attempts).where(attempts.c.counted.in_(keys)))
