"""Tables of pages: one list of columns gives the headings to sort by, the order of the rows, and the same table as CSV.

It works without scripts: ``?sort=people.answers`` sorts the table ``people`` by a column, ``?sort=-people.answers`` the other way
round, and ``?csv=people`` is its CSV. Where a page has several tables the address is about one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from fastapi import Response

from labelmill.http.current import MADE_FOR_FIELD
from labelmill.http.spreadsheet import as_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fastapi import Request

CSV_TYPE: Final = "text/csv; charset=utf-8"
#: A table is named in the address; longer ones are nobody's.
LONGEST: Final = 80


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: what it is called in addresses and CSV, and what of a row stands in it. Its heading is the template's."""

    name: str
    #: None for one that is not sorted by and not in the CSV.
    value: Callable[[Any], Any] | None = None
    #: Figures stand at the right, and are sorted from the largest at first.
    is_figure: bool = False
    #: Left out where the window is narrow.
    is_wide_only: bool = False
    #: Buttons and bars have a heading for screen readers only.
    is_silent: bool = False


def columns(*names: str) -> tuple[Column, ...]:
    """Return columns that hold what rows call so themselves."""
    return tuple(Column(name=name, value=attrgetter(name)) for name in names)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table of a page with its rows in the order that was asked for."""

    name: str
    columns: tuple[Column, ...]
    rows: list[Any]
    #: The name of the column by which it is sorted, "" for the order of its own.
    by: str = ""
    is_descending: bool = False
    #: Its page; "" for the one that is shown.
    place: str = ""
    #: Where its CSV comes from, if not from the page itself; "" for nowhere.
    csv: str | None = None
    #: The other values of the address, which stay when another order is asked for.
    kept: tuple[tuple[str, str], ...] = ()

    def direction(self, column: Column) -> str:
        """Return what ``aria-sort`` says of a column."""
        return ("descending" if self.is_descending else "ascending") if column.name == self.by else "none"

    def address(self, column: Column) -> str:
        """Return where a click on a column's heading leads: sorted by it, the other way round where it is already."""
        is_descending = not self.is_descending if column.name == self.by else column.is_figure
        return f"{self.place}?{urlencode([*self.kept, ('sort', self._order(column.name, is_descending))])}#t-{self.name}"

    def csv_address(self) -> str:
        """Return where the table is as CSV, in its order."""
        if self.csv is not None:
            return self.csv
        order = [("sort", self._order(self.by, self.is_descending))] if self.by else []
        return f"{self.place}?{urlencode([*self.kept, *order, ('csv', self.name)])}"

    def _order(self, by: str, is_descending: bool) -> str:
        return f"{'-' if is_descending else ''}{self.name}.{by}"


def sheet(request: Request, name: str, columns: Sequence[Column], rows: Iterable[Any], *, place: str = "") -> Sheet:
    """Return a table, sorted as the request asks for; rows without a value come last, equal ones keep their order.

    ``place`` is its page, where the address of the request is that of a form.
    """
    by, is_descending = wanted_order(request, name)
    column = next((each for each in columns if each.name == by and each.value), None)
    ordered = list(rows)
    if column is not None and column.value is not None:
        value = column.value
        known = [row for row in ordered if value(row) is not None]
        unknown = [row for row in ordered if value(row) is None]
        ordered = sorted(known, key=lambda row: _key(value(row)), reverse=is_descending)
        ordered += unknown
    return Sheet(
        name=name, columns=tuple(columns), rows=ordered, by=by if column else "", is_descending=is_descending, place=place,
        kept=kept(request),
    )  # fmt: skip


def wanted_order(request: Request, name: str) -> tuple[str, bool]:
    """Return the column by which the table ``name`` is to be sorted, "" for none, and whether from the largest."""
    asked = request.query_params.get("sort", "")[:LONGEST]
    table, _, by = asked.removeprefix("-").partition(".")
    return (by, asked.startswith("-")) if table == name else ("", False)


def kept(request: Request) -> tuple[tuple[str, str], ...]:
    """Return the values of an address that another order leaves alone: where in a list somebody was is not one of them."""
    return tuple(
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in {"sort", "csv", "after", MADE_FOR_FIELD}
    )


def csv_of(request: Request, sheets: Iterable[Sheet]) -> Response | None:
    """Return the CSV of the table that the request asks for with ``?csv=``, None where it asks for a page."""
    asked = request.query_params.get("csv", "")
    found = next((each for each in sheets if asked and each.name == asked), None)
    if found is None:
        return None
    shown = [column for column in found.columns if column.value]
    rows = ({column.name: written(column.value(row)) for column in shown if column.value} for row in found.rows)
    return csv_response(as_csv(rows, [column.name for column in shown]), found.name)


def csv_response(content: bytes, name: str) -> Response:
    """Return CSV as a file to keep."""
    return Response(content, media_type=CSV_TYPE, headers={"Content-Disposition": f'attachment; filename="{name}.csv"'})


def written(value: Any) -> Any:
    """Return a value as it stands in a CSV file: moments as ISO 8601, nothing for None."""
    return value.isoformat() if isinstance(value, datetime) else value


def _key(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
