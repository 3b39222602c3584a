"""Authors are counted range by range of their hashes: each is in one range, and a range is read alone."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from labelmill.labeltasks import authors
from labelmill.labeltasks.frames import PART_SCHEMA
from labelmill.labeltasks.workplace import Workplace


class OneName:
    """Everything goes by one name."""

    def attach(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(name=pl.lit("all"))


def rows(first: int, last: int) -> pl.DataFrame:
    numbers = range(first, last)
    return pl.DataFrame({"source": [f"F{number % 3}" for number in numbers], "author": [f"a{number}" for number in numbers]})


def seen(first: int, last: int, buckets: int) -> list[pl.DataFrame]:
    return authors.spread([authors.hashed(rows(first, last))], buckets)


def counts(workplace: Workplace, buckets: int) -> list[int]:
    return [authors.count(workplace.authors(bucket, buckets), OneName()).get("all", 0) for bucket in range(buckets)]  # type: ignore[arg-type]


@pytest.mark.parametrize("buckets", [1, 2, 7])
def test_each_author_is_in_one_bucket(tmp_path: Path, buckets: int) -> None:
    """Two steps that saw half of each other's authors: together each is counted once."""
    workplace = Workplace(tmp_path, "t")
    for step, (first, last) in enumerate([(0, 3000), (1500, 4500)]):
        workplace.write_step(f"label-{step}", PART_SCHEMA.to_frame(), seen(first, last, buckets), keep_order=False)
    found = counts(workplace, buckets)
    assert sum(found) == 4500
    assert min(found) > 0


def test_the_outermost_hashes_are_in_the_outermost_buckets() -> None:
    edges = pl.DataFrame({"hash": [0, 2**63 - 1, 2**63, 2**64 - 1], "source": ["F"] * 4}, schema=authors.SCHEMA)
    assert [part["hash"].to_list() for part in authors.spread([edges], 2)] == [[0, 2**63 - 1], [2**63, 2**64 - 1]]


@pytest.mark.parametrize("buckets", [1, 3, 7])
def test_every_hash_is_in_some_bucket(buckets: int) -> None:
    hashes = pl.DataFrame({"hash": [place * 2**56 + 5 for place in range(256)], "source": "F"}, schema=authors.SCHEMA)
    parts = authors.spread([hashes], buckets)
    assert len(parts) == buckets
    assert pl.concat(parts)["hash"].to_list() == hashes["hash"].to_list()


def test_who_wrote_most_rows_does_not_fill_a_bucket(tmp_path: Path) -> None:
    """So that a bucket weighs the same however often its authors wrote."""
    often = pl.concat([rows(0, 1)] * 9000 + [rows(0, 1000)])
    parts = authors.spread([authors.hashed(often)], 4)
    assert max(part.height for part in parts) < 1000
    workplace = Workplace(tmp_path, "t")
    workplace.write_step("label-0", PART_SCHEMA.to_frame(), parts, keep_order=False)
    assert sum(counts(workplace, 4)) == 1000


def test_rows_without_an_author_have_none() -> None:
    some = pl.DataFrame(
        {"source": ["F", "F", None], "author": ["a", None, "a"]}, schema={"source": pl.String, "author": pl.String}
    )
    assert authors.hashed(some).height == 2
