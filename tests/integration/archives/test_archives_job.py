"""The job of an archive: one moment whatever happens meanwhile, complete or absent, and what becomes of it."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import webapp
from archive_lab import QUEUES, ArchiveLab, free_now, sums
from labelmill import clock, triggers
from labelmill.archives import ArchiveState
from labelmill.archives import service as archives
from labelmill.archives.tables import archives as archive_rows
from labelmill.datasets import service as datasets
from labelmill.errors import Conflict, NotFound
from labelmill.jobs import service as jobs
from labelmill.jobs.worker import WorkerProcess
from labelmill.learning import service as learning
from labelmill.learning.tables import generations
from small_disk import little_room

STEP = 15


def test_p19_a_failure_at_any_point_changes_no_member(lab: ArchiveLab, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = lab.trained(40, 20)
    right = lab.members(lab.make(dataset, step_records=STEP))
    monkeypatch.setattr("labelmill.triggers._passed", Counter())
    number, places = 0, []
    while True:
        number += 1
        triggers._passed.clear()
        monkeypatch.setenv(triggers.VARIABLE, f"*:fail:{number}")
        made = lab.request(dataset, step_records=STEP)
        lab.work(QUEUES)
        monkeypatch.delenv(triggers.VARIABLE)
        errors = [each["error"] for each in lab.read(jobs.list_steps, made.id) if each["error"]]
        free_now(lab, made.id)
        lab.work(QUEUES)
        found = lab.found(made.id)
        assert found.state is ArchiveState.AVAILABLE
        assert sums(lab.members(found)) == sums(right)
        assert list(lab.app.blobs.names(f"archives/{dataset.id}/{made.id}/")) == [found.blob]
        if not errors:
            break
        places.append(errors)
    assert len(places) >= 8


def test_p19_answers_labels_and_records_that_come_meanwhile_are_not_in_it(lab: ArchiveLab) -> None:
    dataset = lab.trained(40, 20)
    before = lab.make(dataset, step_records=STEP)
    made = lab.request(dataset, step_records=STEP)
    process = WorkerProcess(lab.app.runtime, worker_id="w", queues=QUEUES)
    number = 0
    while process.run_next():
        number += 1
        lab.answer_right(dataset, 5, start=20 + 3 * number)
        lab.add(dataset, 5, start=1000 * number)
        if number == 2:
            labels = {label.name: label.id for label in dataset.labels}
            lab.app.database.transact(datasets.merge_labels, dataset.id, labels["sport"], labels["food"])
    assert number >= 5
    assert sums(lab.members(lab.found(made.id))) == sums(lab.members(before))
    after = lab.make(dataset)
    assert sums(lab.members(after)) != sums(lab.members(before))


def test_two_requests_of_the_same_are_one_archive_while_it_is_made(lab: ArchiveLab) -> None:
    dataset = lab.dataset(5)
    first, second, other = lab.request(dataset), lab.request(dataset), lab.request(dataset, pickle=True)
    assert first.id == second.id != other.id
    assert first.state is ArchiveState.REQUESTED
    lab.work(QUEUES)
    assert lab.found(first.id).state is ArchiveState.AVAILABLE
    assert lab.request(dataset).id != first.id


def test_records_that_have_no_prediction_yet_get_one_from_the_archives_classifier(lab: ArchiveLab) -> None:
    dataset = lab.trained(30, 20)
    kept = lab.members(lab.make(dataset))
    lab.add(dataset, 10, start=500)
    grown = json.loads(lab.members(lab.make(dataset))["machine_labeled_data_1.json"])
    assert len(grown["text_id"]) == 20
    assert None not in grown["predicted_label"].values()
    lab.app.database.transact(lambda connection: connection.execute(sa.update(generations).values(blob=None)))
    without = json.loads(lab.members(lab.make(dataset))["machine_labeled_data_1.json"])
    assert without["predicted_label"] == grown["predicted_label"]
    first = json.loads(kept["machine_labeled_data_1.json"])["predicted_label"]
    assert {key: without["predicted_label"][key] for key in first} == first


def test_an_older_classifier_can_be_archived(lab: ArchiveLab) -> None:
    dataset = lab.trained(30, 12)
    lab.answer_right(dataset, 10, start=12)
    lab.train(dataset)
    newest, oldest = lab.make(dataset), lab.make(dataset, classifier_id=1)
    assert (newest.version, oldest.version) == (2, 1)
    with pytest.raises(NotFound):
        lab.request(dataset, classifier_id=99)


@pytest.mark.parametrize("step_records", [None, 10], ids=["while-it-reads", "while-it-joins"])
def test_p12_a_full_disk_fails_an_archive_with_its_reason_and_keeps_nothing_of_it(
    tmp_path: Path, postgresql_migrated: str, step_records: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is elsewhere: of this process no file may grow. Requested again, with room, it is made."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with webapp.site(tmp_path, database_url=postgresql_migrated) as site:
        lab = ArchiveLab(site.app)
        dataset = lab.dataset(0)
        numbers = random.Random(1)
        lab.add_contents(dataset, [f"{numbers.getrandbits(40_000):x}" for _ in range(40)])
        with little_room(150_000):
            failed = lab.make(dataset, step_records=step_records)
        assert failed.state is ArchiveState.FAILED
        assert failed.reason == (
            "There is no room for the archive: File too large. Free some space, or ask an administrator to look at the disk; "
            "then request it again."
        )
        assert list(lab.app.blobs.names("archives/")) == []
        assert list(temporary.iterdir()) == []
        lab.app.database.transact(jobs.retry, failed.id)
        lab.work(QUEUES)
        assert "request it again" in (lab.found(failed.id).reason or "").casefold()
        made = lab.make(dataset)
        assert made.state is ArchiveState.AVAILABLE
        assert list(lab.app.blobs.names("archives/")) == [made.blob]


def test_what_an_archive_that_failed_long_ago_has_left_goes_with_the_next_one(lab: ArchiveLab) -> None:
    dataset = lab.dataset(5)
    made = lab.request(dataset)
    left = f"archives/{dataset.id}/{made.id}/part-00000-1"
    lab.app.blobs.put(left, b"half")
    lab.app.database.transact(archives.cancel, made.id)
    lab.make(dataset)
    assert lab.app.blobs.exists(left)
    past = clock.now() - timedelta(days=8)
    old = sa.update(archive_rows).where(archive_rows.c.id == made.id).values(requested_at=past)
    lab.app.database.transact(lambda connection: connection.execute(old))
    lab.make(dataset)
    assert not lab.app.blobs.exists(left)


@pytest.mark.parametrize("when", ["archive.planned", "archive.part-kept", "archive.written"])
def test_an_archive_that_is_cancelled_while_it_is_made_leaves_nothing(
    lab: ArchiveLab, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    dataset = lab.dataset(30)
    made = lab.request(dataset, step_records=10)

    def meddle(place: str) -> None:
        if place == when:
            lab.app.database.transact(archives.cancel, made.id)

    monkeypatch.setattr("labelmill.archives.jobs.passing", meddle)
    lab.work(QUEUES)
    assert (lab.found(made.id).state, lab.found(made.id).reason) == (ArchiveState.FAILED, "It was cancelled.")
    assert list(lab.app.blobs.names("archives/")) == []


def test_an_archive_that_cannot_be_made_says_why_and_can_be_requested_again(lab: ArchiveLab) -> None:
    dataset = lab.trained(20, 10)
    blob = lab.read(learning.list_classifiers, dataset.id)[0].blob
    content = lab.app.blobs.get(blob)
    lab.app.blobs.remove(blob)
    failed = lab.make(dataset)
    assert (failed.state, failed.reason) == (ArchiveState.FAILED, "There is no such blob.")
    with pytest.raises(Conflict, match="no such blob"):
        archives.require_file(failed)
    lab.app.blobs.put(blob, content)
    assert lab.make(dataset).state is ArchiveState.AVAILABLE
    lab.app.database.transact(jobs.retry, failed.id)
    lab.work(QUEUES)
    assert lab.found(failed.id).state is ArchiveState.AVAILABLE


def test_a_cancelled_archive_is_not_made_and_can_be_requested_again(lab: ArchiveLab) -> None:
    dataset = lab.dataset(5)
    made = lab.request(dataset)
    assert lab.app.database.transact(archives.cancel, made.id).reason == "It was cancelled."
    lab.work(QUEUES)
    assert lab.found(made.id).state is ArchiveState.FAILED
    with pytest.raises(Conflict):
        lab.app.database.transact(archives.cancel, made.id)
    assert lab.make(dataset).state is ArchiveState.AVAILABLE


def test_an_archive_expires_after_its_days_and_its_file_goes(lab: ArchiveLab) -> None:
    dataset = lab.dataset(5)
    made = lab.make(dataset)
    assert made.expires_at is not None
    assert made.made_at is not None
    assert made.expires_at - made.made_at == timedelta(days=30)
    assert lab.app.blobs.exists(made.blob or "")
    past = clock.now() - timedelta(days=1)
    lab.app.database.transact(lambda connection: connection.execute(sa.update(archive_rows).values(expires_at=past)))
    assert lab.found(made.id).state is ArchiveState.EXPIRED
    free_now(lab)
    lab.work(QUEUES)
    expired = lab.found(made.id)
    assert (expired.state, expired.blob) == (ArchiveState.EXPIRED, None)
    assert list(lab.app.blobs.names("archives/")) == []
    with pytest.raises(NotFound, match="expired"):
        archives.require_file(expired)


def test_a_dataset_that_is_removed_meanwhile_takes_its_archives_along(lab: ArchiveLab) -> None:
    dataset = lab.dataset(5)
    made, waiting = lab.make(dataset), lab.request(dataset, pickle=True)
    lab.app.database.transact(datasets.archive, dataset.id)
    lab.app.database.transact(datasets.remove, dataset.id)
    for _ in range(5):
        free_now(lab)
        lab.work((*QUEUES, "default"))
    for archive_id in (made.id, waiting.id):
        with pytest.raises(NotFound):
            lab.found(archive_id)
    assert list(lab.app.blobs.names("archives/")) == []
