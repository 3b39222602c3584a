"""Dawid-Skene beside the majority: what each says, and that what trains follows the option of the dataset."""

from __future__ import annotations

import json

import pytest

from labelmill import cli
from labelmill.annotation import service as annotation
from labelmill.datasets import service as datasets
from labelmill.datasets.model import Consensus
from labelmill.errors import BadInput
from labelmill.learning import service
from learning_lab import person

#: Two who guess agree by chance where one who knows says otherwise; beside many records on which all who know agree.
RIGHT = ("sport", "food") * 20


@pytest.fixture
def crowd(lab):
    """Give a dataset that three who know and two who always say sport have answered; the last ten records by one who knows and both others."""

    def make(**settings):
        dataset = lab.dataset(40, labels=("sport", "food"), labels_per_record=0, random_share=0.0, **settings)
        for number, record in enumerate(lab.ids(dataset)):
            right = lab.gold[lab.ids(dataset)[record]]
            for who in (1, 2, 3) if number < 30 else (1,):
                lab.answer(dataset, record, right, who)
            for who in (4, 5):
                lab.answer(dataset, record, "sport", who)
        return dataset

    return make


def named(dataset, frame) -> dict[int, str]:
    names = {label.id: label.name for label in dataset.labels}
    return {record: names[label] for record, label in frame.select("record_id", "label_id").iter_rows()}


def test_dawid_skene_sees_through_those_who_always_say_the_same(lab, crowd):
    dataset = crowd()
    gold = {record: lab.gold[content] for record, content in lab.ids(dataset).items()}
    likely, most = (
        named(dataset, lab.read(annotation.likeliest, dataset)),
        named(dataset, lab.read(annotation.majorities, dataset.id)),
    )
    outvoted = {record for record in list(gold)[30:] if gold[record] == "food"}
    assert likely == gold
    assert {record for record in gold if most[record] != gold[record]} == outvoted
    found = lab.read(annotation.compared, dataset)
    assert (found.option, found.majority, found.dawid_skene, found.differ) == ("majority", 40, 40, len(outvoted))
    assert sum(each.majority for each in found.labels) == sum(each.dawid_skene for each in found.labels) == 40


@pytest.mark.parametrize("option", list(Consensus))
def test_what_trains_follows_the_option(lab, crowd, option):
    dataset = crowd(consensus=option)
    expected = named(dataset, lab.read(annotation.consensus, dataset))
    assert lab.train(dataset).state == "succeeded"
    by_label = lab.read(service.list_classifiers, dataset.id)[0].data["by_label"]
    names = {str(label.id): label.name for label in dataset.labels}
    assert {names[label]: count for label, count in by_label.items()} == {
        name: list(expected.values()).count(name) for name in ("sport", "food")
    }
    wrong = sum(lab.gold[content] != expected[record] for record, content in lab.ids(dataset).items())
    assert (wrong == 0) == (option == Consensus.DAWID_SKENE)


def test_a_tie_trains_by_dawid_skene_and_not_by_the_majority(lab):
    dataset = lab.dataset(6, labels=("sport", "food"), labels_per_record=0)
    first, *others = lab.ids(dataset)
    for record in others:
        lab.answer(dataset, record, lab.gold[lab.ids(dataset)[record]], 1)
    for who, label in ((1, "sport"), (2, "food")):
        lab.answer(dataset, first, label, who)
    assert first not in named(dataset, lab.read(annotation.consensus, dataset))
    dataset = lab.app.database.transact(datasets.change, dataset.id, settings={"consensus": "dawid-skene"})
    assert first in named(dataset, lab.read(annotation.consensus, dataset))
    assert lab.train(dataset).state == "succeeded"
    assert lab.read(service.list_classifiers, dataset.id)[0].data["records"] == 6


def test_what_was_settled_decides_alone_and_too_few_answers_decide_nothing(lab):
    dataset = lab.dataset(3, labels=("sport", "food"), labels_per_record=0, consensus="dawid-skene", min_label_count=2)
    first, second, third = lab.ids(dataset)
    for who, label in ((1, "sport"), (2, "food")):
        lab.answer(dataset, first, label, who)
        lab.answer(dataset, second, "sport", who)
    lab.answer(dataset, third, "food", 1)
    food = next(label.id for label in dataset.labels if label.name == "food")
    lab.app.database.transact(annotation.settle, dataset, first, person(9), label_id=food, key="settled")
    assert named(dataset, lab.read(annotation.consensus, dataset)) == {first: "food", second: "sport"}


def test_an_unknown_option_is_refused(lab):
    with pytest.raises(BadInput, match="consensus"):
        lab.dataset(0, consensus=None)
    dataset = lab.dataset(0)
    with pytest.raises(BadInput):
        lab.app.database.transact(datasets.change, dataset.id, settings={"consensus": "loudest"})


def test_the_verb_shows_both(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("LABELMILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert (
        cli.run(("dataset", "new", "posts", "--label", "a", "--label", "b", "--setting", "consensus=dawid-skene", "--json"))
        == 0
    )
    capsys.readouterr()
    assert cli.run(("answers", "consensus", "posts", "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"option": "dawid-skene", "dawid_skene": 0, "majority": 0, "differ": 0, "labels": []}
    assert cli.run(("answers", "consensus", "posts")) == 0
    assert "dawid-skene" in capsys.readouterr().out
