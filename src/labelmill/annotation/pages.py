"""The page on which somebody labels. It works as a plain form, one record after the other; scripts make one key of each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action
from labelmill.annotation import service, showing
from labelmill.annotation.storing import stored
from labelmill.datasets import service as datasets
from labelmill.errors import LabelmillError, NotFound
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.http.datasets import dataset_frame
from labelmill.ids import new_id

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.annotation.showing import Shown
    from labelmill.bootstrap import App
    from labelmill.datasets import Dataset

router = page_router()
DatasetId = Annotated[int, Path(ge=1, le=2**53)]
#: Earlier answers that the page has at hand, to go back to and to undo.
EARLIER: Final = 20


@router.get("/datasets/{dataset_id}/label")
def label_page(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    record: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> HTMLResponse:
    """Show the next record and the labels; with ``record`` that one, to answer it or to change the answer."""
    return _page(request, app, actor, dataset_id, wanted=record)


@router.get("/datasets/{dataset_id}/label/line")
def progress_line(request: Request, app: TheApp, actor: SignedIn, dataset_id: DatasetId) -> HTMLResponse:
    """Return the line that says how far the dataset is, for the page to put in."""
    frame = dataset_frame(app, actor, dataset_id, Action.LABEL)
    with app.database.read() as connection:
        model = showing.model_line(connection, dataset_id)
    return render(request, "annotation/line.html", counts=frame["counts"], model=model)


@router.post("/datasets/{dataset_id}/label")
def label_form(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    action: Annotated[str, Form(max_length=16)] = "answer",
    key: Annotated[str, Form(max_length=64)] = "",
    record_id: Annotated[int | None, Form(ge=1, le=2**53)] = None,
    label: Annotated[list[int] | None, Form()] = None,
) -> Response:
    """Do what the form without scripts says: answer, skip, or undo the newest answer, which shows its record again."""
    dataset = dataset_frame(app, actor, dataset_id, Action.LABEL)["dataset"]
    try:
        record = _do(app, actor, dataset, action, record_id, key=key or new_id(), label_ids=label or [])
    except LabelmillError as error:
        return _page(request, app, actor, dataset_id, error=error)
    return see_other(f"/datasets/{dataset_id}/label" + (f"?record={record}" if record else ""))


def _do(
    app: App, actor: Actor, dataset: Dataset, action: str, record_id: int | None, *, key: str, label_ids: list[int]
) -> int | None:
    """Do one thing, and return the record to show next, None for the next one in order."""
    who = actor.annotator_id
    if action == "undo":
        return stored(app, service.undo, dataset, who, key=key).annotation.record_id
    if record_id is None:
        raise NotFound("There was no record to answer.", way_out="Look again.")
    if action == "skip":
        app.database.transact(service.skip, dataset, record_id, who)
    else:
        stored(app, service.answer, dataset, record_id, who, label_ids=label_ids, key=key)
    return None


def _page(
    request: Request,
    app: App,
    actor: Actor,
    dataset_id: int,
    *,
    wanted: int | None = None,
    error: LabelmillError | None = None,
) -> HTMLResponse:
    frame = dataset_frame(app, actor, dataset_id, Action.LABEL)
    dataset, who = frame["dataset"], actor.annotator_id
    labels = sorted(dataset.labels, key=lambda label: label.is_ignored)
    context: dict[str, Any] = {"labels": labels if len(labels) > 1 else [], "error": error, **frame}
    if dataset.archived_at is None and context["labels"] and frame["counts"].records:
        context |= _work(app, dataset, who, wanted)
    return render(request, "annotation/label.html", status=error.status if error else 200, **context)


def _work(app: App, dataset: Dataset, who: str, wanted: int | None) -> dict[str, Any]:
    """Return what lies before somebody: one record, those answered last, and figures."""
    opened = None
    with app.database.read() as connection:
        if wanted is not None:
            opened = _opened(connection, dataset, who, wanted)
        mine = showing.mine_shown(connection, dataset, who, EARLIER)
        quarters = showing.today_by_quarter(connection, dataset.id, who)
        model = showing.model_line(connection, dataset.id)
    served = None if opened else app.database.transact(service.next_records, dataset, who, count=1)
    records = [showing.served_shown(dataset, each) for each in served.records] if served else []
    start = {
        "dataset": dataset.id, "annotator": who, "kind": dataset.kind, "several": dataset.settings.several_labels,
        "suggest": dataset.settings.suggest, "state": served.state if served else "record",
        "retry_seconds": (served.retry_seconds if served else None) or 5, "today": quarters,
        "labels": [{"id": each.id, "name": each.name, "shortcut": each.shortcut} for each in dataset.labels],
        "mine": [each.as_json() for each in mine], "records": [each.as_json() for each in records],
        "opened": opened.as_json() if opened else None,
    }  # fmt: skip
    return {
        "start": start, "state": start["state"], "several": dataset.settings.several_labels, "model": model, "key": new_id(),
        "record": opened or (records[0] if records else None), "today": sum(quarters.values()),
    }  # fmt: skip


def _opened(connection: Connection, dataset: Dataset, who: str, record_id: int) -> Shown:
    record = datasets.get_record(connection, dataset.id, record_id)
    mine = showing.answers_by(connection, dataset.id, who, [record_id]).get(record_id)
    return showing.shown(dataset, record, answer=mine.label_ids if mine else None)
