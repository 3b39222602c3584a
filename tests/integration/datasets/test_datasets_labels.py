"""The labels of a dataset, on every database: no answer is lost, no name is ambiguous."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import sqlalchemy as sa

from annotation_lab import Lab, person
from labelmill.annotation import service as annotation
from labelmill.datasets import service
from labelmill.datasets.model import NewLabel
from labelmill.datasets.tables import init_records
from labelmill.errors import BadInput, Conflict, NotFound


@pytest.fixture
def lab(database):
    return Lab(database)


@pytest.fixture
def dataset(lab):
    return lab.dataset(4, labels_per_record=3)


def add(lab, dataset, name, **more):
    return lab.database.transact(service.add_label, dataset.id, NewLabel(name=name, **more))


def names(lab, dataset):
    return [label.name for label in lab.again(dataset).labels]


def answer(lab, dataset, record_id, *names):
    for number, name in enumerate(names):
        label = lab.label(lab.again(dataset), name)
        key = f"{record_id}-{number}"
        lab.database.transact(annotation.answer, lab.again(dataset), record_id, person(number), label_ids=[label], key=key)


def majority(lab, dataset, record_id):
    with lab.database.read() as connection:
        record = service.get_record(connection, dataset.id, record_id)
    by_id = {label.id: label.name for label in lab.again(dataset).labels}
    return "tied" if record.is_tied else by_id.get(record.majority_id)


class TestNames:
    @pytest.mark.parametrize("length", [1, 50, 51, 255, 256, 5_000, 100_000])
    def test_l09_a_name_has_any_length(self, lab, dataset, length):
        name = "\N{GRINNING FACE}" * length
        assert add(lab, dataset, name).name == name
        assert lab.database.transact(service.ensure_labels, dataset.id, [name]) == {name: lab.label(lab.again(dataset), name)}

    def test_names_that_look_alike_are_one(self, lab, dataset):
        add(lab, dataset, "cafe\u0301")
        with pytest.raises(Conflict, match="already"):
            add(lab, dataset, " caf\u00e9 ")

    def test_names_that_differ_in_case_or_a_blank_within_are_two(self, lab, dataset):
        for name in ("Tom", "tom", "to m", "töm"):
            add(lab, dataset, name)
        assert names(lab, dataset) == ["a", "b", "c", "ignored", "Tom", "tom", "to m", "töm"]

    @pytest.mark.parametrize("name", ["", " ", "a\u200bb", "\u202eabc", "a\nb", "a\x00b", "\ufeffa"])
    def test_what_nobody_could_tell_apart_is_refused(self, lab, dataset, name):
        with pytest.raises(BadInput):
            add(lab, dataset, name)
        with pytest.raises(BadInput):
            lab.database.transact(service.ensure_labels, dataset.id, ["fine", name])
        assert names(lab, dataset) == ["a", "b", "c", "ignored"]

    def test_a_renamed_label_keeps_its_answers(self, lab, dataset):
        [first, *_] = lab.ids(dataset)
        answer(lab, dataset, first, "a")
        lab.database.transact(service.change_label, dataset.id, lab.label(dataset, "a"), name="alpha")
        assert majority(lab, dataset, first) == "alpha"
        assert add(lab, dataset, "a").id != lab.label(dataset, "a")

    def test_a_name_that_is_taken_is_refused(self, lab, dataset):
        with pytest.raises(Conflict, match="already"):
            lab.database.transact(service.change_label, dataset.id, lab.label(dataset, "a"), name="b")

    def test_ignored_stays_what_it_is(self, lab, dataset):
        ignored, a = lab.label(dataset, "ignored"), lab.label(dataset, "a")
        for verb, more in (
            (service.change_label, {"name": "x"}), (service.remove_label, {}), (service.merge_labels, {"into_id": a}),
        ):  # fmt: skip
            with pytest.raises(Conflict, match="'ignored' cannot be"):
                lab.database.transact(verb, dataset.id, ignored, **more)
        assert lab.database.transact(service.change_label, dataset.id, ignored, colour="#123456").colour == "#123456"


class TestLooks:
    def test_no_two_have_the_same_colour_or_key(self, lab, dataset):
        a, b = dataset.labels[:2]
        with pytest.raises(Conflict, match="colour"):
            lab.database.transact(service.change_label, dataset.id, a.id, colour=b.colour)
        with pytest.raises(Conflict, match="key"):
            lab.database.transact(service.change_label, dataset.id, a.id, shortcut=b.shortcut)
        with pytest.raises(Conflict, match="colour"):
            add(lab, dataset, "x", colour=a.colour.upper())
        assert lab.database.transact(service.change_label, dataset.id, a.id, colour=a.colour, shortcut=a.shortcut) == a

    def test_a_key_can_be_taken_away_and_given_to_another(self, lab, dataset):
        a, b = dataset.labels[:2]
        assert lab.database.transact(service.change_label, dataset.id, a.id, shortcut="").shortcut == ""
        assert lab.database.transact(service.change_label, dataset.id, b.id, shortcut=a.shortcut).shortcut == a.shortcut

    def test_a_removed_label_frees_its_key(self, lab, dataset):
        a = dataset.labels[0]
        lab.database.transact(service.remove_label, dataset.id, a.id)
        assert add(lab, dataset, "x", shortcut=a.shortcut, colour=a.colour).shortcut == a.shortcut


class TestMerge:
    def test_answers_count_for_the_other_and_stay_as_they_were_given(self, lab, dataset):
        first, second, third, _ = lab.ids(dataset)
        answer(lab, dataset, first, "a")
        answer(lab, dataset, second, "a", "b")
        answer(lab, dataset, third, "a", "b", "c")
        assert [majority(lab, dataset, each) for each in (first, second, third)] == ["a", "tied", "tied"]
        before = lab.label(dataset, "a")
        lab.database.transact(service.merge_labels, dataset.id, before, lab.label(dataset, "b"))
        assert [majority(lab, dataset, each) for each in (first, second, third)] == ["b", "b", "b"]
        assert names(lab, dataset) == ["b", "c", "ignored"]
        stored = sa.table("annotation_labels", sa.column("label_id"))
        with lab.database.read() as connection:
            assert connection.scalar(sa.select(sa.func.count()).where(stored.c.label_id == before)) == 3

    def test_what_was_merged_before_goes_along(self, lab, dataset):
        [first, *_] = lab.ids(dataset)
        answer(lab, dataset, first, "a")
        a, b, c = (lab.label(dataset, name) for name in "abc")
        lab.database.transact(service.merge_labels, dataset.id, a, b)
        lab.database.transact(service.merge_labels, dataset.id, b, c)
        assert majority(lab, dataset, first) == "c"
        with lab.database.read() as connection:
            assert service.merged_labels(connection, dataset.id) == {a: c, b: c}
        assert lab.database.transact(service.ensure_labels, dataset.id, ["a", "b", "c"]) == {"a": c, "b": c, "c": c}

    def test_a_merge_can_make_a_tie(self, lab, dataset):
        [first, *_] = lab.ids(dataset)
        answer(lab, dataset, first, "a", "b", "c")
        lab.database.transact(service.change, dataset.id, settings={"labels_per_record": 4})
        answer(lab, dataset, first, "a", "b", "c", "c")
        assert majority(lab, dataset, first) == "c"
        lab.database.transact(service.merge_labels, dataset.id, lab.label(dataset, "a"), lab.label(dataset, "b"))
        assert majority(lab, dataset, first) == "tied"

    def test_an_answer_with_both_labels_has_one_vote(self, lab):
        dataset = lab.dataset(1, labels_per_record=3, several_labels=True)
        [first] = lab.ids(dataset)
        a, b, c = (lab.label(dataset, name) for name in "abc")
        for number, given in enumerate(([a, b], [c], [c])):
            lab.database.transact(annotation.answer, dataset, first, person(number), label_ids=given, key=str(number))
        lab.database.transact(service.merge_labels, dataset.id, a, b)
        assert majority(lab, dataset, first) == "c"

    def test_init_records_go_along_without_doubles(self, lab, dataset):
        a, b = lab.label(dataset, "a"), lab.label(dataset, "b")
        frame = pl.DataFrame({"content": ["one", "one", "two"], "label_id": [a, b, a]})
        lab.database.transact(service.add_init_records, dataset.id, frame)
        lab.database.transact(service.merge_labels, dataset.id, a, b)
        query = sa.select(init_records.c.content, init_records.c.label_id).order_by(init_records.c.content)
        with lab.database.read() as connection:
            assert [tuple(row) for row in connection.execute(query)] == [("one", b), ("two", b)]

    def test_not_into_itself_nor_what_is_gone_nor_another_datasets(self, lab, dataset):
        a, b, c = (lab.label(dataset, name) for name in "abc")
        other = lab.label(lab.dataset(0), "a")
        lab.database.transact(service.remove_label, dataset.id, c)
        with pytest.raises(Conflict, match="itself"):
            lab.database.transact(service.merge_labels, dataset.id, a, a)
        for one, into in ((a, other), (other, a), (a, c), (c, a), (b, 10**9)):
            with pytest.raises(NotFound):
                lab.database.transact(service.merge_labels, dataset.id, one, into)

    def test_its_name_leads_to_the_other(self, lab, dataset):
        a, b = lab.label(dataset, "a"), lab.label(dataset, "b")
        lab.database.transact(service.merge_labels, dataset.id, a, b)
        with pytest.raises(Conflict, match="counts for 'b'"):
            add(lab, dataset, "a")


class TestRemove:
    def test_one_with_answers_or_init_records_stays(self, lab, dataset):
        [first, *_] = lab.ids(dataset)
        answer(lab, dataset, first, "a")
        b = lab.label(dataset, "b")
        lab.database.transact(service.add_init_records, dataset.id, pl.DataFrame({"content": ["x"], "label_id": [b]}))
        for label in (lab.label(dataset, "a"), b):
            with pytest.raises(Conflict, match="Merge it"):
                lab.database.transact(service.remove_label, dataset.id, label)
        assert names(lab, dataset) == ["a", "b", "c", "ignored"]

    def test_one_whose_answers_were_taken_back_goes_and_its_history_stays(self, lab, dataset):
        [first, *_] = lab.ids(dataset)
        answer(lab, dataset, first, "a")
        lab.database.transact(annotation.withdraw, lab.again(dataset), first, person(0), key="back")
        lab.database.transact(service.remove_label, dataset.id, lab.label(dataset, "a"))
        assert names(lab, dataset) == ["b", "c", "ignored"]
        with lab.database.read() as connection:
            assert len(annotation.history(connection, dataset.id, first)) == 2

    @pytest.mark.parametrize("way", ["add", "ensure"])
    def test_it_comes_back_as_the_last_one(self, lab, dataset, way):
        a = lab.label(dataset, "a")
        lab.database.transact(service.remove_label, dataset.id, a)
        if way == "add":
            assert add(lab, dataset, "a").id == a
        else:
            assert lab.database.transact(service.ensure_labels, dataset.id, ["a", "new"])["a"] == a
        assert names(lab, dataset)[:4] == ["b", "c", "ignored", "a"]


class TestEnsure:
    def test_known_ones_change_nothing_and_new_ones_come_in_their_order(self, lab, dataset):
        before = lab.again(dataset).revision
        assert set(lab.database.transact(service.ensure_labels, dataset.id, ["b", "a"])) == {"a", "b"}
        assert lab.again(dataset).revision == before
        found = lab.database.transact(service.ensure_labels, dataset.id, ["z", " y", "z", "e\u0301", "\u00e9"])
        assert names(lab, dataset) == ["a", "b", "c", "ignored", "z", "y", "é"]
        assert found["e\u0301"] == found["\u00e9"]
        assert lab.again(dataset).revision == before + 1

    def test_many_at_once_make_each_once(self, lab, dataset):
        """Two imports may meet the same new labels."""
        wanted = [f"label {number}" for number in range(20)]
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(lab.database.transact, service.ensure_labels, dataset.id, wanted) for _ in range(4)]
            found = [call.result() for call in calls]
        assert all(each == found[0] for each in found)
        assert names(lab, dataset) == ["a", "b", "c", "ignored", *wanted]
        looks = [(label.colour, label.shortcut) for label in lab.again(dataset).labels]
        assert len({colour for colour, _ in looks}) == len(looks)

    def test_not_more_than_a_dataset_can_have(self, lab, dataset, monkeypatch):
        monkeypatch.setattr("labelmill.datasets.labels.MOST_LABELS", 5)
        with pytest.raises(BadInput, match="at most 5 labels"):
            lab.database.transact(service.ensure_labels, dataset.id, ["x", "y"])
        assert names(lab, dataset) == ["a", "b", "c", "ignored"]
