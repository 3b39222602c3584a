"""The answers to a range of records, as they counted when one annotation was the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from labelmill.annotation.majority import majorities_of
from labelmill.annotation.tables import annotation_labels, annotation_rows
from labelmill.datasets import Tie

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from labelmill.datasets import DatasetSettings

_TIME: Any = pl.Datetime("us", "UTC")
_ROWS: dict[str, Any] = {
    "number": pl.Int64, "record_id": pl.Int64, "annotator_id": pl.String, "is_withdrawal": pl.Boolean, "is_settling": pl.Boolean,
    "shown_at": _TIME, "answered_at": _TIME, "label_id": pl.Int64,
}  # fmt: skip


def answers_between(
    connection: Connection, dataset_id: int, first: int, last: int, *, to_number: int, merged: Mapping[int, int]
) -> pl.DataFrame:
    """Return the answers to the records ``first`` to ``last`` that counted when the annotation ``to_number`` was the newest.

    One row for each answer, in the order in which they were given: number, record_id, annotator_id, is_settling, shown_at,
    answered_at, label_ids (each once; for those that are keys of ``merged`` what they were merged into).
    """
    rows = annotation_rows.c
    joined = sa.outerjoin(annotation_rows, annotation_labels, annotation_labels.c.annotation_id == rows.id)
    query = (
        sa.select(
            rows.id, rows.record_id, rows.annotator_id, rows.is_withdrawal, rows.is_settling, rows.shown_at, rows.answered_at,
            annotation_labels.c.label_id,
        )
        .select_from(joined)
        .where(rows.record_id.between(first, last), rows.dataset_id == dataset_id, rows.id <= to_number)
        .order_by(rows.id, annotation_labels.c.label_id)
    )  # fmt: skip
    found = pl.DataFrame([tuple(row) for row in connection.execute(query).all()], schema=_ROWS, orient="row")
    found = found.with_columns(pl.col("label_id").replace(dict(merged))) if merged else found
    newest = found.group_by("record_id", "annotator_id").agg(pl.col("number").max())
    counting = found.join(newest, on=["record_id", "annotator_id", "number"], how="semi", maintain_order="left")
    return (
        counting.filter(~pl.col("is_withdrawal"))
        .group_by("number", "record_id", "annotator_id", "is_settling", "shown_at", "answered_at", maintain_order=True)
        .agg(label_ids=pl.col("label_id").drop_nulls().unique(maintain_order=True))
    )


def majorities_among(answers: pl.DataFrame, settings: DatasetSettings) -> pl.DataFrame:
    """Return what ``majorities_of`` does for answers as ``answers_between`` gives them."""
    votes = (
        answers.select("number", "record_id", "is_settling", label_id="label_ids").explode("label_id").drop_nulls("label_id")
    )
    return majorities_of(votes, min_label_count=settings.min_label_count, first_wins=settings.tie == Tie.FIRST)


def annotators_of(connection: Connection, dataset_id: int) -> list[str]:
    """Return who ever answered in a dataset, in the order of their first answers."""
    rows = annotation_rows.c
    first = sa.func.min(rows.id)
    query = sa.select(rows.annotator_id).where(rows.dataset_id == dataset_id).group_by(rows.annotator_id).order_by(first)
    return list(connection.scalars(query))
