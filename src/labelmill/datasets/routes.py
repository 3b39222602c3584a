"""Datasets over HTTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from fastapi import Header, Path, Query, Response

from labelmill.accounts import Action, require
from labelmill.accounts import service as accounts
from labelmill.datasets import service
from labelmill.datasets.model import DatasetSettings, NewLabel
from labelmill.datasets.schemas import (
    LARGEST_ID,
    CountsOut,
    DatasetChange,
    DatasetDetail,
    DatasetOut,
    DatasetPage,
    NewDataset,
    RemovalOut,
)
from labelmill.errors import BadInput
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, decode_cursor, page_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.bootstrap import App
    from labelmill.datasets import Dataset

T = TypeVar("T")

router = api_router("/datasets", "datasets")
Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]
IfMatch = Annotated[str | None, Header(description="The `ETag` that the change began from, instead of `revision`.")]
_ETAG: Final = re.compile(r'(?:W/)?"?([0-9]{1,15})"?')


@router.get("")
def list_datasets(
    app: TheApp, actor: SignedIn, *, archived: bool = False, cursor: str | None = None, limit: Limit = DEFAULT_LIMIT
) -> DatasetPage:
    """Return the datasets that you may see, in the order in which they were made; with `archived` those out of use."""
    require(actor, Action.VIEW_DATASET)
    after = cursor_number(cursor)
    with app.database.read() as connection:
        only = accounts.datasets_of(connection, actor)
        found = service.list_datasets(connection, only=only, archived=archived, after=after, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"after": str(one.id)})
    return DatasetPage(items=[DatasetOut.of(each) for each in page.items], next=page.next)


@router.post("", status_code=201, response_model=DatasetDetail, responses=documented(409))
def make_dataset(app: TheApp, actor: SignedIn, once: TheOnce, new: NewDataset) -> Response:  # noqa: ARG001 - one order of parameters
    """Make a dataset without records; then import some, or add them one by one."""
    require(actor, Action.MAKE_DATASET)
    labels = [NewLabel(**each.model_dump()) for each in new.labels]
    settings = DatasetSettings.from_dict(new.settings)

    def make(connection: Connection) -> DatasetDetail:
        made = service.create(
            connection, name=new.name, kind=new.kind, labels=labels, guidelines=new.guidelines, settings=settings,
            created_by=actor.annotator_id,
        )  # fmt: skip
        accounts.note(connection, actor, "make dataset", f"dataset {made.id}", made.id, name=made.name)
        return DatasetDetail.of(made)

    return once.run(make)


@router.get("/{dataset_id}", responses=documented(404))
def get_dataset(app: TheApp, actor: SignedIn, response: Response, dataset_id: Id) -> DatasetDetail:
    """Return a dataset with its labels, settings and guidelines; its `ETag` is the revision."""
    with app.database.read() as connection:
        accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id)
        return tagged(response, service.get(connection, dataset_id))


@router.patch("/{dataset_id}", responses=documented(404, 409))
def change_dataset(
    app: TheApp, actor: SignedIn, response: Response, dataset_id: Id, body: DatasetChange, *, if_match: IfMatch = None
) -> DatasetDetail:
    """Change what is sent; with a revision only where nobody changed the dataset since."""
    values = body.model_dump(exclude={"revision"}, exclude_none=True)
    revision = expected(if_match, body.revision)

    def change(connection: Connection) -> Dataset:
        return service.change(connection, dataset_id, revision=revision, **values)

    changed = changing(app, actor, dataset_id, "change dataset", change, fields=sorted(values))
    return tagged(response, changed)


@router.get("/{dataset_id}/counts", responses=documented(404))
def get_counts(app: TheApp, actor: SignedIn, dataset_id: Id) -> CountsOut:
    """Return how far a dataset is."""
    with app.database.read() as connection:
        accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id)
        return CountsOut.of(service.counts(connection, dataset_id))


@router.post("/{dataset_id}/archive", responses=documented(404))
def archive_dataset(app: TheApp, actor: SignedIn, dataset_id: Id) -> DatasetOut:
    """Put a dataset out of use. All of it stays, and `restore` undoes it."""
    done = changing(app, actor, dataset_id, "archive dataset", lambda connection: service.archive(connection, dataset_id))
    return DatasetOut.of(done)


@router.post("/{dataset_id}/restore", responses=documented(404))
def restore_dataset(app: TheApp, actor: SignedIn, dataset_id: Id) -> DatasetOut:
    """Put an archived dataset into use again."""
    done = changing(app, actor, dataset_id, "restore dataset", lambda connection: service.restore(connection, dataset_id))
    return DatasetOut.of(done)


@router.delete("/{dataset_id}", responses=documented(404, 409))
def remove_dataset(app: TheApp, actor: SignedIn, dataset_id: Id) -> RemovalOut:
    """Remove an archived dataset with all its records and answers. Nothing brings it back."""
    job = changing(app, actor, dataset_id, "remove dataset", lambda connection: service.remove(connection, dataset_id))
    if job is not None:
        app.runtime.wake(job)
    return RemovalOut(job=job)


def changing(app: App, actor: Actor, dataset_id: int, what: str, verb: Callable[[Connection], T], **details: object) -> T:
    """Return what ``verb(connection)`` does to a dataset for somebody who may change it, written down in the same transaction."""

    def change(connection: Connection) -> T:
        return changed(connection, actor, dataset_id, what, verb, **details)

    return app.database.transact(change)


def changed(
    connection: Connection, actor: Actor, dataset_id: int, what: str, verb: Callable[[Connection], T], **details: object
) -> T:
    """As ``changing``, in the transaction of the caller."""
    accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
    done = verb(connection)
    accounts.note(connection, actor, what, f"dataset {dataset_id}", dataset_id, **details)
    return done


def tagged(response: Response, dataset: Dataset) -> DatasetDetail:
    """Return all of a dataset, its revision also as the answer's ``ETag``."""
    response.headers["ETag"] = f'"{dataset.revision}"'
    return DatasetDetail.of(dataset)


def expected(if_match: str | None, revision: int | None) -> int | None:
    """Return the revision that a change began from, by its header or else by its body. Raises BadInput for another header."""
    if if_match is None or if_match.strip() == "*":
        return revision
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        way_out = 'Send the ETag that came with it, like "3".'
        raise BadInput("It is no revision of a dataset.", where="If-Match", way_out=way_out)
    return int(found[1])


def cursor_number(cursor: str | None) -> int:
    """Return the id after which a page begins. Raises BadInput."""
    text = decode_cursor(cursor, "after")["after"] if cursor else "0"
    if not re.fullmatch("[0-9]{1,15}", text):
        raise BadInput("This is no cursor of this list.", where="cursor", way_out="Use the `next` of the page before.")
    return int(text)
