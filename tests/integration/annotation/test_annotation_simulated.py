"""People who err, through the service from the file to the majority: what they come to is what arithmetic says."""

from __future__ import annotations

import csv
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
from made_crowd import made_crowd

RECORDS, RIGHT = 240, 0.8


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
    right = {f"message {number}": "spam" if number % 7 == 0 else "ham" for number in range(RECORDS)}
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


def test_a_crowds_answers_that_are_imported_have_the_majority_of_a_count(imported):
    given, _ = made_crowd(200, answers=5, again=0)
    options = ("--text-column", "item", "--label-column", "label", "--labels", "answers", "--annotator-column", "worker")
    found = named_majorities(*imported(("worker", "item", "label"), given.iter_rows(), ("no", "yes"), *options))
    votes: dict[str, Counter[str]] = {}
    for _, item, label in given.iter_rows():
        votes.setdefault(item, Counter())[label] += 1
    # Five answers of two labels: no ties.
    assert found == {item: max(count, key=count.__getitem__) for item, count in votes.items()}
