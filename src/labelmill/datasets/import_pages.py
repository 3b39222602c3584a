"""The pages that bring records in: a file is sent, looked at, mapped, and imported by a job that is watched."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio.to_thread
from fastapi import Depends, Path, Request, Response
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action, may, require
from labelmill.accounts import service as accounts
from labelmill.clock import now
from labelmill.datasets import import_form, import_jobs, import_tables, service, uploads
from labelmill.datasets.import_places import hiding, name_of, open_reference
from labelmill.datasets.import_shelf import Shelf
from labelmill.datasets.imports import look, usual_mapping
from labelmill.datasets.model import RecordKind
from labelmill.datasets.pages import DatasetId
from labelmill.datasets.readers.opening import ENDINGS
from labelmill.datasets.settings_pages import form_values
from labelmill.db.bulk.dialect import Dialect
from labelmill.db.bulk.files import FileOptions
from labelmill.deadline import within
from labelmill.errors import BadInput, LabelmillError, NotFound
from labelmill.http import ImportLimit, SignedIn, TheApp, page_router, render, see_other
from labelmill.http.datasets import dataset_frame
from labelmill.http.file_form import receive_file
from labelmill.http.spreadsheet import as_csv
from labelmill.jobs import service as jobs
from labelmill.jobs.model import JobState, progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.bootstrap import App
    from labelmill.datasets.imports import Mapping as Columns
    from labelmill.datasets.imports import Preview
    from labelmill.jobs.model import Job

router = page_router()
Values = Annotated[dict[str, str], Depends(form_values)]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
ENCODINGS: Final = ("utf-8", "utf-16", "cp950", "big5hkscs", "gb18030", "shift_jis", "cp1252", "latin-1")
SEPARATORS: Final = (",", ";", "tab", "|")
SHOWN_REJECTS: Final = 100
#: Seconds that looking at a source may take.
SECONDS: Final = 30


@dataclass(frozen=True, kw_only=True)
class Wizard:
    """Who brings records in, and where to; ``dataset`` is None for a new one."""

    request: Request
    app: App
    actor: Actor
    frame: dict[str, Any]

    @property
    def dataset(self) -> service.Dataset | None:
        return self.frame.get("dataset")

    @property
    def kind(self) -> RecordKind | None:
        return self.dataset.kind if self.dataset else None

    @property
    def place(self) -> str:
        """The address of the wizard's first page."""
        return f"/datasets/{self.dataset.id}/import" if self.dataset else "/datasets/new"


def _new(request: Request, app: App, actor: Actor) -> Wizard:
    require(actor, Action.MAKE_DATASET)
    return Wizard(request=request, app=app, actor=actor, frame={})


def _into(request: Request, app: App, actor: Actor, dataset_id: int) -> Wizard:
    return Wizard(request=request, app=app, actor=actor, frame=dataset_frame(app, actor, dataset_id, Action.CHANGE_DATASET))


@router.get("/datasets/new")
def new_page(request: Request, app: TheApp, actor: SignedIn) -> HTMLResponse:
    """Ask for a file, or show what is in it and what its columns are."""
    return _page(_new(request, app, actor), dict(request.query_params))


@router.post("/datasets/new/file", dependencies=[ImportLimit])
async def new_file(request: Request, app: TheApp, actor: SignedIn) -> Response:
    """Take a file for a new dataset."""
    return await _receive(await anyio.to_thread.run_sync(_new, request, app, actor))


@router.post("/datasets/new", dependencies=[ImportLimit])
def make(request: Request, app: TheApp, actor: SignedIn, values: Values) -> Response:
    """Make a dataset and begin to import into it; without a file an empty one."""
    return _begin(_new(request, app, actor), values)


@router.get("/datasets/{dataset_id}/import")
def import_page(request: Request, app: TheApp, actor: SignedIn, dataset_id: DatasetId) -> HTMLResponse:
    """Ask for a file with more records, or show what is in it."""
    return _page(_into(request, app, actor, dataset_id), dict(request.query_params))


@router.post("/datasets/{dataset_id}/import/file", dependencies=[ImportLimit])
async def import_file(request: Request, app: TheApp, actor: SignedIn, dataset_id: DatasetId) -> Response:
    """Take a file with more records."""
    return await _receive(await anyio.to_thread.run_sync(_into, request, app, actor, dataset_id))


@router.post("/datasets/{dataset_id}/import", dependencies=[ImportLimit])
def import_records(request: Request, app: TheApp, actor: SignedIn, dataset_id: DatasetId, values: Values) -> Response:
    """Begin to import into a dataset."""
    return _begin(_into(request, app, actor, dataset_id), values)


@router.get("/datasets/{dataset_id}/imports/{job_id}")
def job_page(
    request: Request, app: TheApp, actor: SignedIn, dataset_id: DatasetId, job_id: JobId, *, then: str = ""
) -> Response:
    """Show an import as it goes; who wants to label is led on as soon as all is in and nothing was refused."""
    frame = dataset_frame(app, actor, dataset_id, Action.CHANGE_DATASET)
    job = _job(app, dataset_id, job_id)
    report = job.result or {}
    if then == "label" and job.state is JobState.SUCCEEDED and not report.get("rejected") and not report.get("conflicts"):
        return see_other(f"/datasets/{dataset_id}/label")
    rejects = Shelf(app.settings.blob_dir, job_id).rejects()
    return render(
        request, "datasets/imported.html", **frame, job=job, progress=progress(job, now()), report=report, rejects=rejects[:SHOWN_REJECTS],
        refused=len(rejects), then=then if then == "label" else "", stops=may(frame["inside"], Action.STOP_JOB, job),
        retries=may(frame["inside"], Action.RETRY_JOB, job),
    )  # fmt: skip


@router.post("/datasets/{dataset_id}/imports/{job_id}/cancel")
def cancel(app: TheApp, actor: SignedIn, dataset_id: DatasetId, job_id: JobId) -> Response:
    """Stop an import; what is in stays."""
    return _act(app, actor, dataset_id, job_id, Action.STOP_JOB)


@router.post("/datasets/{dataset_id}/imports/{job_id}/retry")
def retry(app: TheApp, actor: SignedIn, dataset_id: DatasetId, job_id: JobId) -> Response:
    """Go on with an import where it stopped."""
    return _act(app, actor, dataset_id, job_id, Action.RETRY_JOB)


@router.get("/datasets/{dataset_id}/imports/{job_id}/rejects.csv")
def rejects_file(app: TheApp, actor: SignedIn, dataset_id: DatasetId, job_id: JobId) -> Response:
    """Return the rows that were refused, each with its place in the source and the reason."""
    with app.database.read() as connection:
        accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
    _job(app, dataset_id, job_id)
    rows = Shelf(app.settings.blob_dir, job_id).rejects()
    headers = {"Content-Disposition": f'attachment; filename="rejects-{job_id}.csv"'}
    return Response(as_csv(rows, ("place", "reason", "text")), media_type="text/csv; charset=utf-8", headers=headers)


async def _receive(wizard: Wizard) -> Response:
    try:
        upload = await receive_file(wizard.request, partial(uploads.Upload, wizard.app.settings))
    except LabelmillError as error:
        return await anyio.to_thread.run_sync(partial(_page, wizard, {}, error=error))
    return see_other(f"{wizard.place}?upload={upload.id}")


def _begin(wizard: Wizard, values: Mapping[str, str]) -> Response:
    source = _source(wizard, values)
    if values.get("action") == "look" and source is not None:
        return _command(wizard, values, source) if "hx-request" in wizard.request.headers else _page(wizard, values)
    try:
        if source is None:
            return _make_empty(wizard, values)
        preview, _ = _preview(wizard, source, values)
        mapping = _mapping(wizard, values, preview)
        with (
            hiding(wizard.app.settings),
            open_reference(wizard.app.places, wizard.app.settings, source, _options(values)).source as rows,
        ):
            mapping.check(rows.table)
        more = {
            "source": _named(wizard, source), "mapping": mapping, "options": _options(values), "limits": wizard.app.runtime.limits,
            "trusted": may(wizard.actor, Action.KEEP_ANNOTATORS),
        }  # fmt: skip
        dataset_id, job = wizard.app.database.transact(lambda connection: _submit(connection, wizard, values, more))
    except LabelmillError as error:
        return _page(wizard, values, error=error)
    wizard.app.runtime.wake(job.id)
    return see_other(f"/datasets/{dataset_id}/imports/{job.id}?then=label")


def _command(wizard: Wizard, values: Mapping[str, str], source: dict[str, Any]) -> HTMLResponse:
    """Return the command that does the same as the form says."""
    preview, _ = _preview(wizard, source, values)
    return render(wizard.request, "datasets/command.html", command=_told(wizard, values, source, preview))


def _told(wizard: Wizard, values: Mapping[str, str], source: dict[str, Any], preview: Preview) -> str:
    try:
        mapping = _mapping(wizard, values, preview)
    except BadInput:
        return ""
    file = name_of(_named(wizard, source))
    written = import_tables.written(source) or file
    into = wizard.dataset.name if wizard.dataset else values.get("name") or PurePath(file).stem
    return import_form.command(written, into, mapping, _options(values), new=wizard.dataset is None)


def _mapping(wizard: Wizard, values: Mapping[str, str], preview: Preview) -> Columns:
    """Return what the form makes of the columns; those of images are what they are."""
    chosen = import_form.read_chosen(values, preview, wizard.kind)
    if preview.guess.kind is RecordKind.IMAGE:
        separator, annotator = chosen.label_separator or None, chosen.annotator or None
        return replace(usual_mapping(preview), label_use=chosen.label_use, label_separator=separator, annotator=annotator)
    return import_form.mapping_of(chosen, wizard.kind or chosen.kind)


def _submit(connection: Connection, wizard: Wizard, values: Mapping[str, str], more: dict[str, Any]) -> tuple[int, Job]:
    who = wizard.actor.annotator_id
    if wizard.dataset is None:
        dataset_id = _made(connection, wizard, values, more["mapping"].kind).id
    else:
        dataset_id = wizard.dataset.id
        accounts.require_in(connection, wizard.actor, Action.CHANGE_DATASET, dataset_id)
    accounts.note(connection, wizard.actor, "import records", f"dataset {dataset_id}", dataset_id)
    return dataset_id, import_jobs.begin(connection, dataset_id=dataset_id, created_by=who, **more)


def _made(connection: Connection, wizard: Wizard, values: Mapping[str, str], kind: RecordKind) -> service.Dataset:
    labels = import_form.named_labels(values.get("labels", ""))
    return service.create(
        connection, name=values.get("name", ""), kind=kind, labels=labels, created_by=wizard.actor.annotator_id
    )


def _make_empty(wizard: Wizard, values: Mapping[str, str]) -> Response:
    if wizard.dataset is not None:
        raise BadInput("No file was chosen.", where="file", way_out="Choose a file first.")
    kind = next((each for each in RecordKind if each == values.get("kind")), RecordKind.TEXT)
    made = wizard.app.database.transact(lambda connection: _made(connection, wizard, values, kind))
    return see_other(f"/datasets/{made.id}/settings")


def _page(wizard: Wizard, values: Mapping[str, str], *, error: LabelmillError | None = None) -> HTMLResponse:
    """Show the first page, or with a source the second one."""
    source = _source(wizard, values)
    context: dict[str, Any] = {"place": wizard.place, "values": values, **wizard.frame, "dataset": wizard.dataset}
    files = may(wizard.actor, Action.VIEW_FILES)
    if source is not None:
        try:
            preview, dialect = _preview(wizard, source, values)
            return _mapping_page(wizard, values, preview, context | {"source": source, "dialect": dialect, "error": error})
        except LabelmillError as found:
            error = error or found
            files = files and "upload" not in source
    tables, told = import_tables.offered(wizard.app, wizard.actor, values)
    error = error or told
    return render(
        wizard.request, "datasets/import.html", status=error.status if error else 200, **context, error=error, files=files,
        kinds=list(RecordKind), endings=",".join(ENDINGS), limit_mb=wizard.app.settings.upload_limit_mb,
        offered=tables,
    )  # fmt: skip


def _mapping_page(wizard: Wizard, values: Mapping[str, str], preview: Preview, context: dict[str, Any]) -> HTMLResponse:
    error: LabelmillError | None = context["error"]
    try:
        chosen = import_form.read_chosen(values, preview, wizard.kind)
    except BadInput as found:
        error, chosen = error or found, import_form.guessed(preview, wizard.kind)
    name = values.get("name") or PurePath(name_of(_named(wizard, context["source"]))).stem.partition(".")[0]
    return render(
        wizard.request, "datasets/mapping.html", status=error.status if error else 200, **context | {"error": error},
        preview=preview, chosen=chosen, roles=import_form.roles_for(wizard.kind), seen=import_form.seen_labels(preview, chosen),
        is_images=preview.guess.kind is RecordKind.IMAGE, name=name, encodings=ENCODINGS, separators=SEPARATORS,
        file_name=name_of(_named(wizard, context["source"])), command=_told(wizard, values, context["source"], preview),
    )  # fmt: skip


def _named(wizard: Wizard, source: dict[str, Any]) -> dict[str, Any]:
    """Return the reference with the name of its file."""
    if "upload" not in source:
        return source
    return source | {"name": uploads.path_of(wizard.app.settings, source["upload"]).name}


def _source(wizard: Wizard, values: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the reference that a form or an address names; who may not look at files and tables may not name one."""
    if values.get("upload"):
        return {"upload": values["upload"]}
    if values.get("path"):
        require(wizard.actor, Action.VIEW_FILES)
        return {"path": values["path"]}
    return import_tables.source_of(wizard.app, wizard.actor, values)


def _preview(wizard: Wizard, source: dict[str, Any], values: Mapping[str, str]) -> tuple[Preview, dict[str, Any] | None]:
    """Return what a source shows, and how a text file is written; None for the rest."""

    def see() -> tuple[Preview, Any]:
        with hiding(wizard.app.settings):
            rows = open_reference(wizard.app.places, wizard.app.settings, source, _options(values))
            return look(rows), getattr(rows.source, "dialect", None)

    preview, found = within(SECONDS, see, "The source")
    return preview, asdict(found) if isinstance(found, Dialect) else None


def _options(values: Mapping[str, str]) -> FileOptions:
    separator = values.get("separator") or None
    return FileOptions(encoding=values.get("encoding") or None, separator={"tab": "\t"}.get(separator or "", separator))


def _job(app: App, dataset_id: int, job_id: str) -> Job:
    with app.database.read() as connection:
        job = jobs.get(connection, job_id)
    if job.kind != import_jobs.KIND or job.params.get("dataset") != dataset_id:
        raise NotFound(f"The dataset {dataset_id} has no import {job_id}.", way_out="GET /v1/jobs lists the jobs.")
    return job


def _act(app: App, actor: Actor, dataset_id: int, job_id: str, action: Action) -> Response:
    with app.database.read() as connection:
        inside = accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
    require(inside, action, _job(app, dataset_id, job_id))
    app.database.transact(jobs.cancel if action is Action.STOP_JOB else jobs.retry, job_id)
    app.runtime.wake(job_id)
    return see_other(f"/datasets/{dataset_id}/imports/{job_id}")
