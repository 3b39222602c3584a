"""The verbs on label tasks: start one, look at it, look at its sample and its rejected rows."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from labelmill.db.bulk.files import FileOptions
from labelmill.db.bulk.open import open_source
from labelmill.errors import BadInput, BadRules, Conflict, LabelmillError, NotFound
from labelmill.ids import new_id
from labelmill.jobs import service as jobs
from labelmill.labeltasks import announcing, state_table
from labelmill.labeltasks import report as reports
from labelmill.labeltasks.filters import Filter, Filters
from labelmill.labeltasks.frames import RESULT_COLUMNS
from labelmill.labeltasks.jobs import CLEAR, KIND, PLAN
from labelmill.labeltasks.model import BATCH_ROWS, STEP_ROWS, Columns, Labeller, LabelTask, choose_columns, utc
from labelmill.labeltasks.outputs import make_output
from labelmill.labeltasks.workplace import Workplace
from labelmill.rules import compile_rules, from_dict, to_dict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import polars as pl
    from sqlalchemy.engine import Connection

    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import TableInfo
    from labelmill.db.database import Database
    from labelmill.jobs.model import Job, Limits
    from labelmill.labeltasks.places import Places
    from labelmill.rules import RuleSet

MOST_SAMPLED = 1000


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody asks for. ``source`` and ``sink`` are references (see Places); columns that are None are found or left out."""

    source: dict[str, Any]
    sink: dict[str, Any]
    rules: RuleSet
    text_column: str | None = None
    #: Further rule sets, each with the column that it labels; without one it labels ``text_column``.
    also: Sequence[tuple[RuleSet, str | None]] = ()
    filters: Sequence[Filter] = ()
    id_column: str | None = None
    source_column: str | None = None
    author_column: str | None = None
    time_column: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    source_map: Mapping[str, list[str]] | None = None
    name: str | None = None
    unmapped: str = "own"
    production_prefix: str = "wh_panel_mapping_"
    production_tie: str = "drop"
    production_after: float = 0.0
    overwrite: bool = False
    step_rows: int = STEP_ROWS
    batch_rows: int = BATCH_ROWS
    #: What the table is called that shows the task's state beside its results; None for none.
    state_table: str | None = "state"
    file: FileOptions = field(default_factory=FileOptions)


def prepare(request: Request, places: Places) -> LabelTask:
    """Look at the source, the sink and the rules, and return the task that can be done; nothing is written.

    Raises BadSource, BadFile, BadRules, BadInput, Conflict or Unavailable: whatever would stop the task later stops it here.
    """
    for rules in (request.rules, *(rules for rules, _ in request.also)):
        _check_rules(rules)
    Filters(request.filters)
    where = places.locate(request.source, write=False)
    with open_source(where, options=request.file) as source:
        columns = choose_columns(_asked(request), source.table)
        for name in (*(column for _, column in request.also if column), *(each.column for each in request.filters)):
            source.table.column(name)
        found = source.table
    sink = places.locate(request.sink, write=True)
    if sink.table and (request.name or request.source_map):
        raise BadInput(
            f"The sink names the table {sink.table!r}, and the results have names already.", where=str(sink),
            way_out="Leave out the table, or leave out --name and --source-map.",
        )  # fmt: skip
    if not request.production_prefix and columns.author is not None and not sink.is_file:
        raise BadInput(
            "Without a prefix, results and production would be one table.", where="--production-prefix",
            way_out="Give production tables a prefix of their own, such as wh_panel_mapping_.",
        )  # fmt: skip
    default = sink.table or (where.name if sink.is_file else f"{where.name}_labels")
    same = (
        "source",
        "sink",
        "unmapped",
        "production_prefix",
        "production_tie",
        "production_after",
        "overwrite",
        "step_rows",
        "batch_rows",
    )
    task = LabelTask(
        **{name: getattr(request, name) for name in same}, rules=to_dict(request.rules), columns=columns, name=request.name or default,
        also=tuple(Labeller(rules=to_dict(rules), column=column or columns.text) for rules, column in request.also),
        filters=tuple(request.filters), start=utc(request.start), end=utc(request.end), source_map=_checked_map(request, columns),
        file=asdict(request.file), source_table=found.name, source_schema=_schema_of(where, found),
        state_table=None if sink.is_file else request.state_table,
    )  # fmt: skip
    output = make_output(places, task, "")
    try:
        output.check()
    finally:
        output.close()
    return task


def begin(database: Database, places: Places, task: LabelTask, **options: Any) -> Job:
    """Start a prepared task: its row stands in the sink's state table before its job can run. ``options`` are those of ``start``."""
    with announced(database, places, task) as task_id:
        job = database.transact(start, task, task_id=task_id, **options)
    if job.id != task_id:  # its key is that of a task which was there already
        withdraw(database, places, task, task_id)
    return job


@contextmanager
def announced(database: Database, places: Places, task: LabelTask) -> Iterator[str]:
    """Give the id of a task about to be queued, whose row stands in the sink's state table; an error takes the row back, a kill too."""
    task_id = new_id()
    if task.state_table is None:
        yield task_id
        return
    database.transact(announcing.expect, task, task_id)
    try:
        state_table.announce(places, task, task_id)
        yield task_id
    except BaseException:
        with suppress(LabelmillError):
            withdraw(database, places, task, task_id)
        raise


def withdraw(database: Database, places: Places, task: LabelTask, task_id: str) -> None:
    """Take the row of a task that was not queued out of the sink's state table."""
    state_table.withdraw(places, task, task_id)
    database.transact(announcing.forget, task_id)


def start(
    connection: Connection,
    task: LabelTask,
    *,
    title: str = "",
    queue: str = "default",
    countdown: float = 0.0,
    limits: Limits | None = None,
    key: str | None = None,
    created_by: str | None = None,
    task_id: str | None = None,
) -> Job:
    """Queue a prepared task and return its job, whose id is the task's."""
    identifier = task_id or new_id()
    job = jobs.submit(
        connection, kind=KIND, steps=[PLAN], params=task.as_params(), title=title or describe(task), queue=queue, unit="rows",
        job_id=identifier, countdown=countdown, limits=limits, key=key, created_by=created_by,
    )  # fmt: skip
    if task.state_table is not None and job.id == identifier:  # else it was there already
        announcing.begun(connection, job.id)
        state_table.register(connection, job.id)
    return job


def get(connection: Connection, task_id: str) -> Job:
    """Return the job of a label task; raises NotFound also for a job of another kind."""
    job = jobs.get(connection, task_id)
    if job.kind != KIND:
        raise NotFound(f"There is no label task {task_id!r}.", way_out="`labelmill label-tasks list` shows them.")
    return job


def list_tasks(connection: Connection, *, before: str | None = None, limit: int = 50, state: str | None = None) -> list[Job]:
    """Return label tasks, newest first."""
    return jobs.list_jobs(connection, kind=KIND, before=before, limit=limit, state=state)


def report(connection: Connection, task_id: str) -> dict[str, Any]:
    """Return the report of a task as JSON (see ``labelmill.labeltasks.report``), while it runs and afterwards."""
    return reports.report(get(connection, task_id), jobs.list_steps(connection, task_id))


def sample(work_root: Path, task_id: str, *, rows: int = 50, seed: int | None = None, name: str | None = None) -> pl.DataFrame:
    """Return up to ``rows`` results drawn at random, while the task runs and afterwards; the same ``seed`` draws the same rows.

    Never empty when there are results. The columns are ``RESULT_COLUMNS`` and ``name``.
    """
    if not 1 <= rows <= MOST_SAMPLED:
        raise BadInput(f"A sample has 1 to {MOST_SAMPLED} rows, not {rows}.", where="rows")
    found = Workplace(work_root, task_id).sample(name)
    drawn = found.sort("draw", "id", "group").sample(min(rows, found.height), seed=seed)
    return drawn.sort("place").select([*RESULT_COLUMNS, "name"])


def sample_sink(
    places: Places, sink: dict[str, Any], task_id: str, names: Sequence[str], **options: Any
) -> list[dict[str, Any]]:
    """Return rows that a task wrote to the tables of a sink, drawn at random (see ``table_sample``): also of tasks that others ran."""
    from labelmill.labeltasks.table_sample import sample_tables

    return sample_tables(places.locate(sink, write=True), task_id, names, **options)


def recent_states(places: Places, sink: dict[str, Any], table_name: str, limit: int) -> list[dict[str, Any]]:
    """Return the rows of the newest tasks of a sink's state table, newest first: also of tasks that others ran."""
    with state_table.StateTable(places.locate(sink, write=True), table_name) as table:
        return table.recent(limit)


def find_state(places: Places, sink: dict[str, Any], table_name: str, task_id: str) -> dict[str, Any] | None:
    """Return the row of one task of a sink's state table."""
    with state_table.StateTable(places.locate(sink, write=True), table_name) as table:
        return table.get(task_id)


def remove(
    database: Database, places: Places, work_root: Path, task_id: str, *, results: bool = False, keep_state: bool = False
) -> list[str]:
    """Forget an ended task, its state and the files that were kept for it; with ``results`` also the rows that it wrote.

    ``keep_state`` leaves its row in the sink's state table: for a sink that is gone. Return the tables that rows were taken from.
    Raises NotFound, Conflict while it runs or where results went to files, and what a sink that cannot be reached gives.
    """
    if results and keep_state:
        raise BadInput("Results go together with the state.", where="keep_state", way_out="Ask for one of the two.")
    job = _ended(database, task_id)
    task = LabelTask.from_params(job.params)
    if results and task.state_table is None and places.sink(task).is_file:
        raise Conflict(
            "Its results are files.", where=task_id, way_out="Delete the files yourself; the task can be removed without."
        )
    tables = _cleared(places, task, task_id) if results else []
    # Nobody keeps its row level any more before the row goes: a late follower would bring it back.
    database.transact(state_table.forget, task_id)
    if not keep_state:
        _withdraw_row(places, task, task_id)
    database.transact(_forget, task_id)
    Workplace(work_root, task_id).remove()
    return tables


def _withdraw_row(places: Places, task: LabelTask, task_id: str) -> None:
    try:
        state_table.withdraw(places, task, task_id)
    except LabelmillError as error:
        error.way_out = (
            f"{error.way_out} Where the sink is gone for good, leave its state: --keep-state, or keep_state=true.".strip()
        )
        raise


def rerun(database: Database, task_id: str) -> Job:
    """Begin an ended task again from its start; its first step takes back the rows that it wrote. Raises NotFound and Conflict."""
    _ended(database, task_id)
    return database.transact(jobs.restart, task_id, [CLEAR, PLAN])


def _ended(database: Database, task_id: str) -> Job:
    with database.read() as connection:
        return _require_ended(get(connection, task_id))


def _require_ended(job: Job) -> Job:
    if not job.ended:
        raise Conflict(f"Task {job.id} is {job.state}.", way_out="Cancel it first: `labelmill label-tasks cancel`.")
    return job


def _cleared(places: Places, task: LabelTask, task_id: str) -> list[str]:
    output = make_output(places, task, task_id)
    try:
        return output.clear()
    finally:
        output.close()


def _forget(connection: Connection, task_id: str) -> None:
    _require_ended(jobs.lock(connection, task_id))
    jobs.remove(connection, task_id)


def rejects(work_root: Path, task_id: str) -> list[dict[str, object]]:
    """Return the rows of the source that could not be read: place, reason and text."""
    return Workplace(work_root, task_id).rejects()


def describe(task: LabelTask) -> str:
    """Return the task as a sentence."""
    spoken = {name: place.get("text") or place.get("path") or f"{place.get('connection')}::{place.get('table') or ''}" for name, place in
              (("source", task.source), ("sink", task.sink))}  # fmt: skip
    rules = " and ".join(str(labeller.rules.get("name", "rules")) for labeller in task.labellers)
    span = f" from {task.start or 'the beginning'} to {task.end or 'the end'}" if task.start or task.end else ""
    return f"Label {task.columns.text} of {spoken['source']}{span} with {rules} into {spoken['sink']}"


def rule_set_of(task: LabelTask) -> RuleSet:
    """Return the rules that the task was started with, whatever became of their file or version since."""
    return from_dict(task.rules)


def _check_rules(rules: RuleSet) -> None:
    compile_rules(rules)
    if not rules.rules:
        raise BadRules("The rule set has no rules: it would label nothing.", where=rules.name, way_out="Add some rules first.")


def _schema_of(where: Location, table: TableInfo) -> str:
    """Return what the state table calls the place of a source: its schema or database, or the name of its file."""
    if where.path is not None:
        return where.path.name
    return table.schema or where.schema or str(where.url.database if where.url else "")


def _asked(request: Request) -> dict[str, str | None]:
    return {
        "text": request.text_column, "id": request.id_column, "source": request.source_column, "author": request.author_column,
        "time": request.time_column,
    }  # fmt: skip


def _checked_map(request: Request, columns: Columns) -> dict[str, list[str]] | None:
    if request.source_map is None:
        return None
    if columns.source is None:
        raise BadInput("A source map needs a source column.", where="source map", way_out="Name it with --source-column.")
    for name, sources in request.source_map.items():
        if not name or not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
            raise BadInput(
                f"The entry {name!r} is not a name with a list of source ids.", where="source map",
                way_out='Write it as {"forum": ["WH_F0002", "WH_F0003"]}.',
            )  # fmt: skip
    return {name: list(sources) for name, sources in request.source_map.items()}
