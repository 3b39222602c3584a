"""A dataset's records as columns, one slice after the other: for whoever reads all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from labelmill.datasets.record_search import list_records
from labelmill.datasets.tables import records
from labelmill.db.frames import read_many

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.datasets.model import RecordFilter

#: Columns of a slice.
SLICE = {"record_id": pl.Int64, "given_id": pl.String, "content": pl.String}


def record_slice(
    connection: Connection, dataset_id: int, *, after: int, to: int, limit: int, where: RecordFilter | None = None
) -> pl.DataFrame:
    """Return the next ``limit`` records with ids from ``after`` (exclusive) to ``to``, in their order, with the columns of ``SLICE``."""
    if where is not None:
        found = list_records(connection, dataset_id, where=where, after=after, limit=limit)
        rows: list[Any] = [(each.id, each.given_id, each.content) for each in found if each.id <= to]
        return pl.DataFrame(rows, schema=SLICE, orient="row")
    # In the order of the rows themselves: any index would have them looked up one by one.
    mine = (records.c.dataset_id + 0) == dataset_id
    query = sa.select(records.c.id, records.c.given_id, records.c.content)
    query = query.where(mine, records.c.id > after, records.c.id <= to).order_by(records.c.id).limit(limit)
    return read_many(connection, query, SLICE)
