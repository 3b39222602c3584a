"""The verbs on jobs that people and features use; each takes the connection of the caller's transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from labelmill import clock
from labelmill.errors import Conflict, NotFound
from labelmill.ids import new_id
from labelmill.jobs.model import ACTIVE, Job, JobState, Limits, NewStep, StepState
from labelmill.jobs.tables import job_steps, jobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

_OPEN = (StepState.WAITING, StepState.QUEUED)
NOT_PUT_OFF: dict[str, Any] = {"not_before": None, "put_off_at": None}
#: What is said of a job's state in a sentence.
_SPOKEN: Final = {
    JobState.QUEUED: "is queued",
    JobState.RUNNING: "is running",
    JobState.SUCCEEDED: "has succeeded",
    JobState.FAILED: "has failed",
    JobState.CANCELLED: "was cancelled",
}


def submit(
    connection: Connection,
    *,
    kind: str,
    steps: Sequence[NewStep],
    params: dict[str, Any],
    title: str,
    queue: str = "default",
    unit: str = "steps",
    key: str | None = None,
    job_id: str | None = None,
    created_by: str | None = None,
    countdown: float = 0.0,
    limits: Limits | None = None,
) -> Job:
    """Add a job with its first steps and return it; with a ``key`` that is known, return the job that has it.

    The job exists if and only if the caller's transaction commits. ``countdown`` is the seconds to wait before its first step.
    After the commit ``Runtime.wake`` tells workers; without it the sweep finds the steps within seconds.
    """
    if not steps:
        raise ValueError("a job without steps would never end")
    if key is not None and (known := _by_key(connection, key)):
        return known
    limits = limits or Limits()
    identifier = job_id or new_id()
    phase = min(step.phase for step in steps)
    row = {
        "id": identifier, "kind": kind, "queue": queue, "state": JobState.QUEUED, "title": title, "params": params, "key": key,
        "phase": phase, "created_at": clock.now(), "created_by": created_by, "done": 0,
        "total": None, "unit": unit, "limit_seconds": limits.seconds, "limit_memory_mb": limits.memory_mb, "limit_tries": limits.tries,
    }  # fmt: skip
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(jobs).values(row))
    except IntegrityError:
        # Somebody else submitted the same key between the look and the insert.
        if key is not None and (known := _by_key(connection, key)):
            return known
        raise
    add_steps(connection, identifier, queue, phase, steps, countdown=countdown)
    return get(connection, identifier)


def add_steps(
    connection: Connection, job_id: str, queue: str, phase: int, steps: Iterable[NewStep], *, countdown: float = 0.0
) -> None:
    """Add the steps whose key the job does not have yet, and their units to the job's total."""
    unique = {step.key: step for step in steps}
    if not unique:
        return
    known = set(connection.scalars(sa.select(job_steps.c.key).where(job_steps.c.job_id == job_id)))
    start = len(known)
    new = [step for step in unique.values() if step.key not in known]
    now = clock.now()
    rows = [
        {
            "id": new_id(), "job_id": job_id, "key": step.key, "name": step.name, "queue": queue, "phase": step.phase, "seq": start + index,
            "payload": step.payload, "state": StepState.QUEUED if step.phase <= phase else StepState.WAITING, "attempt": 0, "tries": 0,
            "beat": 0, "units": step.units, "done": 0, "delay": step.delay,
        } | _put_off(now, countdown + (step.delay if step.phase <= phase else 0.0))
        for index, step in enumerate(new)
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(job_steps), rows)
    units = sum(step.units for step in new)
    if units:
        connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(total=sa.func.coalesce(jobs.c.total, 0) + units))


def _put_off(now: datetime, seconds: float) -> dict[str, Any]:
    return {"not_before": now + timedelta(seconds=seconds), "put_off_at": now} if seconds > 0 else NOT_PUT_OFF


def get(connection: Connection, job_id: str) -> Job:
    """Return one job; raises NotFound."""
    row = connection.execute(_select().where(jobs.c.id == job_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no job {job_id!r}.", way_out="`labelmill jobs list` shows the jobs.")
    return job_from(row)


def glance(connection: Connection, job_id: str) -> Job:
    """Return one job without its ``params``, which may be long, for whoever looks often; raises NotFound."""
    row = connection.execute(_select(jobs.c.params).where(jobs.c.id == job_id)).mappings().one_or_none()
    return job_from({**row, "params": {}}) if row is not None else get(connection, job_id)


def find(connection: Connection, start: str) -> Job:
    """Return the one job whose id begins with ``start``; raises NotFound, and Conflict when there are several."""
    # Every id begins with nothing: a variable that a script forgot to set must not cancel what happens to be the only job.
    if not start:
        raise NotFound("No job is named.", way_out="`labelmill jobs list` shows the jobs.")
    query = _select().where(jobs.c.id.startswith(start, autoescape=True)).limit(2)
    rows = connection.execute(query).mappings().all()
    if len(rows) > 1:
        raise Conflict(f"Several jobs have an id that begins with {start!r}.", way_out="Give more of it.")
    return job_from(rows[0]) if rows else get(connection, start)


def list_jobs(
    connection: Connection,
    *,
    kind: str | None = None,
    state: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Job]:
    """Return jobs, newest first; ``before`` is the id of the last one of the page before."""
    query = _select().order_by(jobs.c.id.desc()).limit(limit)
    query = query.where(jobs.c.kind == kind) if kind else query
    query = query.where(jobs.c.state == state) if state else query
    query = query.where(jobs.c.id < before) if before else query
    return [job_from(row) for row in connection.execute(query).mappings()]


def list_steps(connection: Connection, job_id: str) -> list[dict[str, Any]]:
    """Return every step of a job in order, as plain rows."""
    query = sa.select(job_steps).where(job_steps.c.job_id == job_id).order_by(job_steps.c.phase, job_steps.c.seq)
    return [dict(row) for row in connection.execute(query).mappings()]


def cancel(connection: Connection, job_id: str) -> Job:
    """Stop a job: nothing of it starts any more and the result of a step that runs now is refused.

    Raises Conflict when the job has already ended.
    """
    job = lock(connection, job_id)
    if job.ended:
        raise Conflict(f"Job {job_id} {_SPOKEN[job.state]} already.", way_out="Only queued and running jobs can be cancelled.")
    _end(connection, job_id, JobState.CANCELLED)
    note_change(connection, job_id)
    steps = sa.update(job_steps).where(job_steps.c.job_id == job_id, job_steps.c.state.in_(_OPEN))
    connection.execute(steps.values(state=StepState.CANCELLED))
    return get(connection, job_id)


def retry(connection: Connection, job_id: str) -> Job:
    """Queue what a failed or cancelled job has left, with its tries counted anew; finished steps stay finished.

    Raises Conflict when the job is still active or has succeeded.
    """
    job = lock(connection, job_id)
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        raise Conflict(f"Job {job_id} {_SPOKEN[job.state]}.", way_out="Only failed and cancelled jobs can be retried.")
    left = sa.update(job_steps).where(job_steps.c.job_id == job_id, job_steps.c.state != StepState.DONE)
    # Whoever still holds one of them is refused: it is no longer leased and its next lease has a higher attempt.
    connection.execute(left.values(state=StepState.WAITING, tries=0, error=None, owner=None, **NOT_PUT_OFF))
    values = {"state": JobState.QUEUED, "error": None, "finished_at": None}
    connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(values))
    note_change(connection, job_id)
    open_phase(connection, job_id, job.phase, delayed=False)
    return get(connection, job_id)


def restart(connection: Connection, job_id: str, steps: Sequence[NewStep]) -> Job:
    """Queue an ended job anew from its first ``steps``, as if nothing of it had run; raises Conflict while it is active.

    What its steps did elsewhere is taken back by the first of the new ones, which a second caller cannot begin twice.
    """
    job = lock(connection, job_id)
    if not job.ended:
        raise Conflict(f"Job {job_id} is {job.state}.", way_out="Only a job that has ended can begin again.")
    # Whoever still runs one of the old steps is refused: it is no longer there.
    connection.execute(sa.delete(job_steps).where(job_steps.c.job_id == job_id))
    phase = min(step.phase for step in steps)
    cleared = dict.fromkeys(("error", "result", "started_at", "finished_at", "total"))
    values = {"state": JobState.QUEUED, "phase": phase, "done": 0, **cleared}
    connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(values))
    note_change(connection, job_id)
    add_steps(connection, job_id, job.queue, phase, steps)
    return get(connection, job_id)


def note_change(connection: Connection, job_id: str) -> None:
    """Count a change of the job, for whoever mirrors it elsewhere."""
    connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(changes=jobs.c.changes + 1))


def change_params(connection: Connection, job_id: str, params: dict[str, Any]) -> None:
    """Give a job other parameters: steps that begin from now on see them."""
    connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(params=params))


def remove(connection: Connection, job_id: str) -> None:
    """Forget a job and its steps."""
    connection.execute(sa.delete(job_steps).where(job_steps.c.job_id == job_id))
    connection.execute(sa.delete(jobs).where(jobs.c.id == job_id))


def fail(connection: Connection, job_id: str, error: dict[str, Any]) -> None:
    """End an active job as failed with ``error``; its other steps wait for a retry."""
    _end(connection, job_id, JobState.FAILED, error=error)
    rest = sa.update(job_steps).where(job_steps.c.job_id == job_id, job_steps.c.state == StepState.QUEUED)
    connection.execute(rest.values(state=StepState.WAITING))


def lock(connection: Connection, job_id: str) -> Job:
    """Hold the job's row until the transaction ends, so that its steps can be counted, and return the job without its params."""
    connection.execute(sa.select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
    return glance(connection, job_id)


def open_phase(connection: Connection, job_id: str, phase: int, *, delayed: bool = True) -> None:
    """Free the steps of ``phase`` and of those before it; with ``delayed`` each waits for its delay first."""
    waiting = sa.and_(job_steps.c.job_id == job_id, job_steps.c.phase <= phase, job_steps.c.state == StepState.WAITING)
    now = clock.now()
    delays = sa.select(job_steps.c.delay).where(waiting, job_steps.c.delay > 0).distinct()
    for delay in connection.scalars(delays).all() if delayed else ():
        put_off = {"not_before": now + timedelta(seconds=delay), "put_off_at": now}
        connection.execute(sa.update(job_steps).where(waiting, job_steps.c.delay == delay).values(put_off))
    connection.execute(sa.update(job_steps).where(waiting).values(state=StepState.QUEUED))
    connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(phase=phase))


def succeed(connection: Connection, job_id: str) -> None:
    """End a job whose every step is done."""
    _end(connection, job_id, JobState.SUCCEEDED)


def job_from(row: Mapping[Any, Any]) -> Job:
    """Return the job of a row of the selection that this module makes."""
    names = set(Job.__dataclass_fields__) - {"limits", "state"}
    limits = Limits(seconds=row["limit_seconds"], memory_mb=row["limit_memory_mb"], tries=row["limit_tries"])
    values = {name: row[name] for name in names} | {"done": row["done"] + int(row["running_done"] or 0)}
    return Job(**values, state=JobState(row["state"]), limits=limits)


def _end(connection: Connection, job_id: str, state: JobState, error: dict[str, Any] | None = None) -> None:
    now = clock.now()
    ended = sa.update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(ACTIVE))
    connection.execute(ended.values(state=state, error=error, finished_at=now))


def _select(*without: sa.Column[Any]) -> sa.Select[Any]:
    done = sa.select(sa.func.count()).where(job_steps.c.job_id == jobs.c.id, job_steps.c.state == StepState.DONE)
    every = sa.select(sa.func.count()).where(job_steps.c.job_id == jobs.c.id)
    running = sa.select(sa.func.sum(job_steps.c.done)).where(
        job_steps.c.job_id == jobs.c.id, job_steps.c.state == StepState.LEASED
    )
    counts = {"steps_done": done, "steps_total": every, "running_done": running}
    columns = [column for column in jobs.c if column.name not in {each.name for each in without}]
    return sa.select(*columns, *(query.scalar_subquery().label(label) for label, query in counts.items()))


def _by_key(connection: Connection, key: str) -> Job | None:
    row = connection.execute(_select().where(jobs.c.key == key)).mappings().one_or_none()
    return job_from(row) if row else None
