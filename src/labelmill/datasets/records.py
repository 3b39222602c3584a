"""The verbs on a dataset's records: added in slices, and found again one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from labelmill import clock
from labelmill.datasets.adding import insert_new
from labelmill.datasets.draw import drawn
from labelmill.datasets.model import Added, DatasetSettings, Record, record_key
from labelmill.datasets.rows import RECORD_COLUMNS, dataset_row, record_from, require_in_use
from labelmill.datasets.tables import datasets, init_records, labels, records
from labelmill.errors import BadInput, NotFound

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def add_records(connection: Connection, dataset_id: int, frame: pl.DataFrame) -> Added:
    """Add the rows of ``frame`` whose key the dataset does not have: columns ``record_key``, ``given_id`` (or null), ``content``.

    A few thousand rows make a transaction short enough for others to label meanwhile. Raises BadInput for NUL, which not every
    database keeps, NotFound, and Conflict for an archived dataset.
    """
    return add_prepared(connection, dataset_id, prepared(connection, dataset_id, frame))


def prepared(connection: Connection, dataset_id: int, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a frame as they are stored, for ``add_prepared``: many at once, where a slice of them follows another.

    Raises BadInput and NotFound.
    """
    _refuse_nul(frame, "given_id", "content")
    settings = DatasetSettings.from_dict(dataset_row(connection, dataset_id)["settings"])
    key = pl.col("record_key").cast(pl.String)  # without rows it may be of no type
    return frame.select(
        pl.lit(dataset_id).alias("dataset_id"), key, pl.col("given_id").cast(pl.String),
        pl.col("content").cast(pl.String), *drawn(key, settings.seed, settings.random_share),
        pl.lit(_stored_now(connection)).alias("added_at"), pl.lit(0).alias("answers"), pl.lit(1).alias("is_open"),
        pl.lit(0).alias("is_tied"),
    )  # fmt: skip


def add_prepared(connection: Connection, dataset_id: int, ready: pl.DataFrame) -> Added:
    """Add prepared rows whose key the dataset does not have. Raises NotFound, and Conflict for an archived dataset."""
    require_in_use(dataset_row(connection, dataset_id))
    added = insert_new(connection, records, ready)
    if added:
        # Last: until the commit, answers of others to this dataset may wait for its row.
        more = sa.update(datasets).where(datasets.c.id == dataset_id).values(records=datasets.c.records + added)
        connection.execute(more)
    return Added(added=added, known=ready.height - added)


def add_init_records(connection: Connection, dataset_id: int, frame: pl.DataFrame) -> Added:
    """Add labelled data that is trained on and never shown: columns ``content``, ``label_id``. Raises as ``add_records`` does."""
    require_in_use(dataset_row(connection, dataset_id))
    if frame.is_empty():
        return Added(added=0, known=0)
    _refuse_nul(frame, "content")
    _require_labels(connection, dataset_id, frame["label_id"])
    keys = [record_key(None, content) for content in frame["content"]]
    ready = frame.select(
        pl.lit(dataset_id).alias("dataset_id"), pl.Series("record_key", keys, dtype=pl.String),
        pl.col("content").cast(pl.String), pl.col("label_id").cast(pl.Int64),
    )  # fmt: skip
    added = insert_new(connection, init_records, ready)
    return Added(added=added, known=frame.height - added)


def get_record(connection: Connection, dataset_id: int, record_id: int) -> Record:
    """Return a record. Raises NotFound."""
    query = sa.select(*RECORD_COLUMNS).where(records.c.id == record_id, records.c.dataset_id == dataset_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"The dataset {dataset_id} has no record {record_id}.", where="record")
    return record_from(row)


def _stored_now(connection: Connection) -> Any:
    return records.c.added_at.type.process_bind_param(clock.now(), connection.dialect)  # type: ignore[attr-defined]


def _require_labels(connection: Connection, dataset_id: int, ids: pl.Series) -> None:
    known = set(connection.scalars(sa.select(labels.c.id).where(labels.c.dataset_id == dataset_id)))
    if missing := set(ids.unique().to_list()) - known:
        raise NotFound(f"The dataset has no label {min(missing, key=str)}.", where="label_id")


def _refuse_nul(frame: pl.DataFrame, *names: str) -> None:
    for name in names:
        wrong = frame[name].cast(pl.String).str.contains("\0", literal=True).fill_null(value=False)
        if wrong.any():
            raise BadInput(
                "It holds the character NUL.", where=f"row {(wrong.arg_max() or 0) + 1}, {name}", way_out="Remove it."
            )
