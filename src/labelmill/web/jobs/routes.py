"""Jobs: list, look, follow, cancel, retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import anyio
import anyio.to_thread
import orjson
from fastapi import Path, Query, Request
from fastapi.responses import StreamingResponse

from labelmill.accounts import Action, require
from labelmill.errors import LabelmillError, NotFound
from labelmill.http import SignedIn, TheApp, api_router, documented
from labelmill.jobs import service
from labelmill.jobs.model import JobState
from labelmill.logs import log_error
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, decode_cursor, page_of
from labelmill.web.jobs.schemas import JobDetail, JobOut, JobPage, StepOut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from labelmill.bootstrap import App

router = api_router("/jobs", "jobs")
JobId = Annotated[str, Path(max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]
MOST_STEPS = 1000
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events `job` with a job each, until it has ended.", "content": {"text/event-stream": {}}}
}
#: Seconds between two looks; a client hears at least every KEEP_ALIVE looks from us.
EVERY = 1.0
KEEP_ALIVE = 15


@router.get("")
def list_jobs(
    app: TheApp,
    actor: SignedIn,
    *,
    kind: Annotated[str | None, Query(max_length=64)] = None,
    state: JobState | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> JobPage:
    """Return jobs, newest first."""
    require(actor, Action.VIEW_JOBS)
    before = decode_cursor(cursor, "before")["before"] if cursor else None
    with app.database.read() as connection:
        found = service.list_jobs(connection, kind=kind, state=state, before=before, limit=limit + 1)
    page = page_of(found, limit, lambda job: {"before": job.id})
    return JobPage(items=[JobOut.of(job) for job in page.items], next=page.next)


@router.get("/{job_id}", responses=documented(404))
def get_job(app: TheApp, actor: SignedIn, job_id: JobId) -> JobDetail:
    """Return one job with its progress and steps."""
    require(actor, Action.VIEW_JOBS)
    with app.database.read() as connection:
        job = service.get(connection, job_id)
        steps = service.list_steps(connection, job_id)[:MOST_STEPS]
    return JobDetail(**JobOut.of(job).model_dump(), steps=[StepOut(**step) for step in steps])


@router.post("/{job_id}/cancel", responses=documented(404, 409))
def cancel_job(app: TheApp, actor: SignedIn, job_id: JobId) -> JobOut:
    """Stop a job: nothing of it starts any more, and what runs is not taken over."""
    with app.database.read() as connection:
        require(actor, Action.STOP_JOB, service.get(connection, job_id))
    return JobOut.of(app.database.transact(service.cancel, job_id))


@router.post("/{job_id}/retry", responses=documented(404, 409))
def retry_job(app: TheApp, actor: SignedIn, job_id: JobId) -> JobOut:
    """Queue what a failed or cancelled job has left; finished steps stay finished."""
    with app.database.read() as connection:
        require(actor, Action.RETRY_JOB, service.get(connection, job_id))
    return JobOut.of(app.database.transact(service.retry, job_id))


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses=STREAM | documented(404),
)
def follow_job(request: Request, app: TheApp, actor: SignedIn, job_id: JobId) -> StreamingResponse:
    """Send the job's state and progress each second as server-sent events until it has ended."""
    require(actor, Action.VIEW_JOBS)
    first = _look(app, job_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(request, app, first), media_type="text/event-stream", headers=headers)


def _look(app: App, job_id: str) -> JobOut:
    with app.database.read() as connection:
        return JobOut.of(service.get(connection, job_id))


async def _events(request: Request, app: App, job: JobOut) -> AsyncIterator[bytes]:
    """Yield an event for each change. No thread waits with the client: one is borrowed for each look only."""
    yield b"retry: 2000\n\n" + _event(job)
    silent = 0
    while job.finished_at is None and not request.app.state.stopping():
        await anyio.sleep(EVERY)
        try:
            seen = await anyio.to_thread.run_sync(_look, app, job.id)
        except NotFound:
            return
        except LabelmillError as error:  # the database is away: the page says that it waits, and asks again
            log_error(error)
            return
        silent = 0 if _differ(seen, job) else silent + 1
        if silent == 0:
            yield _event(seen)
        elif silent % KEEP_ALIVE == 0:
            yield b": still here\n\n"
        job = seen


def _differ(one: JobOut, other: JobOut) -> bool:
    return one.progress.done != other.progress.done or one.model_dump(exclude={"progress"}) != other.model_dump(
        exclude={"progress"}
    )


def _event(job: JobOut) -> bytes:
    return b"event: job\ndata: " + orjson.dumps(job.model_dump(mode="json")) + b"\n\n"
