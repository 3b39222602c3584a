"""Which record comes next."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from annotation_lab import person
from labelmill import clock
from labelmill.annotation import service
from labelmill.annotation.model import State
from labelmill.datasets.tables import records
from labelmill.errors import RecordFull

if TYPE_CHECKING:
    from annotation_lab import Lab


class TestSequential:
    def test_records_come_as_they_were_imported(self, lab: Lab):
        dataset = lab.dataset(3)
        seen = []
        for _ in range(3):
            (served,) = lab.next(dataset, 1).records
            seen.append(served.record.content)
            lab.answer(dataset, served.record.id, 1)
        assert seen == ["0", "1", "2"]

    def test_l18_done_when_everything_is_answered(self, lab: Lab):
        dataset = lab.dataset(1)
        lab.answer(dataset, lab.ids(dataset)[0], 1)
        assert lab.next(dataset, 1).state is State.DONE
        assert lab.next(dataset, 2).state is State.DONE

    def test_l18_waiting_when_others_hold_the_rest(self, lab: Lab):
        dataset = lab.dataset(1)
        assert lab.next(dataset, 1).state is State.RECORD
        waiting = lab.next(dataset, 2)
        assert (waiting.state, waiting.records) == (State.WAITING, [])
        assert waiting.retry_seconds

    def test_several_at_once_and_those_in_hand_are_not_given_again(self, lab: Lab):
        dataset = lab.dataset(6)
        ids = lab.ids(dataset)
        assert lab.served(dataset, 1, count=3) == ["0", "1", "2"]
        assert lab.served(dataset, 1, count=2, held=ids[:3]) == ["3", "4"]
        assert lab.served(dataset, 2, count=9) == ["5"]

    def test_nobody_has_two_cursors_after_asking_twice_at_once(self, lab: Lab):
        dataset = lab.dataset(40)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: lab.next(dataset, 1, count=3), range(8)))
        assert len(lab.leases(dataset)) == len({record_id for record_id, _ in lab.leases(dataset)})


class TestLabelsPerRecord:
    def test_l16_one_annotator_for_each_record(self, lab: Lab):
        dataset = lab.dataset(4)
        assert lab.served(dataset, 1, count=2) == ["0", "1"]
        assert lab.served(dataset, 2, count=9) == ["2", "3"]
        assert lab.next(dataset, 3).state is State.WAITING

    def test_l16_all_annotators_get_every_record(self, lab: Lab):
        dataset = lab.dataset(3, labels_per_record=0)
        for who in (1, 2, 3):
            assert lab.served(dataset, who, count=9) == ["0", "1", "2"]
            for record_id in lab.ids(dataset):
                lab.answer(dataset, record_id, who)
            assert lab.next(dataset, who).state is State.DONE

    def test_l16_a_lease_that_ended_lets_others_have_the_record(self, lab: Lab, monkeypatch: pytest.MonkeyPatch):
        dataset = lab.dataset(1, lease_seconds=60)
        record_id = lab.next(dataset, 1).records[0].record.id
        assert lab.next(dataset, 2).state is State.WAITING
        later = clock.now() + timedelta(seconds=61)
        monkeypatch.setattr(clock, "now", lambda: later)
        assert lab.served(dataset, 2) == ["0"]
        with pytest.raises(RecordFull):
            lab.answer(dataset, record_id, 1)
        assert lab.answer(dataset, record_id, 2).tally.answers == 1

    def test_l16_who_comes_back_after_the_lease_goes_on_where_nobody_took_it(self, lab: Lab, monkeypatch: pytest.MonkeyPatch):
        dataset = lab.dataset(2, lease_seconds=60)
        first = lab.next(dataset, 1).records[0]
        later = clock.now() + timedelta(seconds=61)
        monkeypatch.setattr(clock, "now", lambda: later)
        again = lab.next(dataset, 1).records[0]
        assert (again.record.id, again.shown_at) == (first.record.id, first.shown_at)

    def test_asking_renews_what_is_in_hand(self, lab: Lab, monkeypatch: pytest.MonkeyPatch):
        dataset = lab.dataset(3, lease_seconds=60)
        start = clock.now()
        record_id = lab.next(dataset, 1).records[0].record.id
        for minute in (1, 2):
            moment = start + timedelta(seconds=50 * minute)
            monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
            lab.next(dataset, 1, held=[record_id], count=1)
        assert "0" not in lab.served(dataset, 2, count=3)

    def test_p14_a_clock_that_leapt_forward_steals_no_lease(self, lab: Lab, monkeypatch: pytest.MonkeyPatch):
        dataset = lab.dataset(1, lease_seconds=60)
        lab.next(dataset, 1)
        later = clock.now() + timedelta(hours=1)
        monkeypatch.setattr(clock, "now", lambda: later)
        assert lab.next(dataset, 2, leapt=timedelta(hours=1)).state is State.WAITING

    def test_p14_a_clock_that_went_back_steals_no_lease(self, lab: Lab, monkeypatch: pytest.MonkeyPatch):
        dataset = lab.dataset(1, lease_seconds=60)
        record_id = lab.next(dataset, 1).records[0].record.id
        earlier = clock.now() - timedelta(days=1)
        monkeypatch.setattr(clock, "now", lambda: earlier)
        assert lab.next(dataset, 2).state is State.WAITING
        done = lab.answer(dataset, record_id, 1).annotation
        assert done.shown_at == done.answered_at

    def test_l16_what_is_given_back_comes_again_to_others_and_oneself(self, lab: Lab):
        dataset = lab.dataset(3)
        lab.next(dataset, 1, count=2)
        assert lab.database.transact(service.release, dataset, person(1)) == 2
        assert lab.leases(dataset) == []
        assert lab.served(dataset, 1) == ["0"]
        assert lab.served(dataset, 2, count=3) == ["1", "2"]

    def test_only_some_are_given_back(self, lab: Lab):
        dataset = lab.dataset(3)
        ids = lab.ids(dataset)
        lab.next(dataset, 1, count=3)
        lab.database.transact(service.release, dataset, person(1), [ids[1]])
        assert [record_id for record_id, _ in lab.leases(dataset)] == [ids[0], ids[2]]
        assert lab.served(dataset, 2) == ["1"]

    def test_what_others_gave_back_behind_the_cursor_is_found_at_the_end(self, lab: Lab):
        dataset = lab.dataset(4)
        lab.next(dataset, 1)
        assert lab.served(dataset, 2, count=2) == ["1", "2"]
        lab.database.transact(service.release, dataset, person(1))
        assert lab.served(dataset, 2, held=lab.ids(dataset)[1:3], count=3) == ["3", "0"]


class TestSkip:
    def test_what_was_skipped_comes_after_all_others(self, lab: Lab):
        dataset = lab.dataset(3)
        ids = lab.ids(dataset)
        lab.next(dataset, 1)
        lab.database.transact(service.skip, dataset, ids[0], person(1))
        seen = []
        for _ in range(3):
            (served,) = lab.next(dataset, 1).records
            seen.append(served.record.content)
            lab.answer(dataset, served.record.id, 1)
        assert seen == ["1", "2", "0"]
        assert lab.next(dataset, 1).state is State.DONE

    def test_what_was_skipped_twice_comes_last(self, lab: Lab):
        dataset = lab.dataset(2)
        ids = lab.ids(dataset)
        for record_id in (ids[0], ids[1], ids[0]):
            lab.next(dataset, 1)
            lab.database.transact(service.skip, dataset, record_id, person(1))
        assert lab.served(dataset, 1) == ["1"]

    def test_others_may_have_it_meanwhile(self, lab: Lab):
        dataset = lab.dataset(1)
        lab.next(dataset, 1)
        lab.database.transact(service.skip, dataset, lab.ids(dataset)[0], person(1))
        assert lab.served(dataset, 2) == ["0"]
        assert lab.next(dataset, 1).state is State.WAITING


class TestRandom:
    def test_the_order_is_the_datasets_shuffle_and_every_record_comes_once(self, lab: Lab):
        dataset = lab.dataset(20, order="random")
        expected = lab.column(
            sa.select(records.c.content).where(records.c.dataset_id == dataset.id).order_by(records.c.shuffle)
        )
        seen = []
        while found := lab.next(dataset, 1, count=3).records:
            seen += [each.record.content for each in found]
            for each in found:
                lab.answer(dataset, each.record.id, 1)
        assert seen == expected
        assert seen != sorted(seen, key=int)

    def test_records_that_are_added_behind_the_cursor_come_too(self, lab: Lab):
        dataset = lab.dataset(5, order="random", labels_per_record=0)
        for each in lab.next(dataset, 1, count=5).records:
            lab.answer(dataset, each.record.id, 1)
        lab.add(dataset, [f"new {number}" for number in range(6)])
        assert len(lab.served(dataset, 1, count=9)) == 6


class TestQueue:
    """The learner's queue, here written by hand."""

    def test_l13_the_queue_is_served_in_its_order(self, lab: Lab):
        dataset = lab.dataset(6, order="uncertainty", warm_start=0, random_share=0.0)
        lab.queue(dataset, ["4", "2", "5"])
        seen = []
        for _ in range(6):
            (served,) = lab.next(dataset, 1).records
            seen.append(served.record.content)
            lab.answer(dataset, served.record.id, 1)
        assert seen[:3] == ["4", "2", "5"]
        assert sorted(seen) == ["0", "1", "2", "3", "4", "5"]

    def test_l15_records_that_the_queue_puts_last_come_last(self, lab: Lab):
        dataset = lab.dataset(3, order="uncertainty", warm_start=0, random_share=0.0)
        lab.queue(dataset, ["2", "0", "1"])
        assert lab.served(dataset, 1, count=3) == ["2", "0", "1"]

    def test_l12_a_new_generation_begins_from_its_first_record(self, lab: Lab):
        dataset = lab.dataset(6, order="ranking", warm_start=0, random_share=0.0)
        lab.queue(dataset, ["4", "2", "5"])
        assert lab.served(dataset, 1, count=2) == ["4", "2"]
        lab.queue(dataset, ["2", "1", "0"])
        assert lab.served(dataset, 1, held=lab.held(dataset, 1)) == ["1"]

    def test_l14_records_without_prediction_are_served_after_the_queue(self, lab: Lab):
        dataset = lab.dataset(3, order="ranking", warm_start=0, random_share=0.0)
        lab.queue(dataset, ["1"])
        served = lab.served(dataset, 1, count=3)
        assert served[0] == "1"
        assert sorted(served) == ["0", "1", "2"]

    def test_without_a_queue_the_order_is_random(self, lab: Lab):
        dataset = lab.dataset(10, order="uncertainty", warm_start=0)
        expected = lab.column(
            sa.select(records.c.content).where(records.c.dataset_id == dataset.id).order_by(records.c.shuffle)
        )
        assert lab.served(dataset, 1, count=10) == expected

    def test_the_warm_start_is_random(self, lab: Lab):
        dataset = lab.dataset(10, order="uncertainty", warm_start=2, random_share=0.0)
        expected = lab.column(
            sa.select(records.c.content).where(records.c.dataset_id == dataset.id).order_by(records.c.shuffle)
        )
        lab.queue(dataset, list(reversed(expected)))
        for number in (0, 1):
            (served,) = lab.next(dataset, 1).records
            assert served.record.content == expected[number]
            lab.answer(dataset, served.record.id, 1)
        assert lab.served(dataset, 1) == [expected[9]]

    def test_one_is_shown_what_the_classifier_says_but_not_where_somebody_answered(self, lab: Lab):
        dataset = lab.dataset(2, order="uncertainty", warm_start=0, random_share=0.0, labels_per_record=2)
        lab.queue(dataset, ["1", "0"])
        one = lab.next(dataset, 1).records[0]
        assert one.suggestion == (lab.label(dataset, "a"), 0.5)
        lab.answer(dataset, one.record.id, 1)
        assert lab.next(dataset, 2).records[0].suggestion is None

    def test_what_was_shown_is_shown_again_with_what_the_classifier_says(self, lab: Lab):
        """A page that is loaded again, and another one of the same person."""
        dataset = lab.dataset(3, order="uncertainty", warm_start=0, random_share=0.0)
        lab.queue(dataset, ["1", "0", "2"])
        first = lab.next(dataset, 1, count=2).records
        again = lab.next(dataset, 1, count=2).records
        assert sorted(again, key=lambda each: each.record.id) == sorted(first, key=lambda each: each.record.id)
        assert {each.suggestion for each in again} == {(lab.label(dataset, "a"), 0.5)}

    def test_what_was_shown_says_nothing_once_somebody_answered_or_the_queue_has_it_no_more(self, lab: Lab):
        dataset = lab.dataset(3, order="uncertainty", warm_start=0, random_share=0.0, labels_per_record=2)
        lab.queue(dataset, ["1", "0", "2"])
        first, second = lab.next(dataset, 1, count=2).records
        lab.answer(dataset, first.record.id, 2)
        lab.queue(dataset, ["2"])
        assert [each.suggestion for each in lab.next(dataset, 1, count=2).records] == [None, None]
        lab.queue(dataset, ["0", "1"])
        said = {each.record.id: each.suggestion for each in lab.next(dataset, 1, count=2).records}
        assert said == {first.record.id: None, second.record.id: (lab.label(dataset, "a"), 0.5)}

    def test_the_standing_share_is_served_at_its_rate_and_suggests_nothing(self, small_lab: Lab):
        lab = small_lab
        dataset = lab.dataset(400, order="uncertainty", warm_start=0, random_share=0.3)
        rest = select_contents(lab, dataset, in_share=0)
        lab.queue(dataset, rest)
        shares = []
        for _ in range(100):
            (served,) = lab.next(dataset, 1).records
            shares.append(served.record.in_share)
            assert (served.suggestion is None) == served.record.in_share
            lab.answer(dataset, served.record.id, 1)
        assert 15 <= sum(shares) <= 45


def select_contents(lab: Lab, dataset, in_share: int) -> list[str]:
    found = records.c.dataset_id == dataset.id
    return lab.column(sa.select(records.c.content).where(found, records.c.in_share == in_share).order_by(records.c.id))
