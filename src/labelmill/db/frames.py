"""What a query finds, as columns: for whoever reads many rows of labelmill's own tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa
    from sqlalchemy.engine import Connection


def read_frame(connection: Connection, query: sa.Select[Any], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return the rows of a query with the columns of ``schema``, which stand for the query's own in their order.

    Of what the query says of its columns only moments, flags, numbers and texts hold: the driver's values become columns as a whole.
    """
    result = connection.execute(query)
    rows = result.cursor.fetchall() if result.cursor is not None else []
    result.close()
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pl.DataFrame([_column(name, kind, values) for (name, kind), values in zip(schema.items(), columns, strict=True)])


def _column(name: str, kind: Any, values: Any) -> pl.Series:
    if kind == pl.Boolean:
        return pl.Series(name, values, pl.Int64).cast(pl.Boolean)
    if not isinstance(kind, pl.Datetime):
        return pl.Series(name, values, kind)
    known = next((value for value in values if value is not None), None)
    if isinstance(known, int):  # as SQLite keeps moments: microseconds
        return pl.Series(name, values, pl.Int64).cast(kind)
    if known is not None and known.tzinfo is None:  # MariaDB's are without their zone, which is UTC
        return pl.Series(name, values, pl.Datetime("us")).dt.replace_time_zone("UTC").cast(kind)
    return pl.Series(name, values, kind)
