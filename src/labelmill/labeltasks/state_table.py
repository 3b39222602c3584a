"""The state table beside the results: one row per task, written before the task can start and kept level with its job."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from labelmill import clock
from labelmill.db.bulk.database_sink import check_database_sink
from labelmill.db.engine import make_engine
from labelmill.errors import BadSource
from labelmill.jobs import service as jobs
from labelmill.jobs.tables import jobs as job_table
from labelmill.labeltasks.model import LabelTask
from labelmill.labeltasks.state import first_state, state_of
from labelmill.labeltasks.tables import label_task_states
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from sqlalchemy.engine import Connection

    from labelmill.db.bulk.location import Location
    from labelmill.db.database import Database
    from labelmill.labeltasks.openings import Openings
    from labelmill.labeltasks.places import Places


class StateTable:
    """The state table of one schema, opened for as long as the ``with`` lasts.

    Every verb raises Unavailable where the database does not answer, BadSource where it refuses.
    """

    def __init__(self, location: Location, table_name: str) -> None:
        # Loaded here only, as in ``outputs``: a task whose results are files has no such table.
        from labelmill.labeltasks.result_tables import ResultTables

        if location.url is None:
            raise BadSource("This is not a database.", where=str(location))
        check_database_sink(location)
        self._location = location
        self._engine = make_engine(location.url, pool_size=1, foreign=location.path is None or location.path.exists())
        self._tables = ResultTables(location.schema)
        self._table = self._tables.state(table_name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._engine.dispose()

    def announce(self, row: dict[str, Any]) -> None:
        """Write the row of a new task; the table is made where it is missing."""
        with self._reporting() as connection:
            self._tables.make(connection, [self._table], str(self._location))
            connection.execute(sa.insert(self._table).values(row))
            connection.commit()

    def write(self, row: dict[str, Any]) -> None:
        """Bring a task's row up to date; one that is newer already stays."""
        with self._reporting() as connection:
            if self._renew(connection, row):
                return
            self._tables.make(connection, [self._table], str(self._location))
            try:
                connection.execute(sa.insert(self._table).values(row))
                connection.commit()
            except IntegrityError:  # there is one: newer, or written this moment
                connection.rollback()
                self._renew(connection, row)

    def _renew(self, connection: Connection, row: dict[str, Any]) -> bool:
        """Update the row unless it is newer; return False where there is none to update."""
        older = sa.or_(self._table.c.revision.is_(None), self._table.c.revision <= row["revision"])
        renewed = sa.update(self._table).where(self._table.c.task_id == row["task_id"], older).values(row)
        try:
            done = connection.execute(renewed).rowcount == 1
        except DBAPIError:
            connection.rollback()
            if sa.inspect(connection).has_table(self._table.name, schema=self._table.schema):
                raise
            return False
        connection.commit()
        return done

    def remove(self, task_id: str) -> None:
        """Remove a task's row."""
        with self._reporting() as connection:
            if self._is_there(connection):
                connection.execute(sa.delete(self._table).where(self._table.c.task_id == task_id))
                connection.commit()

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """Return the rows of the newest tasks, newest first; none where there is no table yet."""
        order = (self._table.c.create_time.desc(), self._table.c.task_id.desc())
        with self._reporting() as connection:
            if not self._is_there(connection):
                return []
            return [dict(row) for row in connection.execute(sa.select(self._table).order_by(*order).limit(limit)).mappings()]

    def get(self, task_id: str) -> dict[str, Any] | None:
        """Return one task's row."""
        with self._reporting() as connection:
            if not self._is_there(connection):
                return None
            row = connection.execute(sa.select(self._table).where(self._table.c.task_id == task_id)).mappings().one_or_none()
            return dict(row) if row else None

    def _is_there(self, connection: Connection) -> bool:
        inspector = sa.inspect(connection)
        if not inspector.has_table(self._table.name, schema=self._table.schema):
            return False
        self._tables.check(inspector, [self._table], str(self._location))
        connection.rollback()
        return True

    @contextmanager
    def _reporting(self) -> Iterator[Connection]:
        from labelmill.labeltasks.table_output import connected, writing

        with connected(self._engine, self._location) as connection, writing(self._location):
            yield connection


class StateFollower:
    """Keeps the state tables of label tasks level with their jobs (a ``labelmill.jobs.registry.Follower``)."""

    def __init__(self, database: Database, places: Places, openings: Openings) -> None:
        self._database = database
        self._places = places
        # A connection of its own for each step would cost more than what is written.
        self._open = openings

    def due(self) -> Sequence[str]:
        states = label_task_states
        behind = sa.select(states.c.task_id).join(job_table, job_table.c.id == states.c.task_id)
        with self._database.read() as connection:
            return list(connection.scalars(behind.where(job_table.c.changes > states.c.seen)))

    def follow(self, job_id: str) -> None:
        with self._database.read() as connection:
            if connection.scalar(_seen(job_id)) is None:
                return
            job, steps = jobs.get(connection, job_id), jobs.list_steps(connection, job_id)
        task = LabelTask.from_params(job.params)
        with self._open.use(job_id, "state", lambda stack: stack.enter_context(open_state(self._places, task))) as table:
            if table is not None:
                table.write(state_of(job, task, steps, clock.now()))
        passing("label-task.state-written")
        self._database.transact(_note_seen, job_id, job.changes)


@contextmanager
def open_state(places: Places, task: LabelTask) -> Iterator[StateTable | None]:
    """Give the state table of a task's sink, None where that has none."""
    if task.state_table is None:
        yield None
        return
    with StateTable(places.sink(task), task.state_table) as table:
        yield table


def announce(places: Places, task: LabelTask, task_id: str) -> None:
    """Write the first row of a task that is about to be queued."""
    with open_state(places, task) as table:
        if table is not None:
            table.announce(first_state(task, task_id, clock.now()))


def withdraw(places: Places, task: LabelTask, task_id: str) -> None:
    """Take the row of a task away."""
    with open_state(places, task) as table:
        if table is not None:
            table.remove(task_id)


def register(connection: Connection, task_id: str) -> None:
    """Note that a new task has a row to be kept level."""
    connection.execute(sa.insert(label_task_states).values(task_id=task_id, seen=-1))


def forget(connection: Connection, task_id: str) -> None:
    """Keep a task's row level no longer."""
    connection.execute(sa.delete(label_task_states).where(label_task_states.c.task_id == task_id))


def _seen(task_id: str) -> sa.Select[Any]:
    return sa.select(label_task_states.c.seen).where(label_task_states.c.task_id == task_id)


def _note_seen(connection: Connection, task_id: str, changes: int) -> None:
    mine = sa.and_(label_task_states.c.task_id == task_id, label_task_states.c.seen < changes)
    connection.execute(sa.update(label_task_states).where(mine).values(seen=changes))
