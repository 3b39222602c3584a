"""Classifiers and the figures of learning over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from fastapi import Path, Query, Response

from labelmill.accounts import Action
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import service as datasets
from labelmill.errors import BadInput
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented
from labelmill.learning import service
from labelmill.learning.schemas import (
    ClassifierDetail,
    ClassifierOut,
    ClassifierPage,
    ConsensusOut,
    MonitorOut,
    ToKeep,
    TrainingOut,
)
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, decode_cursor, page_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

#: No database of ours gives a larger one.
LARGEST_ID = 2**53
router = api_router("/datasets/{dataset_id}", "classifiers")
Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]


@router.get("/classifiers", responses=documented(404))
def list_classifiers(
    app: TheApp,
    actor: SignedIn,
    dataset_id: Id,
    *,
    cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> ClassifierPage:
    """Return a dataset's classifiers, newest first."""
    before = _version(cursor) if cursor else None
    with app.database.read() as connection:
        accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id)
        datasets.get(connection, dataset_id)
        found = service.list_classifiers(connection, dataset_id, before=before, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"before": str(one.version)})
    return ClassifierPage(items=[ClassifierOut.of(one) for one in page.items], next=page.next)


@router.get("/classifiers/{classifier_id}", responses=documented(404))
def get_classifier(app: TheApp, actor: SignedIn, dataset_id: Id, classifier_id: Id) -> ClassifierDetail:
    """Return a classifier: its learner, what it was trained on, and all its scores."""
    with app.database.read() as connection:
        accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id)
        return ClassifierDetail.of(service.get_classifier(connection, classifier_id, dataset_id=dataset_id))


@router.put("/classifiers/{classifier_id}/kept", responses=documented(404))
def keep_classifier(app: TheApp, actor: SignedIn, dataset_id: Id, classifier_id: Id, body: ToKeep) -> ClassifierOut:
    """Keep a classifier's predictions, or let them go once there are newer ones."""

    def keep(connection: Connection) -> ClassifierOut:
        accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
        service.get_classifier(connection, classifier_id, dataset_id=dataset_id)
        return ClassifierOut.of(service.keep(connection, classifier_id, body.kept))

    return app.database.transact(keep)


@router.post("/train", status_code=202, response_model=TrainingOut, responses=documented(404, 409))
def train(app: TheApp, actor: SignedIn, once: TheOnce, dataset_id: Id) -> Response:
    """Train now on the labels there are, whatever the batch size; while a training runs, that one is returned."""
    started: list[str] = []

    def submit(connection: Connection) -> TrainingOut:
        accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
        job = service.train_now(connection, datasets.get(connection, dataset_id), created_by=actor.annotator_id)
        started.append(job.id)
        return TrainingOut.of(job)

    answer = once.run(submit, status=202)
    if started:
        app.runtime.wake(started[-1])
    return answer


@router.get("/monitor", responses=documented(404))
def monitor(app: TheApp, actor: SignedIn, dataset_id: Id) -> MonitorOut:
    """Return the figures of learning: the learning curve, scores by label, active against random, and whether to go on."""
    with app.database.read() as connection:
        accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id)
        dataset = datasets.get(connection, dataset_id)
        return MonitorOut(**service.figures(connection, app.blobs, dataset))


@router.get("/consensus", responses=documented(404))
def consensus(app: TheApp, actor: SignedIn, dataset_id: Id) -> ConsensusOut:
    """Return the majority beside Dawid-Skene, which weighs answers by how often each annotator errs; worked out from all answers."""
    with app.database.read() as connection:
        accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id)
        return ConsensusOut(**asdict(annotation.compared(connection, datasets.get(connection, dataset_id))))


def _version(cursor: str) -> int:
    text = decode_cursor(cursor, "before")["before"]
    if not (text.isascii() and text.isdigit() and int(text) <= LARGEST_ID):
        raise BadInput("This is no cursor of this list.", where="cursor", way_out="Use the `next` of the page before as it is.")
    return int(text)
