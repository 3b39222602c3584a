"""What was answered: of a record, by an annotator, in a dataset."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from labelmill import clock
from labelmill.annotation.tables import annotation_rows, current_annotations
from labelmill.annotation.tallying import annotations_of, labelled, locked_record, stored_tally
from labelmill.datasets import Record, record_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from sqlalchemy.engine import Connection

    from labelmill.annotation.model import Annotation, Tally
    from labelmill.datasets import Dataset

#: Seconds between the question and the answer beyond which somebody was away.
LONGEST_ANSWER: Final = 3_600.0


@dataclass(frozen=True, kw_only=True)
class Tied:
    """A record whose labels share the most votes, with its answers."""

    record: Record
    answers: list[Annotation]


@dataclass(frozen=True, kw_only=True)
class AnnotatorProgress:
    annotator_id: str
    #: Those that count.
    answers: int
    today: int
    #: Between the question and the answer; None where nobody knows.
    median_seconds: float | None
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Who answered how much, and when; ``days`` are UTC's, the oldest first."""

    annotators: list[AnnotatorProgress]
    days: list[tuple[date, int]]


def history(connection: Connection, dataset_id: int, record_id: int) -> list[Annotation]:
    """Return everything that was answered to a record, changes and withdrawals too, the oldest first."""
    rows = annotation_rows.c
    return annotations_of(connection.execute(labelled(rows.record_id == record_id, rows.dataset_id == dataset_id)))


def tally_of_record(connection: Connection, dataset_id: int, record_id: int) -> Tally:
    """Return what a record's answers come to. Raises NotFound."""
    return stored_tally(locked_record(connection, dataset_id, record_id))


def has_answered(connection: Connection, record_id: int, annotator_id: str) -> bool:
    """Tell whether somebody's answer to a record counts."""
    rows = current_annotations.c
    query = sa.select(rows.annotation_id).where(rows.record_id == record_id, rows.annotator_id == annotator_id)
    return connection.scalar(query) is not None


def mine(
    connection: Connection, dataset: Dataset, annotator_id: str, *, before: int | None = None, limit: int = 50
) -> list[tuple[Annotation, Record]]:
    """Return an annotator's answers that count with their records, the newest first; those before the annotation ``before``."""
    rows = current_annotations.c
    query = sa.select(rows.annotation_id).where(rows.annotator_id == annotator_id, rows.dataset_id == dataset.id)
    query = query if before is None else query.where(rows.annotation_id < before)
    numbers = list(connection.scalars(query.order_by(rows.annotation_id.desc()).limit(limit)))
    found = annotations_of(connection.execute(labelled(annotation_rows.c.id.in_(numbers))))
    records = records_by_id(connection, [each.record_id for each in found])
    return [(each, records[each.record_id]) for each in reversed(found)]


def ties(connection: Connection, dataset: Dataset, *, after: int = 0, limit: int = 50) -> list[Tied]:
    """Return tied records with the answers that count, those after the record ``after``."""
    rows = record_rows.c
    query = sa.select(rows.id).where(rows.dataset_id == dataset.id, rows.is_tied == 1, rows.id > after)
    ids = list(connection.scalars(query.order_by(rows.id).limit(limit)))
    answers = annotations_of(connection.execute(labelled(current_annotations.c.record_id.in_(ids), counting=True)))
    records = records_by_id(connection, ids)
    return [Tied(record=records[each], answers=[one for one in answers if one.record_id == each]) for each in ids]


def progress(connection: Connection, dataset: Dataset) -> Progress:
    """Return who answered how much, and how much was answered on which day; it costs the more the more was answered."""
    rows = annotation_rows.c
    query = sa.select(rows.annotator_id, rows.shown_at, rows.answered_at).where(rows.is_settling == 0)
    query = query.join(current_annotations, current_annotations.c.annotation_id == rows.id)
    found = connection.execute(query.where(current_annotations.c.dataset_id == dataset.id).order_by(rows.id)).all()
    by_annotator: dict[str, list[tuple[datetime | None, datetime]]] = {}
    for row in found:
        by_annotator.setdefault(row.annotator_id, []).append((row.shown_at, row.answered_at))
    people = [_progress_of(annotator_id, times) for annotator_id, times in sorted(by_annotator.items())]
    return Progress(annotators=people, days=sorted(Counter(row.answered_at.date() for row in found).items()))


def records_by_id(connection: Connection, record_ids: Sequence[int]) -> dict[int, Record]:
    """Return records by their ids."""
    names = ("id", "dataset_id", "given_id", "content", "in_share", "answers", "is_open", "majority_id", "is_tied")
    columns = [record_rows.c[name] for name in names]
    rows = connection.execute(sa.select(*columns).where(record_rows.c.id.in_(record_ids))).mappings()
    return {row["id"]: Record(**row) for row in rows}


def _progress_of(annotator_id: str, times: Sequence[tuple[datetime | None, datetime]]) -> AnnotatorProgress:
    spans = [(answered - shown).total_seconds() for shown, answered in times if shown is not None]
    spans = [each for each in spans if 0 <= each <= LONGEST_ANSWER]
    today = clock.now().date()
    return AnnotatorProgress(
        annotator_id=annotator_id,
        answers=len(times),
        today=sum(answered.date() == today for _, answered in times),
        median_seconds=median(spans) if spans else None,
        last_at=max(answered for _, answered in times),
    )
