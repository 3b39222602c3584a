"""The answers to a range of records, as they counted when one annotation was the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from labelmill.annotation.majority import majorities_of
from labelmill.annotation.tables import annotation_labels, annotation_rows
from labelmill.datasets import Tie
from labelmill.db.frames import read_many

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
        # By the records' index: any other would have all answers of the dataset looked at for each of its slices.
        .where(rows.record_id.between(first, last), (rows.dataset_id + 0) == dataset_id, (rows.id + 0) <= to_number)
    )  # fmt: skip
    found = read_many(connection, query, _ROWS).sort("number", "label_id")
    return _counting(found.with_columns(pl.col("label_id").replace(dict(merged))) if merged else found)


def _counting(found: pl.DataFrame) -> pl.DataFrame:
    """Return the newest answer of each annotator to each record, unless it was withdrawn, with all its labels in one list."""
    is_first = pl.col("number") != pl.col("number").shift()
    answers = found if found["number"].is_unique().all() else found.filter(is_first.fill_null(value=True))
    newest = answers.unique(["record_id", "annotator_id"], keep="last", maintain_order=True)
    newest = newest.filter(~pl.col("is_withdrawal")).drop("is_withdrawal")
    if answers is found:
        return newest.with_columns(label_ids=pl.concat_list("label_id").list.drop_nulls()).drop("label_id")
    labels = found.drop_nulls("label_id").unique(["number", "label_id"], maintain_order=True)
    lists = labels.group_by("number").agg(label_ids="label_id")
    return (
        newest.drop("label_id")
        .join(lists, on="number", how="left", maintain_order="left")
        .with_columns(pl.col("label_ids").fill_null([]))
    )


def majorities_among(answers: pl.DataFrame, settings: DatasetSettings) -> pl.DataFrame:
    """Return what ``majorities_of`` does for answers as ``answers_between`` gives them."""
    votes = (
        answers.select("number", "record_id", "is_settling", label_id="label_ids").explode("label_id").drop_nulls("label_id")
    )
    return majorities_of(votes, min_label_count=settings.min_label_count, first_wins=settings.tie == Tie.FIRST)


def annotators_of(connection: Connection, dataset_id: int) -> list[str]:
    """Return who ever answered in a dataset, in the order of their first answers."""
    rows, others = annotation_rows.c, annotation_rows.alias("others").c
    # From each annotator to the next, and to their first answer, by an index: to read a million answers takes a second.
    people = sa.select(sa.func.min(rows.annotator_id).label("id")).cte("people", recursive=True)
    following = sa.select(sa.func.min(others.annotator_id)).where(others.annotator_id > people.c.id).scalar_subquery()
    people = people.union_all(sa.select(following).where(people.c.id.is_not(None)))
    mine = sa.select(sa.func.min(rows.id)).where(rows.annotator_id == people.c.id, rows.dataset_id == dataset_id)
    found = connection.execute(sa.select(people.c.id, mine.scalar_subquery())).all()
    return [annotator for first, annotator in sorted((first, annotator) for annotator, first in found if first is not None)]
