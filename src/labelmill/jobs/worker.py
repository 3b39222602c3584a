"""A worker process: leases one step after the other and runs it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

import structlog

from labelmill.errors import JobStopped, LabelmillError, Unavailable
from labelmill.jobs import leases, presence, service
from labelmill.jobs.following import followed
from labelmill.jobs.heart import Heart, RunningStep, patiently
from labelmill.logs import log_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from labelmill.jobs.model import Step, StepResult
    from labelmill.jobs.runtime import Runtime

log = structlog.get_logger(__name__)

#: Seconds for which a connection that a step has left open may wait for the next step.
IDLE_SECONDS = 5.0

P = ParamSpec("P")
T = TypeVar("T")


class WorkerProcess:
    """What one worker process does, whoever tells it which step is next (polling or a message)."""

    def __init__(self, runtime: Runtime, *, worker_id: str, queues: Sequence[str], stop: threading.Event | None = None) -> None:
        self.database = runtime.database
        self.worker_id = worker_id
        self.queues = queues
        self.stop = stop or threading.Event()
        self._registry = runtime.registry
        self._waker = runtime.waker
        self._settings = runtime.settings
        self._heart = Heart(
            self.database, self._beat, seconds=self._settings.heartbeat_seconds, lease_seconds=self._settings.lease_seconds
        )

    def __enter__(self) -> Self:
        self.database.transact(presence.arrive, self.worker_id, runner=self._waker.runner, queues=self.queues)
        self._heart.start()
        return self

    @property
    def current(self) -> RunningStep | None:
        """The step in hand."""
        return self._heart.current

    def __exit__(self, *_: object) -> None:
        self._heart.stop()
        self._registry.close_idle()
        try:
            self.database.transact(presence.leave, [self.worker_id])
        except Unavailable as error:
            log.warning("worker could not say goodbye", reason=error.message)

    def poll(self, *, job_id: str | None = None, seconds: float | None = None) -> None:
        """Run steps as they come until told to stop; with ``job_id`` only that job's, until it has ended.

        After a step it looks again at once; when nothing is due, after ``seconds`` (by default the setting).
        """
        pause = self._settings.poll_seconds if seconds is None else seconds
        while not self.stop.is_set():
            try:
                ran = self.run_next(job_id=job_id)
                if not ran and job_id and self._has_ended(job_id):
                    return
            except Unavailable as error:
                log.warning("database away, trying again", reason=error.message)
                ran = False
            if not ran:
                self.stop.wait(pause)

    def run_next(self, *, job_id: str | None = None, step_id: str | None = None) -> bool:
        """Lease and run one step; return whether there was one."""
        queues = None if job_id or step_id else self.queues
        if step_id is None:
            with self.database.read() as connection:
                if not leases.any_free(connection, queues, job_id):
                    return False
        step = self.database.transact(leases.claim, self.worker_id, queues=queues, job_id=job_id, step_id=step_id)
        if step is None:
            return False
        with structlog.contextvars.bound_contextvars(job=step.job_id, step=step.key, worker=self.worker_id):
            self._run(step)
            follower = self._registry.follower(step.kind)
            if follower is not None:
                followed(follower, step.job_id)
        return True

    def _run(self, step: Step) -> None:
        running = RunningStep(step, self.database, self.stop, patience=self._settings.lease_seconds)
        self._heart.current = running
        log.debug("step begins", kind=step.kind, attempt=step.attempt)
        try:
            result = self._registry.handler(step)(running)
        except JobStopped as verdict:
            log.info("step handed back", reason=verdict.message)
            self._report(leases.hand_back, step)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is the step's outcome; a Rust panic is no Exception
            self._failed(step, error)
        else:
            self._finished(step, result)
        finally:
            self._heart.current = None

    def _finished(self, step: Step, result: StepResult) -> None:
        try:
            free = self._report(leases.finish, step, result)
        except JobStopped as verdict:
            log.warning("late result refused", reason=verdict.message)
            return
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a result that cannot be stored is the handler's fault
            self._failed(step, error)
            return
        log.info("step done", kind=step.kind, done=result.done)
        self._waker.wake(free)

    def _report(self, verb: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Tell the database the outcome; a database that is away is waited for as long as the lease may still be ours."""
        return patiently(lambda: self.database.transact(verb, *args, **kwargs), seconds=self._settings.lease_seconds)

    def _failed(self, step: Step, error: BaseException) -> None:
        error_id = log_error(error)
        outage = isinstance(error, LabelmillError) and error.retryable
        final = isinstance(error, LabelmillError) and not error.retryable
        parked = self._report(leases.fail, step, describe(error, error_id), final=final, outage=outage)
        log.error("step parked" if parked else "step failed, will be tried again", error=error_id, tries=step.tries + 1)

    def _beat(self, connection: Connection) -> None:
        self._registry.close_idle(IDLE_SECONDS)
        presence.beat(connection, self.worker_id, runner=self._waker.runner, queues=self.queues)

    def _has_ended(self, job_id: str) -> bool:
        with self.database.read() as connection:
            return service.glance(connection, job_id).ended


def describe(error: BaseException, error_id: str) -> dict[str, Any]:
    """Return an error as it is kept with a job; what only a programmer understands stays in the log under its id."""
    if isinstance(error, LabelmillError):
        return _storable(error.as_problem() | {"id": error_id})
    return _storable({"code": "internal", "detail": f"{type(error).__name__}: {error}"[:2000], "id": error_id})


def _storable(problem: dict[str, Any]) -> dict[str, Any]:
    """Return what JSON can hold of an error: a text may have lone surrogates, a detail be any object."""
    texts = {name: value if isinstance(value, int | float | None) else str(value) for name, value in problem.items()}
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in texts.items()
    }
