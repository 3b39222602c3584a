"""What a query over a catalogue finds, and what its columns hold; read from the file of a version, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from labelmill.images.filters import Condition, expression

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from labelmill.images.model import Version

#: Values of a column that are shown.
MOST_VALUES: Final = 5


def count(path: Path, version: Version, conditions: Sequence[Condition] = ()) -> int:
    """Return the number of rows of the version's file at ``path`` that meet all conditions."""
    found = pl.scan_parquet(path, glob=False).filter(expression(version, conditions))
    return int(found.select(pl.len()).collect().item())


def values(
    path: Path, version: Version, name: str, conditions: Sequence[Condition] = (), most: int = MOST_VALUES
) -> list[tuple[Any, int]]:
    """Return the most frequent values of a column among the rows that meet all conditions, each with its number of rows."""
    key = version.column(name).key
    found = pl.scan_parquet(path, glob=False).filter(expression(version, conditions), pl.col(key).is_not_null())
    counted = found.group_by(key).agg(rows=pl.len()).sort("rows", key, descending=[True, False]).head(most)
    return counted.collect().rows()


def summary(
    path: Path, version: Version, name: str, conditions: Sequence[Condition] = (), most: int = MOST_VALUES
) -> dict[str, Any]:
    """Return the kind of a column; its rows, missing, distinct and most frequent values among the rows that meet all conditions."""
    column = version.column(name)
    stored = pl.col(column.key)
    found = pl.scan_parquet(path, glob=False).filter(expression(version, conditions))
    counts = found.select(rows=pl.len(), missing=stored.null_count(), distinct=stored.drop_nulls().n_unique())
    known = counts.collect().row(0, named=True)
    return {"kind": column.kind, **known, "values": values(path, version, name, conditions, most)}


def describe(path: Path, version: Version, conditions: Sequence[Condition] = ()) -> list[dict[str, Any]]:
    """Return each column's name, kind, missing and distinct values, and its most frequent ones, of the rows that meet all conditions."""
    found = pl.scan_parquet(path, glob=False).filter(expression(version, conditions))
    keys = [column.key for column in version.columns]
    missing = found.select(pl.col(keys).null_count()).collect().row(0, named=True) if keys else {}
    distinct = found.select(pl.col(keys).drop_nulls().n_unique()).collect().row(0, named=True) if keys else {}
    return [
        {
            "name": column.name, "kind": column.kind, "missing": missing[column.key], "distinct": distinct[column.key],
            "values": values(path, version, column.name, conditions),
        }
        for column in version.columns
    ]  # fmt: skip
