"""Answers, their changes and their withdrawals."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from annotation_lab import person
from labelmill import clock
from labelmill.annotation import service
from labelmill.annotation.model import State
from labelmill.annotation.tables import annotation_rows
from labelmill.datasets import service as datasets
from labelmill.errors import BadInput, Conflict, LabelmillError, NotFound, RecordFull

if TYPE_CHECKING:
    from annotation_lab import Lab


class TestAnswer:
    def test_l17_it_is_stored_with_its_author_and_derives_the_record(self, lab: Lab):
        dataset = lab.dataset(1)
        record_id = lab.next(dataset, 1).records[0].record.id
        done = lab.answer(dataset, record_id, 1, "b")
        assert (done.annotation.annotator_id, done.annotation.label_ids) == (person(1), (lab.label(dataset, "b"),))
        row = lab.row(record_id)
        assert (row["answers"], row["is_open"], row["majority_id"], row["is_tied"]) == (
            1,
            False,
            lab.label(dataset, "b"),
            False,
        )
        assert lab.leases(dataset) == []

    def test_p02_the_same_key_again_changes_nothing(self, lab: Lab):
        dataset = lab.dataset(1)
        (record_id,) = lab.ids(dataset)
        first = lab.answer(dataset, record_id, 1, "b", key="one")
        again = lab.answer(dataset, record_id, 1, "b", key="one")
        assert (again.annotation.id, again.repeated, again.tally) == (first.annotation.id, True, first.tally)
        assert len(lab.column(sa.select(annotation_rows.c.id))) == 1

    def test_p02_a_key_that_came_with_another_answer_is_refused(self, lab: Lab):
        dataset = lab.dataset(2)
        first, second = lab.ids(dataset)
        lab.answer(dataset, first, 1, "b", key="one")
        with pytest.raises(Conflict, match="another answer"):
            lab.answer(dataset, first, 1, "a", key="one")
        with pytest.raises(Conflict, match="another answer"):
            lab.answer(dataset, second, 1, "b", key="one")
        assert lab.answer(dataset, first, 2, "b", key="one") if dataset.settings.labels_per_record != 1 else True

    def test_another_key_changes_the_answer_and_keeps_its_history(self, lab: Lab):
        dataset = lab.dataset(1)
        (record_id,) = lab.ids(dataset)
        lab.answer(dataset, record_id, 1, "a")
        changed = lab.answer(dataset, record_id, 1, "b")
        assert (changed.tally.answers, changed.tally.majority_id) == (1, lab.label(dataset, "b"))
        with lab.database.read() as connection:
            history = service.history(connection, dataset.id, record_id)
        assert [each.label_ids for each in history] == [(lab.label(dataset, "a"),), (lab.label(dataset, "b"),)]

    def test_a_full_record_refuses_who_does_not_hold_it_and_loses_nothing(self, lab: Lab):
        dataset = lab.dataset(1)
        (record_id,) = lab.ids(dataset)
        lab.answer(dataset, record_id, 1, "a")
        with pytest.raises(RecordFull) as raised:
            lab.answer(dataset, record_id, 2, "b")
        assert raised.value.code == "record-full"
        assert (lab.row(record_id)["majority_id"], lab.answers(record_id)) == (lab.label(dataset, "a"), 1)

    def test_a_record_that_another_holds_is_refused(self, lab: Lab):
        dataset = lab.dataset(1)
        record_id = lab.next(dataset, 1).records[0].record.id
        with pytest.raises(RecordFull):
            lab.answer(dataset, record_id, 2)
        assert lab.answer(dataset, record_id, 1).tally.answers == 1

    def test_l17_only_labels_and_records_that_there_are(self, lab: Lab):
        dataset, other = lab.dataset(1), lab.dataset(1, labels=("x",))
        (record_id,) = lab.ids(dataset)
        with pytest.raises(NotFound):
            lab.answer(dataset, lab.ids(other)[0], 1)
        for labels in ([], [lab.label(other, "x")]):
            with pytest.raises(BadInput):
                lab.database.transact(service.answer, dataset, record_id, person(1), label_ids=labels, key="k")
        for key in ("", "k" * 65, "line\nbreak", "ä"):
            with pytest.raises(BadInput):
                lab.answer(dataset, record_id, 1, key=key) if key else lab.database.transact(
                    service.answer, dataset, record_id, person(1), label_ids=[lab.label(dataset, "a")], key=key
                )

    def test_several_labels_where_they_are_allowed(self, lab: Lab):
        one, several = lab.dataset(1), lab.dataset(1, several_labels=True)
        with pytest.raises(Conflict):
            lab.answer(one, lab.ids(one)[0], 1, "a+b")
        done = lab.answer(several, lab.ids(several)[0], 1, "b+a")
        assert set(done.annotation.label_ids) == {lab.label(several, "a"), lab.label(several, "b")}

    def test_an_answer_that_waited_while_its_label_was_merged_counts_for_the_other(self, lab: Lab):
        dataset = lab.dataset(1)
        old, new = lab.label(dataset, "a"), lab.label(dataset, "b")
        lab.database.transact(datasets.merge_labels, dataset.id, old, new)
        done = lab.database.transact(
            service.answer, lab.again(dataset), lab.ids(dataset)[0], person(1), label_ids=[old], key="k"
        )
        assert done.tally.majority_id == new

    def test_an_archived_dataset_takes_none(self, lab: Lab):
        dataset = lab.dataset(1)
        lab.database.transact(datasets.archive, dataset.id)
        with pytest.raises(Conflict, match="archived"):
            lab.answer(lab.again(dataset), lab.ids(dataset)[0], 1)
        with pytest.raises(Conflict, match="archived"):
            lab.next(lab.again(dataset), 1)

    def test_l19_shown_at_is_the_moment_of_serving_and_a_reload_keeps_it(self, lab: Lab):
        dataset = lab.dataset(1)
        first = lab.next(dataset, 1).records[0]
        again = lab.next(dataset, 1).records[0]
        assert (again.record.id, again.shown_at) == (first.record.id, first.shown_at)
        done = lab.answer(dataset, first.record.id, 1, shown_at=clock.now() - timedelta(days=1))
        assert done.annotation.shown_at == first.shown_at
        assert done.annotation.answered_at >= first.shown_at
        assert first.shown_at.utcoffset() == timedelta()

    def test_l19_without_a_lease_the_clients_moment_counts_but_none_of_the_future(self, lab: Lab):
        dataset = lab.dataset(1)
        done = lab.answer(dataset, lab.ids(dataset)[0], 1, shown_at=clock.now() + timedelta(days=1))
        assert done.annotation.shown_at == done.annotation.answered_at


class TestMajority:
    def test_l09_the_most_frequent_label_of_enough_answers(self, lab: Lab):
        dataset = lab.dataset(1, labels_per_record=3, min_label_count=2)
        (record_id,) = lab.ids(dataset)
        assert lab.answer(dataset, record_id, 1, "a").tally.majority_id is None
        assert lab.answer(dataset, record_id, 2, "b").tally.is_tied
        done = lab.answer(dataset, record_id, 3, "b").tally
        assert (done.majority_id, done.is_tied, done.is_open) == (lab.label(dataset, "b"), False, False)

    def test_l09_a_tie_is_open_or_goes_to_the_first(self, lab: Lab):
        for tie, expected in (("open", None), ("first", "b")):
            dataset = lab.dataset(1, labels_per_record=2, tie=tie)
            (record_id,) = lab.ids(dataset)
            lab.answer(dataset, record_id, 1, "b")
            done = lab.answer(dataset, record_id, 2, "a").tally
            assert done.majority_id == (lab.label(dataset, expected) if expected else None)
            assert done.is_tied == (expected is None)

    def test_l09_a_tie_is_listed_and_settled(self, lab: Lab):
        dataset = lab.dataset(2, labels_per_record=2)
        record_id = lab.ids(dataset)[0]
        lab.answer(dataset, record_id, 1, "b")
        lab.answer(dataset, record_id, 2, "a")
        with lab.database.read() as connection:
            (tied,) = service.ties(connection, dataset)
        assert (tied.record.id, [each.annotator_id for each in tied.answers]) == (record_id, [person(1), person(2)])
        done = lab.settle(dataset, record_id, 9, "a").tally
        assert (done.majority_id, done.is_tied) == (lab.label(dataset, "a"), False)
        with lab.database.read() as connection:
            assert service.ties(connection, dataset) == []
            assert service.votes(connection, dataset.id).height == 2
        assert lab.withdraw(dataset, record_id, 9).tally.is_tied


class TestWithdrawal:
    def test_undo_takes_back_the_newest_answers_one_by_one(self, lab: Lab):
        dataset = lab.dataset(3)
        first, second, _ = lab.ids(dataset)
        lab.answer(dataset, first, 1)
        lab.answer(dataset, second, 1)
        assert lab.undo(dataset, 1).annotation.record_id == second
        assert lab.undo(dataset, 1).annotation.record_id == first
        assert [lab.row(each)["answers"] for each in (first, second)] == [0, 0]
        with pytest.raises(NotFound):
            lab.undo(dataset, 1)

    def test_undo_with_the_same_key_takes_back_one(self, lab: Lab):
        dataset = lab.dataset(2)
        first, second = lab.ids(dataset)
        lab.answer(dataset, first, 1)
        lab.answer(dataset, second, 1)
        assert not lab.undo(dataset, 1, key="undo").repeated
        again = lab.undo(dataset, 1, key="undo")
        assert (again.repeated, again.annotation.record_id) == (True, second)
        assert lab.answers(first) == 1

    def test_what_was_taken_back_lies_before_the_annotator_again(self, lab: Lab):
        dataset = lab.dataset(3)
        first = lab.ids(dataset)[0]
        lab.answer(dataset, first, 1)
        lab.undo(dataset, 1)
        assert lab.served(dataset, 2) == ["1"]
        assert lab.served(dataset, 1) == ["0"]

    def test_the_majority_goes_with_it(self, lab: Lab):
        dataset = lab.dataset(1)
        (record_id,) = lab.ids(dataset)
        lab.answer(dataset, record_id, 1)
        tally = lab.withdraw(dataset, record_id, 1).tally
        assert (tally.answers, tally.majority_id, tally.is_open) == (0, None, True)
        with pytest.raises(NotFound):
            lab.withdraw(dataset, record_id, 1)


class TestRaces:
    @pytest.mark.parametrize("wanted", [1, 3])
    def test_p03_a_hundred_submits_from_a_barrier_store_exactly_the_wanted_number(self, lab: Lab, wanted: int):
        dataset = lab.dataset(1, labels_per_record=wanted)
        (record_id,) = lab.ids(dataset)
        barrier = threading.Barrier(20)

        def submit(who: int) -> str:
            if who < 20:
                barrier.wait()
            try:
                lab.answer(dataset, record_id, who, "abc"[who % 3], key="k")
            except LabelmillError as error:
                return error.code
            return "stored"

        with ThreadPoolExecutor(20) as pool:
            outcomes = list(pool.map(submit, range(100)))
        assert outcomes.count("stored") == wanted
        assert outcomes.count("record-full") == 100 - wanted
        row = lab.row(record_id)
        assert (lab.answers(record_id), row["answers"], row["is_open"]) == (wanted, wanted, False)

    def test_p03_one_answer_sent_a_hundred_times_at_once_is_stored_once(self, lab: Lab):
        dataset = lab.dataset(1, labels_per_record=0)
        (record_id,) = lab.ids(dataset)
        barrier = threading.Barrier(20)

        def submit(number: int) -> bool:
            if number < 20:
                barrier.wait()
            return lab.answer(dataset, record_id, 1, "b", key="same").repeated

        with ThreadPoolExecutor(20) as pool:
            outcomes = list(pool.map(submit, range(100)))
        assert outcomes.count(False) == 1
        assert len(lab.column(sa.select(annotation_rows.c.id))) == 1

    @pytest.mark.parametrize("wanted", [1, 2])
    def test_l16_p03_annotators_who_work_at_once_never_get_more_than_wanted(self, lab: Lab, wanted: int):
        dataset = lab.dataset(30, labels_per_record=wanted, order="random")
        barrier = threading.Barrier(8)

        def work(who: int) -> int:
            barrier.wait()
            stored = 0
            while True:
                served = lab.next(dataset, who, count=2)
                if served.state is State.DONE:
                    return stored
                for each in served.records:
                    lab.answer(dataset, each.record.id, who)
                    stored += 1
                if served.state is State.WAITING:
                    clock.sleep(0.01)

        with ThreadPoolExecutor(8) as pool:
            stored = sum(pool.map(work, range(8)))
        assert stored == 30 * wanted
        assert {lab.answers(each) for each in lab.ids(dataset)} == {wanted}
        assert lab.leases(dataset) == []
