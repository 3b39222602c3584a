"""People who err, through the service from the file to the majority: what they come to is what arithmetic says."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from annotation_lab import person
from labelmill import cli
from labelmill.annotation import service
from labelmill.annotation.model import State
from labelmill.bootstrap import App, build
from labelmill.datasets import service as datasets
from labelmill.ids import new_id
from labelmill.settings import Settings

SHARED = Path(__file__).resolve().parents[4] / "shared/data"
RECORDS, RIGHT = 240, 0.8


def messages() -> dict[str, str]:
    """Return texts with their right labels: real ones where they are at hand, else made ones."""
    path = SHARED / "sms_spam/SMSSpamCollection.tsv.gz"
    if not path.exists():
        return {f"message {number}": "spam" if number % 7 == 0 else "ham" for number in range(RECORDS)}
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
    found = {text.strip(): label for label, text in (line.split("\t", 1) for line in lines if "\t" in line)}
    return dict(list(found.items())[:RECORDS])


def crowd() -> tuple[list[tuple[str, str, str]], dict[str, str], float | None]:
    """Return (worker, item, label) in order, the truth, and the published accuracy of the majority: None for a made-up crowd."""
    path = SHARED / "crowd/tweet_binary_mozafari_labels.csv.gz"
    if not path.exists():
        draw = np.random.default_rng(3)
        truth = {f"item {number}": "yn"[number % 2] for number in range(200)}
        flip = {"y": "n", "n": "y"}
        rows = [
            (f"w{who}", item, label if draw.random() < 0.7 else flip[label])
            for item, label in truth.items()
            for who in range(5)
        ]
        return rows, truth, None
    rows = [(row["worker"], row["item"], row["label"]) for row in _rows(path)]
    return rows, {row["item"]: row["gold"] for row in _rows(path.with_name("tweet_binary_mozafari_gold.csv.gz"))}, 0.696


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Give what makes a dataset of a CSV file by the command line, and opens it."""
    monkeypatch.setenv("LABELMILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    opened: list[App] = []

    def make(head: tuple[str, ...], rows, labels: tuple[str, ...], *options: str, wanted: int = 0):
        with Path("rows.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head, *rows])
        given = [word for label in labels for word in ("--label", label)]
        assert (
            cli.run(
                ("dataset", "new", "people", *given, "--setting", f"labels_per_record={wanted}", "--setting", "order=random")
            )
            == 0
        )
        assert cli.run(("import", "rows.csv", "--into", "people", *options)) == 0
        opened.append(build(Settings(data_dir=tmp_path / "data")))
        with opened[-1].database.read() as connection:
            return opened[-1], datasets.find(connection, "people")

    yield make
    for each in opened:
        each.close()


def named_majorities(app: App, dataset) -> dict[str, str]:
    """Return the label of each record that has a majority, by its content."""
    names = {label.id: label.name for label in dataset.labels}
    with app.database.read() as connection:
        found = service.majorities(connection, dataset.id)
        contents = {each.id: each.content for each in datasets.list_records(connection, dataset.id, limit=10_000)}
    return {contents[record]: names[label] for record, label in found.iter_rows()}


def test_three_annotators_who_err_once_in_five_reach_the_binomials_accuracy(imported):
    """Each is right in four of five: the majority of three in 0.896, within two standard errors."""
    right = messages()
    app, dataset = imported(("text",), [[text] for text in right], ("ham", "spam"), "--text-column", "text", wanted=3)
    ids = {label.name: label.id for label in dataset.labels}
    other = {"ham": "spam", "spam": "ham"}
    draw = np.random.default_rng(11)
    for who in (1, 2, 3):
        while (served := app.database.transact(service.next_records, dataset, person(who), count=20)).state == State.RECORD:
            for each in served.records:
                label = right[each.record.content]
                label = label if draw.random() < RIGHT else other[label]
                app.database.transact(
                    service.answer, dataset, each.record.id, person(who), label_ids=[ids[label]], key=new_id()
                )
        assert served.state == State.DONE
    found = named_majorities(app, dataset)
    expected = RIGHT**3 + 3 * RIGHT**2 * (1 - RIGHT)
    error = (expected * (1 - expected) / len(right)) ** 0.5
    assert found.keys() == right.keys()
    assert abs(np.mean([found[text] == label for text, label in right.items()]) - expected) < 2 * error


def test_a_crowds_answers_that_are_imported_have_the_published_majority(imported):
    rows, truth, published = crowd()
    labels = tuple(sorted({label for _, _, label in rows}))
    options = ("--text-column", "item", "--label-column", "label", "--labels", "answers", "--annotator-column", "worker")
    found = named_majorities(*imported(("worker", "item", "label"), rows, labels, *options))
    votes: dict[str, Counter[str]] = {}
    for _, item, label in rows:
        votes.setdefault(item, Counter())[label] += 1
    expected = {item: max(count, key=count.__getitem__) for item, count in votes.items()}
    # Five answers of two labels: no ties.
    assert found == expected
    if published is not None:
        assert np.mean([found[item] == label for item, label in truth.items()]) == pytest.approx(published, abs=5e-4)
