"""Frames that share one file: each is read alone and is what was written."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from labelmill.labeltasks.segments import read_segment, write_segments

ROWS = pl.DataFrame(
    {
        "number": range(300),
        "text": [None if number % 7 == 0 else f"王小明 {number} " * (number % 5) for number in range(300)],
        "source": pl.Series([f"F{number % 3}" for number in range(300)], dtype=pl.Categorical()),
        "again": [number % 2 == 0 for number in range(300)],
    }
)


@pytest.mark.parametrize("cuts", [[300], [100, 100, 100], [0, 300], [300, 0, 0], [0, 0], [1, 299]])
def test_each_frame_is_what_was_written(tmp_path: Path, cuts: list[int]) -> None:
    """Empty ones too: a bucket without authors is one."""
    path, first, parts = tmp_path / "step.segments", 0, []
    for rows in cuts:
        parts.append(ROWS.slice(first, rows))
        first += rows
    write_segments(path, parts)
    for number, part in enumerate(parts):
        found = read_segment(path, number, len(parts))
        assert found.schema == ROWS.schema
        assert found.equals(part)


def test_a_part_of_a_frame_takes_no_more_space_than_its_rows(tmp_path: Path) -> None:
    whole = pl.DataFrame({"text": [f"{number:0100d}" for number in range(20_000)]})
    write_segments(tmp_path / "whole", [whole])
    write_segments(tmp_path / "parts", [whole.filter(pl.int_range(pl.len()) % 10 == rest) for rest in range(10)])
    assert (tmp_path / "parts").stat().st_size < 1.1 * (tmp_path / "whole").stat().st_size
