"""Answers of real crowds, imported as annotations: how often their majority and Dawid-Skene are right, and three made annotators on real texts.

    python benchmarks/crowd_sets.py

Each set goes through `labelmill import` into a new SQLite installation. Who answered an item twice changed their answer: the later row
counts. A tie has no majority, and counts as wrong where all items are asked about. The three annotators are wrong one time in five, which
the majority of three should be with the binomial's chance.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import sys
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelmill import cli
from labelmill.annotation import service
from labelmill.annotation.consensus import likeliest
from labelmill.bootstrap import opened
from labelmill.datasets import service as datasets
from labelmill.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = ("tweet_binary_mozafari", "hit_spam_crowdflower", "copyright_sites")
RIGHT = 0.8
#: Answers of one file; those of the next one come later.
ROWS = 5_000
#: Who answers, what, and how.
Answers = list[tuple[str, str, str]]


def crowd(name: str) -> tuple[Answers, dict[str, str]]:
    """Return a set's answers in their order, and the right labels that are known."""
    given, gold = (_rows(DATA / "crowd" / f"{name}_{part}.csv.gz") for part in ("labels", "gold"))
    return [(row["worker"], row["item"], row["label"]) for row in given], {row["item"]: row["gold"] for row in gold}


def made() -> tuple[Answers, dict[str, str]]:
    """Return the answers of three annotators to the messages of the SMS set, each wrong one time in five."""
    lines = gzip.decompress((DATA / "sms_spam" / "SMSSpamCollection.tsv.gz").read_bytes()).decode().splitlines()[1:]
    right = {text.strip(): label for label, text in (line.split("\t", 1) for line in lines if "\t" in line)}
    draw, other = np.random.default_rng(11), {"ham": "spam", "spam": "ham"}
    names = ("one", "two", "three")
    rows = [(who, text, label if draw.random() < RIGHT else other[label]) for text, label in right.items() for who in names]
    return rows, right


def score(name: str, answers: Answers, right: dict[str, str], folder: Path) -> None:
    """Import a set and print how often its majorities, and Dawid-Skene's labels, are right."""
    begun = time.process_time()
    majority, likely, ties = _imported(name, answers, sorted({label for _, _, label in answers} | set(right.values())), folder)
    seconds = time.process_time() - begun
    repeats = len(answers) - len({(who, item) for who, item, _ in answers})
    known = {item: label for item, label in right.items() if item in likely}
    decided = [item for item in known if item in majority]
    print(f"{name}: {len(answers):,} answers to {len(likely):,} items, {repeats:,} repeats, {ties} ties, {seconds:.1f} CPU s")
    for what, found in (("majority", majority), ("Dawid-Skene", likely)):
        hits = sum(found.get(item) == label for item, label in known.items())
        of_decided = sum(found[item] == known[item] for item in decided)
        print(
            f"  {what:<12} right in {hits / len(known):.4f} of {len(known):,}, {of_decided / len(decided):.4f} of the {len(decided):,} with a majority"
        )
    every = len({item for _, item, _ in answers}) - len(
        naive([(str(row), item, label) for row, (_, item, label) in enumerate(answers)])
    )
    print(f"  with each row as a vote of its own, repeats too, {every} items would tie")
    expected = naive(answers)
    print(f"  a count of the newest answers has {'the same majorities' if expected == majority else 'OTHER MAJORITIES'}")
    if name == "made":
        chance = RIGHT**3 + 3 * RIGHT**2 * (1 - RIGHT)
        error = (chance * (1 - chance) / len(known)) ** 0.5
        found_share = sum(majority[item] == label for item, label in known.items()) / len(known)
        print(f"  the binomial's {chance:.4f} ± {error:.4f}: {(found_share - chance) / error:+.1f} standard errors")


def naive(answers: Answers) -> dict[str, str]:
    """Return the majority of each item's newest answers, without those that tie."""
    counts: dict[str, dict[str, int]] = {}
    for (_, item), label in {(who, item): label for who, item, label in answers}.items():
        counts.setdefault(item, {}).setdefault(label, 0)
        counts[item][label] += 1
    found = {item: [label for label, count in each.items() if count == max(each.values())] for item, each in counts.items()}
    return {item: best[0] for item, best in found.items() if len(best) == 1}


def _imported(name: str, answers: Answers, labels: Sequence[str], folder: Path) -> tuple[dict[str, str], dict[str, str], int]:
    """Return the majorities and Dawid-Skene's labels by item after an import, and how many records tie."""
    words = [word for label in labels for word in ("--label", label)]
    columns = ("--id-column", "item", "--text-column", "item", "--label-column", "label", "--annotator-column", "worker")
    _do("dataset", "new", name, *words, "--setting", "labels_per_record=0")
    for start in range(0, len(answers), ROWS):
        path = folder / f"{name}-{start}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("worker", "item", "label"), *answers[start : start + ROWS]])
        _do("import", str(path), "--into", name, *columns, "--labels", "answers")
    with opened(Settings(data_dir=folder)) as app, app.database.read() as connection:
        dataset = datasets.find(connection, name)
        names = {label.id: label.name for label in dataset.labels}
        majority = service.majorities(connection, dataset.id)
        likely = likeliest(connection, dataset)
        items = {each.id: each.content for each in datasets.list_records(connection, dataset.id, limit=100_000)}
        ties = datasets.counts(connection, dataset.id).tied
    found = [
        {items[row[0]]: names[row[1]] for row in frame.iter_rows()}
        for frame in (majority, likely.select("record_id", "label_id"))
    ]
    return found[0], found[1], ties


def _do(*words: str) -> None:
    with redirect_stdout(io.StringIO()) as said, redirect_stderr(said):
        code = cli.run(words)
    if code:
        sys.exit(f"labelmill {' '.join(words[:3])} ended with {code}: {said.getvalue()[-2000:]}")


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=";".join((*SETS, "made")), help="Divided by semicolons; made: the three annotators.")
    names = parser.parse_args().sets.split(";")
    if not DATA.is_dir():
        sys.exit(f"There is no data in {DATA}.")
    with tempfile.TemporaryDirectory(prefix="labelmill-crowds-") as folder:
        os.environ["LABELMILL_DATA_DIR"] = folder
        for name in names:
            score(name, *(made() if name == "made" else crowd(name)), Path(folder))


if __name__ == "__main__":
    main()
