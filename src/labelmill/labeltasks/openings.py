"""Sources and sinks kept open from one step of a task to the next: looking a table up costs more than a small step."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

from labelmill import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds after which what was not used is opened anew.
FRESH_SECONDS = 30.0

T = TypeVar("T")


class Openings(threading.local):
    """What this thread holds open for one task, by kind. Nothing outlives an error: the next step starts with a clean slate."""

    def __init__(self) -> None:
        self._task = ""
        self._used = 0.0
        self._held: dict[str, object] = {}
        self._stack = ExitStack()

    @contextmanager
    def use(self, task_id: str, kind: str, make: Callable[[ExitStack], T]) -> Iterator[T]:
        """Give what ``make`` opens, or opened for an earlier step of this task; ``make`` is given where to say how it is closed."""
        if task_id != self._task or clock.monotonic() - self._used > FRESH_SECONDS:
            self.close()
            self._task = task_id
        try:
            if kind not in self._held:
                self._held[kind] = make(self._stack)
            yield self._held[kind]  # type: ignore[misc]
        except BaseException:
            self.close()
            raise
        self._used = clock.monotonic()

    def close(self) -> None:
        """Close everything."""
        self._task = ""
        self._held = {}
        self._stack.close()
