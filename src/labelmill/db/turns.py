"""Turns at writing to one SQLite file, for the threads of this process.

SQLite takes one writer at a time and lets the others sleep for longer and longer between two looks; who waits for its turn is woken.
Other processes are still waited for as SQLite does it.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

_TURNS: dict[Path, threading.RLock] = {}
_LOCK = threading.Lock()


def turn(path: Path | None) -> AbstractContextManager[object]:
    """Return what a writer holds from the begin of its transaction to the end; nothing to wait for where there is no file."""
    if path is None:
        return nullcontext()
    with _LOCK:
        return _TURNS.setdefault(path.absolute(), threading.RLock())
