"""The predictions of the generation that a dataset shows, read from its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from labelmill.errors import NotFound
from labelmill.learning import generations
from labelmill.learning.model import Predicted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl
    from sqlalchemy.engine import Connection

    from labelmill.blobs import Blobs

_SHARED: WeakValueDictionary[Path, pl.DataFrame] = WeakValueDictionary()
_BESIDE = ("record_id", "label_id", "confidence", "margin")


def predictions(
    connection: Connection, blobs: Blobs, dataset_id: int, record_ids: Sequence[int]
) -> dict[int, tuple[int, float]]:
    """Return what the classifier would say of these records: the label's id and its probability, for those that it has seen."""
    found = predicted(connection, blobs, dataset_id, record_ids)
    return {record_id: (each.label_id, each.confidence) for record_id, each in found.items()}


def predicted(
    connection: Connection, blobs: Blobs, dataset_id: int, record_ids: Sequence[int], *, every: bool = False
) -> dict[int, Predicted]:
    """Return what the current generation says of these records; with ``every`` the probabilities of all labels as well."""
    import polars as pl

    path = _file(connection, blobs, dataset_id)
    if path is None or not record_ids:
        return {}
    wanted = pl.lit(pl.Series(sorted(set(record_ids)), dtype=pl.Int64)).implode()
    found = pl.scan_ipc(path).filter(pl.col("record_id").is_in(wanted))
    rows = (found if every else found.select(_BESIDE)).collect()
    return {row["record_id"]: _predicted(row) for row in rows.iter_rows(named=True)}


def prediction_counts(connection: Connection, blobs: Blobs, dataset_id: int) -> dict[int, int]:
    """Return of how many records the classifier would say each label, by the label's id."""
    import polars as pl

    path = _file(connection, blobs, dataset_id)
    if path is None:
        return {}
    return dict(pl.scan_ipc(path).group_by("label_id").len().sort("label_id").collect().iter_rows())


def shown_predictions(connection: Connection, blobs: Blobs, dataset_id: int) -> pl.DataFrame | None:
    """Return record_id, label_id, confidence and margin of every record in the generation that a dataset shows, or None.

    All who read the same generation at the same time share one frame, which outlives its file.
    """
    import polars as pl

    path = _file(connection, blobs, dataset_id)
    if path is None:
        return None
    found = _SHARED.get(path)
    if found is None:
        found = _SHARED[path] = pl.read_ipc(path, columns=list(_BESIDE))
    return found


def shown_blob(connection: Connection, dataset_id: int) -> str | None:
    """Return the blob with the predictions that a dataset shows, None before the first."""
    shown = generations.current(connection, dataset_id)
    return None if shown is None else shown.blob


def generation_frame(blobs: Blobs, blob: str) -> pl.DataFrame:
    """Return all predictions of a generation by its blob: columns as labelmill.learning.predicting.as_frame says."""
    import polars as pl

    return pl.scan_ipc(blobs.path(blob)).collect()


def _file(connection: Connection, blobs: Blobs, dataset_id: int) -> Path | None:
    """Return the file of the generation that is shown; None where nothing is, or where it was replaced and removed this moment."""
    shown = generations.current(connection, dataset_id)
    if shown is None or shown.blob is None:
        return None
    try:
        return blobs.path(shown.blob)
    except NotFound:
        return None


def _predicted(row: dict[str, Any]) -> Predicted:
    every = {int(name[2:]): value for name, value in row.items() if name not in _BESIDE}
    return Predicted(label_id=row["label_id"], confidence=row["confidence"], margin=row["margin"], probabilities=every)
