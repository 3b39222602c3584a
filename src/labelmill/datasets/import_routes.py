"""Imports over HTTP: send a file, look at it, import it, see what became of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio.to_thread
from fastapi import Path, Query, Request
from fastapi.responses import Response

from labelmill.accounts import Action, may, require
from labelmill.accounts import service as accounts
from labelmill.datasets import import_jobs, service, uploads
from labelmill.datasets.import_places import hiding, open_reference
from labelmill.datasets.import_schemas import (
    ImportOut,
    ImportPage,
    ImportReject,
    ImportRejects,
    ImportSource,
    LookIn,
    NewImport,
    PreviewOut,
    UploadOut,
)
from labelmill.datasets.import_shelf import Shelf
from labelmill.datasets.imports import Mapping, Preview, look, usual_mapping
from labelmill.datasets.schemas import LARGEST_ID
from labelmill.deadline import within
from labelmill.errors import NotFound
from labelmill.http import ImportLimit, SignedIn, TheApp, TheOnce, api_router, documented
from labelmill.http.spreadsheet import as_csv
from labelmill.jobs import service as jobs
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, decode_cursor, page_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.bootstrap import App
    from labelmill.datasets import Dataset
    from labelmill.jobs.model import Job

router = api_router("/datasets/{dataset_id}", "imports")
Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
ImportId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
FileName = Annotated[str, Path(max_length=500)]
Form = Annotated[Literal["json", "csv"] | None, Query(description="Another way to say `Accept: text/csv`.")]
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}, "description": "The rows."}}
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
#: Seconds that looking at a source may take.
SECONDS = 30


@router.put("/uploads/{name}", status_code=201, responses=documented(404, 413), openapi_extra=BODY, dependencies=[ImportLimit])
async def upload_records(request: Request, app: TheApp, actor: SignedIn, dataset_id: Id, name: FileName) -> UploadOut:
    """Send a file to be imported: CSV, TSV, JSON, JSONL, Parquet, XLSX or a ZIP of images. The answer shows what is in it."""
    dataset = await anyio.to_thread.run_sync(_dataset, app, actor, dataset_id)
    with await anyio.to_thread.run_sync(uploads.Upload, app.settings, name) as upload:
        async for chunk in request.stream():
            await anyio.to_thread.run_sync(upload.write, chunk)
        await anyio.to_thread.run_sync(upload.finish)
    asked = LookIn(source=ImportSource(upload=upload.id))
    preview, _ = await anyio.to_thread.run_sync(_look, app, asked)
    return UploadOut(upload=upload.id, preview=PreviewOut.of(preview, usual_mapping(preview, dataset.kind)))


@router.post("/imports/preview", responses=documented(404))
def preview_import(app: TheApp, actor: SignedIn, dataset_id: Id, body: LookIn) -> PreviewOut:
    """Look at a source: its columns, its first rows, and what they probably mean."""
    dataset = _dataset(app, actor, dataset_id, body.source)
    preview, _ = _look(app, body)
    return PreviewOut.of(preview, usual_mapping(preview, dataset.kind))


@router.post("/imports", status_code=202, response_model=ImportOut, responses=documented(404, 409), dependencies=[ImportLimit])
def begin_import(app: TheApp, actor: SignedIn, once: TheOnce, dataset_id: Id, body: NewImport) -> Response:
    """Import records in the background; labelling goes on. What is there already is not added again."""
    dataset = _dataset(app, actor, dataset_id, body.source)
    # A repetition gets its answer without another look: its upload is gone once the import has ended.
    if (before := once.repeated()) is not None:
        return before
    preview, reference = _look(app, body)
    mapping = body.mapping(dataset.kind, preview)
    _check(app, body, mapping)

    def begin(connection: Connection) -> ImportOut:
        accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
        job = import_jobs.begin(
            connection, dataset_id=dataset_id, source=reference, mapping=mapping, options=body.file.options(),
            trusted=may(actor, Action.KEEP_ANNOTATORS), created_by=actor.annotator_id, limits=app.runtime.limits,
        )  # fmt: skip
        accounts.note(connection, actor, "import", f"job {job.id}", dataset_id, title=job.title)
        return _shown(connection, job)

    return once.run(begin, status=202)


@router.get("/imports", responses=documented(404))
def list_imports(
    app: TheApp,
    actor: SignedIn,
    dataset_id: Id,
    *,
    cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> ImportPage:
    """Return the imports into a dataset, newest first."""
    before = decode_cursor(cursor, "before")["before"] if cursor else None
    with app.database.read() as connection:
        accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
        found = import_jobs.list_imports(connection, dataset_id, before=before, limit=limit + 1)
        page = page_of(found, limit, lambda job: {"before": job.id})
        return ImportPage(items=[_shown(connection, job) for job in page.items], next=page.next)


@router.get("/imports/{import_id}", responses=documented(404))
def get_import(app: TheApp, actor: SignedIn, dataset_id: Id, import_id: ImportId) -> ImportOut:
    """Return how far an import is and what became of its rows so far."""
    with app.database.read() as connection:
        return _shown(connection, _job(connection, actor, dataset_id, import_id))


@router.get("/imports/{import_id}/rejects", response_model=ImportRejects, responses=CSV | documented(404))
def get_import_rejects(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    dataset_id: Id,
    import_id: ImportId,
    *,
    format: Form = None,  # noqa: A002 - the parameter's name
) -> ImportRejects | Response:
    """Return the rows that were left out, with place and reason; as CSV with `Accept: text/csv` or `format=csv`."""
    with app.database.read() as connection:
        figures = _shown(connection, _job(connection, actor, dataset_id, import_id))
    rows = Shelf(app.settings.blob_dir, import_id).rejects()
    if format == "csv" or (format is None and "text/csv" in request.headers.get("accept", "")):
        headers = {
            "Content-Disposition": f'attachment; filename="rejects-{import_id}.csv"',
            "X-Content-Type-Options": "nosniff",
        }
        return Response(as_csv(rows, ("place", "reason", "text")), media_type="text/csv; charset=utf-8", headers=headers)
    return ImportRejects(rejected=figures.rejected + figures.conflicts, items=[ImportReject(**row) for row in rows])


def _dataset(app: App, actor: Actor, dataset_id: int, source: ImportSource | None = None) -> Dataset:
    """Return a dataset that somebody may import into, from this source."""
    with app.database.read() as connection:
        accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
        if source is not None and source.upload is None:
            require(actor, Action.VIEW_FILES)
        return service.get(connection, dataset_id)


def _look(app: App, asked: LookIn) -> tuple[Preview, dict[str, Any]]:
    """Return what a source shows, and the reference that a job keeps of it."""
    reference = asked.source.reference()
    if "upload" in reference:
        with hiding(app.settings):
            reference["name"] = uploads.path_of(app.settings, reference["upload"]).name

    def see() -> Preview:
        with hiding(app.settings):
            return look(open_reference(app.places, app.settings, reference, asked.file.options()))

    return within(SECONDS, see, "The source"), reference


def _check(app: App, body: NewImport, mapping: Mapping) -> None:
    with (
        hiding(app.settings),
        open_reference(app.places, app.settings, body.source.reference(), body.file.options()).source as source,
    ):
        mapping.check(source.table)


def _job(connection: Connection, actor: Actor, dataset_id: int, import_id: str) -> Job:
    accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
    job = jobs.get(connection, import_id)
    if job.kind != import_jobs.KIND or job.params.get("dataset") != dataset_id:
        raise NotFound(f"The dataset {dataset_id} has no import {import_id}.", where="import_id")
    return job


def _shown(connection: Connection, job: Job) -> ImportOut:
    return ImportOut.of(job, job.result or import_jobs.total(jobs.list_steps(connection, job.id)))
