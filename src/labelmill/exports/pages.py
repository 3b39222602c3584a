"""The page on which an export is chosen, and the file that its form asks for."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from labelmill.accounts import Action, may
from labelmill.connections import service as connections
from labelmill.datasets import RecordFilter
from labelmill.errors import BadInput
from labelmill.exports import formats
from labelmill.exports.formats import KINDS, Format, Naming, Rows
from labelmill.exports.routes import NewTableExport, sent, table_export
from labelmill.exports.service import require_export
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.http.datasets import dataset_frame

router = page_router()
DatasetId = Annotated[int, Path(ge=1, le=2**53)]
Text = Annotated[str, Query(max_length=200)]
Word = Annotated[str, Query(max_length=20)]
#: What the records can be narrowed to, with the parameters of the API.
STATES: Final = {
    "labelled": {"answered": "true"}, "unlabelled": {"answered": "false"}, "tied": {"tied": "true"}, "open": {"open": "true"},
}  # fmt: skip


@router.get("/datasets/{dataset_id}/export")
def export_page(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    text: Text = "",
    label: Word = "",
    state: Word = "",
) -> HTMLResponse:
    """Choose format, rows and filter, and download."""
    require_export(app.database, actor, dataset_id, Naming.PSEUDONYM)
    frame = dataset_frame(app, actor, dataset_id)
    starts = may(actor, Action.START_LABEL_TASK)
    with app.database.read() as connection:
        sinks = [each for each in connections.list_connections(connection) if each.writable] if starts else []
    fitting = [each for each in Format if frame["dataset"].kind in KINDS[each].holds]
    narrowed = {"text": text, "label": label, **STATES.get(state, {})}
    return render(
        request, "exports/export.html", **frame, formats=fitting, text=text, chosen_label=label, state=state, states=STATES,
        sinks=sinks, starts=starts,
        query=urlencode({"format": "csv", **{name: value for name, value in narrowed.items() if value}}),
    )  # fmt: skip


@router.get("/datasets/{dataset_id}/export/file")
def export_file(
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    format: Format = Format.CSV,  # noqa: A002 - the parameter's name
    rows: Rows = Rows.RECORDS,
    annotators: Naming = Naming.PSEUDONYM,
    text: Text = "",
    label: Word = "",
    state: Word = "",
) -> StreamingResponse:
    """Send the file that the form asks for."""
    require_export(app.database, actor, dataset_id, annotators)
    # A format with rows of its own has no use for the choice, which stands beside it.
    rows = rows if KINDS[format].has_rows else Rows.RECORDS
    return sent(
        app,
        dataset_id,
        formats.Request(format=format, rows=rows, naming=annotators, where=RecordFilter(**_narrowed(text, label, state))),
    )


@router.post("/datasets/{dataset_id}/export/table")
def export_to_table(
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    connection: Annotated[str, Form(max_length=64)] = "",
    table: Annotated[str, Form(max_length=1_000)] = "",
    in_schema: Annotated[str, Form(max_length=128)] = "",
    text: Annotated[str, Form(max_length=200)] = "",
    label: Annotated[str, Form(max_length=20)] = "",
    state: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Bring a SQL table up to the records that the form names, as a job that its page shows."""
    if not connection or not table.strip():
        raise BadInput(
            "No table is named.", where="table", way_out="Choose a connection and name a table: it is made where it is missing."
        )
    narrowed = _narrowed(text, label, state)
    asked = NewTableExport(
        connection=connection, schema=in_schema.strip() or None, table=table.strip(), text=narrowed["text"], label=narrowed["label_id"],
        tied=narrowed["is_tied"], answered=narrowed["is_answered"], open=narrowed["is_open"],
    )  # fmt: skip
    made = app.database.transact(table_export(app, actor, dataset_id, asked))
    app.runtime.wake(made.id)
    return see_other(f"/jobs/{made.id}")


def _narrowed(text: str, label: str, state: str) -> dict[str, Any]:
    """Return what the form's fields mean to ``RecordFilter``: what it leaves open is empty there."""
    narrowed = {name: value == "true" for name, value in STATES.get(state, {}).items()}
    return {
        "text": text.replace("\0", ""), "label_id": int(label) if label.isascii() and label.isdigit() else None,
        "is_answered": narrowed.get("answered"), "is_tied": narrowed.get("tied"), "is_open": narrowed.get("open"),
    }  # fmt: skip
