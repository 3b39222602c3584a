"""Records sorted by what the page shows, the same on every database."""

from __future__ import annotations

import pytest

from annotation_lab import Lab
from labelmill.datasets import service
from labelmill.datasets.model import RecordFilter
from labelmill.db.database import Database


@pytest.fixture
def lab(database: Database) -> Lab:
    return Lab(database)


def in_order(lab: Lab, dataset: service.Dataset, by: str, *, descending: bool = False, passed: int = 0, limit: int = 50):
    with lab.database.read() as connection:
        found = service.sorted_records(
            connection, dataset.id, where=RecordFilter(), by=by, is_descending=descending, passed=passed, limit=limit
        )
    return [int(each.content) for each in found.records], found.following


def test_records_are_sorted_by_each_column_and_those_without_a_label_come_last(lab: Lab):
    dataset = lab.dataset(6, labels=("Beta", "alpha", "gone"), labels_per_record=2)
    ids = lab.ids(dataset)
    for number, label in ((0, "Beta"), (2, "alpha"), (3, "gone")):
        lab.answer(dataset, ids[number], 1, label)
    lab.answer(dataset, ids[0], 2, "Beta")
    lab.answer(dataset, ids[4], 1, "Beta")
    lab.answer(dataset, ids[4], 2, "alpha")
    assert in_order(lab, dataset, "id", descending=True)[0] == [5, 4, 3, 2, 1, 0]
    assert in_order(lab, dataset, "label")[0] == [2, 0, 3, 1, 4, 5]
    assert in_order(lab, dataset, "label", descending=True)[0] == [3, 0, 2, 1, 4, 5]
    assert in_order(lab, dataset, "answers", descending=True)[0] == [0, 4, 2, 3, 1, 5]
    assert in_order(lab, dataset, "state")[0] == [4, 1, 2, 3, 5, 0]
    assert in_order(lab, dataset, "open")[0] == [1, 2, 3, 5, 0, 4]


def test_a_merged_label_is_sorted_as_what_it_counts_for(lab: Lab):
    dataset = lab.dataset(3, labels=("mid", "zulu", "alpha"))
    for record, label in zip(lab.ids(dataset), ("mid", "zulu", "alpha"), strict=True):
        lab.answer(dataset, record, 1, label)
    lab.database.transact(service.merge_labels, dataset.id, lab.label(dataset, "zulu"), lab.label(dataset, "alpha"))
    assert in_order(lab, dataset, "label")[0] == [1, 2, 0]


def test_pages_follow_each_other_without_gap_or_repetition(lab: Lab):
    dataset = lab.dataset(7)
    seen, passed = [], 0
    while passed is not None:
        page, passed = in_order(lab, dataset, "answers", descending=True, passed=passed, limit=3)
        seen += page
    assert seen == list(range(7))
