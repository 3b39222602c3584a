"""Distinct authors, counted in bounded memory: each step leaves its authors as sorted hashes, which are counted range by range.

An author is a source id and a name, hashed to 64 bits: among a hundred million authors the chance that any two share a hash, and are
counted as one, is one in three thousand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labelmill.labeltasks.names import Names

SCHEMA = pl.Schema({"hash": pl.UInt64(), "source": pl.Categorical()})
_HASH = pl.col("author").hash(seed=7) ^ pl.col("source").hash(seed=11)
_HASHES = 1 << 64


def hashed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the authors of rows (source, author) as ``SCHEMA`` says; rows without one are left out."""
    known = rows.lazy().filter(pl.col("author").is_not_null())
    return known.select(hash=_HASH, source=pl.col("source").cast(pl.Categorical)).collect()


def distinct(authors: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return each author once, by rising hash."""
    together = pl.concat([SCHEMA.to_frame(), *authors]).sort("hash")
    first = (together["hash"] != together["hash"].shift(1)).fill_null(value=True)
    return together.filter(first)


def in_bucket(authors: pl.LazyFrame, bucket: int, buckets: int) -> pl.LazyFrame:
    """Return the authors that are in one of ``buckets`` equal ranges of hashes."""
    low, below = (pl.lit(min(_HASHES * edge // buckets, _HASHES - 1), dtype=pl.UInt64) for edge in (bucket, bucket + 1))
    last = bucket + 1 == buckets
    return authors.filter(pl.col("hash").is_between(low, below, closed="both" if last else "left"))


def count(authors: Iterable[pl.DataFrame], names: Names) -> dict[str, int]:
    """Return how many distinct authors each name has; ``authors`` are the parts of one bucket."""
    by_source = distinct(authors).group_by("source").agg(authors=pl.len())
    by_name = names.attach(by_source.with_columns(pl.col("source").cast(pl.String)))
    return dict(by_name.group_by("name").agg(pl.col("authors").sum()).iter_rows())
