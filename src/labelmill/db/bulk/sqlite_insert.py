"""Rows into a table of a SQLite file: as few objects of Python and as few values of statements as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from labelmill.errors import BadInput

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.engine import Connection

#: Rows that are Python objects at one time.
CHUNK_ROWS = 10_000
#: Values of one statement: all builds of SQLite take 999.
MOST_VALUES = 960


def insert_sqlite(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    """Insert all rows of ``frame`` in the transaction that is open; raises BadInput for a whole number that SQLite cannot hold."""
    for chunk in frame.iter_slices(CHUNK_ROWS):
        try:
            _insert(connection, table, chunk)
        except OverflowError as error:
            raise BadInput(
                "A whole number is too large for the table.", where=table.name, way_out="Store it as text."
            ) from error


def _insert(connection: Connection, table: sa.Table, chunk: pl.DataFrame) -> None:
    """Insert many rows by one statement: a statement for each costs as much as a quarter of its rows."""
    # A text that all rows share is sent once for each statement. Such columns come first, so that the marks of the others count on.
    shared: list[pl.Series] = []
    own: list[pl.Series] = []
    for column in chunk.iter_columns():
        (shared if len(shared) < chunk.width - 1 and _is_shared(column) else own).append(column)
    quote = connection.dialect.identifier_preparer.quote_identifier
    place = ".".join(quote(part) for part in (table.schema, table.name) if part)
    names = ", ".join(quote(column.name) for column in [*shared, *own])
    marks = ", ".join([*(f"?{number}" for number in range(1, len(shared) + 1)), *("?" for _ in own)])
    first = [column[0] for column in shared]
    values = _row_by_row(own)
    together = max(1, (MOST_VALUES - len(shared)) // len(own))
    whole = chunk.height - chunk.height % together
    for rows, start, end in ((together, 0, whole), (1, whole, chunk.height)):
        size = rows * len(own)
        groups = [(*first, *values[at : at + size]) for at in range(start * len(own), end * len(own), size)]
        if groups:
            statement = f"INSERT INTO {place} ({names}) VALUES {', '.join([f'({marks})'] * rows)}"  # noqa: S608 - names of the catalogue, quoted
            connection.exec_driver_sql(statement, groups)


def _is_shared(column: pl.Series) -> bool:
    if column.dtype != pl.String or column.null_count() or column[0] != column[-1]:
        return False
    return bool((column == column[0]).all())


def _row_by_row(columns: list[pl.Series]) -> list[Any]:
    """Return the values of all columns as one list: a tuple for each row would be made only to be taken apart."""
    values: list[Any] = [None] * (len(columns) * len(columns[0]))
    for place, column in enumerate(columns):
        values[place :: len(columns)] = column.to_list()
    return values
