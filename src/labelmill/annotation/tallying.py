"""What follows from the answers to a record, written in the transaction of each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill.annotation.model import Annotation, Tally, tally
from labelmill.annotation.tables import annotation_labels, annotation_rows, current_annotations
from labelmill.datasets import Tie, label_rows, record_rows
from labelmill.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection, RowMapping

    from labelmill.datasets import Dataset, DatasetSettings

#: Where an annotation counts: a merged label's for the one it was merged into.
COUNTED = sa.func.coalesce(label_rows.c.merged_into, label_rows.c.id).label("label_id")
_WITHOUT_CONTENT = [column for column in record_rows.c if column.name != "content"]


def locked_record(connection: Connection, dataset_id: int, record_id: int) -> RowMapping:
    """Return a record's row without its content, held until the transaction ends. Raises NotFound."""
    row = connection.execute(_LOCK, {"this": record_id, "here": dataset_id}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"The dataset {dataset_id} has no record {record_id}.", where="record")
    return row


def annotations_of(connection: Connection, query: sa.Select[Any], values: Mapping[str, Any] | None = None) -> list[Annotation]:
    """Return annotations with their labels, as ``labelled`` asked for them, in the order of their numbers."""
    found: dict[int, dict[str, Any]] = {}
    for row in connection.execute(query, values or {}).mappings():
        fields = {name: row[name] for name in _FIELDS}
        labels = found.setdefault(row["id"], fields | {"label_ids": {}})["label_ids"]
        if row["label_id"] is not None:
            labels[row["label_id"]] = None
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
    return annotations_of(connection, _COUNTING, {"this": record_id})


def write_tally(connection: Connection, dataset: Dataset, record: RowMapping, answers: Iterable[Annotation]) -> Tally:
    """Write what ``answers`` come to into a locked record, and return it."""
    result = tally_of(list(answers), dataset.settings)
    values = vars(result)
    if any(record[name] != value for name, value in values.items()):
        connection.execute(_WRITE, {f"new_{name}": value for name, value in values.items()} | {"this": record["id"]})
    return result


def tally_of(answers: list[Annotation], settings: DatasetSettings) -> Tally:
    """Return what answers come to by a dataset's settings."""
    return tally(
        answers,
        wanted=settings.labels_per_record,
        min_label_count=settings.min_label_count,
        first_wins=settings.tie == Tie.FIRST,
    )


def stored_tally(record: RowMapping) -> Tally:
    """Return what is written in a record's row."""
    return Tally(**{name: record[name] for name in ("answers", "is_open", "majority_id", "is_tied")})


# Statements are made once: to put one together takes longer than most databases need for it. Without the key: rows that refer to a
# locked record may come in meanwhile.
_LOCK = (
    sa.select(*_WITHOUT_CONTENT)
    .where(record_rows.c.id == sa.bindparam("this"), record_rows.c.dataset_id == sa.bindparam("here"))
    .with_for_update(key_share=True)
)
_COUNTING = labelled(current_annotations.c.record_id == sa.bindparam("this"), counting=True)
_WRITE = (
    sa.update(record_rows)
    .where(record_rows.c.id == sa.bindparam("this"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("answers", "is_open", "majority_id", "is_tied")})
)
