"""Whether anybody is being served from a data folder: who writes much at once is considerate then, and quick otherwise."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from labelmill import clock

try:
    import fcntl

    HAS_LOCKS = True
except ImportError:  # Windows: everybody counts as served
    HAS_LOCKS = False

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labelmill.db.database import Database

FILE = ".serving"
#: A pause that lets everybody in: who waits for SQLite's one lock looks again at the latest after 25 ms.
PAUSE_SECONDS: Final = 0.026


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """Let ``is_served`` tell others that people are served from ``folder`` meanwhile; the end of the process ends it too."""
    descriptor = _locked(folder, shared=True)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_served(folder: Path) -> bool:
    """Tell whether some process serves people from ``folder`` now, or it cannot be told."""
    descriptor = _locked(folder, shared=False)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def let_in(database: Database, folder: Path) -> None:
    """Between two of many transactions: wait until people who are served from ``folder`` have had SQLite's lock."""
    if database.dialect == "sqlite" and is_served(folder):
        clock.sleep(PAUSE_SECONDS)


def _locked(folder: Path, *, shared: bool) -> int | None:
    """Return an open file that holds the lock, or None where it is not to be had."""
    if not HAS_LOCKS:
        return None
    try:
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
