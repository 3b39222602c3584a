"""Which workers are alive."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import sqlalchemy as sa

from labelmill import clock
from labelmill.ids import new_id
from labelmill.jobs.tables import workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection


@dataclass(frozen=True, kw_only=True)
class Worker:
    id: str
    host: str
    pid: int
    runner: str
    queues: tuple[str, ...]
    beat: int

    @property
    def is_gone(self) -> bool:
        """Whether it certainly is not alive: it ran on this machine and its process is no more."""
        return self.is_here and not psutil.pid_exists(self.pid)

    @property
    def is_here(self) -> bool:
        """Whether it runs, or ran, on this machine and, where that is one, in this container."""
        return self.host == this_machine()

    def serves(self, queue: str) -> bool:
        return queue in self.queues


@cache
def this_machine() -> str:
    """Return a name under which process numbers have one meaning: containers may share a host name, and numbers begin anew at a start."""
    scope = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        scope = f"/{boot}/{Path('/proc/self/ns/pid').readlink()}"
    return f"{socket.gethostname()[:128]}{scope}"


def new_worker_id() -> str:
    """Return a name for a worker process that nobody else has."""
    return f"{socket.gethostname()[:24]}-{new_id()}"


def arrive(connection: Connection, worker_id: str, *, runner: str, queues: Sequence[str]) -> None:
    """Register a worker process."""
    row = {
        "id": worker_id, "host": this_machine(), "pid": os.getpid(), "runner": runner, "queues": list(queues), "beat": 0,
        "started_at": clock.now(),
    }  # fmt: skip
    connection.execute(sa.insert(workers).values(row))


def beat(connection: Connection, worker_id: str, *, runner: str, queues: Sequence[str]) -> None:
    """Raise a worker's heartbeat counter; one that was held for dead and forgotten is registered again."""
    alive = sa.update(workers).where(workers.c.id == worker_id).values(beat=workers.c.beat + 1)
    if connection.execute(alive).rowcount == 0:
        arrive(connection, worker_id, runner=runner, queues=queues)


def leave(connection: Connection, worker_ids: Sequence[str]) -> None:
    """Remove worker processes that have ended."""
    connection.execute(sa.delete(workers).where(workers.c.id.in_(list(worker_ids))))


def list_workers(connection: Connection) -> list[Worker]:
    """Return every registered worker process, alive or not yet found dead."""
    rows = connection.execute(sa.select(workers).order_by(workers.c.id)).mappings()
    return [
        Worker(
            id=row["id"], host=row["host"], pid=row["pid"], runner=row["runner"], queues=tuple(row["queues"]), beat=row["beat"]
        )
        for row in rows
    ]
