"""Takes back the row of a task in the sink's state table where whoever wrote it was killed before the task was queued.

Two databases have no common transaction, and the row stands before the task can start. So a job that takes the row back later is
queued first; the transaction that queues the task forgets it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from labelmill.errors import NotFound, Unavailable
from labelmill.jobs import service as jobs
from labelmill.jobs.model import JobState, NewStep, StepResult
from labelmill.jobs.registry import JobKind
from labelmill.jobs.tables import jobs as job_rows
from labelmill.labeltasks import state_table
from labelmill.labeltasks.model import LabelTask

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.db.database import Database
    from labelmill.jobs.registry import StepContext
    from labelmill.labeltasks.places import Places

KIND: Final = "label-task-row"
#: Seconds that a task may take from its row to its job; no start takes so long.
GRACE: Final = 600.0


def expect(connection: Connection, task: LabelTask, task_id: str) -> None:
    """Note that a task's row is about to be written; it is taken back unless ``begun`` or ``forget`` is called within ``GRACE``."""
    jobs.submit(
        connection, kind=KIND, steps=[NewStep(key="all", name="take-back", phase=0, delay=GRACE)], unit="rows", key=_key(task_id),
        params={"task_id": task_id, "task": task.as_params()}, title="Take back the row of a label task that was not queued",
    )  # fmt: skip


def begun(connection: Connection, task_id: str) -> None:
    """Leave the row to its task, in the transaction that queues that; raises Unavailable where it is being taken back already."""
    mine = sa.select(job_rows.c.id, job_rows.c.state).where(job_rows.c.key == _key(task_id)).with_for_update()
    found = connection.execute(mine).one_or_none()
    if found is None:
        return
    if found.state != JobState.QUEUED:
        raise Unavailable(
            "Between the row of the label task and its start too much time went by.", where=task_id, way_out="Start it again."
        )
    jobs.remove(connection, found.id)


def forget(connection: Connection, task_id: str) -> None:
    """Take nothing back later: the row is gone."""
    found = connection.scalar(sa.select(job_rows.c.id).where(job_rows.c.key == _key(task_id)))
    if found is not None:
        jobs.remove(connection, found)


def kind(database: Database, places: Places) -> JobKind:
    """Return the kind of job that takes rows back."""

    def take_back(context: StepContext) -> StepResult:
        task_id = context.params["task_id"]
        try:
            with database.read() as connection:
                jobs.get(connection, task_id)
        except NotFound:
            state_table.withdraw(places, LabelTask.from_params(context.params["task"]), task_id)
        return StepResult(done=1)

    return JobKind(name=KIND, handlers={"take-back": take_back})


def _key(task_id: str) -> str:
    return f"{KIND}:{task_id}"
