"""What learning reads in bulk of datasets and annotations: columns, never objects.

The tables belong to other features, whose verbs return one record or one page; a training reads a million. They are read by the names
that these features make public, and nothing is ever written to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from labelmill.annotation import annotation_rows
from labelmill.datasets import dataset_rows
from labelmill.datasets import init_record_rows as init_records
from labelmill.datasets import record_rows as records
from labelmill.datasets import service as datasets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt
    import polars as pl
    from sqlalchemy.engine import Connection

    from labelmill.db.database import Database

#: Records that are read at once at most, to begin with, and the characters that they may have: a record may be a book.
SLICE: Final = 10_000
_FIRST: Final = 100
_CHARACTERS: Final = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much a dataset holds."""

    records: int
    newest_record: int
    init_records: int
    newest_init: int

    def newest(self, *, init: bool) -> int:
        """Return the newest id of the records, or init records."""
        return self.newest_init if init else self.newest_record


def extent(connection: Connection, dataset_id: int) -> Extent:
    """Return how many records and init records a dataset has."""
    # Counted they are already: to count a million once more takes long, and imports ask while others wait to write.
    count = connection.scalar(sa.select(dataset_rows.c.records).where(dataset_rows.c.id == dataset_id)) or 0
    newest = datasets.extent(connection, dataset_id)[1] if count else 0
    init = sa.select(sa.func.count(), sa.func.max(init_records.c.id)).where(init_records.c.dataset_id == dataset_id)
    init_count, newest_init = connection.execute(init).one()
    return Extent(records=count, newest_record=newest, init_records=init_count, newest_init=newest_init or 0)


def slices(
    database: Database, dataset_id: int, *, after: int = 0, to: int, init: bool = False, size: int = SLICE
) -> Iterator[tuple[npt.NDArray[np.int64], pl.Series]]:
    """Yield (ids, contents) of the records, or init records, after one id and up to another, in the order of their ids.

    Each slice is a read of its own: nothing is held open while somebody works on it. A slice has ``size`` records at most, and fewer the
    longer those before it were.
    """
    import numpy as np
    import polars as pl

    rows = init_records if init else records
    query = sa.select(rows.c.id, rows.c.content).where(rows.c.dataset_id == dataset_id, rows.c.id <= to).order_by(rows.c.id)
    step = min(size, _FIRST)
    while True:
        with database.read() as connection:
            found = connection.execute(query.where(rows.c.id > after).limit(step)).all()
        if not found:
            return
        ids = np.fromiter((row[0] for row in found), dtype=np.int64, count=len(found))
        yield ids, pl.Series([row[1] for row in found], dtype=pl.String)
        after = int(ids[-1])
        characters = sum(len(row[1]) for row in found)
        step = max(1, min(size, 2 * step, len(found) * _CHARACTERS // max(1, characters)))


def count_between(connection: Connection, dataset_id: int, after: int, to: int, *, init: bool = False) -> int:
    """Return how many records have an id after one and up to another."""
    rows = init_records if init else records
    query = sa.select(sa.func.count()).where(rows.c.dataset_id == dataset_id, rows.c.id > after, rows.c.id <= to)
    return int(connection.scalar(query) or 0)


def bounds(connection: Connection, dataset_id: int, after: int, size: int, *, init: bool = False) -> list[tuple[int, int, int]]:
    """Return (after, to, records) of the parts of ``size`` records that follow an id, the last one shorter."""
    rows = init_records if init else records
    query = sa.select(rows.c.id).where(rows.c.dataset_id == dataset_id).order_by(rows.c.id)
    found: list[tuple[int, int, int]] = []
    while True:
        ids = connection.scalars(query.where(rows.c.id > after).limit(size)).all()
        if not ids:
            return found
        found.append((after, ids[-1], len(ids)))
        after = ids[-1]


def may_queue(connection: Connection, dataset_id: int, ids: Sequence[int]) -> set[int]:
    """Return those of ``ids`` that want answers and do not belong to the random share."""
    query = sa.select(records.c.id).where(
        records.c.dataset_id == dataset_id, records.c.id.in_(ids), records.c.is_open == 1, records.c.in_share == 0
    )
    return set(connection.scalars(query))


def ever_answered(connection: Connection, dataset_id: int, ids: Sequence[int]) -> set[int]:
    """Return those of ``ids`` that somebody answered, be it that the answer was taken back since."""
    rows = annotation_rows.c
    query = sa.select(rows.record_id).where(rows.dataset_id == dataset_id, rows.record_id.in_(ids)).distinct()
    return set(connection.scalars(query))


def first_records(connection: Connection, dataset_id: int, count: int) -> list[int]:
    """Return the ids of the first records of the order ``random``."""
    query = sa.select(records.c.id).where(records.c.dataset_id == dataset_id)
    return list(connection.scalars(query.order_by(records.c.shuffle, records.c.id).limit(count)))
