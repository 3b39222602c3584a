"""The queue of a dataset's current generation: which records are best asked next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from labelmill.annotation import current_annotation_rows as current_annotations
from labelmill.annotation import skips
from labelmill.datasets import record_rows as records
from labelmill.db.prepared import Prepared
from labelmill.learning.model import Queued
from labelmill.learning.tables import current_generations, queue_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection


def queue(connection: Connection, dataset_id: int) -> int | None:
    """Return the id of the generation that a dataset shows, None before the first."""
    found: int | None = _GENERATION.scalar(connection, {"this_dataset": dataset_id})
    return found


def queue_page(connection: Connection, dataset_id: int, annotator_id: str, limit: int, *, after: int = -1) -> list[Queued]:
    """Return the next open records of the queue that somebody has neither answered nor skipped, in the order in which they are best asked.

    ``after`` is the place of the last one of the page before. Leases are the caller's business. Empty where the dataset has no
    generation, or where the queue is used up: the rest is then served in another order until the next generation.
    """
    values = {"this_dataset": dataset_id, "this_annotator": annotator_id, "after": after, "size": limit}
    return [Queued(**row._asdict()) for row in _PAGE.rows(connection, values)]


def suggested(connection: Connection, dataset_id: int, record_ids: Sequence[int]) -> dict[int, tuple[int, float]]:
    """Return what the current queue says of these records: label and confidence by the record's id, for those that stand in it."""
    rows = _SAID.rows(connection, {"this_dataset": dataset_id, "these": list(record_ids)}) if record_ids else ()
    return {row.record_id: (row.label_id, row.confidence) for row in rows}


_IN_QUEUE = queue_records.c
_HERE = current_generations.c.dataset_id == sa.bindparam("this_dataset")
_SHOWN = sa.join(queue_records, current_generations, current_generations.c.generation_id == _IN_QUEUE.generation_id)
_GENERATION = Prepared(sa.select(current_generations.c.generation_id).where(_HERE))


def _own(table: sa.Table) -> sa.Exists:
    """Return the condition that somebody has a row for the record in ``table``."""
    mine = sa.and_(table.c.record_id == _IN_QUEUE.record_id, table.c.annotator_id == sa.bindparam("this_annotator"))
    return sa.select(table.c.record_id).where(mine).correlate(queue_records).exists()


_PAGE = Prepared(
    sa.select(_IN_QUEUE.place, _IN_QUEUE.record_id, _IN_QUEUE.label_id, _IN_QUEUE.confidence)
    .select_from(_SHOWN.join(records, records.c.id == _IN_QUEUE.record_id))
    .where(_HERE, _IN_QUEUE.place > sa.bindparam("after"), records.c.is_open == 1)
    .where(~_own(current_annotations), ~_own(skips))
    .order_by(_IN_QUEUE.place)
    .limit(sa.bindparam("size"))
)
_SAID = Prepared(
    sa.select(_IN_QUEUE.record_id, _IN_QUEUE.label_id, _IN_QUEUE.confidence)
    .select_from(_SHOWN)
    .where(_HERE, _IN_QUEUE.record_id.in_(sa.bindparam("these", expanding=True)), _IN_QUEUE.label_id.is_not(None))
)
