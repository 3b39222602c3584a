"""Answers of crowds, imported: majorities, ties and repeats by the stated rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from annotation_lab import person
from labelmill.annotation import service
from labelmill.annotation.dawid_skene import dawid_skene
from labelmill.annotation.tables import annotation_rows
from labelmill.datasets import record_rows
from labelmill.errors import BadInput
from made_crowd import made_crowd

if TYPE_CHECKING:
    from annotation_lab import Lab
    from labelmill.datasets.model import Dataset

START = datetime(2026, 1, 1, tzinfo=UTC)


def load(
    lab: Lab, given: pl.DataFrame, right: dict[str, str], **settings: object
) -> tuple[Dataset, pl.DataFrame, pl.DataFrame]:
    """Return the dataset with a crowd's answers, the answers as they were given, and the truth, by records' and labels' ids."""
    dataset = lab.dataset(0, labels=tuple(sorted(set(right.values()))), labels_per_record=0, **settings)
    lab.add(dataset, list(right))
    query = sa.select(record_rows.c.content, record_rows.c.id).where(record_rows.c.dataset_id == dataset.id)
    with lab.database.read() as connection:
        ids = {row.content: row.id for row in connection.execute(query)}
    numbers = {worker: person(number) for number, worker in enumerate(given["worker"].unique(maintain_order=True), 1)}
    by_name = {each.name: each.id for each in dataset.labels}
    frame = given.select(
        record_id=pl.col("item").replace_strict(ids, return_dtype=pl.Int64),
        annotator_id=pl.col("worker").replace_strict(numbers, return_dtype=pl.String),
        label_id=pl.col("label").replace_strict(by_name, return_dtype=pl.Int64),
        answered_at=pl.lit(START) + pl.duration(seconds=pl.int_range(pl.len())),
    )
    truth = pl.DataFrame({"record_id": [ids[item] for item in right], "gold": [by_name[label] for label in right.values()]})
    for part in frame.iter_slices(1_000):
        lab.database.transact(service.add_answers, dataset, part)
    return dataset, frame, truth


def naive(frame: pl.DataFrame) -> dict[int, int | None]:
    """Return the majorities by the stated rules: of each annotator the newest answer; a tie is none."""
    newest = {(record, who): label for record, who, label in frame.select("record_id", "annotator_id", "label_id").iter_rows()}
    counts: dict[int, dict[int, int]] = {}
    for (record, _), label in newest.items():
        counts.setdefault(record, {}).setdefault(label, 0)
        counts[record][label] += 1
    found = {}
    for record, of_record in counts.items():
        best = [label for label, count in of_record.items() if count == max(of_record.values())]
        found[record] = best[0] if len(best) == 1 else None
    return found


def test_l09_majorities_of_a_crowd_are_those_of_a_naive_count(small_lab: Lab):
    given, right = made_crowd(400)
    dataset, frame, _ = load(small_lab, given, right)
    with small_lab.database.read() as connection:
        found = service.majorities(connection, dataset.id)
        rows = connection.execute(
            sa.select(record_rows.c.id, record_rows.c.is_tied).where(record_rows.c.dataset_id == dataset.id)
        ).all()
    expected = naive(frame)
    assert dict(found.iter_rows()) == {record: label for record, label in expected.items() if label is not None}
    tied = {record for record, label in expected.items() if label is None}
    assert {row.id for row in rows if row.is_tied} == tied
    # The crowd has what the rules are about: ties, and people who answer twice and not the same.
    assert tied
    assert frame.height > frame.n_unique(["record_id", "annotator_id"])


def test_dawid_skene_is_better_than_the_majority_of_a_crowd_that_errs_each_in_their_own_way(small_lab: Lab):
    dataset, _, truth = load(small_lab, *made_crowd(600, answers=5))
    with small_lab.database.read() as connection:
        likely = dawid_skene(service.votes(connection, dataset.id))
        most = service.majorities(connection, dataset.id)
    by_likely, by_most = (
        (truth.join(each, on="record_id")["gold"] == truth.join(each, on="record_id")["label_id"]).mean()
        for each in (likely, most)
    )
    assert likely.height == truth.height
    assert by_likely > by_most + 0.05
    assert by_likely > 0.85


def test_when_a_record_was_first_served_stays_and_imported_answers_were_not(lab: Lab):
    dataset = lab.dataset(4, labels_per_record=2)
    first, second, third, fourth = lab.ids(dataset)
    lab.next(dataset, 1, count=3)
    for record_id in (first, second, third):
        lab.answer(dataset, record_id, 1, "a")
    with lab.database.read() as connection:
        before = dict(service.first_answers(connection, dataset.id).iter_rows())
    assert sorted(before) == [first, second, third]
    assert 0 < before[first] < before[second] < before[third]
    # Neither another answer nor a withdrawal nor a second annotator changes when it was asked.
    lab.answer(dataset, first, 1, "b")
    lab.withdraw(dataset, second, 1)
    lab.next(dataset, 2, count=1)
    lab.answer(dataset, third, 2, "b")
    row = {"record_id": [fourth], "annotator_id": [person(3)], "label_id": [lab.label(dataset, "a")], "answered_at": [START]}
    lab.database.transact(service.add_answers, dataset, pl.DataFrame(row))
    with lab.database.read() as connection:
        assert dict(service.first_answers(connection, dataset.id).iter_rows()) == before | {fourth: 0}


def test_repeats_in_a_crowd_are_changes_and_the_same_import_adds_nothing(lab: Lab):
    dataset = lab.dataset(2, labels_per_record=1)
    first, second = lab.ids(dataset)
    a, b = lab.label(dataset, "a"), lab.label(dataset, "b")
    rows = [
        (first, person(1), a),
        (first, person(1), b),
        (second, person(1), a),
        (second, person(2), b),
        (second, person(2), b),
    ]
    frame = pl.DataFrame(rows, schema=["record_id", "annotator_id", "label_id"], orient="row").with_columns(
        answered_at=pl.lit(START)
    )
    assert lab.database.transact(service.add_answers, dataset, frame) == 5
    assert lab.database.transact(service.add_answers, dataset, frame) == 0
    assert (lab.row(first)["majority_id"], lab.row(first)["answers"]) == (b, 1)
    assert (lab.row(second)["is_tied"], lab.row(second)["answers"], lab.row(second)["is_open"]) == (True, 2, False)
    assert len(lab.column(sa.select(annotation_rows.c.id))) == 5


def test_the_latest_moment_counts_whatever_the_order_of_rows(lab: Lab):
    dataset = lab.dataset(1)
    (record,) = lab.ids(dataset)
    a, b = lab.label(dataset, "a"), lab.label(dataset, "b")
    rows = [(record, person(1), a, START + timedelta(hours=1)), (record, person(1), b, START)]
    frame = pl.DataFrame(rows, schema=["record_id", "annotator_id", "label_id", "answered_at"], orient="row")
    lab.database.transact(service.add_answers, dataset, frame)
    assert lab.row(record)["majority_id"] == a


def test_strange_records_and_labels_are_refused(lab: Lab):
    dataset, other = lab.dataset(1), lab.dataset(1, labels=("x",))
    good = {
        "record_id": lab.ids(dataset),
        "annotator_id": [person(1)],
        "label_id": [lab.label(dataset, "a")],
        "answered_at": [START],
    }
    for wrong in ({"record_id": lab.ids(other)}, {"label_id": [lab.label(other, "x")]}):
        with pytest.raises(BadInput):
            lab.database.transact(service.add_answers, dataset, pl.DataFrame(good | wrong))
    with pytest.raises(BadInput, match="answered_at"):
        lab.database.transact(service.add_answers, dataset, pl.DataFrame(good).drop("answered_at"))
    assert lab.row(lab.ids(dataset)[0])["answers"] == 0


def test_rederiving_follows_new_settings(lab: Lab):
    from labelmill.datasets import service as datasets

    dataset = lab.dataset(3, labels_per_record=2)
    first, second, _ = lab.ids(dataset)
    lab.answer(dataset, first, 1, "b")
    lab.answer(dataset, first, 2, "a")
    lab.answer(dataset, second, 1, "b")
    changed = lab.database.transact(datasets.change, dataset.id, settings={"tie": "first", "labels_per_record": 1})
    after: int | None = 0
    while after is not None:
        after = lab.database.transact(service.rederive, changed, after=after, limit=1)
    assert (lab.row(first)["majority_id"], lab.row(first)["is_tied"]) == (lab.label(dataset, "b"), False)
    assert (lab.row(second)["is_open"], lab.row(second)["answers"]) == (False, 1)


def test_majorities_as_of_an_earlier_number(lab: Lab):
    dataset = lab.dataset(2)
    first, second = lab.ids(dataset)
    a, b = lab.label(dataset, "a"), lab.label(dataset, "b")
    lab.answer(dataset, first, 1, "a")
    with lab.database.read() as connection:
        number = service.newest_number(connection, dataset.id)
    lab.answer(dataset, first, 1, "b")
    lab.answer(dataset, second, 1, "a")
    lab.withdraw(dataset, second, 1)
    with lab.database.read() as connection:
        assert service.majorities(connection, dataset.id, to_number=number).rows() == [(first, a)]
        assert service.majorities(connection, dataset.id).rows() == [(first, b)]
        newest = service.newest_number(connection, dataset.id)
        assert service.majorities(connection, dataset.id, to_number=newest).rows() == [(first, b)]
        assert service.answers_since(connection, dataset.id, number, 10) == 3
        assert service.answers_since(connection, dataset.id, number, 2) == 2


def test_three_annotators_with_errors_reach_the_binomials_accuracy(small_lab: Lab):
    """Each is right in four of five: the majority of three in 0.896, within two standard errors."""
    lab, size, right = small_lab, 1_000, 0.8
    dataset = lab.dataset(size, labels=("spam", "ham"), labels_per_record=3)
    draw, labels = np.random.default_rng(7), [lab.label(dataset, "spam"), lab.label(dataset, "ham")]
    truth = draw.integers(0, 2, size)
    ids = np.array(lab.ids(dataset))
    frames = [
        pl.DataFrame(
            {"record_id": ids, "label_id": np.array(labels)[np.where(draw.random(size) < right, truth, 1 - truth)]}
        ).with_columns(annotator_id=pl.lit(person(who)), answered_at=pl.lit(START))
        for who in (1, 2, 3)
    ]
    lab.database.transact(service.add_answers, dataset, pl.concat(frames))
    with lab.database.read() as connection:
        found = service.majorities(connection, dataset.id).sort("record_id")
    expected = right**3 + 3 * right**2 * (1 - right)
    error = (expected * (1 - expected) / size) ** 0.5
    assert found.height == size
    assert abs((found["label_id"].to_numpy() == np.array(labels)[truth]).mean() - expected) < 2 * error
