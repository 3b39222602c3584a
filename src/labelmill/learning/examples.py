"""What a training learns from: the records that have a label, and the init records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa

from labelmill.datasets import init_record_rows, record_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from labelmill.datasets import Dataset


def labelled(connection: Connection, dataset: Dataset, label_ids: Sequence[int]) -> pl.DataFrame:
    """Return the records whose label, by the option of the dataset, is one of ``label_ids``; by id.

    Columns ``record_id``, ``label_id``, ``in_share``, ``shuffle`` and ``given``: the number of its first answer, 0 where
    the record was not served to be answered.
    """
    from labelmill.annotation import service as annotation  # stands on this feature

    labels = annotation.consensus(connection, dataset).filter(pl.col("label_id").is_in(label_ids))
    rows = record_rows.c
    query = sa.select(rows.id, rows.in_share, rows.shuffle)
    # Those that have an answer: a tied record has no majority, and may have a label all the same.
    answered = query.where(rows.dataset_id == dataset.id, sa.or_(rows.majority_id > 0, rows.is_tied == sa.literal_column("1")))
    schema = {"record_id": pl.Int64, "in_share": pl.Boolean, "shuffle": pl.Int64}
    records = pl.DataFrame([tuple(row) for row in connection.execute(answered)], schema=schema, orient="row")
    first = annotation.first_answers(connection, dataset.id).rename({"number": "given"})
    found = labels.join(records, on="record_id").join(first, on="record_id", how="left")
    return found.with_columns(pl.col("given").fill_null(0)).sort("record_id")


def init_labels(connection: Connection, dataset_id: int, label_ids: Sequence[int]) -> pl.DataFrame:
    """Return ``record_id`` and ``label_id`` of the init records with one of these labels, by id."""
    rows = init_record_rows.c
    query = sa.select(rows.id, rows.label_id).where(rows.dataset_id == dataset_id, rows.label_id.in_(label_ids))
    found = [tuple(row) for row in connection.execute(query)] if label_ids else []
    return pl.DataFrame(found, schema={"record_id": pl.Int64, "label_id": pl.Int64}, orient="row").sort("record_id")
