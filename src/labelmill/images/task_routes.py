"""Image tasks over HTTP: start, list, look, cancel, retry, fetch what was delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
from fastapi import Path, Query, Request, Response

from labelmill.accounts import Action, require
from labelmill.accounts import service as accounts
from labelmill.errors import Conflict, NotFound
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented
from labelmill.http.sending import documented_file, send_file
from labelmill.images import service
from labelmill.images.delivered import delivered_file, delivered_files
from labelmill.images.model import IMAGE_TASK
from labelmill.images.results import Results
from labelmill.images.routes import error_shown
from labelmill.images.schemas import (
    DeliveredFile,
    DeliveredFiles,
    ImageTaskDetail,
    ImageTaskOut,
    ImageTaskPage,
    ImageTaskReport,
    NewImageTask,
)
from labelmill.images.task import Delivery
from labelmill.jobs import service as jobs
from labelmill.jobs.model import JobState
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, decode_cursor, page_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.bootstrap import App
    from labelmill.jobs.model import Job

router = api_router("/image-tasks", "image tasks")
TaskId = Annotated[str, Path(max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]
FileName = Annotated[str, Path(max_length=300)]
Cursor = Annotated[str | None, Query(max_length=LONGEST_CURSOR)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]
_MEDIA: Final = {
    ".csv": "text/csv", ".json": "application/json", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png",
    ".webp": "image/webp", ".zip": "application/zip", ".tar": "application/x-tar",
}  # fmt: skip
_OTHER: Final = "application/octet-stream"
FILE = documented_file(_OTHER)
for _status in (200, 206):
    FILE[_status]["content"] = {media_type: {} for media_type in (*_MEDIA.values(), _OTHER)}


@router.post("", status_code=202, response_model=ImageTaskOut, responses=documented(404, 409))
def start_image_task(app: TheApp, actor: SignedIn, once: TheOnce, new: NewImageTask) -> Response:
    """Queue a task that delivers the images of the rows that meet all conditions, to a place of labelmill's own."""
    require(actor, Action.START_LABEL_TASK)
    conditions, delivery = new.conditions(), new.delivery()

    def begin(connection: Connection) -> ImageTaskOut:
        catalogue = service.find(connection, new.catalogue)
        job = service.query(
            connection, catalogue, conditions, delivery, created_by=actor.annotator_id, limits=app.runtime.limits
        )
        accounts.note(connection, actor, "deliver images", f"job {job.id}", title=job.title)
        return _shown(app, connection, job)

    answer = once.run(begin, status=202)
    task_id = orjson.loads(bytes(answer.body))["id"]
    app.runtime.wake(task_id)
    answer.headers["Location"] = f"/v1/image-tasks/{task_id}"
    return answer


@router.get("")
def list_image_tasks(
    app: TheApp, actor: SignedIn, *, state: JobState | None = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> ImageTaskPage:
    """Return image tasks, newest first."""
    require(actor, Action.VIEW_LABEL_TASKS)
    before = decode_cursor(cursor, "before")["before"] if cursor else None
    with app.database.read() as connection:
        found = jobs.list_jobs(connection, kind=IMAGE_TASK, state=state, before=before, limit=limit + 1)
        page = page_of(found, limit, lambda job: {"before": job.id})
        known = service.versions_of(connection, page.items)
    items = [ImageTaskOut.of(job, known.get(job.id), error_shown(app.settings, job)) for job in page.items]
    return ImageTaskPage(items=items, next=page.next)


@router.get("/{task_id}", responses=documented(404))
def get_image_task(app: TheApp, actor: SignedIn, task_id: TaskId) -> ImageTaskDetail:
    """Return how far a task is, in images and images a second, and its report once it has succeeded."""
    require(actor, Action.VIEW_LABEL_TASKS)
    with app.database.read() as connection:
        job = service.get_task(connection, task_id)
        known = service.versions_of(connection, [job]).get(job.id)
    report = ImageTaskReport.model_validate(job.result) if job.state is JobState.SUCCEEDED else None
    return ImageTaskDetail.of(job, known, error_shown(app.settings, job), report=report)


@router.post("/{task_id}/cancel", responses=documented(404, 409))
def cancel_image_task(app: TheApp, actor: SignedIn, task_id: TaskId) -> ImageTaskOut:
    """Stop a task; `retry` goes on where it stopped."""
    with app.database.read() as connection:
        require(actor, Action.CHANGE_LABEL_TASK, service.get_task(connection, task_id))
    job = app.database.transact(jobs.cancel, task_id)
    app.runtime.mirror(job)
    with app.database.read() as connection:
        return _shown(app, connection, job)


@router.post("/{task_id}/retry", responses=documented(404, 409))
def retry_image_task(app: TheApp, actor: SignedIn, task_id: TaskId) -> ImageTaskOut:
    """Go on with a failed or cancelled task where it stopped."""
    with app.database.read() as connection:
        require(actor, Action.CHANGE_LABEL_TASK, service.get_task(connection, task_id))
    job = app.database.transact(jobs.retry, task_id)
    app.runtime.wake(task_id)
    with app.database.read() as connection:
        return _shown(app, connection, job)


@router.get("/{task_id}/files", responses=documented(404, 409))
def list_delivered_files(
    app: TheApp, actor: SignedIn, task_id: TaskId, *, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> DeliveredFiles:
    """Return the files that a task delivered, by name; 409 until it has succeeded."""
    after = decode_cursor(cursor, "after")["after"] if cursor else ""
    found = delivered_files(_results(app, actor, task_id), after=after, limit=limit + 1)
    page = page_of(found, limit, lambda path: {"after": path.name})
    items = [DeliveredFile(name=path.name, size=path.stat().st_size) for path in page.items]
    return DeliveredFiles(items=items, next=page.next)


@router.head("/{task_id}/files/{name}", include_in_schema=False)
@router.get("/{task_id}/files/{name}", response_class=Response, responses=FILE | documented(404, 409, 416))
def get_delivered_file(request: Request, app: TheApp, actor: SignedIn, task_id: TaskId, name: FileName) -> Response:
    """Send an image, `metadata.csv`, `skipped.csv`, `report.json`, the ZIP or a shard, or with `Range` a part of it."""
    path = delivered_file(_results(app, actor, task_id), name)
    if path is None:
        raise NotFound("The task delivered no such file.", where=name[:200], way_out="Its `files` list what there is.")
    about = path.stat()
    tag = f"{task_id}-{about.st_mtime_ns:x}-{about.st_size:x}"
    return send_file(request, path, tag=tag, name=path.name, media_type=_MEDIA.get(path.suffix.lower(), _OTHER))


def _results(app: App, actor: Any, task_id: str) -> Results:
    """Return what a task left in labelmill's own place, for somebody who may have whole files."""
    require(actor, Action.VIEW_FILES)
    with app.database.read() as connection:
        job = service.get_task(connection, task_id)
    if job.state is not JobState.SUCCEEDED:
        raise Conflict("The task has not succeeded.", where=task_id, way_out="Ask again when its state is `succeeded`.")
    delivery = Delivery.from_dict(job.params["delivery"])
    if delivery.out is not None:
        raise NotFound(
            "The command line delivered this task to a place that it named.", where=task_id, way_out="Look for it there."
        )
    return Results(app.settings.blob_dir, task_id, delivery)


def _shown(app: App, connection: Connection, job: Job) -> ImageTaskOut:
    known = service.versions_of(connection, [job]).get(job.id)
    return ImageTaskOut.of(job, known, error_shown(app.settings, job))
