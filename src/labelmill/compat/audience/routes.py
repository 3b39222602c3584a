"""``/api/tasks/``: start a task, list the newest, look at one, draw rows of its production."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Query, Request
from fastapi.exceptions import RequestValidationError

from labelmill.accounts import Action, require
from labelmill.bootstrap import App
from labelmill.compat.audience import tasks
from labelmill.compat.audience.answers import PREFIX, telling
from labelmill.compat.audience.callers import Caller
from labelmill.compat.audience.rules import read_rules
from labelmill.compat.audience.schemas import (
    Created,
    NewTask,
    Sample,
    SampleRow,
    StatusRefusal,
    TaskConfig,
    TaskList,
    TaskRow,
    TaskStatus,
    refused,
)
from labelmill.compat.audience.sources import PRODUCTION_PREFIX, production_names
from labelmill.deadline import within
from labelmill.errors import BadInput, BadSource, NotFound, Unavailable
from labelmill.http import TheApp
from labelmill.http.routing import StrictRoute
from labelmill.labeltasks import service

T = TypeVar("T")
# A body without a Content-Type is read as JSON, as it always was; that no other site sends one is seen to before the routes.
router = APIRouter(prefix=PREFIX, tags=["Audience API 2.1"], route_class=StrictRoute, strict_content_type=False)
#: Seconds that looking at source, sink and rules may take in all, and those that reading a few rows may take.
PREPARE_SECONDS, READ_SECONDS = 30, 15
NEWEST = 5
SAMPLED = 50
ID_LENGTH = 32
#: Characters of an id that is repeated in an answer.
LONGEST_SHOWN = 100
NO_OUTPUT = "Cannot connect to output schema, "
NO_RULES = "Cannot read pattern file, "
NO_STATE = "cannot connect to state table. "
NO_START = "failed to start a labeling task, additional error message: "
NO_ROWS = "Cannot scrape data from result tables. "
NO_FIELDS: dict[str, Any] = {"status": None, "prod_status": None, "result": None}
EXAMPLES = {
    "one year of authors": {"value": {"target_schema": "wh_a", "output_schema": "audience_result"}},
    "everything said": {
        "value": {
            "model_type": "keyword_model", "predict_type": "author_name", "start_time": "2020-01-01 00:00:00", "end_time": "2021-01-01 00:00:00",
            "target_schema": "wh_a", "target_table": "ts_page_content", "output_schema": "audience_result", "countdown": 5, "queue": "queue1",
        }
    },
}  # fmt: skip
Tables = Annotated[
    list[str],
    Query(
        description="A production table; may be repeated. `wh_panel_mapping_` and a name of the source map, by default one of "
        "Comment, Dcard, Instagram, Ptt, Tiktok, Twitter, Youtube, blog, fbfans, fbgroup, fbkol, fbpm, fbprivategroup, forum, news, plurk, video.",
        examples=[["wh_panel_mapping_fbfans"]],
    ),
]


@router.post("", include_in_schema=False)
@router.post("/", responses=refused(400, 500, 501))
def create_task(
    request: Request, app: TheApp, actor: Caller, new: Annotated[NewTask, Body(openapi_examples=EXAMPLES)]
) -> Created:
    """Start a task that labels a table of the input database; its id is in the answer, its results come later."""
    require(actor, Action.START_LABEL_TASK)
    with telling(request, 400):
        queue, _ = tasks.queue_of(app.settings, new.queue), tasks.times_of(new)
    with telling(request, 503, NO_OUTPUT):
        _state(app, (tasks.sink_of(app.settings, new.output_schema), app.settings.state_table), "")
    with telling(request, 501, NO_RULES, names_place=True):
        rules = read_rules(app.settings.rules_dir, new.model_type, new.predict_type)
    with telling(request, 500, NO_START):
        asked = tasks.request_of(app, new, rules)
    task_id = _start(request, app, asked, queue, actor.annotator_id or None)
    return Created(error_message=TaskConfig(**tasks.config_of(app, new), task_id=task_id))


@router.get("", include_in_schema=False)
@router.get("/", responses=refused(500))
def list_tasks(request: Request, app: TheApp, actor: Caller) -> TaskList:
    """Return the five newest tasks of the table `state`, newest first."""
    require(actor, Action.VIEW_LABEL_TASKS)
    with telling(request, 500, NO_STATE):
        rows = _within(lambda: service.recent_states(app.places, tasks.sink_of(app.settings), app.settings.state_table, NEWEST))
    return TaskList(content=[TaskRow.model_validate(row) for row in rows])


@router.get("/{task_id}/", include_in_schema=False)
@router.get("/{task_id}", responses=refused(400, 500, model=StatusRefusal))
def check_status(request: Request, app: TheApp, actor: Caller, task_id: str) -> TaskStatus:
    """Return how far a task is."""
    require(actor, Action.VIEW_LABEL_TASKS)
    row = None
    if len(task_id) == ID_LENGTH:
        with telling(request, 500, NO_STATE, fields=NO_FIELDS):
            row = _state(app, tasks.place_of(app, task_id), task_id)
    with telling(request, 400, "task id is not exist, ", fields=NO_FIELDS):
        if row is None:
            raise NotFound(f"there is no task {task_id[:LONGEST_SHOWN]!r} in the table state.")
    return TaskStatus(status=row["stat"], prod_status=row["prod_stat"], result=row["result"])


@router.get("/{task_id}/sample", include_in_schema=False)
@router.get("/{task_id}/sample/", responses=refused(400, 404, 500))
def sample_result(request: Request, app: TheApp, actor: Caller, task_id: str, table_name: Tables) -> Sample:
    """Return at most 50 rows of a task from each production table, drawn at random; while it runs, from what is to become them."""
    require(actor, Action.VIEW_ROWS)
    with telling(request, 500, NO_ROWS, failure_status=400):
        names = _names(app, table_name)
    with telling(request, 400):
        _check_format(task_id)
    with telling(request, 500, NO_ROWS, failure_status=400):
        sink, _ = tasks.place_of(app, task_id)
        drawn = _within(lambda: service.sample_sink(app.places, sink, task_id, names, prefix=PRODUCTION_PREFIX, rows=SAMPLED))
    with telling(request, 404, "empty result, "):
        if not drawn:
            raise NotFound("the task has no rows in these tables, or none yet.")
    return Sample(error_message=[SampleRow.model_validate(row) for row in drawn])


def _start(request: Request, app: App, asked: service.Request, queue: str, created_by: str | None) -> str:
    """Start a task and return its id; its row stands in the table `state` before anybody can take it."""
    with telling(request, 500, NO_START), _telling_of_output(request, app, asked):
        task = within(PREPARE_SECONDS, lambda: service.prepare(asked, app.places), "The input or the output database")
    announced = service.announced(app.database, app.places, task)
    with telling(request, 503, NO_OUTPUT), announced as task_id, telling(request, 500, NO_START):
        options: dict[str, Any] = {"queue": queue, "limits": app.runtime.limits, "created_by": created_by}
        app.database.transact(service.start, task, task_id=task_id, title=tasks.title_of(asked), **options)
    app.runtime.wake(task_id)
    return task_id


@contextmanager
def _telling_of_output(request: Request, app: App, asked: service.Request) -> Iterator[None]:
    """Let an error that names the output be told as one of it, not of the task."""
    try:
        yield
    except (BadSource, Unavailable) as error:
        if error.where != str(app.places.locate(asked.sink, write=True)):
            raise
        with telling(request, 503, NO_OUTPUT):
            raise


def _state(app: App, place: tuple[dict[str, Any], str], task_id: str) -> dict[str, Any] | None:
    sink, table = place
    return _within(lambda: service.find_state(app.places, sink, table, task_id))


def _within(verb: Callable[[], T]) -> T:
    return within(READ_SECONDS, verb, "The output database")


def _check_format(task_id: str) -> None:
    if len(task_id) != ID_LENGTH:
        found = f"expect {ID_LENGTH} digits get {len(task_id)} digits"
        raise BadInput(f"{task_id[:LONGEST_SHOWN]} is not in proper format, {found}")


def _names(app: App, tables: list[str]) -> list[str]:
    """Return the names whose production tables are asked for, each once; raises RequestValidationError for another table."""
    known = production_names(app.settings)
    wrong = [
        {"loc": ("query", "table_name", at), "msg": f"value is not one of: {', '.join(known)}", "type": "enum"}
        for at, table in enumerate(tables)
        if table not in known
    ]
    if wrong:
        raise RequestValidationError(wrong)
    return [table.removeprefix(PRODUCTION_PREFIX) for table in dict.fromkeys(tables)]
