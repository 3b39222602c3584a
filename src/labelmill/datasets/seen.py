"""Datasets that were read before: all that tells of a change is one small row."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from labelmill.datasets.rows import dataset_of
from labelmill.datasets.tables import datasets
from labelmill.db.prepared import Prepared

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from labelmill.datasets.model import Dataset

MOST: Final = 1_000
#: An id may come again, once its dataset is gone: the moment tells the two apart.
_seen: dict[tuple[int, int, datetime], Dataset] = {}
_REVISION = Prepared(
    sa.select(datasets.c.revision, datasets.c.created_at, datasets.c.records).where(
        datasets.c.id == sa.bindparam("this"), datasets.c.removed_at.is_(None)
    )
)


def seen(connection: Connection, dataset_id: int) -> Dataset:
    """Return a dataset with its labels, as ``get`` does, for a transaction that changes none. Raises NotFound.

    What is kept is known by its revision; a transaction that gave it a new one might yet be taken back.
    """
    row = _REVISION.first(connection, {"this": dataset_id})
    known = _seen.get((dataset_id, row.revision, row.created_at)) if row else None
    if row is not None and known is not None:
        return known if known.records == row.records else replace(known, records=row.records)
    found = dataset_of(connection, dataset_id)
    if len(_seen) >= MOST:
        _seen.clear()
    # As it was read, in case it was changed since the first look.
    _seen[dataset_id, found.revision, found.created_at] = found
    return found
