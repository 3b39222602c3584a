"""The pages on jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action, may
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.jobs.model import JobState
from labelmill.web.jobs import routes

router = page_router()


@router.get("/jobs")
def jobs_page(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    *,
    state: Annotated[str, Query(max_length=16)] = "",
    cursor: Annotated[str, Query(max_length=1024)] = "",
) -> HTMLResponse:
    """List the jobs, newest first."""
    chosen = next((one for one in JobState if one == state), None)
    page = routes.list_jobs(app, actor, state=chosen, cursor=cursor or None, limit=50)
    return render(request, "jobs/list.html", jobs=page, state=chosen, states=list(JobState), first=not cursor)


@router.get("/jobs/{job_id}")
def job_page(request: Request, app: TheApp, actor: SignedIn, job_id: routes.JobId) -> HTMLResponse:
    """Show one job as it goes."""
    job = routes.get_job(app, actor, job_id)
    rights = {"stops": may(actor, Action.STOP_JOB, job), "retries": may(actor, Action.RETRY_JOB, job)}
    return render(request, "jobs/job.html", job=job, **rights)


@router.post("/jobs/{job_id}/cancel")
def cancel(app: TheApp, actor: SignedIn, job_id: routes.JobId) -> Response:
    """Stop a job."""
    routes.cancel_job(app, actor, job_id)
    return see_other(f"/jobs/{job_id}")


@router.post("/jobs/{job_id}/retry")
def retry(app: TheApp, actor: SignedIn, job_id: routes.JobId) -> Response:
    """Queue what is left of a job."""
    routes.retry_job(app, actor, job_id)
    return see_other(f"/jobs/{job_id}")
