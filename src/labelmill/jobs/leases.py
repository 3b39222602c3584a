"""Leasing steps: claim, beat, finish, fail, hand back. Every change names the attempt that it belongs to and is refused when it is old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill import clock
from labelmill.errors import JobCancelled, StepLost
from labelmill.jobs import service
from labelmill.jobs.model import ACTIVE, JobState, Limits, Step, StepResult, StepState, retry_delay
from labelmill.jobs.tables import job_steps, jobs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

#: How many free steps a worker looks at before it gives up for this time; others may take some of them first.
_LOOK = 16
OUTAGE_TRIES = 8
#: Clocks of two machines, or of one before and after it was set, may differ by this much without any step running early.
CLOCK_TOLERANCE = timedelta(seconds=60)


def claim(
    connection: Connection,
    owner: str,
    *,
    queues: Sequence[str] | None = None,
    job_id: str | None = None,
    step_id: str | None = None,
) -> Step | None:
    """Lease the next due step for ``owner`` and return it, or None when there is none.

    ``queues``, ``job_id`` and ``step_id`` narrow the choice. Two workers never get the same attempt of a step.
    """
    now = clock.now()
    for candidate in connection.execute(_free(queues, job_id, step_id)).mappings().all():
        attempt = candidate["attempt"] + 1
        lease = sa.update(job_steps).where(
            job_steps.c.id == candidate["id"],
            job_steps.c.state == StepState.QUEUED,
            job_steps.c.attempt == candidate["attempt"],
        )
        values = {"state": StepState.LEASED, "owner": owner, "attempt": attempt, "beat": 0, "started_at": now, "done": 0}
        if connection.execute(lease.values(values)).rowcount == 1:
            _begin_job(connection, candidate["job_id"], now)
            return _load(connection, candidate["id"])
    return None


def beat(connection: Connection, step: Step, done: int) -> None:
    """Say that the step's worker is alive and how many units it has done; raises StepLost or JobCancelled when it need not go on."""
    alive = _held(step).values(beat=job_steps.c.beat + 1, done=done)
    if connection.execute(alive).rowcount != 1:
        raise StepLost(f"Step {step.key} of job {step.job_id} was given to another worker.")
    check_wanted(connection, step)


def keep(connection: Connection, step: Step, figures: dict[str, Any]) -> None:
    """Keep the step's figures so far, in the transaction of the effects that they count; raises StepLost for an attempt that is over.

    The next attempt finds them by ``kept`` and goes on from there. It is a heartbeat too: who writes much may keep the heart waiting.
    """
    if connection.execute(_held(step).values(figures=figures, beat=job_steps.c.beat + 1)).rowcount != 1:
        raise StepLost(f"Step {step.key} of job {step.job_id} was given to another worker.")


def kept(connection: Connection, step: Step) -> dict[str, Any]:
    """Return what an earlier attempt, or this one, has kept of the step's figures."""
    return connection.scalar(sa.select(job_steps.c.figures).where(job_steps.c.id == step.id)) or {}


def check_wanted(connection: Connection, step: Step) -> None:
    """Raise StepLost or JobCancelled unless this very attempt is still wanted."""
    query = sa.select(jobs.c.state, job_steps.c.attempt, job_steps.c.state.label("step_state"))
    query = query.join(jobs, jobs.c.id == job_steps.c.job_id).where(job_steps.c.id == step.id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None or row["attempt"] != step.attempt or row["step_state"] != StepState.LEASED:
        raise StepLost(f"Step {step.key} of job {step.job_id} was given to another worker.")
    if row["state"] not in ACTIVE:
        raise JobCancelled(f"Job {step.job_id} is {row['state']}.")


def finish(connection: Connection, step: Step, result: StepResult) -> list[tuple[str, str]]:
    """Record the step as done, add its new steps, open the next phase or end the job; return (step id, queue) of steps that became free.

    A job that ended meanwhile takes no result. Raises StepLost when another worker holds the step.
    """
    job = service.lock(connection, step.job_id)
    if job.state not in ACTIVE:
        _release(connection, step, StepState.CANCELLED)
        return []
    now = clock.now()
    values = {"state": StepState.DONE, "done": result.done, "figures": result.figures, "finished_at": now, "error": None}
    if connection.execute(_held(step).values(values)).rowcount != 1:
        raise StepLost(f"Step {step.key} of job {step.job_id} was given to another worker.")
    update: dict[str, Any] = {"done": jobs.c.done + result.done, "changes": jobs.c.changes + 1}
    if result.job_result is not None:
        update["result"] = result.job_result
    connection.execute(sa.update(jobs).where(jobs.c.id == step.job_id).values(update))
    service.add_steps(connection, step.job_id, job.queue, job.phase, result.steps)
    return _advance(connection, step.job_id, job.phase, added=bool(result.steps))


def fail(connection: Connection, step: Step, error: dict[str, Any], *, final: bool = False, outage: bool = False) -> bool:
    """Record a failed try: the step is tried again after a pause, or parked with its job when ``final`` or out of tries.

    An ``outage`` of something that the step needs gets more tries: they last for about five minutes. Return whether it was
    parked. A worker that lost the lease changes nothing.
    """
    job = service.lock(connection, step.job_id)
    tries = step.tries + 1
    if job.state not in ACTIVE:
        _release(connection, step, StepState.CANCELLED)
        return False
    parked = final or tries >= step.limits.tries + (OUTAGE_TRIES if outage else 0)
    now = clock.now()
    values: dict[str, Any] = {"tries": tries, "error": error, "owner": None, "done": 0}
    if parked:
        values |= {"state": StepState.FAILED, "finished_at": now}
    else:
        pause = timedelta(seconds=retry_delay(tries))
        values |= {"state": StepState.QUEUED, "not_before": now + pause, "put_off_at": now}
    held = connection.execute(_held(step).values(values)).rowcount == 1
    if held:
        service.note_change(connection, step.job_id)
    if held and parked:
        service.fail(connection, step.job_id, error | {"step": step.key, "tries": tries})
    return held and parked


def hand_back(connection: Connection, step: Step) -> None:
    """Free a step that its worker cannot finish (it was told to stop); this does not count as a try."""
    job = service.lock(connection, step.job_id)
    _release(connection, step, StepState.CANCELLED if job.ended else StepState.QUEUED)


def free_all(connection: Connection) -> int:
    """Free every step that somebody holds, for a database whose workers are elsewhere or gone; return how many steps."""
    going_on = job_steps.c.job_id.in_(sa.select(jobs.c.id).where(jobs.c.state.in_(ACTIVE)))
    leased = sa.update(job_steps).where(job_steps.c.state == StepState.LEASED)
    freed = connection.execute(leased.where(going_on).values(state=StepState.QUEUED, owner=None, done=0)).rowcount
    connection.execute(leased.values(state=StepState.CANCELLED, owner=None, done=0))
    return freed


def held_by(connection: Connection, owners: Sequence[str]) -> list[Step]:
    """Return the steps that these workers hold."""
    if not owners:
        return []
    query = _step_query().where(job_steps.c.state == StepState.LEASED, job_steps.c.owner.in_(owners))
    return [_step(row) for row in connection.execute(query).mappings()]


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """How often the worker of a leased step has said that it is alive."""

    step_id: str
    attempt: int
    beat: int
    owner: str


def pulses(connection: Connection) -> list[Pulse]:
    """Return the heartbeat counter of every leased step."""
    columns = (job_steps.c.id.label("step_id"), *job_steps.c["attempt", "beat", "owner"])
    leased = sa.select(*columns).where(job_steps.c.state == StepState.LEASED).order_by(job_steps.c.id)
    return [Pulse(**row) for row in connection.execute(leased).mappings()]


def any_free(connection: Connection, queues: Sequence[str] | None = None, job_id: str | None = None) -> bool:
    """Tell whether a claim would find something, without taking a write lock."""
    return connection.execute(_free(queues, job_id, None).limit(1)).first() is not None


def held(connection: Connection, step_id: str, attempt: int) -> Step | None:
    """Return the step if this attempt still holds it."""
    query = _step_query().where(
        job_steps.c.id == step_id, job_steps.c.attempt == attempt, job_steps.c.state == StepState.LEASED
    )
    row = connection.execute(query).mappings().one_or_none()
    return _step(row) if row else None


def free_steps(connection: Connection, limit: int = 1000) -> list[tuple[str, str]]:
    """Return (step id, queue) of steps that are due, for waking workers."""
    return [(row.id, row.queue) for row in connection.execute(_free(None, None, None).limit(limit))]


def _advance(connection: Connection, job_id: str, phase: int, *, added: bool) -> list[tuple[str, str]]:
    """Open the next phase once this one is done; return (step id, queue) of the steps that this freed."""
    left = sa.select(sa.func.min(job_steps.c.phase)).where(job_steps.c.job_id == job_id, job_steps.c.state != StepState.DONE)
    next_phase = connection.scalar(left)
    if next_phase is None:
        service.succeed(connection, job_id)
        return []
    if next_phase != phase:
        service.open_phase(connection, job_id, next_phase)
    elif not added:
        return []
    return free_of_job(connection, job_id)


def free_of_job(connection: Connection, job_id: str) -> list[tuple[str, str]]:
    """Return (step id, queue) of the job's steps that are due."""
    return [(row.id, row.queue) for row in connection.execute(_free(None, job_id, None).limit(None))]


def _free(queues: Sequence[str] | None, job_id: str | None, step_id: str | None) -> sa.Select[Any]:
    query = sa.select(job_steps.c.id, job_steps.c.job_id, job_steps.c.attempt, job_steps.c.queue)
    query = query.where(job_steps.c.state == StepState.QUEUED, _due(clock.now()))
    query = query.where(job_steps.c.queue.in_(list(queues))) if queues is not None else query
    query = query.where(job_steps.c.job_id == job_id) if job_id else query
    query = query.where(job_steps.c.id == step_id) if step_id else query
    return query.order_by(job_steps.c.job_id, job_steps.c.seq).limit(_LOOK)


def _due(now: datetime) -> sa.ColumnElement[bool]:
    """A step that was put off is due when its time has come, or when the clock was set back since then: nobody knows how long it waited."""
    return sa.or_(
        job_steps.c.not_before.is_(None), job_steps.c.not_before <= now, job_steps.c.put_off_at > now + CLOCK_TOLERANCE
    )


def _held(step: Step) -> sa.Update:
    return sa.update(job_steps).where(
        job_steps.c.id == step.id, job_steps.c.attempt == step.attempt, job_steps.c.state == StepState.LEASED
    )


def _release(connection: Connection, step: Step, state: StepState) -> None:
    connection.execute(_held(step).values(state=state, owner=None, done=0))


def _begin_job(connection: Connection, job_id: str, now: datetime) -> None:
    begin = sa.update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED)
    started_at = sa.func.coalesce(jobs.c.started_at, _bound(now))
    connection.execute(begin.values(state=JobState.RUNNING, started_at=started_at, changes=jobs.c.changes + 1))


def _bound(moment: datetime) -> sa.BindParameter[datetime]:
    return sa.bindparam(None, moment, type_=jobs.c.started_at.type)


def _step_query() -> sa.Select[Any]:
    return sa.select(
        job_steps, jobs.c.kind, jobs.c.params, jobs.c.limit_seconds, jobs.c.limit_memory_mb, jobs.c.limit_tries
    ).join(jobs, jobs.c.id == job_steps.c.job_id)


def _load(connection: Connection, step_id: str) -> Step | None:
    row = connection.execute(_step_query().where(job_steps.c.id == step_id)).mappings().one_or_none()
    return _step(row) if row else None


def _step(row: Any) -> Step:
    limits = Limits(seconds=row["limit_seconds"], memory_mb=row["limit_memory_mb"], tries=row["limit_tries"])
    names = set(Step.__dataclass_fields__) - {"limits"}
    return Step(**{name: row[name] for name in names}, limits=limits)
