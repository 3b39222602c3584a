"""The page on which an export is chosen, and the file that its form asks for."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Path, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from labelmill.datasets import RecordFilter
from labelmill.exports import formats
from labelmill.exports.formats import KINDS, Format, Naming, Rows
from labelmill.exports.routes import sent
from labelmill.exports.service import require_export
from labelmill.http import SignedIn, TheApp, page_router, render
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
    fitting = [each for each in Format if frame["dataset"].kind in KINDS[each].holds]
    narrowed = {"text": text, "label": label, **STATES.get(state, {})}
    return render(
        request, "exports/export.html", **frame, formats=fitting, text=text, chosen_label=label, state=state, states=STATES,
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
    """Send the file that the form asks for: what it leaves open is empty there."""
    require_export(app.database, actor, dataset_id, annotators)
    # A format with rows of its own has no use for the choice, which stands beside it.
    rows = rows if KINDS[format].has_rows else Rows.RECORDS
    narrowed = {name: value == "true" for name, value in STATES.get(state, {}).items()}
    where = RecordFilter(
        text=text.replace("\0", ""), label_id=int(label) if label.isascii() and label.isdigit() else None,
        is_answered=narrowed.get("answered"), is_tied=narrowed.get("tied"), is_open=narrowed.get("open"),
    )  # fmt: skip
    return sent(app, dataset_id, formats.Request(format=format, rows=rows, naming=annotators, where=where))
