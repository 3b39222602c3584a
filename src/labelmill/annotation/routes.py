"""Annotations over HTTP: records to answer, answers, and what they come to."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Path, Query, Request

from labelmill import clock
from labelmill.accounts import Action, may
from labelmill.accounts import service as accounts
from labelmill.annotation import service
from labelmill.annotation.agreement import agreement
from labelmill.annotation.answering import LONGEST_KEY
from labelmill.annotation.schemas import (
    LARGEST_ID,
    AgreementOut,
    AnnotationOut,
    AnsweredOut,
    AnswerOfRecord,
    HistoryOut,
    MineOut,
    MinePage,
    NewAnswer,
    Outcome,
    Outcomes,
    ProgressOut,
    Released,
    ServedOut,
    TiedOut,
    TiedPage,
    ToAnswer,
    ToRelease,
    ToServe,
    ToSettle,
    ToSkip,
    ToUndo,
    ToWithdraw,
)
from labelmill.datasets import service as datasets
from labelmill.errors import BadInput, Forbidden, LabelmillError
from labelmill.http import SignedIn, TheApp, api_router, documented
from labelmill.http.current import enter
from labelmill.http.documents import Problem
from labelmill.http.pages import told
from labelmill.http.quick import Call, Given, LongWay, QuickRoute
from labelmill.logs import get_logger
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, decode_cursor, page_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.annotation.answering import Answered
    from labelmill.bootstrap import App
    from labelmill.datasets import Dataset

log = get_logger(__name__)
router = api_router("/datasets/{dataset_id}", "annotations")
Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]


@router.post("/next", responses=documented(404, 409))
def next_records(request: Request, app: TheApp, actor: SignedIn, dataset_id: Id, body: ToServe) -> ServedOut:
    """Return the records to answer next and lease them: while a lease lasts nobody else is given the record's place.

    `record`: here are some. `waiting`: others hold the rest; ask again after `retry_seconds`. `done`: everything is answered.
    """

    def serve(connection: Connection) -> ServedOut:
        return _serve(connection, request, _labelling(connection, actor, dataset_id)[0], actor, body)

    return app.database.transact(serve)


@router.post("/records/{record_id}/answers", responses=documented(404, 409))
def answer(request: Request, app: TheApp, actor: SignedIn, *, dataset_id: Id, record_id: Id, body: NewAnswer) -> AnsweredOut:
    """Store your answer to a record, or change it; the same `key` is stored once, however often it is sent."""
    return AnsweredOut.of(_answer(request, app, actor, dataset_id, AnswerOfRecord(record_id=record_id, **body.model_dump())))


@router.post("/answers", responses=documented(404, 409))
def answer_many(request: Request, app: TheApp, actor: SignedIn, dataset_id: Id, body: ToAnswer) -> Outcomes:
    """Store answers one by one, in their order; each has its outcome, and one that is refused holds up no other."""
    with app.database.read() as connection:
        _labelling(connection, actor, dataset_id)
    items = []
    for one in body.answers:
        try:
            stored = _answer(request, app, actor, dataset_id, one)
        except LabelmillError as error:
            # Not the answer's fault: a client must keep it for later.
            if error.retryable or error.where == "dataset":
                raise
            problem = told(request, error.as_problem() | {"instance": request.url.path})
            log.info("answer refused", id=error.id, code=error.code, record=one.record_id, reason=error.message)
            items.append(Outcome(problem=Problem(**problem)))
        else:
            items.append(Outcome(stored=AnsweredOut.of(stored)))
    return Outcomes(items=items)


@router.delete("/records/{record_id}/answers", responses=documented(404, 409))
def withdraw_answer(
    app: TheApp,
    actor: SignedIn,
    dataset_id: Id,
    record_id: Id,
    key: Annotated[str, Query(min_length=1, max_length=LONGEST_KEY)],
) -> AnsweredOut:
    """Take your answer to a record back; its history stays."""
    return _withdraw(app, actor, dataset_id, record_id, key)


@router.post("/withdraw", responses=documented(404, 409))
def withdraw(app: TheApp, actor: SignedIn, dataset_id: Id, body: ToWithdraw) -> AnsweredOut:
    """Take your answer to a record back, as DELETE does."""
    return _withdraw(app, actor, dataset_id, body.record_id, body.key)


@router.post("/undo", responses=documented(404, 409))
def undo(app: TheApp, actor: SignedIn, dataset_id: Id, body: ToUndo) -> AnsweredOut:
    """Take your newest answer back; again with another `key` the one before it."""
    return AnsweredOut.of(
        _stored(
            app,
            actor,
            dataset_id,
            lambda connection, dataset: service.undo(connection, dataset, actor.annotator_id, key=body.key),
        )
    )


@router.post("/skip", status_code=204, responses=documented(404, 409))
def skip(app: TheApp, actor: SignedIn, dataset_id: Id, body: ToSkip) -> None:
    """Put a record off: it comes again after all others."""

    def put_off(connection: Connection) -> None:
        dataset, _ = _labelling(connection, actor, dataset_id)
        service.skip(connection, dataset, body.record_id, actor.annotator_id)

    app.database.transact(put_off)


@router.post("/release", responses=documented(404))
def release(app: TheApp, actor: SignedIn, dataset_id: Id, body: ToRelease) -> Released:
    """Give records back that lie before you, so that others can have them."""

    def give_back(connection: Connection) -> Released:
        dataset, _ = _labelling(connection, actor, dataset_id)
        return Released(released=service.release(connection, dataset, actor.annotator_id, body.record_ids))

    return app.database.transact(give_back)


@router.get("/mine", responses=documented(404))
def list_mine(
    app: TheApp,
    actor: SignedIn,
    dataset_id: Id,
    *,
    cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> MinePage:
    """Return your answers that count, the newest first."""
    before = _number(cursor, "before")
    with app.database.read() as connection:
        dataset, _ = _labelling(connection, actor, dataset_id)
        found = service.mine(connection, dataset, actor.annotator_id, before=before, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"before": str(one[0].id)})
    return MinePage(items=[MineOut.of(each) for each in page.items], next=page.next)


@router.get("/records/{record_id}/history", responses=documented(404))
def get_history(app: TheApp, actor: SignedIn, dataset_id: Id, record_id: Id) -> HistoryOut:
    """Return everything that was answered to a record: for managers, and for who has answered it."""
    with app.database.read() as connection:
        inside = accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id)
        datasets.get_record(connection, dataset_id, record_id)
        if not may(inside, Action.SETTLE) and not service.has_answered(connection, record_id, actor.annotator_id):
            raise Forbidden("You have not answered this record.", way_out="Answer it first: nobody is led by what others said.")
        found = service.history(connection, dataset_id, record_id)
    return HistoryOut(items=[AnnotationOut.of(each) for each in found])


@router.get("/ties", responses=documented(404))
def list_ties(
    app: TheApp,
    actor: SignedIn,
    dataset_id: Id,
    *,
    cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> TiedPage:
    """Return records whose labels share the most votes, each with its answers."""
    after = _number(cursor, "after") or 0
    with app.database.read() as connection:
        dataset, _ = _labelling(connection, actor, dataset_id, Action.SETTLE)
        found = service.ties(connection, dataset, after=after, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"after": str(one.record.id)})
    return TiedPage(items=[TiedOut.of(each) for each in page.items], next=page.next)


@router.post("/settle", responses=documented(404, 409))
def settle(app: TheApp, actor: SignedIn, dataset_id: Id, body: ToSettle) -> AnsweredOut:
    """Decide a record's majority alone; withdrawing it opens the tie again."""

    def decide(connection: Connection, dataset: Dataset) -> Answered:
        return service.settle(connection, dataset, body.record_id, actor.annotator_id, label_id=body.label_id, key=body.key)

    return AnsweredOut.of(_stored(app, actor, dataset_id, decide, Action.SETTLE))


@router.get("/agreement", responses=documented(404))
def get_agreement(app: TheApp, actor: SignedIn, dataset_id: Id) -> AgreementOut:
    """Return how far annotators agree: percent, Fleiss' kappa, Krippendorff's alpha, by label, and for managers by pair."""
    with app.database.read() as connection:
        inside = accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id)
        votes = service.votes(connection, dataset_id)
    return AgreementOut.of(agreement(votes), pairs=may(inside, Action.SETTLE))


@router.get("/progress", responses=documented(404))
def get_progress(app: TheApp, actor: SignedIn, dataset_id: Id) -> ProgressOut:
    """Return how far a dataset is, by day, and by annotator."""
    with app.database.read() as connection:
        dataset, inside = _labelling(connection, actor, dataset_id, Action.VIEW_DATASET)
        counts, found = datasets.counts(connection, dataset_id), service.progress(connection, dataset)
    return ProgressOut.of(counts, found, only=None if may(inside, Action.SETTLE) else actor.annotator_id)


def _serve(connection: Connection, request: Request, dataset: Dataset, actor: Actor, body: ToServe) -> ServedOut:
    leapt = _leapt(request, dataset)
    served = service.next_records(connection, dataset, actor.annotator_id, count=body.count, held=body.held, leapt=leapt)
    return ServedOut.of(served, suggest=dataset.settings.suggest)


def _answer(request: Request, app: App, actor: Actor, dataset_id: int, new: AnswerOfRecord) -> Answered:
    values: dict[str, Any] = {"label_ids": new.label_ids, "key": new.key, "shown_at": new.shown_at}

    def store(connection: Connection, dataset: Dataset) -> Answered:
        leapt = _leapt(request, dataset)
        return service.answer(connection, dataset, new.record_id, actor.annotator_id, leapt=leapt, **values)

    return _stored(app, actor, dataset_id, store)


def _withdraw(app: App, actor: Actor, dataset_id: int, record_id: int, key: str) -> AnsweredOut:
    def take_back(connection: Connection, dataset: Dataset) -> Answered:
        return service.withdraw(connection, dataset, record_id, actor.annotator_id, key=key)

    return AnsweredOut.of(_stored(app, actor, dataset_id, take_back))


def _stored(
    app: App,
    actor: Actor,
    dataset_id: int,
    verb: Callable[[Connection, Dataset], Answered],
    action: Action = Action.LABEL,
) -> Answered:
    """Do what appends an annotation in one transaction, then wake the training that it made due."""

    def store(connection: Connection) -> Answered:
        return verb(connection, _labelling(connection, actor, dataset_id, action)[0])

    done = app.database.transact(store)
    if done.job_id is not None:
        app.runtime.wake(done.job_id)
    return done


def _labelling(connection: Connection, actor: Actor, dataset_id: int, action: Action = Action.LABEL) -> tuple[Dataset, Actor]:
    """Return the dataset, and who asks with their role in it. Raises what ``require_in`` raises."""
    inside = accounts.require_in(connection, actor, action, dataset_id)
    return datasets.get(connection, dataset_id), inside


def _leapt(request: Request, dataset: Dataset) -> timedelta:
    """Return by how much the wall clock has leapt forward within a lease's time: leases last that much longer."""
    leaps, now = request.app.state.leaps, clock.now()
    leaps.observe(now, clock.monotonic())
    lease = timedelta(seconds=dataset.settings.lease_seconds)
    # A leap's moment is told in the time before it.
    most: timedelta = leaps.since(now - lease - timedelta(days=3))
    recent: timedelta = leaps.since(now - lease - most)
    return recent


def _number(cursor: str | None, name: str) -> int | None:
    if cursor is None:
        return None
    text = decode_cursor(cursor, name)[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 15):  # noqa: PLR2004 - digits of LARGEST_ID
        raise BadInput("This is no cursor of this list.", where="cursor", way_out="Use the `next` of the page before.")
    return int(text)


def _entered(connection: Connection, call: Call) -> tuple[Actor, Dataset]:
    """Return who asks and the dataset, for the short way."""
    dataset_id = call.ids["dataset_id"]
    actor = enter(connection, call.request, call.who, Action.LABEL, dataset_id)
    if actor is None:
        raise LongWay
    return actor, datasets.seen(connection, dataset_id)


def _quick_next(connection: Connection, call: Call) -> Given:
    actor, dataset = _entered(connection, call)
    return Given(answer=_serve(connection, call.request, dataset, actor, call.body))


def _quick_answer(connection: Connection, call: Call) -> Given:
    actor, dataset = _entered(connection, call)
    new: NewAnswer = call.body
    done = service.answer(
        connection, dataset, call.ids["record_id"], actor.annotator_id, label_ids=new.label_ids, key=new.key,
        shown_at=new.shown_at, leapt=_leapt(call.request, dataset),
    )  # fmt: skip
    wake = partial(call.request.app.state.labelmill.runtime.wake, done.job_id) if done.job_id is not None else None
    return Given(answer=AnsweredOut.of(done), afterwards=wake)


#: The two calls of which labelling consists.
QUICK = (
    QuickRoute(
        re.compile(r"/v1/datasets/(?P<dataset_id>[1-9][0-9]{0,14})/next"),
        "/v1/datasets/{dataset_id}/next",
        ToServe,
        _quick_next,
    ),
    QuickRoute(
        re.compile(r"/v1/datasets/(?P<dataset_id>[1-9][0-9]{0,14})/records/(?P<record_id>[1-9][0-9]{0,14})/answers"),
        "/v1/datasets/{dataset_id}/records/{record_id}/answers",
        NewAnswer,
        _quick_answer,
    ),
)
