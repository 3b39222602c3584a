"""What learning costs and what it brings: CPU seconds at 100,000 records, and scores at 50 to 1,000 labels for each order.

    python benchmarks/learning.py                 both, some minutes
    python benchmarks/learning.py --only speed
    python benchmarks/learning.py --only scores --sets "sms;digits" --seeds 2

Each run asks for labels in batches of 50, from the same random records on for every order of a seed; each classifier is scored on
records that no order may ask for. The orders of ours are as a dataset has them by default: a random warm start and a standing random
share. ``predecessor`` is its preset (word counts and logistic regression, for images the features of ours) with its order, the least
confident first from 10 random labels on. small-text, where it can be imported, chooses and learns by its own means on the features of
ours. Texts come twice: as words, and as sentence vectors.

Features and finished runs are kept in benchmarks/out under a name for the code that decides them: what was ended goes on where it was.
Scores do not depend on what else the machine does, and what is measured is CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

import learning_runs
import learning_sets
from labelmill.learning import features, learners, ranking

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS = 100_000
#: CPU seconds.
GOALS = {"features": 8.0, "train, predict, rank": 0.3}


def compare(names: list[str], seeds: int, chosen: list[str], processes: int) -> dict[str, Any]:
    """Print and return accuracy and macro-F1 for each set and way, and how far each is from random records."""
    if not learning_runs.has_small_text():
        print("small-text is not installed: it is left out. (pip install small-text)")
    if not learning_sets.has_embeddings():
        names = [name for name in names if not name.endswith("vectors")]
        print("The extra [embeddings] is not installed: sentence vectors are left out.")
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"))
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for name in names:
            learning_sets.load(name)  # features are made once, and kept
            every = learning_runs.ways(name).items()
            ways = {way: how for way, how in every if not chosen or way in {*chosen, "random"}}
            runs = {
                way: [pool.submit(learning_runs.kept_run, name, how, seed) for seed in range(seeds)]
                for way, how in ways.items()
            }
            found[name] = table(name, {way: [each.result() for each in futures] for way, futures in runs.items()})
    return found


def table(name: str, runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Print and return one set's figures: of each way the runs of its seeds."""
    scores = {way: [each["scores"] for each in of_seeds] for way, of_seeds in runs.items()}
    counts = list(scores["random"][0])
    print(
        f"\n{name}, {len(runs['random'])} seeds, medians in %: accuracy; macro-F1, its least and greatest, its mean difference to random"
    )
    print(
        "".join(f"{head:>34}" if at else f"{head:<30}" for at, head in enumerate(["labels", *(f"{each:,}" for each in counts)]))
    )
    found: dict[str, Any] = {}
    for way, of_seeds in scores.items():
        cells = {
            count: _cell([each[count] for each in of_seeds], [each[count] for each in scores["random"]]) for count in counts
        }
        seconds = statistics.median(each["seconds"] for each in runs[way])
        print(
            f"{way:<30}" + "".join(f"{_written(cell):>34}" for cell in cells.values()) + f"{seconds:>10.1f} CPU s", flush=True
        )
        found[way] = {"seconds": seconds, "scores": cells}
    return found


def _cell(scores: list[tuple[float, float]], at_random: list[tuple[float, float]]) -> dict[str, float]:
    differences = [one[1] - other[1] for one, other in zip(scores, at_random, strict=True)]
    error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
    accuracy, macro_f1 = (statistics.median(each[at] for each in scores) for at in (0, 1))
    every = [each[1] for each in scores]
    return {
        "accuracy": accuracy, "macro_f1": macro_f1, "least": min(every), "greatest": max(every),
        "difference": statistics.fmean(differences), "error": error,
    }  # fmt: skip


def _written(cell: dict[str, float]) -> str:
    said = {name: 100 * value for name, value in cell.items()}
    return (
        f"{said['accuracy']:.1f}; {said['macro_f1']:.1f} [{said['least']:.1f}-{said['greatest']:.1f}] "
        f"{said['difference']:+.1f}±{said['error']:.1f}"
    )


def speed() -> dict[str, Any]:
    """Print and return CPU seconds for 100,000 texts of banking77's words: features once, and a training with everything after it."""
    rows = learning_sets.rows("banking77", "train.csv.gz")
    words = np.array(" ".join(row["text"] for row in rows).split())
    generator = np.random.default_rng(1)
    groups = generator.integers(0, 4, RECORDS)
    # Four labels, as the predecessor's news sets have: each draws from a part of the words more often than from the others.
    parts = np.array_split(words, 4)
    texts = pl.Series([" ".join([*generator.choice(parts[group], 8), *generator.choice(words, 12)]) for group in groups])
    labels = groups.astype(np.int64) + 1
    some = np.sort(generator.choice(RECORDS, 1000, replace=False))
    learners.fit("tfidf-logreg", np.eye(4, dtype=np.float32), np.array([1, 1, 2, 2]))  # the libraries are loaded
    found = {}
    found["features"], matrix = _least(1, lambda: features.fit("tfidf", lambda: [texts], learning_sets.none).transform(texts))

    def whole() -> Any:
        probabilities = learners.fit("tfidf-logreg", matrix[some], labels[some]).trained().probabilities(matrix)
        scores = ranking.scored(probabilities)
        return ranking.order(probabilities, scores=scores, ignored=3, threshold=0.2)

    found["train, predict, rank"], _ = _least(5, whole)
    print(f"{RECORDS:,} texts of 20 words, {matrix.shape[1]:,} features, 1,000 labelled:")
    for name, seconds in found.items():
        print(f"  {name:<22}{seconds:>8.2f} CPU s   goal {GOALS[name]:g}   {'met' if seconds <= GOALS[name] else 'MISSED'}")
    return found


def _least(times: int, verb: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least CPU seconds of several runs, and what the last one returned."""
    least, answer = float("inf"), None
    for _ in range(times):
        begun = time.process_time()
        answer = verb()
        least = min(least, time.process_time() - begun)
    return least, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("speed", "scores"))
    parser.add_argument("--sets", default=";".join(learning_sets.SETS), help="Divided by semicolons.")
    parser.add_argument("--ways", default="", help="Only these, divided by semicolons, beside random.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2, help="Labellings that run at the same time.")
    parser.add_argument("--json", type=Path, help="Write the figures there too.")
    options = parser.parse_args()
    if not learning_sets.DATA.is_dir():
        sys.exit(f"There is no data in {learning_sets.DATA}.")
    found: dict[str, Any] = {}
    if options.only != "scores":
        found["speed"] = speed()
    if options.only != "speed":
        found["scores"] = compare(
            options.sets.split(";"), options.seeds, [each for each in options.ways.split(";") if each], options.processes
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
