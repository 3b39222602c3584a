"""The queue of a dataset's current generation: which records are best asked next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from labelmill.annotation import current_annotation_rows as current_annotations
from labelmill.annotation import skips
from labelmill.datasets import record_rows as records
from labelmill.learning.model import Queued
from labelmill.learning.tables import current_generations, queue_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection


def queue(connection: Connection, dataset_id: int) -> int | None:
    """Return the id of the generation that a dataset shows, None before the first."""
    query = sa.select(current_generations.c.generation_id).where(current_generations.c.dataset_id == dataset_id)
    found: int | None = connection.scalar(query)
    return found


def queue_page(connection: Connection, dataset_id: int, annotator_id: str, limit: int, *, after: int = -1) -> list[Queued]:
    """Return the next open records of the queue that somebody has neither answered nor skipped, in the order in which they are best asked.

    ``after`` is the place of the last one of the page before. Leases are the caller's business. Empty where the dataset has no
    generation, or where the queue is used up: the rest is then served in another order until the next generation.
    """
    mine = sa.select(current_annotations.c.record_id).where(
        current_annotations.c.record_id == queue_records.c.record_id, current_annotations.c.annotator_id == annotator_id
    )
    put_off = sa.select(skips.c.record_id).where(
        skips.c.record_id == queue_records.c.record_id, skips.c.annotator_id == annotator_id
    )
    query = (
        sa.select(queue_records.c.place, queue_records.c.record_id, queue_records.c.label_id, queue_records.c.confidence)
        .join(current_generations, current_generations.c.generation_id == queue_records.c.generation_id)
        .join(records, records.c.id == queue_records.c.record_id)
        .where(current_generations.c.dataset_id == dataset_id, queue_records.c.place > after, records.c.is_open == 1)
        .where(~mine.exists(), ~put_off.exists())
        .order_by(queue_records.c.place)
        .limit(limit)
    )
    return [Queued(**row) for row in connection.execute(query).mappings()]


def suggested(connection: Connection, dataset_id: int, record_ids: Sequence[int]) -> dict[int, tuple[int, float]]:
    """Return what the current queue says of these records: label and confidence by the record's id, for those that stand in it."""
    rows = queue_records.c
    query = (
        sa.select(rows.record_id, rows.label_id, rows.confidence)
        .join(current_generations, current_generations.c.generation_id == rows.generation_id)
        .where(current_generations.c.dataset_id == dataset_id, rows.record_id.in_(record_ids), rows.label_id.is_not(None))
    )
    return {record_id: (label_id, confidence) for record_id, label_id, confidence in connection.execute(query)}
