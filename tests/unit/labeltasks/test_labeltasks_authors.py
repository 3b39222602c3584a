"""Authors are counted range by range of their hashes: each is in one range, and a range is read alone."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from labelmill.labeltasks import authors
from labelmill.labeltasks.frames import PART_SCHEMA
from labelmill.labeltasks.workplace import Workplace


def seen(first: int, last: int) -> pl.DataFrame:
    rows = pl.DataFrame(
        {
            "source": [f"F{number % 3}" for number in range(first, last)],
            "author": [f"a{number}" for number in range(first, last)],
        }
    )
    return authors.distinct([authors.hashed(rows)])


@pytest.mark.parametrize("buckets", [1, 2, 7])
def test_each_author_is_in_one_bucket(tmp_path: Path, buckets: int) -> None:
    """Two steps that saw half of each other's authors: together each is counted once."""
    workplace = Workplace(tmp_path, "t")
    for step, (first, last) in enumerate([(0, 3000), (1500, 4500)]):
        workplace.write_step(f"label-{step}", PART_SCHEMA.to_frame(), seen(first, last), buckets=buckets, keep_order=False)
    found = [authors.distinct(workplace.authors(bucket, buckets)).height for bucket in range(buckets)]
    assert sum(found) == 4500
    assert min(found) > 0


def test_the_outermost_hashes_are_in_the_outermost_buckets() -> None:
    edges = pl.DataFrame({"hash": [0, 2**63 - 1, 2**63, 2**64 - 1], "source": ["F"] * 4}, schema=authors.SCHEMA).lazy()
    assert [authors.in_bucket(edges, bucket, 2).collect().height for bucket in (0, 1)] == [2, 2]


def test_authors_stand_by_rising_hash(tmp_path: Path) -> None:
    """So that the hashes of a bucket stand together in a step's file."""
    workplace = Workplace(tmp_path, "t")
    workplace.write_step("label-0", PART_SCHEMA.to_frame(), seen(0, 5000), buckets=5, keep_order=False)
    (file,) = (workplace.folder / "authors").iterdir()
    hashes = pl.read_parquet(file)["hash"]
    assert hashes.is_sorted()
    assert hashes.n_unique() == 5000
