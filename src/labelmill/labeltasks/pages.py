"""The pages on label tasks: the list, one task as it goes, and the form for a new one."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action, may, require
from labelmill.connections import service as connections
from labelmill.db.bulk.location import FILE_FORMATS, SQLITE_SUFFIXES
from labelmill.errors import LabelmillError
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.jobs.model import JobState
from labelmill.labeltasks import commands, file_routes, form_parts, forms, intake, routes, service, shelf, upload_form
from labelmill.labeltasks.marking import mark
from labelmill.labeltasks.model import LabelTask
from labelmill.labeltasks.report import UNMAPPED
from labelmill.labeltasks.schemas import MOST_PARTS, LabelTaskOut, NewLabelTask, SampleRow, SourceIn
from labelmill.rules import service as rule_sets

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelmill.accounts import Actor
    from labelmill.bootstrap import App
    from labelmill.jobs.model import Job

router = page_router()
Cursor = Annotated[str, Query(max_length=1024)]
SAMPLE_ROWS = 20
SHOWN_REJECTS = 20
MOST_FILES = 200
#: Bytes of one field of the form: rules may be pasted.
LARGEST_FIELD = 16 * 1024 * 1024


@router.get("/label-tasks")
def tasks_page(
    request: Request, app: TheApp, actor: SignedIn, *, state: Annotated[str, Query(max_length=16)] = "", cursor: Cursor = ""
) -> HTMLResponse:
    """List the tasks, newest first."""
    chosen = next((one for one in JobState if one == state), None)
    page = routes.list_label_tasks(app, actor, state=chosen, cursor=cursor or None, limit=50)
    starts = may(actor, Action.START_LABEL_TASK)
    return render(
        request,
        "labeltasks/list.html",
        tasks=page,
        state=chosen,
        states=list(JobState),
        first=not cursor,
        starts=starts,
        title=_title,
    )


@router.get("/label-tasks/new")
def new_page(request: Request, app: TheApp, actor: SignedIn) -> HTMLResponse:
    """Show the form: first for the source, then, with its columns to choose from, for the rest."""
    require(actor, Action.START_LABEL_TASK)
    values = {name: value for name, value in request.query_params.items() if len(value) <= LARGEST_FIELD}
    if values.get("again"):
        with app.database.read() as connection:
            job = service.get(connection, values["again"])
        values = _again(app, job) | values
    if "path" not in values and "table" not in values:
        return _source_page(request, app, values)
    return _form_page(request, app, values)


@router.post("/label-tasks/files")
async def upload(request: Request, app: TheApp, actor: SignedIn) -> Response:
    """Take a file from the form and go on with it as the source."""
    require(actor, Action.KEEP_FILES)
    try:
        path = await upload_form.receive(request, app.settings)
    except LabelmillError as error:
        return _source_page(request, app, {}, errors={"file": forms.told(error)}, status=error.status)
    return see_other(f"/label-tasks/new?path={quote(path, safe='')}")


async def form_values(request: Request) -> dict[str, Any]:
    """Return a form's texts, and the names and contents of the files with rules that were chosen."""
    async with request.form(max_files=2 * MOST_PARTS + 1, max_fields=400, max_part_size=LARGEST_FIELD) as form:
        values: dict[str, Any] = {name: value for name, value in form.items() if isinstance(value, str)}
        for name, file in form.items():
            if not isinstance(file, str) and file.filename and name.endswith("rules_file"):
                values[name] = (file.filename, await file.read())
        return values


Values = Annotated[dict[str, Any], Depends(form_values)]


@router.post("/label-tasks")
def start(request: Request, app: TheApp, actor: SignedIn, values: Values) -> Response:
    """Start the task of the form; with a mistake the form comes back as it was typed, the mistake beside its field."""
    require(actor, Action.START_LABEL_TASK)
    try:
        new = _read(values)
        task = intake.prepared(app, new)
    except forms.FormErrors as errors:
        return _form_page(request, app, values, errors=errors.by_field)
    except LabelmillError as error:
        return _form_page(request, app, values, errors={intake.field_of(error): forms.told(error)}, status=error.status)
    # The form's own key makes a double click one task.
    spoken = "\n".join((actor.annotator_id, str(values.get("once", "")), new.model_dump_json()))
    key = f"form:{hashlib.sha256(spoken.encode()).hexdigest()}" if values.get("once") else None
    options = routes.start_options(new, actor.annotator_id, app.runtime.limits)
    job = service.begin(app.database, app.places, task, key=key, **options)
    app.runtime.wake(job.id)
    return see_other(f"/label-tasks/{job.id}")


@router.post("/label-tasks/commands")
def show_commands(request: Request, app: TheApp, actor: SignedIn, values: Values) -> HTMLResponse:
    """Show the command and the call that do what the form says."""
    require(actor, Action.START_LABEL_TASK)
    try:
        shown = _commands(request, app, actor, _read(values))
        errors: dict[str, str] = {}
    except forms.FormErrors as wrong:
        shown, errors = None, wrong.by_field
    if "hx-request" in request.headers:
        return render(request, "labeltasks/commands.html", commands=shown)
    return _form_page(request, app, values, errors=errors, commands=shown, status=422 if errors else 200)


@router.post("/label-tasks/form")
def change_form(request: Request, app: TheApp, actor: SignedIn, values: Values) -> HTMLResponse:
    """Show the form with a labeller or a filter more or less; nothing that was typed is lost."""
    require(actor, Action.START_LABEL_TASK)
    _split(values)
    return _form_page(request, app, form_parts.changed(values, MOST_PARTS), status=200)


@router.get("/label-tasks/{task_id}")
def task_page(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    task_id: routes.TaskId,
    *,
    seed: routes.Seed = None,
    name: Annotated[str | None, Query(max_length=300)] = None,
) -> HTMLResponse:
    """Show one task: its progress, report, sample and what was left out."""
    task = routes.get_label_task(app, actor, task_id)
    with app.database.read() as connection:
        job = service.get(connection, task_id)
    sample = routes.get_sample(app, actor, task_id, rows=SAMPLE_ROWS, seed=seed if seed is not None else 1, name=name).items
    rejects = routes.listed_rejects(app, actor, task_id)
    starts = may(actor, Action.START_LABEL_TASK)
    return render(
        request, "labeltasks/task.html", task=task, sample=_marked(job, sample), name=name, rejects=rejects.items[:SHOWN_REJECTS], rejected=rejects.rejected, next_seed=(seed or 1) + 1,
        changes=may(actor, Action.CHANGE_LABEL_TASK, job), starts=starts, downloads=may(actor, Action.VIEW_FILES),
        commands=_commands(request, app, actor, _as_new(app, job)) if starts and _repeatable(task) else None,
        report_call=commands.curl_get(_origin(request), f"/v1/label-tasks/{task_id}"), repeatable=_repeatable(task),
        most=max(task.labels.values(), default=1), reason=_reason, title=_title, rules_in=json.loads, is_database=Path(task.sink.get("path", "")).suffix in SQLITE_SUFFIXES,
    )  # fmt: skip


@router.post("/label-tasks/{task_id}/rerun")
def rerun(app: TheApp, actor: SignedIn, task_id: routes.TaskId) -> Response:
    """Run an ended task again from its start."""
    routes.rerun_label_task(app, actor, task_id)
    return see_other(f"/label-tasks/{task_id}")


@router.post("/label-tasks/{task_id}/remove")
def remove(app: TheApp, actor: SignedIn, task_id: routes.TaskId, values: Values) -> Response:
    """Forget an ended task, and with the tick also the rows that it wrote."""
    routes.remove_label_task(app, actor, task_id, results=values.get("results") == "on")
    return see_other("/label-tasks")


@router.post("/label-tasks/{task_id}/cancel")
def cancel(app: TheApp, actor: SignedIn, task_id: routes.TaskId) -> Response:
    """Stop a task."""
    routes.cancel_label_task(app, actor, task_id)
    return see_other(f"/label-tasks/{task_id}")


@router.post("/label-tasks/{task_id}/retry")
def retry(app: TheApp, actor: SignedIn, task_id: routes.TaskId) -> Response:
    """Go on with a task where it stopped."""
    routes.retry_label_task(app, actor, task_id)
    return see_other(f"/label-tasks/{task_id}")


def _source_page(
    request: Request, app: App, values: dict[str, Any], *, errors: dict[str, str] | None = None, status: int = 200
) -> HTMLResponse:
    """Show what may be labelled: the files of a folder, an upload, the tables of a connection or of a database's file."""
    errors = dict(errors or {})
    files: list[shelf.Item] = []
    tables: list[str] = []
    folder = str(values.get("folder", ""))
    with app.database.read() as connection:
        known = connections.list_connections(connection)
    try:
        files = [
            item
            for item in shelf.list_folder(app.settings, folder, limit=MOST_FILES)
            if item.is_folder or _is_source(item.path)
        ]
        if values.get("connection"):
            tables = list(file_routes.inspect(app, SourceIn(**forms.source_of(values))).tables)
    except LabelmillError as error:
        errors["source"], status = forms.told(error), error.status
    return render(
        request, "labeltasks/source.html", status=status, files=files, folder=folder, connections=known, values=values, tables=tables,
        errors=errors, limit_mb=app.settings.upload_limit_mb,
    )  # fmt: skip


def _form_page(
    request: Request,
    app: App,
    values: dict[str, Any],
    *,
    errors: dict[str, str] | None = None,
    commands: dict[str, str] | None = None,
    status: int = 422,
) -> HTMLResponse:
    """Show the form around a source that is looked at again; where it cannot be, show the choice of sources with the reason."""
    source = forms.source_of(values)
    try:
        seen = file_routes.columns_of(file_routes.inspect(app, SourceIn(**source)))
    except (LabelmillError, ValueError) as error:
        reason = forms.told(error) if isinstance(error, LabelmillError) else str(error)
        return _source_page(request, app, {}, errors={"source": reason}, status=getattr(error, "status", 422))
    if seen.tables:
        return render(request, "labeltasks/table.html", seen=seen, source=source, keep=_kept(values))
    with app.database.read() as connection:
        known = [one for one in connections.list_connections(connection) if one.writable]
        stored = [one.name for one in rule_sets.list_rule_sets(connection)]
    usual = {f"{role}_column": name or "" for role, name in seen.usual.items()}
    typed = {
        "sink_kind": "file",
        "production_tie": "drop",
        "unmapped": "own",
        "sink_path": f"{seen.name}-labels.csv",
        "once": secrets.token_hex(12),
    }
    return render(
        request, "labeltasks/new.html", status=status if errors else 200, seen=seen, source=source, connections=known, errors=errors or {},
        values=typed | usual | {name: value for name, value in values.items() if isinstance(value, str)}, commands=commands,
        rule_sets=stored, queues=app.settings.queues, roles=forms.ROLES[1:], most_parts=MOST_PARTS,
        usual={name: NewLabelTask.model_fields[name].default for name in ("step_rows", "batch_rows")},
        parts={kind: form_parts.numbers(values, kind) for kind in form_parts.KINDS},
    )  # fmt: skip


def _is_source(path: str) -> bool:
    return path.lower().removesuffix(".gz").endswith((*FILE_FORMATS, *SQLITE_SUFFIXES))


def _read(values: dict[str, Any]) -> NewLabelTask:
    return forms.read_form(*_split(values))


def _split(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    """Return a form's texts and its files, and leave in ``values`` the files as texts: a browser does not send a file twice."""
    files = {name: value for name, value in values.items() if not isinstance(value, str)}
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    for name, (_, content) in files.items():
        del values[name]
        values[f"{name.removesuffix('file')}text"] = content.decode("utf-8", "replace")
    return texts, files


def _kept(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in ("path", "connection", "schema", "table")}


def _again(app: App, job: Job) -> dict[str, str]:
    """Return the form's values for a task like that of ``job``."""
    values = forms.again(job)
    source, sink = (intake.shown_place(app.settings, job.params[name]) for name in ("source", "sink"))
    values |= {name: source[name] for name in ("path", "connection", "schema", "table") if name in source}
    values |= {f"sink_{name}": sink[name] for name in ("path", "connection", "schema") if name in sink}
    return values | {"sink_kind": "connection" if "connection" in sink else "file"}


def _as_new(app: App, job: Job) -> NewLabelTask:
    """Return the body that starts a task like that of ``job``."""
    return forms.read_form(_again(app, job))


def _repeatable(task: Any) -> bool:
    """Tell whether a task's places can be named over HTTP: those of the command line may be anywhere, those of settings have no name."""
    return not {"text", "setting"} & {*task.source, *task.sink}


def _commands(request: Request, app: App, actor: Actor, new: NewLabelTask) -> dict[str, str]:
    # Only administrators see where things lie on this machine.
    folder = (
        str(app.settings.data_dir.absolute() / "files") if may(actor, Action.VIEW_SETTINGS) else '"$LABELMILL_DATA_DIR"/files'
    )
    origin = _origin(request)
    return {"cli": commands.cli_label(folder, origin, new), "curl": commands.curl_start(origin, new)}


def _marked(job: Job, sample: list[SampleRow]) -> list[dict[str, Any]]:
    task = LabelTask.from_params(job.params)
    pieces = mark(
        [(row.panel, row.match_content, row.match_meta) for row in sample], [labeller.rules for labeller in task.labellers]
    )
    return [row.model_dump() | {"pieces": marked} for row, marked in zip(sample, pieces, strict=True)]


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _title(translate: Callable[..., str], task: LabelTaskOut) -> str:
    """Return a task as a sentence in the reader's language."""
    places = {
        role: " · ".join(
            str(place[name]) for name in ("connection", "setting", "schema", "path", "text", "table") if name in place
        )
        for role, place in (("source", task.source), ("sink", task.sink))
    }
    columns = _listed(translate, [str(task.columns["text"]), *(one.text for one in task.also)])
    rules = _listed(translate, [task.rule_set, *(one.rule_set for one in task.also)])
    return translate("Label {column} of {source} with {rules} into {sink}", column=columns, rules=rules, **places)


def _listed(translate: Callable[..., str], names: list[str]) -> str:
    """Return names as a sentence lists them, each once."""
    first, *others = dict.fromkeys(names)
    for other in others:
        first = translate("{one} and {other}", one=first, other=other)
    return first


def _reason(translate: Callable[..., str], text: str) -> str:
    """Return why rows were left out in the reader's language; names inside stay as they are."""
    if found := re.fullmatch(r"several labels had the best score in (.*)", text, re.DOTALL):
        return translate("several labels had the best score in {group}", group=found[1])
    for fate in UNMAPPED.values():
        if found := re.fullmatch(rf"source (.*) is not in the source map: {fate}", text, re.DOTALL):
            return translate(f"source {{source}} is not in the source map: {fate}", source=found[1])
    return translate(text.partition(" (`")[0])
