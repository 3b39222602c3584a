"""``/api/v1/svc_ml/``: load the catalogue, start image tasks, ask what became of one."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from labelmill.accounts import Action, Actor, require
from labelmill.bootstrap import App
from labelmill.compat.audience.callers import Caller
from labelmill.compat.svc_ml import asking
from labelmill.compat.svc_ml.answers import PREFIX
from labelmill.compat.svc_ml.schemas import NOT_OK, OK, FilterData, Result, Task, refused
from labelmill.http import TheApp
from labelmill.http.routing import StrictRoute
from labelmill.images import service
from labelmill.jobs.model import Job, JobState

# A body without a Content-Type is read as JSON, as it always was; that no other site sends one is seen to before the routes.
router = APIRouter(prefix=PREFIX, tags=["Image tasks, data_pipeline"], route_class=StrictRoute, strict_content_type=False)
ACCEPTED: Final = 202
Wanted = Annotated[
    FilterData,
    Body(openapi_examples={"some": {"value": {"gender": "Men", "season": "Fall", "year": 2010}}, "all": {"value": {}}}),
]


@router.get("", include_in_schema=False)
@router.get("/")
def health() -> str:
    """Tell that the service is there."""
    return "API is running"


@router.post("/insert2db/", include_in_schema=False, status_code=ACCEPTED)
@router.post("/insert2db", status_code=ACCEPTED, responses=refused(409))
def load(app: TheApp, actor: Caller) -> Task:
    """Load the table of the settings with its images. While a load waits, another one is the same; one that runs is not disturbed."""
    require(actor, Action.START_IMAGE_TASK)
    return _begun(app, app.database.transact(asking.load, app, actor))


@router.post("/query/", include_in_schema=False, status_code=ACCEPTED)
@router.post("/query", status_code=ACCEPTED, responses=refused())
def query(app: TheApp, actor: Caller, wanted: Wanted) -> Task:
    """Deliver the images of the rows that are as wanted, as they are."""
    return _query(app, actor, wanted, transformed=False)


@router.post("/transformedquery/", include_in_schema=False, status_code=ACCEPTED)
@router.post("/transformedquery", status_code=ACCEPTED, responses=refused())
def transformed_query(app: TheApp, actor: Caller, wanted: Wanted) -> Task:
    """Deliver the images of the rows that are as wanted, cropped at random to 80 % of each side, in 256x256."""
    return _query(app, actor, wanted, transformed=True)


@router.get("/result/{task_id}/", include_in_schema=False)
@router.get(
    "/result/{task_id}",
    response_model=Result,
    responses=refused(404) | {ACCEPTED: {"model": Task, "description": Task.__doc__}},
)
def result(app: TheApp, actor: Caller, task_id: str) -> Any:
    """Return what became of a task: 202 while it waits or runs."""
    require(actor, Action.VIEW_JOBS)
    with app.database.read() as connection:
        job = service.find_task(connection, task_id)
    if not job.ended:
        return JSONResponse(Task(task_id=job.id).model_dump(), status_code=ACCEPTED)
    done = job.state is JobState.SUCCEEDED
    return Result(task_id=job.id, status=OK if done else NOT_OK, reason=asking.reason(job))


def _query(app: App, actor: Actor, wanted: FilterData, *, transformed: bool) -> Task:
    require(actor, Action.START_IMAGE_TASK)
    return _begun(app, app.database.transact(asking.query, app, actor, wanted, transformed=transformed))


def _begun(app: App, job: Job) -> Task:
    app.runtime.wake(job.id)
    return Task(task_id=job.id)
