"""Many answers at once: imports of annotations, and records that are derived anew."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import sqlalchemy as sa

from labelmill import clock
from labelmill.annotation.answering import require_in_use
from labelmill.annotation.reading import current_votes
from labelmill.annotation.tables import annotation_labels, annotation_rows, current_annotations
from labelmill.datasets import Tie, dataset_rows, record_rows
from labelmill.errors import BadInput
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

    from labelmill.datasets import Dataset

#: Rows that one statement names.
SLICE: Final = 500
_NEEDED: Final = ("record_id", "annotator_id", "label_id", "answered_at")


def add_answers(connection: Connection, dataset: Dataset, frame: pl.DataFrame) -> int:
    """Append annotations that were made elsewhere and return how many are new; the same ones again add nothing.

    ``frame`` has record_id, annotator_id, label_id and answered_at (with its zone, or null for now), and perhaps shown_at. Who answered a
    record several times changed their answer: the latest counts. The labels that a record gets at most do not hold here. Raises BadInput
    for records and labels that are not the dataset's; give slices of some thousand rows, for it is one transaction.
    """
    require_in_use(dataset)
    frame = _prepared(frame)
    record_ids = frame["record_id"].unique().sort().to_list()
    _lock_records(connection, dataset, record_ids)
    _require_labels(dataset, frame)
    connection.execute(sa.select(dataset_rows.c.id).where(dataset_rows.c.id == dataset.id).with_for_update(key_share=True))
    new = frame.join(_known(connection, frame), on=["annotator_id", "key"], how="anti", maintain_order="left")
    if new.is_empty():
        return 0
    numbers = _append(connection, dataset, new)
    _point(connection, dataset, new.with_columns(annotation_id=pl.Series(numbers)))
    derive(connection, dataset, record_ids)
    learning.after_answer(connection, dataset)
    return new.height


def rederive(connection: Connection, dataset: Dataset, *, after: int = 0, limit: int = 5_000) -> int | None:
    """Derive records with answers anew, after the settings or labels changed; at most ``limit`` of those after the record ``after``.

    Returns the last one, to go on after, and None at the end.
    """
    rows = current_annotations.c
    query = sa.select(rows.record_id).distinct().where(rows.dataset_id == dataset.id, rows.record_id > after)
    found = list(connection.scalars(query.order_by(rows.record_id).limit(limit)))
    if not found:
        return None
    _lock_records(connection, dataset, found)
    derive(connection, dataset, found)
    return int(found[-1])


def derive(connection: Connection, dataset: Dataset, record_ids: Sequence[int]) -> None:
    """Write what the answers to these records, which are locked, come to."""
    from labelmill.annotation.majority import majorities_of

    settings = dataset.settings
    for some in _slices(record_ids):
        found = majorities_of(
            current_votes(connection, dataset.id, some),
            min_label_count=settings.min_label_count,
            first_wins=settings.tie == Tie.FIRST,
        )
        wanted = settings.labels_per_record
        rows = [
            {
                "b_id": id_,
                "b_answers": answers,
                "b_open": wanted == 0 or answers < wanted,
                "b_majority": majority,
                "b_tied": tied,
            }
            for id_, answers, majority, tied in found.iter_rows()
        ]
        if rows:
            connection.execute(_UPDATE, rows)


_UPDATE = (
    sa.update(record_rows)
    .where(record_rows.c.id == sa.bindparam("b_id"))
    .values(
        answers=sa.bindparam("b_answers"),
        is_open=sa.bindparam("b_open"),
        majority_id=sa.bindparam("b_majority"),
        is_tied=sa.bindparam("b_tied"),
    )
)


def _prepared(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the annotations from the oldest to the newest, each with a key that it always has."""
    missing = [name for name in _NEEDED if name not in frame.columns]
    if missing:
        raise BadInput(f"The annotations have no column {missing[0]!r}.", where=missing[0])
    if any(frame[name].null_count() for name in _NEEDED[:3]):
        raise BadInput("An annotation lacks its record, annotator or label.")
    shown = (
        pl.col("shown_at") if "shown_at" in frame.columns else pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias("shown_at")
    )
    frame = frame.select(*_NEEDED, shown).with_row_index("row")
    # What is repeated exactly is told apart by its count, so that each is one row and is known at the next import.
    nth = pl.int_range(pl.len()).over("record_id", "annotator_id", "label_id", "answered_at").alias("nth")
    frame = frame.with_columns(nth).sort("answered_at", "row", nulls_last=True)
    at = [f"{each:%Y%m%d%H%M%S%f}" if each else "" for each in frame["answered_at"]]
    facts = zip(frame["record_id"], frame["label_id"], at, frame["nth"], strict=True)
    keys = ["import-" + hashlib.sha256("|".join(map(str, each)).encode()).hexdigest()[:48] for each in facts]
    return frame.with_columns(key=pl.Series(keys, dtype=pl.String))


def _lock_records(connection: Connection, dataset: Dataset, record_ids: Sequence[int]) -> None:
    for some in _slices(record_ids):
        rows = record_rows.c
        query = sa.select(rows.id).where(rows.id.in_(some), rows.dataset_id == dataset.id)
        found = set(connection.scalars(query.order_by(rows.id).with_for_update(key_share=True)))
        strange = next((each for each in some if each not in found), None)
        if strange is not None:
            raise BadInput(f"The dataset has no record {strange}.", where="record_id")


def _require_labels(dataset: Dataset, frame: pl.DataFrame) -> None:
    strange = set(frame["label_id"]) - {each.id for each in dataset.labels}
    if strange:
        raise BadInput(f"The dataset has no label {min(strange)}.", where="label_id")


def _known(connection: Connection, frame: pl.DataFrame) -> pl.DataFrame:
    rows, found = annotation_rows.c, []
    for some in _slices(frame["key"].to_list()):
        query = sa.select(rows.annotator_id, rows.key).where(
            rows.key.in_(some), rows.annotator_id.in_(frame["annotator_id"].unique().to_list())
        )
        found += [tuple(row) for row in connection.execute(query)]
    return pl.DataFrame(found, schema={"annotator_id": pl.String, "key": pl.String}, orient="row")


def _append(connection: Connection, dataset: Dataset, new: pl.DataFrame) -> list[int]:
    """Append annotations with their labels and return their numbers."""
    # Nobody else appends to this dataset now, but others do to theirs: numbers are the database's to give.
    before = connection.scalar(sa.select(sa.func.max(annotation_rows.c.id))) or 0
    now = clock.now()
    fixed: dict[str, Any] = {"dataset_id": dataset.id, "is_withdrawal": False, "is_settling": False}
    rows = [
        fixed | {"record_id": row[0], "annotator_id": row[1], "answered_at": row[2] or now, "shown_at": row[3], "key": row[4]}
        for row in new.select("record_id", "annotator_id", "answered_at", "shown_at", "key").iter_rows()
    ]
    connection.execute(sa.insert(annotation_rows), rows)
    query = sa.select(annotation_rows.c.id, annotation_rows.c.annotator_id, annotation_rows.c.key)
    mine = sa.and_(annotation_rows.c.dataset_id == dataset.id, annotation_rows.c.id > before)
    numbers = {(row.annotator_id, row.key): row.id for row in connection.execute(query.where(mine))}
    in_order = [numbers[row["annotator_id"], row["key"]] for row in rows]
    labels = [{"annotation_id": number, "label_id": label} for number, label in zip(in_order, new["label_id"], strict=True)]
    connection.execute(sa.insert(annotation_labels), labels)
    return in_order


def _point(connection: Connection, dataset: Dataset, new: pl.DataFrame) -> None:
    """Let the newest annotation of each annotator and record be the one that counts."""
    newest = new.group_by("record_id", "annotator_id").agg(pl.col("annotation_id").max()).sort("record_id", "annotator_id")
    current = current_annotations.c
    annotators = newest["annotator_id"].unique().to_list()
    for some in _slices(newest["record_id"].unique().to_list()):
        pairs = newest.filter(pl.col("record_id").is_in(some))
        query = sa.select(current.record_id, current.annotator_id).where(
            current.record_id.in_(some), current.annotator_id.in_(annotators)
        )
        there = {tuple(row) for row in connection.execute(query)}
        replaced = [{"b_record": row[0], "b_annotator": row[1]} for row in pairs.iter_rows() if row[:2] in there]
        if replaced:
            this = sa.and_(current.record_id == sa.bindparam("b_record"), current.annotator_id == sa.bindparam("b_annotator"))
            connection.execute(sa.delete(current_annotations).where(this), replaced)
        rows = [row | {"dataset_id": dataset.id} for row in pairs.to_dicts()]
        connection.execute(sa.insert(current_annotations), rows)


def _slices(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), SLICE):
        yield values[start : start + SLICE]
