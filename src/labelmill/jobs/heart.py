"""A worker process's heartbeat: one thread that says that the process and its present step are alive."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from labelmill import clock
from labelmill.errors import JobStopped, StepLost, Unavailable, WorkerStopping
from labelmill.jobs import leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from labelmill.db.database import Database
    from labelmill.jobs.model import Step

log = structlog.get_logger(__name__)

T = TypeVar("T")


class RunningStep:
    """The step in hand, as its handler sees it (a StepContext)."""

    def __init__(self, step: Step, database: Database, stop: threading.Event, *, patience: float) -> None:
        self.step = step
        self.done = 0
        #: Set by the heart when the step need not go on.
        self.verdict: JobStopped | None = None
        self._database = database
        self._stop = stop
        self._patience = patience

    @property
    def payload(self) -> dict[str, Any]:
        return self.step.payload

    @property
    def params(self) -> dict[str, Any]:
        return self.step.params

    def report(self, done: int) -> None:
        self.done = done
        if self.verdict is not None:
            raise self.verdict
        if self._stop.is_set():
            raise WorkerStopping(f"The worker stops; step {self.step.key} goes back to the queue.")

    def fence(self) -> None:
        self.report(self.done)
        patiently(self._ask, seconds=self._patience)

    def _ask(self) -> None:
        self.report(self.done)
        with self._database.read() as connection:
            leases.check_wanted(connection, self.step)


def patiently(call: Callable[[], T], *, seconds: float) -> T:
    """Return what ``call`` gives; a database that is away is asked again for ``seconds``, then Unavailable is raised."""
    deadline, pause = clock.monotonic() + seconds, 0.05
    while True:
        try:
            return call()
        except Unavailable:
            if clock.monotonic() > deadline:
                raise
        clock.sleep(pause)
        pause = min(0.5, pause * 2)


class Heart(threading.Thread):
    """Beats every ``seconds`` for the worker and for the step that it holds.

    When the database has not answered for ``lease_seconds`` somebody else may hold the step already: the step is told to stop.
    """

    def __init__(
        self, database: Database, beat_worker: Callable[[Connection], None], *, seconds: float, lease_seconds: float
    ) -> None:
        super().__init__(name="heart", daemon=True)
        self.current: RunningStep | None = None
        self._database = database
        self._beat = beat_worker
        self._seconds = seconds
        self._lease_seconds = lease_seconds
        self._ended = threading.Event()
        self._answered = clock.monotonic()

    def run(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self._beat_worker()
                running = self.current
                if running is not None and running.verdict is None:
                    self._beat_step(running)
            except Exception:
                # Whatever it was, the next beat may succeed; without a heart the step would be taken for dead.
                log.exception("heartbeat failed")

    def stop(self) -> None:
        self._ended.set()
        self.join(timeout=10)

    def _beat_worker(self) -> None:
        try:
            self._database.transact(self._beat)
            self._answered = clock.monotonic()
        except Unavailable as error:
            log.warning("heartbeat missed", reason=error.message)

    def _beat_step(self, running: RunningStep) -> None:
        try:
            self._database.transact(leases.beat, running.step, running.done)
            self._answered = clock.monotonic()
        except JobStopped as verdict:
            running.verdict = verdict
        except Unavailable:
            if clock.monotonic() - self._answered > self._lease_seconds:
                running.verdict = StepLost("The database has not answered for longer than a lease.")
