"""CPU time of deriving the majorities of many records at once.

    python benchmarks/majority.py [--annotations 100000]

Goal: five milliseconds of a core for 100,000 annotations of 33,000 records.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import polars as pl

from labelmill.annotation.majority import majorities_of

ROUNDS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--annotations", type=int, default=100_000)
    annotations = parser.parse_args().annotations
    votes, times = _votes(annotations, annotations // 3), []
    for _ in range(ROUNDS):
        begun = time.process_time()
        majorities_of(votes)
        times.append(1000 * (time.process_time() - begun))
    print(
        f"{annotations:,} annotations: {min(times):.1f} ms of a core at best, {sorted(times)[ROUNDS // 2]:.1f} ms in the middle"
    )


def _votes(size: int, records: int) -> pl.DataFrame:
    draw = np.random.default_rng(1)
    columns = {"record_id": draw.integers(1, records, size), "label_id": draw.integers(1, 10, size)}
    return pl.DataFrame({"number": np.arange(size), "is_settling": np.zeros(size, dtype=bool), **columns})


if __name__ == "__main__":
    main()
