"""A worker process: leases one step after the other and runs it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from labelmill.errors import JobStopped, LabelmillError, Unavailable, WorkerStopping
from labelmill.jobs import leases, presence, service
from labelmill.jobs.heart import Heart, RunningStep
from labelmill.logs import log_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelmill.db.database import Database
    from labelmill.jobs.model import Step, StepResult
    from labelmill.jobs.registry import Registry
    from labelmill.jobs.waker import Waker
    from labelmill.settings import Settings

log = structlog.get_logger(__name__)


class WorkerProcess:
    """What one worker process does, whoever tells it which step is next (polling or a message)."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        waker: Waker,
        settings: Settings,
        *,
        worker_id: str,
        queues: Sequence[str],
        stop: threading.Event | None = None,
    ) -> None:
        self.database = database
        self.worker_id = worker_id
        self.queues = queues
        self.stop = stop or threading.Event()
        self._registry = registry
        self._waker = waker
        self._settings = settings
        self._heart = Heart(
            database, worker_id, seconds=settings.heartbeat_seconds, lease_seconds=settings.lease_seconds
        )

    def __enter__(self) -> WorkerProcess:
        self.database.transact(presence.arrive, self.worker_id, runner=self._waker.runner, queues=self.queues)
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._heart.stop()
        try:
            self.database.transact(presence.leave, [self.worker_id])
        except Unavailable as error:
            log.warning("worker could not say goodbye", reason=error.message)

    def poll(self, *, job_id: str | None = None) -> None:
        """Run steps as they come until told to stop; with ``job_id`` only that job's, until it has ended."""
        while not self.stop.is_set():
            try:
                ran = self.run_next(job_id=job_id)
                if not ran and job_id and self._has_ended(job_id):
                    return
            except Unavailable as error:
                log.warning("database away, trying again", reason=error.message)
                ran = False
            if not ran:
                self.stop.wait(self._settings.poll_seconds)

    def run_next(self, *, job_id: str | None = None, step_id: str | None = None) -> bool:
        """Lease and run one step; return whether there was one."""
        queues = None if job_id or step_id or "*" in self.queues else self.queues
        if step_id is None:
            with self.database.read() as connection:
                if not leases.any_free(connection, queues, job_id):
                    return False
        step = self.database.transact(leases.claim, self.worker_id, queues=queues, job_id=job_id, step_id=step_id)
        if step is None:
            return False
        with structlog.contextvars.bound_contextvars(job=step.job_id, step=step.key, worker=self.worker_id):
            self._run(step)
        return True

    def _run(self, step: Step) -> None:
        running = RunningStep(step, self.database, self.stop)
        self._heart.current = running
        log.info("step begins", kind=step.kind, attempt=step.attempt)
        try:
            result = self._registry.handler(step)(running)
        except WorkerStopping:
            log.info("step handed back")
            self.database.transact(leases.hand_back, step)
        except JobStopped as verdict:
            log.info("step stopped", reason=verdict.message)
            self.database.transact(leases.hand_back, step)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is the step's outcome
            self._failed(step, error)
        else:
            self._finished(step, result)
        finally:
            self._heart.current = None

    def _finished(self, step: Step, result: StepResult) -> None:
        try:
            free = self.database.transact(leases.finish, step, result)
        except JobStopped as verdict:
            log.warning("late result refused", reason=verdict.message)
            return
        log.info("step done", done=result.done)
        self._waker.wake(free)

    def _failed(self, step: Step, error: Exception) -> None:
        error_id = log_error(error)
        final = isinstance(error, LabelmillError) and not error.retryable
        parked = self.database.transact(leases.fail, step, describe(error, error_id), final=final)
        log.error("step parked" if parked else "step failed, will be tried again", error=error_id, tries=step.tries + 1)

    def _has_ended(self, job_id: str) -> bool:
        with self.database.read() as connection:
            return service.get(connection, job_id).ended


def describe(error: Exception, error_id: str) -> dict[str, object]:
    """Return an error as it is kept with a job; what only a programmer understands stays in the log under its id."""
    if isinstance(error, LabelmillError):
        return error.as_problem() | {"id": error_id}
    return {"code": "internal", "detail": f"{type(error).__name__}: {error}"[:2000], "id": error_id}
