"""Exports over HTTP: a file that is sent while it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import Path, Query
from fastapi.responses import StreamingResponse

from labelmill.datasets import RecordFilter
from labelmill.errors import BadInput
from labelmill.exports.formats import KINDS, Format, Naming, Request, Rows
from labelmill.exports.service import export, require_export
from labelmill.http import SignedIn, TheApp, api_router, documented

if TYPE_CHECKING:
    from labelmill.bootstrap import App

router = api_router("/datasets/{dataset_id}/export", "exports")
_LARGEST_ID = 2**53
Id = Annotated[int, Path(ge=1, le=_LARGEST_ID)]
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file, as an attachment.", "content": {kind.media_type: {} for kind in KINDS.values()}}
}


@router.get("", response_class=StreamingResponse, responses=FILE | documented(404))
def get_export(
    app: TheApp,
    actor: SignedIn,
    dataset_id: Id,
    *,
    format: Format = Format.CSV,  # noqa: A002 - the parameter's name
    rows: Annotated[Rows, Query(description="One row for each record, or for each answer.")] = Rows.RECORDS,
    annotators: Annotated[Naming, Query(description="What annotators are called.")] = Naming.PSEUDONYM,
    text: Annotated[str, Query(max_length=1_000, description="The content holds this, in whatever case.")] = "",
    label: Annotated[int | None, Query(ge=1, le=_LARGEST_ID, description="The majority is this label.")] = None,
    tied: Annotated[bool | None, Query(description="Labels share the most votes.")] = None,
    answered: Annotated[bool | None, Query(description="There is a majority.")] = None,
    is_open: Annotated[bool | None, Query(alias="open", description="More answers are wanted.")] = None,
) -> StreamingResponse:
    """Send records, answers and predictions of a dataset as of this moment. Later answers are not in it, however long it takes."""
    if "\0" in text:
        raise BadInput("It holds the character NUL.", where="text", way_out="No record does.")
    where = RecordFilter(text=text, label_id=label, is_tied=tied, is_answered=answered, is_open=is_open)
    require_export(app.database, actor, dataset_id, annotators)
    return sent(app, dataset_id, Request(format=format, rows=rows, naming=annotators, where=where))


def sent(app: App, dataset_id: int, asked: Request) -> StreamingResponse:
    """Return the answer that sends an export. Raises what ``export`` raises."""
    made = export(app.database, app.blobs, dataset_id, asked)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(made.name)}", "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store", "X-Labelmill-As-Of": str(made.number),
    }  # fmt: skip
    return StreamingResponse(made.chunks, media_type=made.media_type, headers=headers)
