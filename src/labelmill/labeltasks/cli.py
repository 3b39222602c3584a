"""``labelmill label`` and ``labelmill label-tasks``."""

from __future__ import annotations

import json as jsonlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmill import bootstrap
from labelmill.console import JsonOption, print_fields, print_json, print_rows, say, settings_of
from labelmill.db.bulk.files import FileOptions
from labelmill.errors import BadFile, BadInput, NotFound
from labelmill.jobs import presence
from labelmill.jobs import service as jobs
from labelmill.jobs.console import follow
from labelmill.jobs.inline import require_success
from labelmill.labeltasks import options, service
from labelmill.labeltasks import report as reports
from labelmill.labeltasks.filters import Filter, load_filter, parse_action
from labelmill.labeltasks.model import BATCH_ROWS, STEP_ROWS, USUAL_TEXT
from labelmill.rules import service as rule_sets

if TYPE_CHECKING:
    from labelmill.bootstrap import App
    from labelmill.jobs.model import Job

app = typer.Typer(no_args_is_help=True, help="Look at label tasks, their samples and what they left out.")

#: Names that an error lists.
MOST_NAMES = 20
TaskId = Annotated[str, typer.Argument(help="The task's id, or its first characters.")]


def label(
    context: typer.Context, source: options.Source, rules: options.RuleSets, out: options.Out, text_column: options.TextColumns = None,
    id_column: options.IdColumn = None, source_column: options.SourceColumn = None, author_column: options.AuthorColumn = None,
    time_column: options.TimeColumn = None, where_start: options.Start = None, where_end: options.End = None, source_map: options.SourceMap = None,
    unmapped: options.Unmapped = "own", filters: options.Filters = None, name: options.ResultName = None,
    production_prefix: options.ProductionPrefix = "wh_panel_mapping_", production_after: options.ProductionAfter = 0.0,
    production_tie: options.ProductionTie = "drop", encoding: options.Encoding = None, separator: options.Separator = None,
    overwrite: options.Overwrite = False, step_rows: options.StepRows = STEP_ROWS, batch_rows: options.BatchRows = BATCH_ROWS,
    workers: options.Workers = 1, queue: options.Queue = "default", json: JsonOption = False,
) -> None:  # fmt: skip
    """Label the rows of a table or a file with rules."""
    settings = settings_of(context)
    with bootstrap.opened(settings) as application:
        (first, column), *also = pair(rules, text_column or [])
        request = service.Request(
            source=application.places.reference(source), sink=application.places.reference(out), rules=load_rules(application, first, column),
            text_column=column, also=[(load_rules(application, each, column), column) for each, column in also],
            filters=[read_filter(each, column) for each in filters or ()], id_column=id_column, source_column=source_column, author_column=author_column,
            time_column=time_column, start=_moment(where_start, "--where-start"), end=_moment(where_end, "--where-end"), source_map=read_map(source_map or settings.source_map),
            name=name, unmapped=unmapped, production_prefix=production_prefix, production_after=production_after,
            production_tie=production_tie, overwrite=overwrite, step_rows=step_rows, batch_rows=batch_rows, state_table=settings.state_table,
            file=FileOptions(encoding=encoding, separator=_unescaped(separator)),
        )  # fmt: skip
        print_end(application, run(application, request, queue=queue, workers=workers), json=json)


def run(application: App, request: service.Request, *, queue: str = "default", workers: int = 1) -> Job:
    """Start a task and return its job once it has ended, with a progress bar meanwhile."""
    task = service.prepare(request, application.places)
    job = service.begin(application.database, application.places, task, queue=queue, limits=application.runtime.limits)
    if queue != "default" and not _is_served(application, queue):
        say(f"note: no worker serves the queue {queue!r}; the task runs here.")
    return follow(application.runtime, job, workers=workers)


def _is_served(application: App, queue: str) -> bool:
    with application.database.read() as connection:
        return any(worker.serves(queue) and not worker.is_gone for worker in presence.list_workers(connection))


def pair(rules: list[str], columns: list[str]) -> list[tuple[str, str | None]]:
    """Return each rule set with its column: one column is for all of them, several are one for each."""
    if len(columns) > 1 and len(columns) != len(rules):
        raise BadInput(
            f"There are {len(rules)} rule sets and {len(columns)} text columns.", where="--text-column",
            way_out="Give one column for all rule sets, or one for each in their order.",
        )  # fmt: skip
    return [(each, columns[min(place, len(columns) - 1)] if columns else None) for place, each in enumerate(rules)]


def read_filter(text: str, column: str | None) -> Filter:
    """Return the filter that was written as ``delete=RULES`` or ``alter:COLUMN=RULES``; ``column`` is taken where it names none."""
    head, separator, path = text.partition("=")
    action, _, own = head.partition(":")
    wanted = own or column or USUAL_TEXT
    if not separator or not path:
        raise BadInput(
            f"{text!r} is no filter.", where="--filter", way_out="Write delete=rules.csv, or alter:content=rules.csv."
        )
    found, notes = load_filter(Path(path), action=parse_action(action), column=wanted)
    for note in notes:
        say(f"note: {note.where}: {note.message}")
    return found


@app.command("list")
def list_tasks(
    context: typer.Context, limit: Annotated[int, typer.Option(min=1, max=1000)] = 20, json: JsonOption = False
) -> None:
    """List label tasks, newest first."""
    with bootstrap.opened(settings_of(context)) as application, application.database.read() as connection:
        found = service.list_tasks(connection, limit=limit)
    rows = [
        {
            "id": job.id,
            "state": job.state,
            "rows": job.done,
            "of": job.total,
            "created": job.created_at if json else f"{job.created_at:%Y-%m-%d %H:%M:%S} UTC",
            "task": job.title,
        }
        for job in found
    ]
    print_rows(rows, columns=("id", "state", "rows", "of", "created", "task"), json=json)


@app.command()
def show(context: typer.Context, task: TaskId, json: JsonOption = False) -> None:
    """Show the report of a task, while it runs and afterwards."""
    with bootstrap.opened(settings_of(context)) as application:
        _print_report(_report(application, _find(application, task)), json=json)


@app.command()
def sample(
    context: typer.Context,
    task: TaskId,
    rows: Annotated[int, typer.Option(min=1, max=service.MOST_SAMPLED)] = 10,
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same rows.")] = None,
    name: Annotated[str | None, typer.Option(help="Only results of this name.")] = None,
    json: JsonOption = False,
) -> None:
    """Show results drawn at random, each with the rules that matched."""
    with bootstrap.opened(settings_of(context)) as application:
        job = _find(application, task)
        _require_name(_report(application, job), job, name)
        drawn = service.sample(application.work_root, job.id, rows=rows, seed=seed, name=name)
    print_rows(
        drawn.to_dicts(),
        columns=("name", "id", "source_author", "panel", "create_time", "match_content", "match_meta"),
        json=json,
    )


@app.command()
def rejects(context: typer.Context, task: TaskId, json: JsonOption = False) -> None:
    """List the rows that could not be read, or had no time where a range was asked for: place, reason, and text or id."""
    with bootstrap.opened(settings_of(context)) as application:
        found = service.rejects(application.work_root, _find(application, task).id)
    shown = found if json else [{"place": row["place"], "reason": row["reason"], "text or id": row["text"]} for row in found]
    print_rows(shown, columns=("place", "reason", "text or id"), json=json)


@app.command()
def remove(
    context: typer.Context,
    task: TaskId,
    results: Annotated[bool, typer.Option("--results", help="Remove also the rows that it wrote, and nobody else's.")] = False,
    keep_state: Annotated[
        bool, typer.Option("--keep-state", help="Leave its row in the sink's state table: for a sink that is gone.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Forget an ended task, its state and the files that were kept for it; its results stay unless --results is given."""
    with bootstrap.opened(settings_of(context)) as application:
        job = _find(application, task)
        if not yes:
            typer.confirm(f"Forget the task {job.title!r}{' and its results' if results else ''}?", abort=True, err=True)
        parts = (application.database, application.places, application.work_root)
        emptied = service.remove(*parts, job.id, results=results, keep_state=keep_state)
    print_fields({"removed": job.id} | ({"rows removed from": ", ".join(emptied)} if results else {}), json=json)


@app.command()
def cancel(context: typer.Context, task: TaskId, json: JsonOption = False) -> None:
    """Stop a task within one step; what it has written stays. `labelmill jobs retry` goes on where it stopped."""
    with bootstrap.opened(settings_of(context)) as application:
        job = application.database.transact(jobs.cancel, _find(application, task).id)
        application.runtime.mirror(job)
    print_fields({"id": job.id, "state": job.state}, json=json)


@app.command()
def rerun(
    context: typer.Context,
    task: TaskId,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the task, unless workers are running.")] = 1,
    json: JsonOption = False,
) -> None:
    """Run an ended task again from its start: its own rows are replaced, nobody else's are touched."""
    with bootstrap.opened(settings_of(context)) as application:
        found = _find(application, task)
        job = service.rerun(application.database, found.id)
        print_end(application, follow(application.runtime, job, workers=workers), json=json)


def load_rules(application: App, rules: str, column: str | None = None) -> Any:
    """Return the rule set at a path, with its notes said to the user, or the stored one of a name; ``column`` is what it labels."""
    loaded = rule_sets.resolve(rules, application.database.read, column=column or USUAL_TEXT)
    for note in loaded.notes:
        say(f"note: {note.where}: {note.message}")
    return loaded.rule_set


def _find(application: App, start_of_id: str) -> Job:
    with application.database.read() as connection:
        return service.get(connection, jobs.find(connection, start_of_id).id)


def _require_name(report: dict[str, Any], job: Job, name: str | None) -> None:
    """Raise NotFound for a name that no results of the task can go by; before there are any, every name may come."""
    known = sorted({*report["received"], *(job.params.get("source_map") or {})})
    if name is not None and known and name not in known:
        shown = ", ".join(map(repr, known[:MOST_NAMES])) + (" ..." if len(known) > MOST_NAMES else "")
        raise NotFound(f"The task has no results of the name {name!r}.", where="--name", way_out=f"There are: {shown}.")


def _report(application: App, job: Job) -> dict[str, Any]:
    with application.database.read() as connection:
        return service.report(connection, job.id)


def print_end(application: App, job: Job, *, json: bool) -> None:
    """Print the report of a task that has ended; raises its error where it failed."""
    _print_report(_report(application, job), json=json)
    require_success(job)


def _print_report(report: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(report)
        return
    speed = f"{report['rows_per_second']:,} rows/s" if report["rows_per_second"] else ""
    print_fields(
        {
            "task": report["id"], "state": report["state"], "rows read": report["rows_read"],
            "rows labelled": f"{report['rows_labelled']:,} ({report['coverage'] or 0} %)",
            "labels": ", ".join(f"{name} {count:,}" for name, count in sorted(report["labels"].items())) or "none",
            "time": f"{report['seconds']} s  {speed}", "peak memory": f"{report['peak_memory_mb']:,.0f} MB",
            "written": ", ".join(report["written"]),
        }
    )  # fmt: skip
    if reports.without_times(report):
        say(f"warning: {reports.NO_TIMES}")
    print_rows(reports.by_name(report))
    left = reports.left_out(report)
    if left:
        print_rows(left)


def read_map(path: Path | None) -> dict[str, list[str]] | None:
    """Return the source map of a JSON file."""
    if path is None:
        return None
    try:
        value = jsonlib.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except OSError as error:
        raise BadFile(f"Cannot read the source map: {error.strerror}.", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise BadFile(
            f"The source map is not JSON: {error}", where=str(path), way_out="Mend the file, or leave out --source-map."
        ) from error
    if not isinstance(value, dict):
        raise BadInput("The source map is not an object.", where=str(path), way_out='Write it as {"forum": ["WH_F0002"]}.')
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ValueError(f"the name {repeated!r} stands there twice.")
    return dict(pairs)


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(
            f"{text!r} is no time.",
            where=option,
            way_out="Write it as 2020-01-31, 2020-01-31 08:00 or 2020-01-31T08:00:00+08:00.",
        ) from error


def _unescaped(separator: str | None) -> str | None:
    return "\t" if separator in ("\\t", "tab") else separator
