"""What annotations come to in bulk: as columns, for trainings, figures and archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from labelmill.annotation.tables import annotation_labels, annotation_rows, current_annotations
from labelmill.annotation.tallying import COUNTED
from labelmill.datasets import Tie, label_rows, record_rows
from labelmill.datasets import service as datasets
from labelmill.db.frames import read_frame

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection

VOTES = {"number": pl.Int64, "record_id": pl.Int64, "annotator_id": pl.String, "label_id": pl.Int64, "is_settling": pl.Boolean}


def majorities(connection: Connection, dataset_id: int, *, to_number: int | None = None) -> pl.DataFrame:
    """Return record_id and label_id of the records with a majority, now or as of the annotation ``to_number``, by today's settings."""
    if to_number is None:
        rows = record_rows.c
        query = sa.select(rows.id, rows.majority_id).where(rows.dataset_id == dataset_id, rows.majority_id > 0)
        return read_frame(connection, query.order_by(rows.id), {"record_id": pl.Int64, "label_id": pl.Int64})
    from labelmill.annotation.majority import majorities_of

    settings = datasets.get(connection, dataset_id).settings
    found = majorities_of(
        votes_to(connection, dataset_id, to_number),
        min_label_count=settings.min_label_count,
        first_wins=settings.tie == Tie.FIRST,
    )
    return found.select("record_id", label_id="majority_id").drop_nulls()


def first_answers(connection: Connection, dataset_id: int) -> pl.DataFrame:
    """Return record_id and number of the first answer to each answered record, be it changed since; 0 where it was not shown to who gave it.

    Such answers were imported or given to many records at once: no order chose their records.
    """
    rows = annotation_rows.c
    shown = sa.func.min(sa.case((rows.shown_at.is_not(None), rows.id)))
    query = sa.select(rows.record_id, sa.func.min(rows.id), shown).where(rows.dataset_id == dataset_id)
    schema = {"record_id": pl.Int64, "number": pl.Int64, "shown": pl.Int64}
    found = read_frame(connection, query.group_by(rows.record_id), schema)
    was_shown = pl.col("number") == pl.col("shown")
    return found.select("record_id", number=pl.when(was_shown.fill_null(value=False)).then("number").otherwise(0))


def votes(connection: Connection, dataset_id: int) -> pl.DataFrame:
    """Return the labels of all answers that count, without those that settle: record_id, annotator_id, label_id."""
    found = current_votes(connection, dataset_id)
    return found.filter(~pl.col("is_settling")).select("record_id", "annotator_id", "label_id")


def current_votes(connection: Connection, dataset_id: int, record_ids: Collection[int] | None = None) -> pl.DataFrame:
    """Return the labels of the answers that count, in the order in which they were given, with the columns of ``VOTES``."""
    current = current_annotations.c
    query = _labels().where(current.dataset_id == dataset_id)
    joined = _joined().join(current_annotations, current.annotation_id == annotation_rows.c.id)
    query = query if record_ids is None else query.where(current.record_id.in_(record_ids))
    return _distinct(read_frame(connection, query.select_from(joined), VOTES))


def votes_to(connection: Connection, dataset_id: int, to_number: int) -> pl.DataFrame:
    """Return the labels of the answers that counted when the annotation ``to_number`` was the newest."""
    rows = annotation_rows.c
    query = sa.select(rows.id, rows.record_id, rows.annotator_id, rows.is_withdrawal)
    query = query.where(rows.dataset_id == dataset_id, rows.id <= to_number).order_by(rows.id)
    schema = {"number": pl.Int64, "record_id": pl.Int64, "annotator_id": pl.String, "is_withdrawal": pl.Boolean}
    history = read_frame(connection, query, schema)
    counting = history.unique(["record_id", "annotator_id"], keep="last").filter(~pl.col("is_withdrawal")).select("number")
    labels = _labels().where(rows.dataset_id == dataset_id, rows.id <= to_number).select_from(_joined())
    return _distinct(read_frame(connection, labels, VOTES).join(counting, on="number", how="semi", maintain_order="left"))


def _labels() -> sa.Select[Any]:
    rows = annotation_rows.c
    columns = (rows.id, rows.record_id, rows.annotator_id, COUNTED, rows.is_settling)
    return sa.select(*columns).order_by(rows.id, annotation_labels.c.label_id)


def _joined() -> sa.Join:
    labels = sa.join(annotation_rows, annotation_labels, annotation_labels.c.annotation_id == annotation_rows.c.id)
    return labels.join(label_rows, label_rows.c.id == annotation_labels.c.label_id)


def _distinct(votes: pl.DataFrame) -> pl.DataFrame:
    """Return votes without labels that one answer has twice since one was merged into the other."""
    if votes["number"].n_unique() == votes.height:
        return votes
    return votes.unique(["number", "label_id"], keep="first", maintain_order=True)
