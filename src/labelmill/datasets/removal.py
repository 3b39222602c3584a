"""Datasets removed for good: gone for everybody at once, their rows slice by slice so that others go on meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from labelmill import clock
from labelmill.datasets import blob_sweep
from labelmill.datasets.rows import locked
from labelmill.datasets.tables import datasets, records
from labelmill.errors import Conflict
from labelmill.ids import new_id
from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

KIND: Final = "remove-dataset"
#: Records of one transaction.
SLICE: Final = 1_000
# It refers to other rows of its dataset, and not every database removes those in the right order.
_CURRENT: Final = sa.table("current_generations", sa.column("dataset_id"))


def remove(connection: Connection, dataset_id: int) -> str | None:
    """Remove an archived dataset with everything in it, for good; return the id of the job that removes the rest of its rows.

    Raises NotFound, and Conflict for one that is in use.
    """
    row = locked(connection, dataset_id, in_use=False)
    if row["archived_at"] is None:
        way_out = "Archive it first; until it is removed you can restore it."
        raise Conflict(f"The dataset {row['name']!r} is in use.", where="dataset", way_out=way_out)
    # Its name is free from now on.
    gone = sa.update(datasets).where(datasets.c.id == dataset_id).values(removed_at=clock.now(), name=f"~{new_id()}")
    connection.execute(gone)
    blob_sweep.begin(connection, dataset_id, row["name"])
    if step(connection, dataset_id):
        return None
    steps = [NewStep(key="all", name="remove", phase=0, units=row["records"])]
    params = {"dataset": dataset_id}
    return jobs.submit(
        connection,
        kind=KIND,
        steps=steps,
        params=params,
        title=f"Remove the dataset {row['name']}",
        unit="records",
        key=f"{KIND}:{dataset_id}",
    ).id


def step(connection: Connection, dataset_id: int) -> bool:
    """Remove the next rows of a dataset that is removed; return whether those were the last."""
    mine = sa.select(records.c.id).where(records.c.dataset_id == dataset_id)
    ids = list(connection.scalars(mine.limit(SLICE)))
    if ids:
        connection.execute(sa.delete(records).where(records.c.id.in_(ids)))
    if len(ids) == SLICE:
        return False
    connection.execute(sa.delete(_CURRENT).where(_CURRENT.c.dataset_id == dataset_id))
    connection.execute(sa.delete(datasets).where(datasets.c.id == dataset_id, datasets.c.removed_at.is_not(None)))
    return True
