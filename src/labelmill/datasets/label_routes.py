"""The labels of a dataset over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Path, Response

from labelmill.accounts import Action
from labelmill.accounts import service as accounts
from labelmill.datasets import service
from labelmill.datasets.model import NewLabel
from labelmill.datasets.routes import Id, IfMatch, changed, changing, expected
from labelmill.datasets.schemas import LARGEST_ID, AddedLabelIn, LabelChange, LabelList, LabelMerge, LabelOrder, LabelOut
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

router = api_router("/datasets/{dataset_id}/labels", "labels")
LabelId = Annotated[int, Path(ge=1, le=LARGEST_ID)]


@router.get("", responses=documented(404))
def list_labels(app: TheApp, actor: SignedIn, response: Response, dataset_id: Id) -> LabelList:
    """Return the labels in their order; the `ETag` is the dataset's revision."""
    with app.database.read() as connection:
        accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id)
        dataset = service.get(connection, dataset_id)
    response.headers["ETag"] = f'"{dataset.revision}"'
    return LabelList(items=[LabelOut.of(each) for each in dataset.labels])


@router.post("", status_code=201, response_model=LabelOut, responses=documented(404, 409))
def add_label(
    app: TheApp,  # noqa: ARG001 - one order of parameters
    actor: SignedIn,
    once: TheOnce,
    dataset_id: Id,
    body: AddedLabelIn,
    *,
    if_match: IfMatch = None,
) -> Response:
    """Add a label after the others; one of this name that was removed comes back with its answers."""
    new = NewLabel(**body.model_dump(exclude={"revision"}))
    revision = expected(if_match, body.revision)

    def add(connection: Connection) -> LabelOut:
        return LabelOut.of(service.add_label(connection, dataset_id, new, revision=revision))

    return once.run(lambda connection: changed(connection, actor, dataset_id, "add label", add, label=body.name[:200]))


# Before the routes with a label's id, which would take "order" for one.
@router.put("/order", responses=documented(404, 409))
def order_labels(app: TheApp, actor: SignedIn, dataset_id: Id, body: LabelOrder, *, if_match: IfMatch = None) -> LabelList:
    """Put the labels into this order."""
    revision = expected(if_match, body.revision)

    def order(connection: Connection) -> LabelList:
        found = service.order_labels(connection, dataset_id, body.labels, revision=revision)
        return LabelList(items=[LabelOut.of(each) for each in found])

    return changing(app, actor, dataset_id, "order labels", order)


@router.patch("/{label_id}", responses=documented(404, 409))
def change_label(
    app: TheApp, actor: SignedIn, *, dataset_id: Id, label_id: LabelId, body: LabelChange, if_match: IfMatch = None
) -> LabelOut:
    """Change what is sent. The answers with the label stay its own."""
    values = body.model_dump(exclude={"revision"}, exclude_none=True)
    revision = expected(if_match, body.revision)

    def change(connection: Connection) -> LabelOut:
        return LabelOut.of(service.change_label(connection, dataset_id, label_id, revision=revision, **values))

    return changing(app, actor, dataset_id, "change label", change, label=label_id, fields=sorted(values))


@router.post("/{label_id}/merge", responses=documented(404, 409))
def merge_labels(
    app: TheApp, actor: SignedIn, *, dataset_id: Id, label_id: LabelId, body: LabelMerge, if_match: IfMatch = None
) -> LabelOut:
    """Let the answers with a label count for another one, which is returned. They stay as they were given; majorities follow."""
    revision = expected(if_match, body.revision)

    def merge(connection: Connection) -> LabelOut:
        return LabelOut.of(service.merge_labels(connection, dataset_id, label_id, body.into, revision=revision))

    return changing(app, actor, dataset_id, "merge label", merge, label=label_id, into=body.into)


@router.delete("/{label_id}", status_code=204, responses=documented(404, 409))
def remove_label(app: TheApp, actor: SignedIn, *, dataset_id: Id, label_id: LabelId, if_match: IfMatch = None) -> None:
    """Offer a label no more; one with answers is merged instead, so that none is lost."""
    revision = expected(if_match, None)

    def remove(connection: Connection) -> None:
        service.remove_label(connection, dataset_id, label_id, revision=revision)

    changing(app, actor, dataset_id, "remove label", remove, label=label_id)
