"""The pages on a dataset's records: found by text and state, and one record with all that was answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

import orjson
from fastapi import Path, Query, Request
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action, Role, may
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import service
from labelmill.datasets.model import RecordFilter
from labelmill.datasets.pages import DatasetId
from labelmill.http import SignedIn, TheApp, page_router, render
from labelmill.http.datasets import dataset_frame
from labelmill.http.sheets import Column, sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.datasets.model import Record
    from labelmill.http.sheets import Sheet

router = page_router()
RecordId = Annotated[int, Path(ge=1, le=2**53)]
PAGE: Final = 50
#: What the list can be narrowed to, by the word in the address.
STATES: Final = {
    "open": RecordFilter(is_open=True),
    "labelled": RecordFilter(is_answered=True),
    "tied": RecordFilter(is_tied=True),
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which records are asked for."""

    q: str = ""
    label: int | None = None
    state: str = ""
    id: str = ""
    #: How the table is sorted, as the address says it.
    sort: str = ""

    def as_filter(self) -> RecordFilter:
        """Return what the list is narrowed to."""
        state = STATES.get(self.state, RecordFilter())
        ids = tuple(each.strip() for each in self.id.split(",") if each.strip())
        return RecordFilter(
            text=self.q, label_id=self.label, given_ids=ids,
            is_open=state.is_open, is_answered=state.is_answered, is_tied=state.is_tied,
        )  # fmt: skip

    def api_query(self) -> str:
        """Return the query with which the API lists the same."""
        state = {"open": ("open", "true"), "labelled": ("answered", "true"), "tied": ("tied", "true")}.get(self.state)
        ids = [("given_id", each.strip()) for each in self.id.split(",")]
        pairs = [("text", self.q), ("label", self.label), *ids, *([state] if state else []), ("limit", PAGE)]
        return urlencode([(name, value) for name, value in pairs if value])

    def export_query(self) -> str:
        """Return the query with which the same is exported."""
        values = {"text": self.q, "label": self.label, "state": self.state}
        return urlencode({name: value for name, value in values.items() if value})

    def address(self, **more: Any) -> str:
        """Return the query of this list, changed by ``more``; "" for the whole."""
        values = {**vars(self), **more}
        return urlencode({name: value for name, value in values.items() if value})


@router.get("/datasets/{dataset_id}/records")
def records_page(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    q: Annotated[str, Query(max_length=200)] = "",
    label: Annotated[str, Query(max_length=20)] = "",
    state: Annotated[str, Query(max_length=16)] = "",
    id: Annotated[str, Query(max_length=2000)] = "",  # noqa: A002 - the word in the address
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> HTMLResponse:
    """List a dataset's records, a page after the other."""
    frame = dataset_frame(app, actor, dataset_id)
    hides = hides_answers(frame["inside"])
    chosen = int(label) if label.isascii() and label.isdigit() else None
    table = _table(request, hides=hides, sorts=not q and frame["counts"].records <= service.MOST_SORTED)
    wanted = Wanted(
        q=q.replace("\0", ""), id=id, label=None if hides else chosen, state="" if hides and state != "open" else state,
        sort=request.query_params["sort"] if table.by else "",
    )  # fmt: skip
    table = replace(table, csv="" if hides else f"/datasets/{dataset_id}/export/file?{wanted.export_query()}")
    with app.database.read() as connection:
        found = _found(connection, dataset_id, table, wanted, after)
        names = _names(connection, frame["dataset"])
    return render(
        request, "datasets/records.html", **frame, found=found, table=table, full=len(found.records) == PAGE, first=not after, wanted=wanted,
        hides=hides, names=names, preview=preview, states=STATES, api_query=wanted.api_query(),
    )  # fmt: skip


@router.get("/datasets/{dataset_id}/records/{record_id}")
def record_page(request: Request, app: TheApp, actor: SignedIn, dataset_id: DatasetId, record_id: RecordId) -> HTMLResponse:
    """Show one record, and who answered what and when as far as who looks may know."""
    frame = dataset_frame(app, actor, dataset_id)
    with app.database.read() as connection:
        record = service.get_record(connection, dataset_id, record_id)
        history = annotation.history(connection, dataset_id, record_id)
        hidden = hides_answers(frame["inside"]) and all(each.annotator_id != actor.annotator_id for each in history)
        shown = [] if hidden else history
        people = _people(connection, frame["inside"], [each.annotator_id for each in shown])
        names = _names(connection, frame["dataset"])
    return render(
        request, "datasets/record.html", **frame, record=record, history=list(reversed(shown)), people=people, hidden=hidden,
        names=names, fields=fields_of(frame["dataset"], record),
    )  # fmt: skip


def _table(request: Request, *, hides: bool, sorts: bool) -> Sheet:
    """Return the columns that somebody sees, and by which of them the records are sorted."""
    columns = [
        Column(name="id", value=attrgetter("id") if sorts else None),
        Column(name="record"),
        Column(name="answers", value=attrgetter("answers") if sorts else None, is_figure=True),
        # Who answers is not told what is tied: not by the order either.
        Column(name="open" if hides else "state", value=attrgetter("is_open") if sorts else None),
    ]
    if not hides:
        columns.insert(2, Column(name="label", value=attrgetter("majority_id") if sorts else None))
    return sheet(request, "records", columns, [])


def _found(connection: Connection, dataset_id: int, table: Sheet, wanted: Wanted, after: int) -> service.Found:
    where = wanted.as_filter()
    if not table.by:
        return service.search_records(connection, dataset_id, where=where, after=after, limit=PAGE)
    return service.sorted_records(
        connection, dataset_id, where=where, by=table.by, is_descending=table.is_descending, passed=after, limit=PAGE
    )


def hides_answers(inside: Actor) -> bool:
    """Tell whether somebody is not shown what others answered: those who answer themselves and do not settle."""
    return inside.role is Role.ANNOTATOR


def fields_of(dataset: service.Dataset, record: Record) -> list[tuple[str, str]]:
    """Return the names and texts of a row's fields in their order; nothing for texts and images."""
    if dataset.kind != service.RecordKind.TABULAR:
        return []
    return [(name, _text(value)) for name, value in orjson.loads(record.content).items()]


def preview(dataset: service.Dataset, record: Record) -> str:
    """Return a record in one line."""
    pairs = fields_of(dataset, record)
    text = "  ".join(f"{name}: {value}" for name, value in pairs) if pairs else record.content
    return text if len(text) <= 300 else f"{text[:300]}…"  # noqa: PLR2004 - as much as anybody reads in a list


def _text(value: Any) -> str:
    if value is None:
        return "\N{EN DASH}"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _names(connection: Connection, dataset: service.Dataset) -> dict[int, Any]:
    """Return the labels by id; a merged one's id gives what it was merged into."""
    labels = {label.id: label for label in dataset.labels}
    merged = service.merged_labels(connection, dataset.id)
    return labels | {one: labels[into] for one, into in merged.items() if into in labels}


def _people(connection: Connection, inside: Actor, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Return what people are called by id: a name for those who may know it (else ""), and a number in the order of ``ids``."""
    known = {}
    if may(inside, Action.VIEW_ANNOTATORS):
        known = {each.id: each.name or each.email for each in accounts.list_annotators(connection)}
    known[inside.annotator_id] = inside.name or inside.email
    return {each: (known.get(each, ""), number) for number, each in enumerate(dict.fromkeys(ids), 1)}
