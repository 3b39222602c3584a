"""What a running step may use: told from outside its process."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from labelmill.jobs.model import Step

MEBIBYTE = 1024 * 1024


def excess(step: Step, seconds: float, memory: int) -> tuple[str, str] | None:
    """Return (code, reason) when a step that has run for ``seconds``, in a process with ``memory`` bytes, is over one of its limits."""
    if seconds > step.limits.seconds:
        return "time-limit", f"The step ran for longer than its limit of {step.limits.seconds:g} s and was stopped."
    used = memory // MEBIBYTE
    if used > step.limits.memory_mb:
        return "memory-limit", f"The step used {used} MB, more than its limit of {step.limits.memory_mb} MB, and was stopped."
    return None


def memory_of(pid: int) -> int:
    """Return the bytes that a process and all below it hold in memory; 0 when it is gone."""
    used = 0
    for process in _family(pid, below=_may_have_children(pid)):
        with suppress(psutil.Error):
            used += int(process.memory_info().rss)
    return used


def kill(pid: int) -> None:
    """End a process and all below it at once. Their parent still has to wait for them."""
    for process in _family(pid):
        with suppress(psutil.Error):
            process.kill()


def _family(pid: int, *, below: bool = True) -> list[psutil.Process]:
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        return [parent, *(parent.children(recursive=True) if below else ())]
    return []


def _may_have_children(pid: int) -> bool:
    """Tell whether a process may have children; True where the system does not say.

    Finding them means reading about every process of the machine, and nearly no step has any: Linux tells by its threads.
    """
    try:
        return any((thread / "children").read_bytes() for thread in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return True
