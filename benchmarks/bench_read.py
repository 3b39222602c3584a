"""Read a table as label tasks do: seconds to open, to plan and to the first frame, and rows per second.

Run: ``.venv/bin/python benchmarks/bench_read.py LOCATION [--columns id,author] [--rows N] [--repeat N]``. Prints JSON lines.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise

import psutil

from labelmill.db.bulk.location import parse_location
from labelmill.db.bulk.open import open_source

MEBIBYTE = 1024 * 1024


def measure(location: str, columns: list[str], rows: int) -> dict[str, float]:
    """Return the figures of one reading of all rows, in one stream."""
    marks = [time.perf_counter()]
    with open_source(parse_location(location)) as source:
        marks.append(time.perf_counter())
        parts = source.plan(rows)
        marks.append(time.perf_counter())
        frames = source.read(columns)
        read = next(frames).height
        marks.append(time.perf_counter())
        read += sum(frame.height for frame in frames)
        marks.append(time.perf_counter())
    opened, planned, first, rest = (round(after - before, 3) for before, after in pairwise(marks))
    return {
        "open_s": opened,
        "plan_s": planned,
        "parts": len(parts) if parts is not None else 0,
        "first_s": first,
        "rows": read,
        "rows_per_s": round(read / (first + rest)),
        "resident_mb": round(psutil.Process().memory_info().rss / MEBIBYTE),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("location")
    parser.add_argument("--columns", default="id,s_id,author")
    parser.add_argument("--rows", type=int, default=120_000, help="rows of a part")
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    for _ in range(asked.repeat):
        print(json.dumps(measure(asked.location, asked.columns.split(","), asked.rows)))


if __name__ == "__main__":
    main()
