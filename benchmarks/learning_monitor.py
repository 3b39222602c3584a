"""Whether what the monitor says of learning is true: beside each figure, what records that nobody was asked about say.

    python benchmarks/learning_monitor.py [--sets "digits;sms;banking77"] [--seeds 3]

Somebody who is always right labels as the product serves: 50 random records, then by margin, a quarter of all turns from a random share
of a quarter. At each doubling of the labels the figures of a training are taken as the monitor shows them:

- the precision on the share with its interval, against that of the classifier of all labels on the test records;
- *active against random*, its interval against the same comparison on the test records, with other random records drawn ten times;
- what twice as many labels would bring, against what they do bring.
"""

from __future__ import annotations

import argparse
import sys
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

import learning_sets
from labelmill.datasets.model import DatasetSettings
from labelmill.learning import comparing, features, learners, ranking, training

BATCH, FIRST, MOST = 50, 200, 1600
SHARE = 0.25
SETTINGS = DatasetSettings(random_share=SHARE)
DRAWS = 10


def labelled(data: Any, kind: str, in_share: Any, seed: int) -> list[int]:
    """Return the records of the pool in the order in which they are labelled."""
    matrix, draw = data.pool[kind], np.random.default_rng(seed)
    shuffled = draw.permutation(len(in_share))
    chosen: list[int] = shuffled[: SETTINGS.warm_start].tolist()
    while len(chosen) < min(MOST, len(in_share)):
        left = shuffled[~np.isin(shuffled, chosen)]
        share, rest = left[in_share[left]], left[~in_share[left]]
        wanted = min(BATCH, len(left))
        turns = min(len(share), int(draw.binomial(wanted, SHARE)))
        some = np.sort(chosen)
        trained = learners.fit(SETTINGS.learner, matrix[some], data.pool_labels[some]).trained()
        order = ranking.order(trained.probabilities(matrix[rest]))[: wanted - turns] if len(rest) else []
        new = [*share[:turns].tolist(), *rest[order].tolist()]
        if not new:
            break
        chosen += draw.permutation(new).tolist()
    return chosen


def precision(data: Any, kind: str, some: Any) -> float:
    """Return the precision on the test records with these labels."""
    trained = learners.fit(SETTINGS.learner, data.pool[kind][some], data.pool_labels[some]).trained()
    return float((trained.predict(data.test[kind]) == data.test_labels).mean())


def said(data: Any, kind: str, order: list[int], in_share: Any, folds: Any) -> dict[str, Any]:
    """Return the figures that a training with these labels shows."""
    places = np.array(order)
    frame = pl.DataFrame({"in_share": in_share[places], "shuffle": folds[places], "given": np.arange(len(order)) + 1})
    dataset: Any = SimpleNamespace(settings=SETTINGS)
    return training.scores(dataset, data.pool[kind][places], data.pool_labels[places], frame)


def true_difference(data: Any, kind: str, order: list[int], in_share: Any, *, found: dict[str, Any], seed: int) -> float:
    """Return what the k chosen labels bring over k random ones on the test records."""
    places, k = np.array(order), found["k"]
    outside = places[~in_share[places]]
    warm, active = outside[: found["warm_start"]], outside[found["warm_start"] :][:k]
    draw = np.random.default_rng(seed + 1000)
    others = np.setdiff1d(np.arange(len(in_share)), warm)
    at_random = [precision(data, kind, np.concatenate([warm, draw.choice(others, k, replace=False)])) for _ in range(DRAWS)]
    return precision(data, kind, np.concatenate([warm, active])) - float(np.mean(at_random))


@cache
def mixed(name: str) -> tuple[Any, str]:
    """Return a set, a random half of it to label and the other half to test on, and its features: some sets test on others than they ask for."""
    data = learning_sets.load(name)
    kind = "tfidf" if "tfidf" in data.pool else next(iter(data.pool))
    matrix = features.stack([data.pool[kind], data.test[kind]])
    labels = np.concatenate([data.pool_labels, data.test_labels])
    order = np.random.default_rng(5).permutation(len(labels))
    pool, test = np.array_split(order, 2)
    return learning_sets.Set(name, {kind: matrix[pool]}, {kind: matrix[test]}, labels[pool], labels[test]), kind


def run(name: str, seed: int) -> list[dict[str, Any]]:
    """Print and return what was said and what is true of one labelling, at each doubling."""
    data, kind = mixed(name)
    draw = np.random.default_rng(seed + 77)
    in_share, folds = draw.random(len(data.pool_labels)) < SHARE, draw.integers(0, 2**31, len(data.pool_labels))
    order, rows, count = labelled(data, kind, in_share, seed), [], FIRST
    while count <= len(order):
        figures = said(data, kind, order[:count], in_share, folds)
        share, compared = figures["share"], figures["active_against_random"]
        advice = comparing.stop_advice(figures["doubling"], count, SETTINGS.batch_size)
        row = {
            "set": name, "seed": seed, "labels": count, "share": share["records"], "said": share["precision"],
            "low": share["precision_low"], "high": share["precision_high"], "true": precision(data, kind, order[:count]),
            "verdict": str(compared["verdict"]), "advice": str(advice["advice"]), "gain": advice.get("gain_of_doubling"),
        }  # fmt: skip
        if "difference" in compared:
            row |= {each: compared[each] for each in ("k", "difference")}
            row |= {"from": compared["low"], "to": compared["high"]}
            row["true_difference"] = true_difference(data, kind, order, in_share, found=compared, seed=seed)
        if 2 * count <= len(order):
            row["true_gain"] = precision(data, kind, order[: 2 * count]) - row["true"]
        print({each: round(value, 4) if isinstance(value, float) else value for each, value in row.items()}, flush=True)
        rows.append(row)
        count *= 2
    return rows


def judge(rows: list[dict[str, Any]]) -> None:
    """Print how often the intervals hold what is true, and whether a verdict or an advice was wrong."""
    held = sum(row["low"] <= row["true"] <= row["high"] for row in rows)
    print(f"precision on the share: its interval holds the true one in {held} of {len(rows)}")
    pairs = [row for row in rows if "true_difference" in row]
    held = sum(row["from"] <= row["true_difference"] <= row["to"] for row in pairs)
    wrong = [row for row in pairs if row["verdict"] == "active" and row["true_difference"] < 0]
    wrong += [row for row in pairs if row["verdict"] == "random" and row["true_difference"] > 0]
    verdicts = {each: sum(row["verdict"] == each for row in pairs) for each in ("active", "no-difference", "random")}
    print(
        f"active against random: the interval holds the true difference in {held} of {len(pairs)}; {verdicts}, {len(wrong)} wrong"
    )
    gains = [row for row in rows if row["gain"] is not None and "true_gain" in row]
    errors = [abs(row["gain"] - row["true_gain"]) for row in gains]
    stops = [row["true_gain"] for row in gains if row["advice"] == "stop"]
    if gains:
        print(
            f"twice as many labels: off by {100 * float(np.median(errors)):.1f} points in the middle of {len(gains)}; said to stop {len(stops)} times,"
        )
        print(f"  where as many again brought at most {100 * max(stops, default=0):.1f} points")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="digits;sms;banking77", help="Divided by semicolons.")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if not learning_sets.DATA.is_dir():
        sys.exit(f"There is no data in {learning_sets.DATA}.")
    rows = []
    with threadpool_limits(1):
        for name in options.sets.split(";"):
            for seed in range(options.seeds):
                rows += run(name, seed)
    judge(rows)


if __name__ == "__main__":
    main()
