"""Sources and sinks kept open from one step of a task to the next: looking a table up costs more than a small step."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from labelmill import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


@dataclass(eq=False)
class _Held:
    """What one thread holds open for one task, by kind."""

    task_id: str
    opened: dict[str, object] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)
    users: int = 0
    used_at: float = 0.0


class Openings:
    """What the threads of this process hold open, each for one task. Nothing outlives an error: the next step opens anew."""

    def __init__(self) -> None:
        self._held: dict[int, _Held] = {}
        self._lock = threading.Lock()

    @contextmanager
    def use(self, task_id: str, kind: str, make: Callable[[ExitStack], T]) -> Iterator[T]:
        """Give what ``make`` opens, or opened for an earlier step of this task; ``make`` is given where to say how it is closed."""
        held = self._take(task_id)
        try:
            if kind not in held.opened:
                held.opened[kind] = make(held.stack)
            yield held.opened[kind]  # type: ignore[misc]
        except BaseException:
            self._drop(held)
            raise
        finally:
            held.users -= 1
            held.used_at = clock.monotonic()

    def close_idle(self, seconds: float = 0.0) -> None:
        """Close what nobody has used for so long, whichever thread opened it."""
        with self._lock:
            idle = [held for held in self._held.values() if not held.users and clock.monotonic() - held.used_at >= seconds]
            self._held = {thread: held for thread, held in self._held.items() if held not in idle}
        for held in idle:
            held.stack.close()

    def _take(self, task_id: str) -> _Held:
        thread = threading.get_ident()
        with self._lock:
            held = self._held.get(thread)
            if held is None or held.task_id != task_id:
                old, held = held, _Held(task_id)
                self._held[thread] = held
            else:
                old = None
            held.users += 1
        if old is not None:
            old.stack.close()
        return held

    def _drop(self, held: _Held) -> None:
        with self._lock:
            self._held = {thread: other for thread, other in self._held.items() if other is not held}
        held.stack.close()
