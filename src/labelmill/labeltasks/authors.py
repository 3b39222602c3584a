"""Distinct authors, counted in bounded memory: each step leaves hashes of its authors, which are counted range by range.

An author is a source id and a name, hashed to 64 bits: among a hundred million authors the chance that any two share a hash, and are
counted as one, is one in three thousand.
"""

from __future__ import annotations

import hashlib
from functools import cache
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
    known = rows.filter(pl.col("author").is_not_null()) if rows["author"].null_count() else rows
    return known.select(hash=_HASH, source=pl.col("source").cast(pl.Categorical))


@cache
def fingerprint() -> str:
    """Return what tells the hash that authors are spread by from that of another version of the library, or of another machine."""
    probe = pl.Series(["", "a", "王小明", "0123456789" * 10, None])
    return hashlib.sha256(repr([probe.hash(seed=seed).to_list() for seed in (7, 11)]).encode()).hexdigest()[:16]


def spread(authors: Iterable[pl.DataFrame], buckets: int) -> list[pl.DataFrame]:
    """Return the authors of a step in ``buckets`` equal ranges of hashes; one who wrote several rows may stand there several times."""
    together = pl.concat([SCHEMA.to_frame(), *authors])
    usual = together.height // buckets
    bucket = together["hash"] // -(-_HASHES // buckets) if buckets > 1 else pl.zeros(together.height, eager=True)
    # To tell authors apart costs ten times what it costs to spread them, and is left to the counting, unless one of them wrote most rows.
    parts = (together.filter(bucket == number) for number in range(buckets))
    return [part.unique("hash") if part.height > 2 * usual else part for part in parts]


def count(authors: Iterable[pl.DataFrame], names: Names) -> dict[str, int]:
    """Return how many distinct authors each name has; ``authors`` are the parts of one bucket."""
    together = pl.concat([SCHEMA.to_frame(), *authors])
    by_source = (
        together.group_by("source").agg(authors=pl.col("hash").n_unique()).with_columns(pl.col("source").cast(pl.String))
    )
    return dict(names.attach(by_source).group_by("name").agg(pl.col("authors").sum()).iter_rows())
