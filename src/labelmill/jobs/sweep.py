"""The sweep: finds what nobody was woken for, frees what a dead worker held, forgets workers that are gone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import structlog

from labelmill import clock
from labelmill.errors import LabelmillError
from labelmill.ids import new_id
from labelmill.jobs import leases, presence
from labelmill.jobs.model import LeaseWatch

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from sqlalchemy.engine import Connection

    from labelmill.db.database import Database
    from labelmill.jobs.presence import Worker
    from labelmill.jobs.waker import Waker

log = structlog.get_logger(__name__)

#: Seconds between two wake-ups of the same free step; doubled each time, so that a long queue does not fill the broker.
FIRST_WAKE = 5.0
LONGEST_WAKE = 60.0
ENDED = "The worker process ended in the middle of the step."
SILENT = "The worker gave no sign of life for the length of a lease."


class Sweep(threading.Thread):
    """One thread in every parent process; any number of them may sweep at once."""

    def __init__(self, database: Database, waker: Waker, *, lease_seconds: float) -> None:
        super().__init__(name="sweep", daemon=True)
        self._database = database
        self._waker = waker
        self._seconds = min(1.0, lease_seconds / 3)
        self._steps = LeaseWatch(lease_seconds)
        self._workers = LeaseWatch(lease_seconds)
        self._wakes: dict[str, tuple[float, float]] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self.once()
            except LabelmillError as error:
                log.warning("sweep put off", reason=error.message)
            except Exception:
                log.exception("sweep failed")

    def stop(self) -> None:
        self._ended.set()
        self.join(timeout=10)

    def once(self) -> None:
        """Look at every lease, worker and free step once."""
        moment = clock.monotonic()
        with self._database.read() as connection:
            pulses = leases.pulses(connection)
            alive = presence.list_workers(connection)
        gone = {worker.id for worker in alive if worker.is_gone}
        self._release(gone, ENDED)
        silent = set(self._workers.observe(_signs(alive, pulses), moment)) - gone
        self._release(silent, SILENT)
        for step_id, attempt in self._steps.observe({(each.step_id, each.attempt): each.beat for each in pulses}, moment):
            self._free(step_id, attempt)
        gone |= silent
        self._wake(moment, [worker for worker in alive if worker.id not in gone])

    def _release(self, worker_ids: set[str], reason: str) -> None:
        if worker_ids:
            release_workers(self._database, sorted(worker_ids), code="worker-died", reason=reason)

    def _free(self, step_id: str, attempt: int) -> None:
        error = {"code": "lease-expired", "detail": SILENT, "id": new_id()}
        self._database.transact(_fail_leased, step_id, attempt, error)

    def _wake(self, moment: float, alive: Sequence[Worker]) -> None:
        if self._waker.runner == "local":
            return
        with self._database.read() as connection:
            free = dict(leases.free_steps(connection))
        # Messages that nobody takes would only pile up in the broker.
        free = {step_id: queue for step_id, queue in free.items() if any(worker.serves(queue) for worker in alive)}
        known = {step_id: self._wakes.get(step_id, (0.0, 0.0)) for step_id in free}
        due = [step_id for step_id, (next_wake, _) in known.items() if moment >= next_wake]
        for step_id in due:
            wait = min(LONGEST_WAKE, max(FIRST_WAKE, known[step_id][1] * 2))
            known[step_id] = (moment + wait, wait)
        self._wakes = known
        if due:
            self._waker.wake([(step_id, free[step_id]) for step_id in due])


def _signs(workers: Sequence[Worker], pulses: Sequence[leases.Pulse]) -> dict[str, Hashable]:
    """Return by worker what changes for as long as it is alive: where its heart waits for a lock, a step that keeps figures has it."""
    steps: dict[str, list[leases.Pulse]] = {}
    for each in pulses:
        steps.setdefault(each.owner, []).append(each)
    return {worker.id: (worker.beat, *steps.get(worker.id, ())) for worker in workers}


def release_workers(database: Database, worker_ids: Sequence[str], *, code: str, reason: str) -> int:
    """Free every step that these dead workers held, as one failed try each, and forget the workers; return how many steps."""
    with database.read() as connection:
        held = leases.held_by(connection, worker_ids)
    for step in held:
        error = {"code": code, "detail": reason, "id": new_id()}
        parked = database.transact(leases.fail, step, error)
        log.warning("step freed", job=step.job_id, step=step.key, code=code, error=error["id"], parked=parked)
    database.transact(presence.leave, worker_ids)
    return len(held)


def _fail_leased(connection: Connection, step_id: str, attempt: int, error: dict[str, Any]) -> None:
    step = leases.held(connection, step_id, attempt)
    if step is not None:
        parked = leases.fail(connection, step, error)
        log.warning("lease expired, step freed", job=step.job_id, step=step.key, error=error["id"], parked=parked)
