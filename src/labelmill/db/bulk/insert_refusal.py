"""What a database says when it refuses rows, told with the column and the row of the frame that are to blame."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DataError, DBAPIError, OperationalError, ProgrammingError

from labelmill.db.bulk.savepoint import savepoint
from labelmill.errors import BadInput, BadSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl
    import sqlalchemy as sa
    from sqlalchemy.engine import Connection

_MISSING = re.compile(r"no such table|doesn't exist|does not exist|no column named|unknown column", re.IGNORECASE)
_VALUE_CODES = frozenset({(1264,), (1265,), (1292,), (1366,), (1406,)})
#: Places that databases count in what they were sent, which is not the frame.
_PLACE = re.compile(r"( CONTEXT: .*| at row \d+)")


@contextmanager
def explained(table: sa.Table) -> Iterator[None]:
    """Turn the database's refusal of a value into BadInput, and of a name into BadSource."""
    try:
        yield
    except DBAPIError as error:
        text = " ".join(str(error.orig).split())
        if isinstance(error, (OperationalError, ProgrammingError)) and _MISSING.search(text):
            raise BadSource(
                f"The table cannot be written: {text}", where=table.name, way_out="Create it, or name another."
            ) from error
        # MariaDB's driver files a text that its column's character set lacks (1366) under OperationalError.
        if isinstance(error, DataError) or (error.orig is not None and error.orig.args[:1] in _VALUE_CODES):
            column = _column(text, [column.name for column in table.columns])
            raise BadInput(
                f"A value does not fit its column: {_PLACE.sub('', text)}",
                where=f"column {column!r}" if column else table.name,
                way_out="Correct it, or widen the column.",
                column=column,
            ) from error
        raise


def locate(
    connection: Connection,
    table: sa.Table,
    frame: pl.DataFrame,
    write: Callable[[Connection, sa.Table, pl.DataFrame], None],
) -> BadInput | None:
    """Return the refusal of the first row that is refused, with its number; None where no row is refused by itself.

    Found by halving: that costs at most what writing the frame once more would. Nothing of it stays.
    """

    def refusal(first: int, end: int) -> BadInput | None:
        try:
            with explained(table), savepoint(connection) as attempt:
                write(connection, table, frame.slice(first, end - first))
                attempt.rollback()
        except BadInput as error:
            return error
        return None

    first, end = 0, frame.height
    while end - first > 1:
        middle = (first + end) // 2
        first, end = (first, middle) if refusal(first, middle) else (middle, end)
    found = refusal(first, end)
    if found is not None:
        found.where = f"row {first + 1} of this batch, {found.where}"
        found.details["row"] = first + 1
    return found


def _column(text: str, names: list[str]) -> str | None:
    """Return which of the table's columns is spoken of first: a value that is quoted after it may hold anything."""
    places = {}
    for name in names:
        spellings = (f"column {name}:", f"column {name},", f"column '{name}'", f"`{name}`")
        found = [place for place in map(text.find, spellings) if place >= 0]
        if found:
            places[name] = min(found)
    return min(places, key=lambda name: (places[name], -len(name)), default=None)
