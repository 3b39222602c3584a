"""The records of a dataset over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import orjson
import polars as pl
from fastapi import Path, Query, Response
from pydantic import Field

from labelmill.accounts import Action, Role
from labelmill.accounts import service as accounts
from labelmill.datasets import service
from labelmill.datasets.model import RecordFilter, RecordKind, record_key
from labelmill.datasets.record_search import MOST_IDS
from labelmill.datasets.routes import Id, changed, cursor_number
from labelmill.datasets.schemas import LARGEST_ID, AddedOut, NewRecord, NewRecords, RecordOut, RecordPage
from labelmill.errors import BadInput, Forbidden, NotFound
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, encode_cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from labelmill.datasets import Dataset, Record

router = api_router("/datasets/{dataset_id}/records", "records")
RecordId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]
GivenId = Annotated[str, Field(max_length=1_000)]
IMAGE: dict[int | str, dict[str, Any]] = {200: {"description": "The image.", "content": {"image/png": {}, "image/jpeg": {}}}}
_TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp"}


@router.get("", responses=documented(404))
def list_records(
    app: TheApp,
    actor: SignedIn,
    dataset_id: Id,
    *,
    text: Annotated[str, Query(max_length=1_000, description="The content holds this, in whatever case.")] = "",
    label: Annotated[int | None, Query(ge=1, le=LARGEST_ID, description="The majority is this label.")] = None,
    tied: Annotated[bool | None, Query(description="Labels share the most votes.")] = None,
    answered: Annotated[bool | None, Query(description="There is a majority.")] = None,
    is_open: Annotated[bool | None, Query(alias="open", description="More answers are wanted.")] = None,
    given_id: Annotated[list[GivenId], Query(max_length=MOST_IDS, description="Your own ids; may be repeated.")] = [],  # noqa: B006 - read only
    cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> RecordPage:
    """Return the records for which all of this holds, in the order in which they were added.

    A text is looked for during a moment only: a page may hold few records, or none, and have a `next` still. `searched` says how far
    it came.
    """
    where = RecordFilter(
        text=text, label_id=label, is_tied=tied, is_answered=answered, is_open=is_open, given_ids=tuple(given_id)
    )
    if "\0" in "".join([text, *given_id]):
        raise BadInput("It holds the character NUL.", where="query", way_out="No record does.")
    with app.database.read() as connection:
        hidden = _hidden(connection, actor, dataset_id)
        if hidden and not (label is tied is answered is None):
            raise Forbidden("This would tell what others answered.", way_out="Ask for `text`, `open` or `given_id`.")
        kind = service.get(connection, dataset_id).kind
        found = service.search_records(connection, dataset_id, where=where, after=cursor_number(cursor), limit=limit)
    following = None if found.following is None else encode_cursor({"after": str(found.following)})
    items = [RecordOut.of(each, kind, hidden=hidden) for each in found.records]
    return RecordPage(items=items, next=following, searched=found.share)


@router.post("", status_code=201, response_model=AddedOut, responses=documented(404, 409, 413))
def add_records(app: TheApp, actor: SignedIn, once: TheOnce, dataset_id: Id, body: NewRecords) -> Response:  # noqa: ARG001
    """Add a few texts or rows; what is there already is not added twice. Files, and images, are imported."""

    def add(connection: Connection) -> AddedOut:
        frame = _frame(service.get(connection, dataset_id), body.records)
        return AddedOut(**vars(service.add_records(connection, dataset_id, frame)))

    def told(connection: Connection) -> AddedOut:
        from labelmill.learning import service as learning  # slow to import

        done = changed(connection, actor, dataset_id, "add records", add, number=len(body.records))
        if done.added:
            learning.after_import(connection, service.get(connection, dataset_id))
        return done

    return once.run(told)


@router.get("/{record_id}", responses=documented(404))
def get_record(app: TheApp, actor: SignedIn, dataset_id: Id, record_id: RecordId) -> RecordOut:
    """Return one record."""
    with app.database.read() as connection:
        hidden = _hidden(connection, actor, dataset_id)
        kind = service.get(connection, dataset_id).kind
        return RecordOut.of(service.get_record(connection, dataset_id, record_id), kind, hidden=hidden)


@router.get("/{record_id}/image", response_class=Response, responses=IMAGE | documented(404))
def get_image(app: TheApp, actor: SignedIn, dataset_id: Id, record_id: RecordId) -> Response:
    """Return a record's image, as it was written anew at its import."""
    with app.database.read() as connection:
        accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id)
        dataset, record = service.get(connection, dataset_id), service.get_record(connection, dataset_id, record_id)
    blob = _blob(dataset, record)
    media_type = _TYPES.get(blob.rpartition(".")[2], "application/octet-stream")
    # A record's content never changes.
    headers = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(app.blobs.get(blob), media_type=media_type, headers=headers)


def _blob(dataset: Dataset, record: Record) -> str:
    if dataset.kind is not RecordKind.IMAGE:
        raise NotFound(f"The record {record.id} has no image.", where="record", way_out="Its content is the whole of it.")
    return str(orjson.loads(record.content)["blob"])


def _hidden(connection: Connection, actor: SignedIn, dataset_id: int) -> bool:
    """Tell whether somebody is not shown what others answered: who answers and does not settle. Raises what ``require_in`` raises."""
    return accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id).role is Role.ANNOTATOR


def _frame(dataset: Dataset, new: Sequence[NewRecord]) -> pl.DataFrame:
    """Return records as ``add_records`` takes them. Raises BadInput for what is no record of the dataset's kind."""
    contents = [_content(dataset.kind, each.content, place) for place, each in enumerate(new)]
    keys = [record_key(each.given_id, content) for each, content in zip(new, contents, strict=True)]
    given = pl.Series([each.given_id for each in new], dtype=pl.String)
    return pl.DataFrame({"record_key": keys, "given_id": given, "content": contents})


def _content(kind: RecordKind, value: str | dict[str, Any], place: int) -> str:
    where = f"body.records[{place}].content"
    if kind is RecordKind.IMAGE:
        raise BadInput("Images are imported.", where=where, way_out="Import a folder or a ZIP of images.")
    if kind is RecordKind.TABULAR:
        if not isinstance(value, dict) or not value:
            raise BadInput("A row of this dataset is an object of fields.", where=where, way_out='Like {"price": 3}.')
        try:
            return orjson.dumps(value).decode()
        except TypeError as error:
            raise BadInput("It holds a number of more than 64 bits.", where=where, way_out="Send it as text.") from error
    if not isinstance(value, str) or not value.strip():
        raise BadInput("A record of this dataset is a text, and not an empty one.", where=where)
    return value
