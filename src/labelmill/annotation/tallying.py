"""What follows from the answers to a record, written in the transaction of each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill.annotation.model import Annotation, Tally, tally
from labelmill.annotation.tables import annotation_labels, annotation_rows, current_annotations
from labelmill.datasets import Tie, label_rows, record_rows
from labelmill.db.prepared import Prepared
from labelmill.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

    from labelmill.datasets import Dataset, DatasetSettings

#: Where an annotation counts: a merged label's for the one it was merged into.
COUNTED = sa.func.coalesce(label_rows.c.merged_into, label_rows.c.id).label("label_id")
_TALLY = ("answers", "is_open", "majority_id", "is_tied")


def locked_record(connection: Connection, dataset_id: int, record_id: int) -> Any:
    """Return a record's id and tally as a row, held until the transaction ends. Raises NotFound."""
    row = _LOCK.first(connection, {"this": record_id, "here": dataset_id})
    if row is None:
        raise NotFound(f"The dataset {dataset_id} has no record {record_id}.", where="record")
    return row


def annotations_of(rows: Iterable[Any]) -> list[Annotation]:
    """Return the annotations in rows of a ``labelled`` query, with their labels, in the order of their numbers."""
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        fields = found.setdefault(row.id, {})
        if not fields:
            fields.update({name: getattr(row, name) for name in _FIELDS}, label_ids={})
        if row.label_id is not None:
            fields["label_ids"][row.label_id] = None
    return [Annotation(**fields | {"label_ids": tuple(fields["label_ids"])}) for fields in found.values()]


_FIELDS = ("id", "record_id", "annotator_id", "answered_at", "shown_at", "is_withdrawal", "is_settling")


def labelled(*conditions: Any, counting: bool = False) -> sa.Select[Any]:
    """Return a query for annotations with a row for each label; with ``counting`` only those that count."""
    rows = annotation_rows
    joined = sa.outerjoin(rows, annotation_labels, annotation_labels.c.annotation_id == rows.c.id)
    joined = joined.outerjoin(label_rows, label_rows.c.id == annotation_labels.c.label_id)
    if counting:
        joined = joined.join(current_annotations, current_annotations.c.annotation_id == rows.c.id)
    columns = [rows.c[name] for name in _FIELDS]
    return sa.select(*columns, COUNTED).select_from(joined).where(*conditions).order_by(rows.c.id, annotation_labels.c.label_id)


def answers_of(connection: Connection, record_id: int) -> list[Annotation]:
    """Return the answers to a record that count, in the order in which they were given."""
    return annotations_of(_COUNTING.rows(connection, {"this": record_id}))


def write_tally(connection: Connection, dataset: Dataset, record: Any, answers: Iterable[Annotation]) -> Tally:
    """Write what ``answers`` come to into a locked record, and return it."""
    result = tally_of(list(answers), dataset.settings)
    values = vars(result)
    if any(getattr(record, name) != value for name, value in values.items()):
        _WRITE.run(connection, {f"new_{name}": value for name, value in values.items()} | {"this": record.id})
    return result


def write_tallies(connection: Connection, tallies: Mapping[int, Tally]) -> None:
    """Write what answers come to into locked records, by their ids."""
    _WRITE.many(
        connection,
        [{"this": id_, **{f"new_{name}": value for name, value in vars(each).items()}} for id_, each in tallies.items()],
    )


def tally_of(answers: list[Annotation], settings: DatasetSettings) -> Tally:
    """Return what answers come to by a dataset's settings."""
    return tally(
        answers,
        wanted=settings.labels_per_record,
        min_label_count=settings.min_label_count,
        first_wins=settings.tie == Tie.FIRST,
    )


def stored_tally(record: Any) -> Tally:
    """Return what is written in a record's row."""
    return Tally(**{name: getattr(record, name) for name in _TALLY})


# Without the key: rows that refer to a locked record may come in meanwhile.
_LOCK = Prepared(
    sa.select(*[record_rows.c[name] for name in ("id", *_TALLY)])
    .where(record_rows.c.id == sa.bindparam("this"), record_rows.c.dataset_id == sa.bindparam("here"))
    .with_for_update(key_share=True)
)
_COUNTING = Prepared(labelled(current_annotations.c.record_id == sa.bindparam("this"), counting=True))
_WRITE = Prepared(
    sa.update(record_rows)
    .where(record_rows.c.id == sa.bindparam("this"))
    .values({name: sa.bindparam(f"new_{name}") for name in _TALLY})
)
