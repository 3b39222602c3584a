"""A small installation for tests of jobs: one database, one output database, short leases, workers on demand."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import job_kinds
import lent
from labelmill.bootstrap import make_waker
from labelmill.db.database import Database
from labelmill.db.engine import make_engine
from labelmill.jobs import presence, service
from labelmill.jobs.model import Limits, NewStep
from labelmill.jobs.runtime import Runtime
from labelmill.jobs.supervisor import Child, Supervisor
from labelmill.jobs.worker import WorkerProcess
from labelmill.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labelmill.jobs.model import Job

MAIN = Path(__file__).with_name("worker_main.py")
SECRET = "0a1b2c3d4e5f60718293a4b5c6d7e8f9-lab"


class Lab:
    """Everything that a test of jobs needs; ``settings`` overrule the short times."""

    def __init__(self, url: str, folder: Path, **settings: Any) -> None:
        quick = {
            "heartbeat_seconds": 0.1,
            "lease_seconds": 1.5,
            "poll_seconds": 0.05,
            "stop_seconds": 8.0,
            "log_level": "error",
        }
        lent.lay_down(url)
        self.folder = folder
        self.settings = Settings(data_dir=folder, database_url=url, secret=SECRET, **(quick | settings))
        self.database = Database(make_engine(url))
        self.queue = self.settings.queues[0]
        self.runtime = Runtime(
            database=self.database, registry=job_kinds.registry(), waker=make_waker(self.settings), settings=self.settings
        )
        self.out = folder / "out.db"
        job_kinds.prepare(self.out)

    def close(self) -> None:
        self.database.close()

    def submit(self, kind: str, *, tries: int = 3, limit_seconds: float = 60, memory_mb: int = 2048, **params: Any) -> Job:
        """Add a job of a test kind and wake workers."""
        options = {name: params.pop(name) for name in ("key", "countdown", "queue") if name in params}
        if kind == "add":
            params = {"steps": 4, "each": 5} | params
        job = self.database.transact(
            service.submit, kind=kind, title=kind, params={"out": str(self.out)} | params,
            steps=[NewStep(key="first", name="plan" if kind == "add" else "only", phase=0)],
            limits=Limits(tries=tries, seconds=limit_seconds, memory_mb=memory_mb), **({"queue": self.queue} | options),
        )  # fmt: skip
        self.runtime.wake(job.id)
        return job

    def job(self, job: Job) -> Job:
        with self.database.read() as connection:
            return service.get(connection, job.id)

    def steps(self, job: Job) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            return service.list_steps(connection, job.id)

    def wait(self, job: Job, *, seconds: float = 30) -> Job:
        """Return the job once it has ended."""
        self.until(lambda: self.job(job).ended, seconds=seconds, what=lambda: f"{self.job(job)} {self.steps(job)}")
        return self.job(job)

    def until(self, happened: Callable[[], Any], *, seconds: float = 30, what: Callable[[], str] = lambda: "") -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what()}"
            time.sleep(0.02)

    def worker(self, name: str | None = None) -> WorkerProcess:
        """Return a worker that runs in this process."""
        return WorkerProcess(self.runtime, worker_id=name or presence.new_worker_id(), queues=self.settings.queues)

    def work(self, job: Job | None = None) -> None:
        """Run what is due, in this thread, until nothing is."""
        worker = self.worker()
        while worker.run_next(job_id=job.id if job else None):
            pass

    @contextmanager
    def supervised(self, workers: int = 1) -> Iterator[Supervisor]:
        """Run worker processes under a supervisor until the end of the block."""
        children = [Child(f"w{i}", lambda worker_id: [sys.executable, str(MAIN), worker_id]) for i in range(workers)]
        supervisor = Supervisor(self.runtime, children)
        thread = threading.Thread(target=supervisor.run)
        thread.start()
        try:
            yield supervisor
        finally:
            supervisor.stop.set()
            thread.join(40)
        assert not thread.is_alive()

    def alive(self) -> list[presence.Worker]:
        with self.database.read() as connection:
            return presence.list_workers(connection)

    def runs(self, job: Job, step: str | None = None) -> list[tuple[str, int, int]]:
        """Return (step, attempt, pid) of every time that a step of the job was begun."""
        return [
            row
            for row in self._output("SELECT step, attempt, pid FROM runs WHERE job = ? ORDER BY rowid", job.id)
            if step in (None, row[0])
        ]

    def numbers(self, job: Job) -> list[int]:
        return [row[0] for row in self._output("SELECT number FROM numbers WHERE job = ? ORDER BY number", job.id)]

    def holds_exactly(self, job: Job) -> bool:
        """Tell whether an ``add`` job has succeeded with each of its numbers written once, and counted."""
        found, end = self.job(job), job.params["steps"] * job.params["each"]
        right = found.state == "succeeded" and found.done == found.total == end and self.numbers(job) == list(range(end))
        return right and found.result == {"sum": sum(range(end))}

    def _output(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.out, timeout=20)) as connection:
            return connection.execute(query, values).fetchall()


@contextmanager
def environment(lab: Lab) -> Iterator[dict[str, str]]:
    """Give the environment in which a command sees the lab's settings."""
    yield {**os.environ, **lab.settings.environment()}
