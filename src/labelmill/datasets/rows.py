"""From rows to values, and the one way to hold and change a dataset's row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill.datasets.model import Dataset, DatasetSettings, Label, Record, RecordKind
from labelmill.datasets.tables import datasets, labels, records
from labelmill.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, RowMapping

_DATASET = ("id", "name", "guidelines", "revision", "created_at", "created_by", "archived_at", "records")
_LABEL = ("id", "name", "place", "colour", "shortcut", "description", "is_ignored")
_RECORD = ("id", "dataset_id", "given_id", "content", "in_share", "answers", "is_open", "majority_id", "is_tied")
RECORD_COLUMNS = tuple(records.c[name] for name in _RECORD)


def flag(value: bool) -> sa.ColumnClause[Any]:
    """Return a flag's value as it stands in a statement: an index of some rows serves a statement that says so, not one with a mark."""
    return sa.literal_column("1" if value else "0")


def dataset_row(connection: Connection, dataset_id: int, *, lock: bool = False) -> RowMapping:
    """Return the row of a dataset, with ``lock`` held until the transaction ends. Raises NotFound."""
    query = sa.select(datasets).where(datasets.c.id == dataset_id, datasets.c.removed_at.is_(None))
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no dataset {dataset_id}.", way_out="`labelmill dataset list` shows the datasets.")
    return row


def dataset_of(connection: Connection, dataset_id: int) -> Dataset:
    """Return a dataset with its labels. Raises NotFound."""
    row = dataset_row(connection, dataset_id)
    return dataset_from(row, labels_of(connection, [dataset_id]).get(dataset_id, ()))


def locked(connection: Connection, dataset_id: int, revision: int | None = None, *, in_use: bool = True) -> RowMapping:
    """Return the row of a dataset that is about to change. Raises NotFound, and Conflict for an old revision or an archived one."""
    row = dataset_row(connection, dataset_id, lock=True)
    if in_use:
        require_in_use(row)
    if revision is not None and revision != row["revision"]:
        raise Conflict(
            f"The dataset is at revision {row['revision']}, not {revision}: somebody changed it in between.",
            where="revision",
            way_out="Read it again, and send your change with its revision.",
        )
    return row


def require_in_use(row: RowMapping) -> None:
    """Raise Conflict for an archived dataset."""
    if row["archived_at"] is not None:
        way_out = f"Bring it back: `labelmill dataset restore {row['id']}`."
        raise Conflict(f"The dataset {row['name']!r} is archived.", where="dataset", way_out=way_out)


def rise(connection: Connection, dataset_id: int, **values: Any) -> None:
    """Write the values, and the next revision."""
    query = sa.update(datasets).where(datasets.c.id == dataset_id)
    connection.execute(query.values(revision=datasets.c.revision + 1, **values))


def labels_of(connection: Connection, dataset_ids: Sequence[int]) -> dict[int, tuple[Label, ...]]:
    """Return the labels of datasets in their order, without those that were merged or removed."""
    if not dataset_ids:
        return {}
    query = sa.select(labels).where(labels.c.dataset_id.in_(dataset_ids), labels.c.removed_at.is_(None))
    found: dict[int, list[Label]] = {}
    for row in connection.execute(query.order_by(labels.c.dataset_id, labels.c.place, labels.c.id)).mappings():
        found.setdefault(row["dataset_id"], []).append(label_from(row))
    return {dataset_id: tuple(each) for dataset_id, each in found.items()}


def label_from(row: RowMapping) -> Label:
    return Label(**{name: row[name] for name in _LABEL})


def dataset_from(row: RowMapping, named: Sequence[Label]) -> Dataset:
    values = {name: row[name] for name in _DATASET} | {
        "kind": RecordKind(row["kind"]),
        "settings": DatasetSettings.from_dict(row["settings"]),
    }
    return Dataset(**values, labels=tuple(named))


def record_from(row: RowMapping) -> Record:
    return Record(**{name: row[name] for name in _RECORD})
