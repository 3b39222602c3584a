"""Exports over HTTP: a file that is sent while it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import orjson
from fastapi import Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from labelmill.accounts import Action, require
from labelmill.accounts import service as accounts
from labelmill.datasets import RecordFilter
from labelmill.errors import BadInput
from labelmill.exports import table_jobs
from labelmill.exports.formats import KINDS, Format, Naming, Request, Rows
from labelmill.exports.service import export, require_export
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented
from labelmill.jobs.model import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
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


class NewTableExport(BaseModel):
    model_config = ConfigDict(extra="forbid")

    connection: str = Field(min_length=1, max_length=64, description="A named connection.")
    schema_name: str | None = Field(
        default=None, alias="schema", max_length=128, description="The only writable one where it is left out."
    )
    table: str = Field(min_length=1, max_length=1_000, description="Made where it is missing.")
    text: str = Field(
        default="", max_length=1_000, pattern=r"^[^\x00]*$", description="The content holds this, in whatever case."
    )
    label: int | None = Field(default=None, ge=1, le=_LARGEST_ID, description="The majority is this label.")
    tied: bool | None = None
    answered: bool | None = Field(default=None, description="There is a majority.")
    is_open: bool | None = Field(default=None, alias="open", description="More answers are wanted.")


class TableExportOut(BaseModel):
    """The job that writes; `GET /v1/jobs/{id}` tells how far it is, and in the end how many rows were added, changed and the same."""

    id: str
    state: JobState


@router.post("/table", status_code=202, response_model=TableExportOut, responses=documented(404, 409))
def export_table(app: TheApp, actor: SignedIn, once: TheOnce, dataset_id: Id, body: NewTableExport) -> Response:
    """Bring a SQL table of a named connection up to a dataset, by the key of each record: new rows are added, others changed, none removed."""
    answer = once.repeated() or once.run(table_export(app, actor, dataset_id, body), status=202)
    job_id = orjson.loads(bytes(answer.body))["id"]
    app.runtime.wake(job_id)
    answer.headers["Location"] = f"/v1/jobs/{job_id}"
    return answer


def table_export(app: App, actor: Actor, dataset_id: int, asked: NewTableExport) -> Callable[[Connection], TableExportOut]:
    """Return the verb that submits the job. Raises at once what cannot be done: Forbidden, NotFound, BadSource, Conflict, Unavailable."""
    require_export(app.database, actor, dataset_id, Naming.PSEUDONYM)
    require(actor, Action.START_LABEL_TASK)
    place = {"connection": asked.connection, "schema": asked.schema_name, "table": asked.table}
    table_jobs.check(app.database, app.blobs, dataset_id, app.places.locate(place, write=True))
    where = RecordFilter(
        text=asked.text, label_id=asked.label, is_tied=asked.tied, is_answered=asked.answered, is_open=asked.is_open
    )

    def verb(connection: Connection) -> TableExportOut:
        job = table_jobs.submit(
            connection, dataset_id, place, where=where, limits=app.runtime.limits, created_by=actor.annotator_id
        )
        accounts.note(connection, actor, "export to table", f"connection {asked.connection}", dataset_id, table=asked.table)
        return TableExportOut(id=job.id, state=job.state)

    return verb


def sent(app: App, dataset_id: int, asked: Request) -> StreamingResponse:
    """Return the answer that sends an export. Raises what ``export`` raises."""
    made = export(app.database, app.blobs, dataset_id, asked)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(made.name)}", "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store", "X-Labelmill-As-Of": str(made.number),
    }  # fmt: skip
    return StreamingResponse(made.chunks, media_type=made.media_type, headers=headers)
