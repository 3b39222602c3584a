"""The verbs on label tasks: start one, look at it, look at its sample and its rejected rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from labelmill.db.bulk.files import FileOptions
from labelmill.db.bulk.open import open_source
from labelmill.errors import BadInput, BadRules, Conflict, NotFound
from labelmill.ids import new_id
from labelmill.jobs import service as jobs
from labelmill.labeltasks import report as reports
from labelmill.labeltasks.frames import RESULT_COLUMNS
from labelmill.labeltasks.jobs import KIND, PLAN
from labelmill.labeltasks.model import Columns, LabelTask, choose_columns, utc
from labelmill.labeltasks.outputs import open_output
from labelmill.labeltasks.workplace import Workplace
from labelmill.rules import compile_rules, from_dict, to_dict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    import polars as pl
    from sqlalchemy.engine import Connection

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
    id_column: str | None = None
    source_column: str | None = None
    author_column: str | None = None
    time_column: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    source_map: Mapping[str, list[str]] | None = None
    name: str | None = None
    production_tie: str = "drop"
    overwrite: bool = False
    step_rows: int = 250_000
    file: FileOptions = field(default_factory=FileOptions)


def prepare(request: Request, places: Places) -> LabelTask:
    """Look at the source, the sink and the rules, and return the task that can be done; nothing is written.

    Raises BadSource, BadFile, BadRules, BadInput, Conflict or Unavailable: whatever would stop the task later stops it here.
    """
    compile_rules(request.rules)
    if not request.rules.rules:
        raise BadRules(
            "The rule set has no rules: it would label nothing.", where=request.rules.name, way_out="Add some rules first."
        )
    where = places.locate(request.source, write=False)
    with open_source(where, options=request.file) as source:
        columns = choose_columns(_asked(request), source.table)
        source_table = source.table.name
    sink = places.locate(request.sink, write=True)
    if sink.table and (request.name or request.source_map):
        raise BadInput(
            f"The sink names the table {sink.table!r}, and the results have names already.", where=str(sink),
            way_out="Leave out the table, or leave out --name and --source-map.",
        )  # fmt: skip
    default = sink.table or (where.name if sink.is_file else f"{where.name}_labels")
    task = LabelTask(
        source=request.source, sink=request.sink, rules=to_dict(request.rules), columns=columns, name=request.name or default,
        start=utc(request.start), end=utc(request.end), source_map=_checked_map(request, columns), production_tie=request.production_tie,
        overwrite=request.overwrite, step_rows=request.step_rows, file=asdict(request.file), source_table=source_table,
    )  # fmt: skip
    with open_output(places, task, "") as output:
        output.check()
    return task


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
) -> Job:
    """Queue a prepared task and return its job, whose id is the task's."""
    return jobs.submit(
        connection, kind=KIND, steps=[PLAN], params=task.as_params(), title=title or describe(task), queue=queue, unit="rows",
        job_id=new_id(), countdown=countdown, limits=limits, key=key, created_by=created_by,
    )  # fmt: skip


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


def remove(connection: Connection, work_root: Path, task_id: str) -> None:
    """Forget an ended task and the files that were kept for it; what it wrote stays. Raises NotFound, and Conflict while it runs."""
    job = get(connection, task_id)
    if not job.ended:
        raise Conflict(f"Task {task_id} is {job.state}.", way_out="Cancel it first: `labelmill jobs cancel`.")
    jobs.remove(connection, task_id)
    Workplace(work_root, task_id).remove()


def rejects(work_root: Path, task_id: str) -> list[dict[str, object]]:
    """Return the rows of the source that could not be read: place, reason and text."""
    return Workplace(work_root, task_id).rejects()


def describe(task: LabelTask) -> str:
    """Return the task as a sentence."""
    spoken = {name: place.get("text") or place.get("path") or f"{place.get('connection')}::{place.get('table') or ''}" for name, place in
              (("source", task.source), ("sink", task.sink))}  # fmt: skip
    span = f" from {task.start or 'the beginning'} to {task.end or 'the end'}" if task.start or task.end else ""
    return f"Label {task.columns.text} of {spoken['source']}{span} with {task.rules.get('name', 'rules')} into {spoken['sink']}"


def rule_set_of(task: LabelTask) -> RuleSet:
    """Return the rules that the task was started with, whatever became of their file or version since."""
    return from_dict(task.rules)


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
