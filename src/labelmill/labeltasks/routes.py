"""Label tasks over HTTP: start, list, look, sample, what was left out, cancel, retry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from fastapi import Path, Query, Request, Response

from labelmill.accounts import Action, require
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented, spreadsheet
from labelmill.jobs import service as jobs
from labelmill.jobs.model import Job, JobState, Limits
from labelmill.labeltasks import intake, service
from labelmill.labeltasks import report as reports
from labelmill.labeltasks.model import LabelTask
from labelmill.labeltasks.schemas import (
    LabelTaskOut,
    LabelTaskPage,
    LabelTaskReport,
    LeftOut,
    NameFigures,
    NewLabelTask,
    RejectedRow,
    Rejects,
    Sample,
    SampleRow,
)
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, decode_cursor, page_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.bootstrap import App
    from labelmill.http.once import Once
    from labelmill.settings import Settings

router = api_router("/label-tasks", "label tasks")
TaskId = Annotated[str, Path(max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]
Seed = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="The same seed draws the same rows.")]
Part = Annotated[str, Query(max_length=20, description="Whose rules: `rules`, `also.0`, `filters.0` and so on.")]
Form = Annotated[Literal["json", "csv"] | None, Query(description="Goes before the Accept header.")]
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}


@router.post("", status_code=202, response_model=LabelTaskOut, responses=documented(404, 409))
def start_label_task(app: TheApp, actor: SignedIn, once: TheOnce, new: NewLabelTask) -> Response:
    """Queue a task that labels a table or a file. What cannot be done is said at once, with the `field` at fault."""
    require(actor, Action.START_LABEL_TASK)
    # A repetition gets its answer without another look: what the first one wrote would now be in its way.
    answer = once.repeated() or _started(app, actor, once, new, intake.prepared(app, new))
    task_id = orjson.loads(bytes(answer.body))["id"]
    app.runtime.wake(task_id)
    answer.headers["Location"] = f"/v1/label-tasks/{task_id}"
    return answer


@router.get("")
def list_label_tasks(
    app: TheApp,
    actor: SignedIn,
    *,
    state: JobState | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> LabelTaskPage:
    """Return label tasks, newest first."""
    require(actor, Action.VIEW_LABEL_TASKS)
    before = decode_cursor(cursor, "before")["before"] if cursor else None
    with app.database.read() as connection:
        found = service.list_tasks(connection, before=before, limit=limit + 1, state=state)
    page = page_of(found, limit, lambda job: {"before": job.id})
    return LabelTaskPage(items=[shown(app.settings, job) for job in page.items], next=page.next)


@router.get("/{task_id}", responses=documented(404))
def get_label_task(app: TheApp, actor: SignedIn, task_id: TaskId) -> LabelTaskReport:
    """Return one task with its report: while it runs, of the steps done so far."""
    require(actor, Action.VIEW_LABEL_TASKS)
    with app.database.read() as connection:
        job = service.get(connection, task_id)
        report = reports.report(job, jobs.list_steps(connection, task_id))
    return reported(app.settings, job, report)


@router.get("/{task_id}/rules", responses=documented(404))
def get_rules(app: TheApp, actor: SignedIn, task_id: TaskId, *, part: Part = "rules") -> dict[str, Any]:
    """Return the rules that the task was started with."""
    require(actor, Action.VIEW_LABEL_TASKS)
    with app.database.read() as connection:
        task = LabelTask.from_params(service.get(connection, task_id).params)
    return intake.part_of(task, part)


@router.get("/{task_id}/sample", responses=documented(404))
def get_sample(
    app: TheApp,
    actor: SignedIn,
    task_id: TaskId,
    *,
    rows: Annotated[int, Query(ge=1, le=service.MOST_SAMPLED)] = 50,
    seed: Seed = None,
    name: Annotated[str | None, Query(max_length=300, description="Only results of this name.")] = None,
) -> Sample:
    """Return results drawn at random, while the task runs and afterwards; never none when there are any."""
    require(actor, Action.VIEW_ROWS)
    with app.database.read() as connection:
        service.get(connection, task_id)
    drawn = service.sample(app.work_root, task_id, rows=rows, seed=seed, name=name)
    return Sample(items=[SampleRow(**row) for row in drawn.to_dicts()])


@router.get("/{task_id}/rejects", response_model=Rejects, responses=CSV | documented(404))
def get_rejects(request: Request, app: TheApp, actor: SignedIn, task_id: TaskId, *, format: Form = None) -> Rejects | Response:  # noqa: A002
    """Return the rows of the source that could not be read; as CSV with `Accept: text/csv` or `format=csv`."""
    found = listed_rejects(app, actor, task_id)
    if format == "csv" or (format is None and "text/csv" in request.headers.get("accept", "")):
        headers = {"Content-Disposition": f'attachment; filename="rejects-{task_id}.csv"', "X-Content-Type-Options": "nosniff"}
        rows = [row.model_dump() for row in found.items]
        return Response(
            spreadsheet.as_csv(rows, ("place", "reason", "text")), media_type="text/csv; charset=utf-8", headers=headers
        )
    return found


def listed_rejects(app: App, actor: Actor, task_id: str) -> Rejects:
    """Return the rows that are listed one by one as left out, and how many there are."""
    require(actor, Action.VIEW_ROWS)
    with app.database.read() as connection:
        job = service.get(connection, task_id)
        rejected = reports.listed(reports.report(job, jobs.list_steps(connection, task_id)))
    rows = service.rejects(app.work_root, task_id)
    return Rejects(rejected=rejected, items=[RejectedRow.model_validate(row) for row in rows])


@router.post("/{task_id}/cancel", responses=documented(404, 409))
def cancel_label_task(app: TheApp, actor: SignedIn, task_id: TaskId) -> LabelTaskOut:
    """Stop a task; results that are written stay."""
    with app.database.read() as connection:
        require(actor, Action.CHANGE_LABEL_TASK, service.get(connection, task_id))
    job = app.database.transact(jobs.cancel, task_id)
    app.runtime.mirror(job)
    return shown(app.settings, job)


@router.post("/{task_id}/rerun", responses=documented(404, 409))
def rerun_label_task(app: TheApp, actor: SignedIn, task_id: TaskId) -> LabelTaskOut:
    """Run an ended task again from its start: its own rows are replaced, nobody else's are touched."""
    with app.database.read() as connection:
        require(actor, Action.CHANGE_LABEL_TASK, service.get(connection, task_id))
    job = service.rerun(app.database, task_id)
    app.runtime.wake(task_id)
    return shown(app.settings, job)


@router.delete("/{task_id}", status_code=204, responses=documented(404, 409))
def remove_label_task(
    app: TheApp,
    actor: SignedIn,
    task_id: TaskId,
    *,
    results: Annotated[bool, Query(description="Remove also the rows that it wrote.")] = False,
    keep_state: Annotated[bool, Query(description="Leave its row in the sink's state table: for a sink that is gone.")] = False,
) -> None:
    """Forget an ended task, its state and the files that were kept for it; its results stay unless `results` is true."""
    with app.database.read() as connection:
        require(actor, Action.CHANGE_LABEL_TASK, service.get(connection, task_id))
    service.remove(app.database, app.places, app.work_root, task_id, results=results, keep_state=keep_state)


@router.post("/{task_id}/retry", responses=documented(404, 409))
def retry_label_task(app: TheApp, actor: SignedIn, task_id: TaskId) -> LabelTaskOut:
    """Go on with a failed or cancelled task where it stopped."""
    with app.database.read() as connection:
        require(actor, Action.CHANGE_LABEL_TASK, service.get(connection, task_id))
    job = app.database.transact(jobs.retry, task_id)
    app.runtime.wake(task_id)
    return shown(app.settings, job)


def _started(app: App, actor: Actor, once: Once, new: NewLabelTask, task: LabelTask) -> Response:
    with service.announced(app.database, app.places, task) as task_id:

        def begin(connection: Connection) -> LabelTaskOut:
            options = start_options(new, actor.annotator_id, app.runtime.limits)
            return shown(app.settings, service.start(connection, task, task_id=task_id, **options))

        answer = once.run(begin, status=202)
    if orjson.loads(bytes(answer.body))["id"] != task_id:  # the same request was answered meanwhile
        service.withdraw(app.database, app.places, task, task_id)
    return answer


def start_options(new: NewLabelTask, created_by: str, usual: Limits) -> dict[str, Any]:
    """Return how a prepared task is started as its request says; ``usual`` are the limits that it does not set itself."""
    limits = replace(usual, **new.limits.model_dump(exclude_none=True))
    return {"queue": new.queue, "countdown": new.countdown, "limits": limits, "created_by": created_by}


def shown(settings: Settings, job: Job) -> LabelTaskOut:
    """Return what is shown of a task."""
    out = LabelTaskOut.of(job, **_places(settings, job))
    out.title = intake.without_folder(settings, out.title)
    return out


def reported(settings: Settings, job: Job, report: dict[str, Any]) -> LabelTaskReport:
    """Return a task with its report."""
    names = [
        NameFigures(
            name=row["name"], rows_read=row["rows read"], results=row["results"], authors=row.get("authors"),
            production=row.get("production"), rate_of_label=row.get("rate of label, %"),
        )
        for row in reports.by_name(report)
    ]  # fmt: skip
    same = (
        "check_point",
        "rows_per_second",
        "rows_read",
        "rows_labelled",
        "coverage",
        "labels",
        "rows_filtered",
        "rows_rejected",
        "peak_memory_mb",
    )
    return LabelTaskReport(
        **shown(settings, job).model_dump(), **{name: report[name] for name in same}, names=names,
        left_out=[LeftOut(**row) for row in reports.left_out(report)],
        written=[intake.without_folder(settings, place) for place in report["written"]],
    )  # fmt: skip


def _places(settings: Settings, job: Job) -> dict[str, Any]:
    places = {name: intake.shown_place(settings, job.params[name]) for name in ("source", "sink")}
    return places | {"error": intake.shown_error(settings, job.error)}
