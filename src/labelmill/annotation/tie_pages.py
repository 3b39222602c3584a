"""Records on which people disagree evenly, each with its votes, settled one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action
from labelmill.accounts import service as accounts
from labelmill.annotation import history, service, showing
from labelmill.annotation.storing import stored
from labelmill.errors import LabelmillError
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.http.datasets import dataset_frame
from labelmill.ids import new_id

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.annotation.showing import Shown
    from labelmill.bootstrap import App
    from labelmill.datasets import Dataset, Label

router = page_router()
DatasetId = Annotated[int, Path(ge=1, le=2**53)]
PAGE: Final = 20


@dataclass(frozen=True, kw_only=True)
class Vote:
    label: Label
    #: Who gave it.
    names: list[str]


@dataclass(frozen=True, kw_only=True)
class Tie:
    record: Shown
    votes: list[Vote]
    #: What the form calls its answer.
    key: str


@router.get("/datasets/{dataset_id}/ties")
def ties_page(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    settled: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> HTMLResponse:
    """Show tied records with their votes; ``settled`` is the one that was settled last, which can be undone."""
    return _page(request, app, actor, dataset_id, after=after, settled=settled)


@router.post("/datasets/{dataset_id}/ties")
def settle_form(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    record_id: Annotated[int, Form(ge=1, le=2**53)],
    label: Annotated[int | None, Form(ge=1, le=2**53)] = None,
    key: Annotated[str, Form(max_length=64)] = "",
    after: Annotated[int, Form(ge=0, le=2**53)] = 0,
) -> Response:
    """Settle a tie; without a label take one's own settling back."""
    dataset = dataset_frame(app, actor, dataset_id, Action.SETTLE)["dataset"]
    who, key = actor.annotator_id, key or new_id()
    place = f"/datasets/{dataset_id}/ties?after={after}"
    try:
        if label is None:
            stored(app, _take_back, dataset, record_id, who, key=key)
            return see_other(place)
        stored(app, service.settle, dataset, record_id, who, label_id=label, key=key)
    except LabelmillError as error:
        return _page(request, app, actor, dataset_id, after=after, error=error)
    return see_other(f"{place}&settled={record_id}")


def _take_back(connection: Connection, dataset: Dataset, record_id: int, annotator_id: str, *, key: str) -> service.Answered:
    """Withdraw a settling; what its annotator had answered before counts again."""
    mine = [each for each in history.history(connection, dataset.id, record_id) if each.annotator_id == annotator_id]
    before = [each for each in mine[:-1] if not each.is_settling]
    if len(mine) > 1 and before and before[-1] is mine[-2] and not before[-1].is_withdrawal:
        return service.answer(connection, dataset, record_id, annotator_id, label_ids=before[-1].label_ids, key=key)
    done = service.withdraw(connection, dataset, record_id, annotator_id, key=key)
    service.release(connection, dataset, annotator_id, [record_id])
    return done


def _page(
    request: Request,
    app: App,
    actor: Actor,
    dataset_id: int,
    *,
    after: int = 0,
    settled: int | None = None,
    error: LabelmillError | None = None,
) -> HTMLResponse:
    frame = dataset_frame(app, actor, dataset_id, Action.SETTLE)
    dataset = frame["dataset"]
    with app.database.read() as connection:
        people = {each.id: each.name for each in accounts.list_annotators(connection)}
        found = service.ties(connection, dataset, after=after, limit=PAGE + 1)
    ties = [_tie(dataset, one, people) for one in found[:PAGE]]
    labels = sorted(dataset.labels, key=lambda label: label.is_ignored)
    return render(
        request, "annotation/ties.html", status=error.status if error else 200, ties=ties, more=len(found) > PAGE, after=after, labels=labels,
        settled=settled, error=error, key=new_id(), **frame,
    )  # fmt: skip


def _tie(dataset: Dataset, tied: history.Tied, people: dict[str, str]) -> Tie:
    labels = {label.id: label for label in dataset.labels}
    names: dict[int, list[str]] = {}
    for answer in tied.answers:
        for label_id in answer.label_ids:
            names.setdefault(label_id, []).append(people.get(answer.annotator_id, "?"))
    # In the order of the labels: from record to record a label's button stays where it was.
    votes = [Vote(label=label, names=names[each]) for each, label in labels.items() if each in names]
    return Tie(record=showing.shown(dataset, tied.record), votes=sorted(votes, key=lambda vote: -len(vote.names)), key=new_id())
