"""Datasets and their labels, on every database: made, found, changed, archived and removed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import sqlalchemy as sa

from annotation_lab import Lab, person
from labelmill.annotation import service as annotation
from labelmill.blobs import MemoryBlobs
from labelmill.datasets import removal, service
from labelmill.datasets.aftermath import DatasetSteps
from labelmill.datasets.model import DatasetSettings, NewLabel, RecordFilter, RecordKind, Tie
from labelmill.datasets.tables import datasets, init_records, labels, records
from labelmill.errors import BadInput, Conflict, NotFound
from labelmill.jobs import service as jobs


@pytest.fixture
def lab(database):
    return Lab(database)


def new(database, name="posts", *names, **more):
    given = [NewLabel(name=each) for each in names or ("good", "bad")]
    return database.transact(service.create, name=name, kind=RecordKind.TEXT, labels=given, **more)


def named(dataset):
    return {label.name: label.id for label in dataset.labels}


def answer(lab, dataset, record_id, number, *label_ids):
    key = f"{record_id}-{number}-{label_ids}"
    return lab.database.transact(annotation.answer, lab.again(dataset), record_id, person(number), label_ids=label_ids, key=key)


def record(lab, dataset, record_id):
    with lab.database.read() as connection:
        return service.get_record(connection, dataset.id, record_id)


def ids(lab, dataset, **where):
    with lab.database.read() as connection:
        return [each.id for each in service.list_records(connection, dataset.id, where=RecordFilter(**where))]


class TestDataset:
    def test_it_is_made_with_its_labels_and_ignored_after_them(self, database):
        made = new(database, "  Posts é ", "good", "bad", guidelines="# Look", settings=DatasetSettings(batch_size=7))
        assert (made.name, made.kind, made.guidelines, made.settings.batch_size) == ("Posts é", RecordKind.TEXT, "# Look", 7)
        assert [(label.name, label.place, label.is_ignored) for label in made.labels] == [
            ("good", 0, False), ("bad", 1, False), ("ignored", 2, True),
        ]  # fmt: skip
        assert (made.revision, made.archived_at, made.records) == (1, None, 0)

    def test_given_ignored_is_the_one(self, database):
        made = new(database, "x", "ignored", "good")
        assert [(label.name, label.is_ignored) for label in made.labels] == [("ignored", True), ("good", False)]

    def test_l20_a_set_of_labels_has_one_order(self, database):
        names = [f"label {number}" for number in (3, 1, 2, 30)]
        assert [label.name for label in new(database, "x", *names).labels] == [*names, "ignored"]

    def test_it_is_found_by_name_and_by_id(self, database):
        made = new(database)
        with database.read() as connection:
            assert service.find(connection, "posts").id == service.find(connection, str(made.id)).id == made.id
            for text in ("Posts", "0", "9" * 30, "", "²"):
                with pytest.raises(NotFound, match="dataset list"):
                    service.find(connection, text)

    def test_a_name_is_taken_once_also_by_an_archived_one(self, database):
        made = new(database)
        database.transact(service.archive, made.id)
        with pytest.raises(Conflict, match="perhaps an archived one"):
            new(database)
        other = new(database, "others")
        with pytest.raises(Conflict, match="Take another name"):
            database.transact(service.change, other.id, name="posts")

    @pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\u202eb", "a\nb", "a\0b", "a\u200bb"])
    def test_a_name_that_people_cannot_read_is_refused(self, database, name):
        with pytest.raises(BadInput):
            new(database, name)

    def test_nothing_is_stored_of_one_whose_labels_are_wrong(self, database):
        with pytest.raises(Conflict, match="given twice"):
            new(database, "x", "caf\u00e9", "cafe\u0301")
        with database.read() as connection:
            assert service.list_datasets(connection) == []

    def test_they_are_listed_in_pages_and_by_membership(self, database):
        made = [new(database, f"set {number}") for number in range(3)]
        database.transact(service.archive, made[1].id)
        with database.read() as connection:
            assert [each.id for each in service.list_datasets(connection, limit=1)] == [made[0].id]
            assert [each.id for each in service.list_datasets(connection, after=made[0].id)] == [made[2].id]
            assert [each.id for each in service.list_datasets(connection, archived=True)] == [made[1].id]
            assert [each.id for each in service.list_datasets(connection, only=[made[2].id])] == [made[2].id]
            assert service.list_datasets(connection, only=[]) == []
            assert named(service.list_datasets(connection)[0]) == named(made[0])


class TestChange:
    def test_what_is_given_is_changed_and_the_rest_stays(self, database):
        made = new(database)
        changed = database.transact(service.change, made.id, name="other", settings={"batch_size": 3})
        assert (changed.name, changed.settings.batch_size, changed.settings.seed, changed.revision) == ("other", 3, 42, 2)
        assert database.transact(service.change, made.id, guidelines="x").settings.batch_size == 3

    def test_an_old_revision_is_refused_and_changes_nothing(self, database):
        made = new(database)
        database.transact(service.change, made.id, revision=1, guidelines="first")
        for verb, arguments in (
            (service.change, {"guidelines": "second"}),
            (service.add_label, {"new": NewLabel(name="x")}),
            (service.order_labels, {"ids": [each.id for each in made.labels]}),
        ):
            with pytest.raises(Conflict, match="at revision 2, not 1"):
                database.transact(verb, made.id, revision=1, **arguments)
        with database.read() as connection:
            assert service.get(connection, made.id).guidelines == "first"

    def test_of_many_changes_from_one_revision_one_is_made(self, database):
        made = new(database)

        def change(number):
            try:
                database.transact(service.change, made.id, revision=1, guidelines=str(number))
            except Conflict:
                return 0
            return 1

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(change, range(8))) == 1

    @pytest.mark.parametrize(
        ("settings", "where"),
        [
            ({"nonsense": 1}, "nonsense"),
            ({"batch_size": 0}, "batch_size"),
            ({"order": "x"}, "order"),
            ({"suggest": 1}, "suggest"),
        ],
    )
    def test_a_wrong_setting_is_named(self, database, settings, where):
        made = new(database)
        with pytest.raises(BadInput) as caught:
            database.transact(service.change, made.id, settings=settings)
        assert caught.value.where == where

    def test_what_is_drawn_stays_once_there_are_records(self, lab):
        """Else records of two draws would lie beside each other, and the scored share would be no random one."""
        empty = lab.dataset(0)
        lab.database.transact(service.change, empty.id, settings={"seed": 7, "random_share": 0.2})
        filled = lab.dataset(3)
        for name, value in (("seed", 7), ("random_share", 0.2)):
            with pytest.raises(Conflict, match="drawn at random"):
                lab.database.transact(service.change, filled.id, settings={name: value})

    def test_l09_other_settings_derive_majorities_anew(self, lab):
        dataset = lab.dataset(3, labels_per_record=2)
        a, b = (named(dataset)[name] for name in "ab")
        first, second, third = ids(lab, dataset)
        for record_id, *given in ((first, a, b), (second, a, a), (third, b)):
            for number, label in enumerate(given):
                answer(lab, dataset, record_id, number, label)
        assert [(record(lab, dataset, each).majority_id, record(lab, dataset, each).is_tied) for each in (first, second, third)] == [
            (None, True), (a, False), (b, False),
        ]  # fmt: skip
        lab.database.transact(service.change, dataset.id, settings={"tie": Tie.FIRST.value, "min_label_count": 2})
        assert [record(lab, dataset, each).majority_id for each in (first, second, third)] == [a, a, None]
        lab.database.transact(service.change, dataset.id, settings={"labels_per_record": 3})
        assert ids(lab, dataset, is_open=True) == [first, second, third]
        lab.database.transact(service.change, dataset.id, settings={"labels_per_record": 1})
        assert ids(lab, dataset, is_open=False) == [first, second, third]

    def test_what_is_more_than_one_transaction_should_do_is_a_job(self, lab, monkeypatch):
        """It runs in slices, again from its beginning where it was stopped, and harms nothing where it runs twice."""
        monkeypatch.setattr("labelmill.datasets.recount.SLICE", 2)
        dataset = lab.dataset(7)
        label = named(dataset)["a"]
        for record_id in ids(lab, dataset):
            answer(lab, dataset, record_id, 1, label)
        lab.database.transact(service.change, dataset.id, settings={"labels_per_record": 2})
        assert len(ids(lab, dataset, is_open=True)) == 3  # and one more, which tells that there are more
        run_jobs(lab.database)
        assert len(ids(lab, dataset, is_open=True)) == 7


class Context:
    """What a handler is given, without a worker around it."""

    def __init__(self, params, payload):
        self.params, self.payload, self.reports = params, payload, []

    def report(self, done):
        self.reports.append(done)


def run_jobs(database):
    handlers = {
        name: handler for kind in DatasetSteps(database, MemoryBlobs()).kinds() for name, handler in kind.handlers.items()
    }
    with database.read() as connection:
        found = [(job, jobs.list_steps(connection, job.id)) for job in jobs.list_jobs(connection)]
    assert found
    for job, steps in found:
        for step in steps:
            for _ in range(2):
                handlers[step["name"]](Context(job.params, step["payload"]))


class TestEnd:
    def test_an_archived_one_changes_no_more_and_comes_back(self, lab):
        dataset = lab.dataset(2)
        lab.database.transact(service.archive, dataset.id)
        for verb, arguments in (
            (service.change, {"guidelines": "x"}),
            (service.add_label, {"new": NewLabel(name="x")}),
            (service.ensure_labels, {"names": ["x"]}),
            (service.ensure_labels, {"names": ["a"]}),
        ):
            with pytest.raises(Conflict, match=r"archived.*dataset restore"):
                lab.database.transact(verb, dataset.id, **arguments)
        with pytest.raises(Conflict, match="archived"):
            lab.add(dataset, ["new"])
        lab.database.transact(service.archive, dataset.id)
        assert lab.database.transact(service.restore, dataset.id).archived_at is None
        assert len(ids(lab, dataset)) == 2

    def test_only_an_archived_one_is_removed(self, lab):
        dataset = lab.dataset(2)
        with pytest.raises(Conflict, match="Archive it first"):
            lab.database.transact(service.remove, dataset.id)

    def test_everything_goes_with_it_and_nothing_of_others(self, lab):
        dataset, other = lab.dataset(3), lab.dataset(3)
        for each in (dataset, other):
            label = named(each)["a"]
            frame = pl.DataFrame({"content": ["init"], "label_id": [label]})
            lab.database.transact(service.add_init_records, each.id, frame)
            for record_id in ids(lab, each)[:2]:
                answer(lab, each, record_id, 1, label)
        lab.database.transact(service.archive, dataset.id)
        assert lab.database.transact(service.remove, dataset.id) is None
        with lab.database.read() as connection:
            for table, count in ((datasets, 1), (records, 3), (labels, 4), (init_records, 1)):
                assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == count
            assert service.counts(connection, other.id).annotations == 2
            with pytest.raises(NotFound):
                service.get(connection, dataset.id)

    def test_a_large_one_is_gone_at_once_and_its_rows_follow(self, lab, monkeypatch):
        monkeypatch.setattr("labelmill.datasets.removal.SLICE", 2)
        dataset = lab.dataset(5)
        lab.database.transact(service.archive, dataset.id)
        assert lab.database.transact(service.remove, dataset.id)
        new(lab.database, dataset.name)
        with lab.database.read() as connection:
            assert dataset.id not in [each.id for each in service.list_datasets(connection, archived=True)]
            for call in (service.get, service.counts, service.list_records):
                with pytest.raises(NotFound):
                    call(connection, dataset.id)
        with pytest.raises(NotFound):
            lab.database.transact(service.restore, dataset.id)
        run_jobs(lab.database)
        with lab.database.read() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(records)) == 0
            assert connection.scalar(sa.select(sa.func.count()).select_from(datasets)) == 1

    def test_nobody_removes_rows_of_a_dataset_in_use_by_its_number(self, lab):
        dataset = lab.dataset(0)
        lab.database.transact(removal.step, dataset.id)
        assert lab.again(dataset).id == dataset.id
