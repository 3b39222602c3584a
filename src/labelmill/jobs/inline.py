"""A command runs its job itself, unless a worker is there that will: then it watches that one."""

from __future__ import annotations

import math
import os
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import structlog

from labelmill import clock
from labelmill.errors import JobCancelled, JobStopped, Unavailable, WorkerStopping
from labelmill.ids import new_id
from labelmill.jobs import leases, limits, presence, service
from labelmill.jobs.model import JobState
from labelmill.jobs.supervisor import Supervisor, worker_children
from labelmill.jobs.sweep import ENDED, Sweep, release_workers
from labelmill.jobs.worker import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labelmill.jobs.model import Job, Step
    from labelmill.jobs.runtime import Runtime

log = structlog.get_logger(__name__)

#: Seconds between two reports of progress.
REPORT_SECONDS = 0.25
#: Seconds between two looks at the memory of this process: with children below it, that reads about every process of the machine.
WEIGH_SECONDS = 1.0
#: Seconds until the next look for a step when none is due, since other workers run the rest of the phase.
LOOK_SECONDS = 0.05
#: How many heartbeats a worker may miss before it is not waited for.
BEATS_MISSED = 2.5
#: Steps that one process runs side by side.
LANES = 2
#: Seconds that a step has for ending in order after Ctrl-C.
PATIENCE_SECONDS = 5.0


def run_or_watch(
    runtime: Runtime, job_id: str, *, on_progress: Callable[[Job], None] = lambda _job: None, workers: int = 1
) -> Job:
    """Return the job once it has ended, however it ended; ``on_progress`` gets it four times a second until then.

    Where no worker serves its queue it is run here: in this process, or in as many ``workers`` of its own as are asked for.
    Workers that die while they are watched are replaced by this process. A step that runs here is held to its limits, but code
    that never lets another thread of Python run can only be stopped where a worker process runs it. Raises WorkerStopping at
    Ctrl-C, with the job left queued (or with its worker), and JobStopped when a step here exceeds a limit.
    """
    while not (job := load(runtime, job_id)).ended:
        if has_live_worker(runtime, job.queue):
            _watch(runtime, job, on_progress)
        elif workers > 1:
            _run_in_children(runtime, job_id, workers, on_progress)
        else:
            _run_here(runtime, job_id, on_progress)
    runtime.mirror(job)
    on_progress(job)
    return job


def load(runtime: Runtime, job_id: str) -> Job:
    """Return the job as it is now; raises NotFound."""
    with runtime.database.read() as connection:
        return service.get(connection, job_id)


def _glance(runtime: Runtime, job_id: str) -> Job:
    with runtime.database.read() as connection:
        return service.glance(connection, job_id)


def require_success(job: Job) -> Job:
    """Return an ended job that succeeded; raises JobStopped or JobCancelled for one that did not, with its reason and way out."""
    if job.state is JobState.FAILED:
        error = job.error or {}
        place = f"{error['where']}: " if error.get("where") else ""
        way_out = f"{error.get('way_out') or ''} `labelmill jobs retry {job.id}` goes on once the cause is gone."
        raise JobStopped(f"Job {job.id} failed: {place}{error.get('detail', 'no reason is known')}", way_out=way_out.strip())
    if job.state is JobState.CANCELLED:
        raise JobCancelled(f"Job {job.id} was cancelled.", way_out=f"`labelmill jobs retry {job.id}` to go on.")
    return job


def has_live_worker(runtime: Runtime, queue: str) -> bool:
    """Tell whether some worker serves ``queue``: its process is there and its heart beats.

    Workers of this machine whose process is gone are forgotten at once; for a beat of another one it waits 2.5 heartbeats.
    """
    first = _beats(runtime, queue)
    deadline = clock.monotonic() + BEATS_MISSED * runtime.settings.heartbeat_seconds
    while first and clock.monotonic() < deadline:
        clock.sleep(min(0.1, runtime.settings.heartbeat_seconds / 4))
        now = _beats(runtime, queue)
        if any(beat != first.get(worker_id) for worker_id, beat in now.items()):
            return True
    return False


def _beats(runtime: Runtime, queue: str) -> dict[str, int]:
    with runtime.database.read() as connection:
        known = presence.list_workers(connection)
    gone = [worker.id for worker in known if worker.is_gone]
    if gone:
        release_workers(runtime.database, gone, code="worker-died", reason=ENDED)
    return {worker.id: worker.beat for worker in known if worker.id not in gone and worker.serves(queue)}


def _watch(runtime: Runtime, job: Job, on_progress: Callable[[Job], None]) -> None:
    """Report progress until the job has ended or its workers have gone."""
    runtime.wake(job.id)
    patience = 2 * BEATS_MISSED * runtime.settings.heartbeat_seconds
    looked = clock.monotonic()
    try:
        while not job.ended:
            on_progress(job)
            clock.sleep(REPORT_SECONDS)
            if clock.monotonic() - looked > patience:
                if not has_live_worker(runtime, job.queue):
                    return
                looked = clock.monotonic()
            with suppress(Unavailable):
                job = _glance(runtime, job.id)
    except KeyboardInterrupt:
        raise WorkerStopping(f"Job {job.id} goes on in its worker.", way_out=_ways(job.id, "watch", "watch it")) from None


def _run_here(runtime: Runtime, job_id: str, on_progress: Callable[[Job], None]) -> None:
    """Run the job's steps in threads of this process, while this thread reports progress, holds limits and hears Ctrl-C."""
    lanes = [_Lane(runtime, job_id) for _ in range(LANES)]
    sweep = Sweep(runtime.database, runtime.waker, lease_seconds=runtime.settings.lease_seconds)
    with ExitStack() as stack:
        for lane in lanes:
            stack.enter_context(lane.process)
        sweep.start()
        for lane in lanes:
            lane.start()
        try:
            _attend(runtime, job_id, lanes, on_progress)
        except KeyboardInterrupt:
            raise WorkerStopping(f"Job {job_id} was left queued.", way_out=_ways(job_id, "run", "go on")) from None
        finally:
            for lane in lanes:
                lane.process.stop.set()
            _join(lanes)
            sweep.stop()
            for lane in lanes:
                _hand_back(runtime, lane.process)
    error = next((lane.error for lane in lanes if lane.error is not None), None)
    if error is not None:
        raise error


def _run_in_children(runtime: Runtime, job_id: str, count: int, on_progress: Callable[[Job], None]) -> None:
    """Run the job's steps in worker processes that serve nothing else, while this thread reports progress and hears Ctrl-C."""
    supervisor = Supervisor(runtime, worker_children(count, "--job", job_id))
    thread = threading.Thread(target=supervisor.run, name="supervisor", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            with suppress(Unavailable):  # the workers wait for the database, and so does this thread
                if (job := _glance(runtime, job_id)).ended:
                    break
                on_progress(job)
            clock.sleep(REPORT_SECONDS)
    except KeyboardInterrupt:
        raise WorkerStopping(f"Job {job_id} was left queued.", way_out=_ways(job_id, "run", "go on")) from None
    finally:
        supervisor.stop.set()
        thread.join()


class _Lane(threading.Thread):
    """One thread that runs steps of one job: while the step of one lane waits for a database or a disk, the other's computes."""

    def __init__(self, runtime: Runtime, job_id: str) -> None:
        super().__init__(name="job", daemon=True)
        # Serving no queue: nobody should wait for a worker that runs one job only.
        self.process = WorkerProcess(runtime, worker_id=presence.new_worker_id(), queues=())
        self.job_id = job_id
        self.error: BaseException | None = None
        self._seen: tuple[Step, float] | None = None

    def run(self) -> None:
        try:
            self.process.poll(job_id=self.job_id, seconds=LOOK_SECONDS)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self.error = error

    def step_since(self) -> tuple[Step, float] | None:
        """Return the step in hand and for how many seconds it has been seen there."""
        running = self.process.current
        if running is None:
            self._seen = None
        elif self._seen is None or self._seen[0] is not running.step:
            self._seen = (running.step, clock.monotonic())
        return (self._seen[0], clock.monotonic() - self._seen[1]) if self._seen else None


def _attend(runtime: Runtime, job_id: str, lanes: Sequence[_Lane], on_progress: Callable[[Job], None]) -> None:
    weighed = -math.inf
    while True:
        for lane in lanes:
            lane.join(REPORT_SECONDS / len(lanes))
        if not all(lane.is_alive() for lane in lanes):
            return
        with suppress(Unavailable):  # the worker waits for the database, and so does this thread
            on_progress(_glance(runtime, job_id))
        memory = 0
        if clock.monotonic() - weighed >= WEIGH_SECONDS:
            memory, weighed = limits.memory_of(os.getpid()), clock.monotonic()
        for lane in lanes:
            held = lane.step_since()
            if held and (found := limits.excess(*held, memory)):
                _give_up(runtime, held[0], *found)


def _give_up(runtime: Runtime, step: Step, code: str, reason: str) -> None:
    error = {"code": code, "detail": reason, "id": new_id()}
    parked = runtime.database.transact(leases.fail, step, error)
    log.error("step stopped", job=step.job_id, step=step.key, code=code, error=error["id"], parked=parked)
    way_out = _ways(step.job_id, "retry" if parked else "run", "try again")
    raise JobStopped(f"{reason} Job {step.job_id} {'has failed' if parked else 'was left queued'}.", way_out=way_out)


def _join(lanes: Sequence[_Lane]) -> None:
    """Wait for the steps to end in order; a second Ctrl-C ends the waiting."""
    deadline = clock.monotonic() + PATIENCE_SECONDS
    try:
        for lane in lanes:
            lane.join(max(0.0, deadline - clock.monotonic()))
    except KeyboardInterrupt:
        log.warning("step left in the middle")


def _hand_back(runtime: Runtime, process: WorkerProcess) -> None:
    """Free what the thread could not: from now on its result is refused."""
    try:
        with runtime.database.read() as connection:
            held = leases.held_by(connection, [process.worker_id])
        for step in held:
            runtime.database.transact(leases.hand_back, step)
    except Unavailable as error:
        log.warning("step left to its lease", reason=error.message)


def _ways(job_id: str, verb: str, purpose: str) -> str:
    return f"`labelmill jobs {verb} {job_id}` to {purpose}, `labelmill jobs cancel {job_id}` to drop it."
