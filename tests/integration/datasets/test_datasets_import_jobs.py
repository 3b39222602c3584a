"""Imports as jobs: every row goes in or is listed, whatever interrupts them; and nothing goes in twice."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import closing
from dataclasses import replace

import polars as pl
import pytest
import sqlalchemy as sa

import lent
from import_samples import DATA, picture, write_zip
from labelmill import bootstrap
from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import import_jobs, imports, init_record_rows, label_rows, record_rows, service
from labelmill.datasets.import_places import reference
from labelmill.datasets.import_shelf import Shelf
from labelmill.datasets.imports import LabelUse, Mapping
from labelmill.datasets.model import RecordKind
from labelmill.db.company import is_served, let_in, serving
from labelmill.jobs import presence
from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.model import JobState, Limits
from labelmill.jobs.worker import WorkerProcess
from labelmill.settings import Settings

TEXT = Mapping(columns=("text",))
VOTES = replace(TEXT, label_column="label", label_use=LabelUse.ANSWERS, annotator_column="who")


class Mill:
    """An app, and short words for what the tests do with it."""

    def __init__(self, app, folder):
        self.app, self.folder = app, folder

    def dataset(self, kind=RecordKind.TEXT, name="posts"):
        return self.app.database.transact(service.create, name=name, kind=kind).id

    def write(self, text, name="posts.csv"):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def begin(self, dataset, path, mapping, **more):
        source = reference(self.app.places, str(path))
        return self.app.database.transact(import_jobs.begin, dataset_id=dataset, source=source, mapping=mapping, **more).id

    def run(self, dataset, path, mapping=TEXT, **more):
        job = run_or_watch(self.app.runtime, self.begin(dataset, path, mapping, **more))
        assert job.state is JobState.SUCCEEDED, job.error
        return job.result

    def records(self, dataset):
        with self.app.database.read() as connection:
            query = sa.select(record_rows.c.given_id, record_rows.c.content).where(record_rows.c.dataset_id == dataset)
            return [tuple(row) for row in connection.execute(query.order_by(record_rows.c.id))]

    def everything(self, dataset):
        """Return all that an import can leave, without numbers that differ from run to run."""
        with self.app.database.read() as connection:
            names = {row[0]: row[1] for row in connection.execute(sa.select(label_rows.c.id, label_rows.c.name))}
            contents = {row[0]: row[1] for row in connection.execute(sa.select(record_rows.c.id, record_rows.c.content))}
            init = connection.execute(
                sa.select(init_record_rows.c.content, init_record_rows.c.label_id).where(
                    init_record_rows.c.dataset_id == dataset
                )
            ).all()
            votes = annotation.votes(connection, dataset)
            people = {each.id: each.name for each in accounts.list_annotators(connection)}
        answers = sorted((contents[record], people[who], names[label]) for record, who, label in votes.iter_rows())
        return self.records(dataset), sorted((content, names[label]) for content, label in init), answers


@pytest.fixture
def mill(tmp_path, migrated_url):
    app = bootstrap.build(
        Settings(data_dir=tmp_path / "data", database_url=migrated_url, heartbeat_seconds=0.2, lease_seconds=2.0)
    )
    yield Mill(app, tmp_path)
    app.close()


@pytest.fixture
def local(tmp_path):
    app = lent.build(Settings(data_dir=tmp_path / "data", heartbeat_seconds=0.2, lease_seconds=2.0))
    yield Mill(app, tmp_path)
    app.close()


def test_l1_texts_are_kept_verbatim_in_their_order(mill):
    texts = ["007", " a ", "1e5", "'; DROP TABLE records; --", "陳🌸", "true", "Tom", "tom", "Tom "]
    path = mill.write(json.dumps({"data": {str(place): text for place, text in enumerate(texts)}}), "data.json")
    dataset = mill.dataset()
    assert mill.run(dataset, path, Mapping(columns=("data",)))["added"] == len(texts)
    assert [content for _, content in mill.records(dataset)] == texts


def test_l2_a_second_import_adds_nothing_and_a_longer_one_what_is_new(mill):
    dataset = mill.dataset()
    path = mill.write("id,text\n" + "".join(f"{n},text {n}\n" for n in range(50)))
    mapping = replace(TEXT, id_column="id")
    first, second = mill.run(dataset, path, mapping), mill.run(dataset, path, mapping)
    assert (first["added"], first["known"], second["added"], second["known"]) == (50, 0, 0, 50)
    path = mill.write("id,text\n" + "".join(f"{n},text {n}\n" for n in range(60)))
    third = mill.run(dataset, path, mapping)
    assert (third["added"], third["known"], third["conflicts"]) == (10, 50, 0)
    assert len(mill.records(dataset)) == 60


def test_a_row_whose_id_is_known_with_another_content_is_listed(mill):
    dataset, mapping = mill.dataset(), replace(TEXT, id_column="id")
    mill.run(dataset, mill.write("id,text\n1,a\n2,b\n"), mapping)
    job = mill.begin(dataset, mill.write("id,text\n1,a\n2,changed\n3,c\n3,d\n"), mapping)
    done = run_or_watch(mill.app.runtime, job)
    assert (done.result["added"], done.result["known"], done.result["conflicts"]) == (1, 3, 2)
    rejects = Shelf(mill.app.settings.blob_dir, job).rejects()
    assert [(row["place"], row["text"]) for row in rejects] == [(3, "2"), (5, "3")]
    assert mill.records(dataset) == [("1", "a"), ("2", "b"), ("3", "c")]


def test_labels_become_init_data_and_the_rest_records(mill):
    dataset = mill.dataset()
    mapping = replace(TEXT, label_column="label", label_use=LabelUse.INIT)
    result = mill.run(dataset, mill.write("text,label\na,good\nb,\nc,bad\na,good\n"), mapping)
    assert (result["init"], result["added"], result["labels"]) == (2, 1, 2)
    assert mill.everything(dataset) == ([(None, "b")], [("a", "good"), ("c", "bad")], [])
    assert mill.run(dataset, mill.folder / "posts.csv", mapping)["init"] == 0


def test_labels_may_only_say_which_there_are(mill):
    dataset = mill.dataset()
    mapping = replace(TEXT, label_column="label", label_use=LabelUse.NAMES)
    mill.run(dataset, mill.write("text,label\na,good\nb,bad\n"), mapping)
    assert mill.everything(dataset) == ([(None, "a"), (None, "b")], [], [])
    with mill.app.database.read() as connection:
        assert [each.name for each in service.get(connection, dataset).labels] == ["good", "bad", "ignored"] or {
            each.name for each in service.get(connection, dataset).labels
        } == {"good", "bad", "ignored"}


def test_labels_become_answers_and_the_latest_of_an_annotator_counts(mill):
    dataset = mill.dataset()
    path = mill.write("text,label,who\na,x,w1\na,y,w2\nb,x,w1\na,y,w1\nb,,w2\nb,x,\n")
    first, second = mill.run(dataset, path, VOTES), mill.run(dataset, path, VOTES)
    assert (first["answers"], first["repeated"], first["rejected"], second["answers"]) == (3, 1, 1, 0)
    records, _, answers = mill.everything(dataset)
    assert records == [(None, "a"), (None, "b")]
    assert answers == [("a", "w1", "y"), ("a", "w2", "y"), ("b", "w1", "x")]


def test_only_who_is_trusted_may_bring_answers_of_real_people(mill):
    path = mill.write("text,label,who\na,x,Ann@example.org\n")
    ann = mill.app.database.transact(accounts.add_annotator, email="ann@example.org", name="Ann", role=Role.ANNOTATOR)
    for trusted in (False, True):
        dataset = mill.dataset(name=f"trusted {trusted}")
        mill.run(dataset, path, VOTES, trusted=trusted)
        with mill.app.database.read() as connection:
            (who,) = annotation.votes(connection, dataset)["annotator_id"].to_list()
            assert (who == ann.id) is trusted
            assert accounts.get_annotator(connection, who).disabled_at is None or not trusted


def test_an_answer_with_several_labels_is_listed(mill):
    mapping = replace(VOTES, label_separator=";")
    result = mill.run(mill.dataset(), mill.write("text,label,who\na,x;y,w1\nb,x,w1\n"), mapping)
    assert (result["answers"], result["rejected"]) == (1, 1)


def test_images_of_an_archive_become_records_with_blobs(mill):
    members = {f"{kind}/{n}.jpg": picture(colour=(n * 40, 0, 0)) for n, kind in enumerate(("cat", "dog", "cat"))}
    path = write_zip(mill.folder / "photos.zip", members | {"cat/bad.jpg": b"none", "notes.txt": b"x"})
    dataset = mill.dataset(RecordKind.IMAGE)
    mapping = imports.usual_mapping(imports.inspect(path))
    first, second = mill.run(dataset, path, mapping), mill.run(dataset, path, mapping)
    assert (first["added"], first["rejected"], first["labels"], second["added"], second["known"]) == (3, 2, 2, 0, 3)
    for given, content in mill.records(dataset):
        assert given in members
        assert mill.app.blobs.exists(json.loads(content)["blob"])


def test_tabular_records_hold_their_fields_in_order(mill):
    dataset = mill.dataset(RecordKind.TABULAR)
    mill.run(dataset, mill.write("b,a,c\n1,007,x\n"), Mapping(kind=RecordKind.TABULAR, columns=("b", "a")))
    assert mill.records(dataset) == [(None, '{"b":"1","a":"007"}')]


@pytest.mark.parametrize("name", ["tweet_binary_mozafari", "hit_spam_crowdflower", "copyright_sites"])
def test_crowds_are_imported_whole(local, name):
    path = DATA / "crowd" / f"{name}_labels.csv.gz"
    if not path.exists():
        lines = [f"w{n % 7},item {n % 50},{n % 3 % 2}" for n in range(400)]
        path = local.write("\n".join(["worker,item,label", *lines]))
    frame = pl.read_csv(path, infer_schema=False)
    dataset = local.dataset()
    result = local.run(dataset, path, imports.usual_mapping(imports.inspect(path)))
    pairs = frame.unique(["worker", "item"]).height
    assert (result["rows"], result["added"], result["answers"]) == (frame.height, frame["item"].n_unique(), pairs)
    assert result["repeated"] == frame.height - pairs
    latest = frame.unique(["worker", "item"], keep="last").group_by("item", "label").len()
    best = latest.filter(pl.col("len") == pl.col("len").max().over("item"))
    wanted = {item: label for item, label in best.group_by("item").agg("label").iter_rows() if len(label) == 1}
    with local.app.database.read() as connection:
        names = {row[0]: row[1] for row in connection.execute(sa.select(label_rows.c.id, label_rows.c.name))}
        contents = {row[0]: row[1] for row in connection.execute(sa.select(record_rows.c.id, record_rows.c.content))}
        found = annotation.majorities(connection, dataset)
    assert {contents[record]: [names[label]] for record, label in found.iter_rows()} == {
        item: [label[0]] for item, label in wanted.items()
    }


def _interrupted(mill, dataset, path, mapping, monkeypatch, time_of):
    """Run an import that fails the ``time_of``-th time that it comes to a place, and goes on; tell whether it failed."""
    monkeypatch.setenv("LABELMILL_TRIGGER", f"*:fail:{time_of}")
    monkeypatch.setattr("labelmill.triggers._passed", Counter())
    job = mill.begin(dataset, path, mapping, piece_rows=7, limits=Limits(tries=1))
    worker = WorkerProcess(mill.app.runtime, worker_id=presence.new_worker_id(), queues=())
    failed = False
    while True:
        while worker.run_next(job_id=job):
            pass
        with mill.app.database.read() as connection:
            now = jobs.get(connection, job)
        if now.state is JobState.SUCCEEDED:
            return failed, now.result
        assert (now.state, failed) == (JobState.FAILED, False), now.error
        failed = True
        mill.app.database.transact(jobs.retry, job)


@pytest.mark.parametrize("mapping", [replace(TEXT, label_column="label"), VOTES], ids=["init", "answers"])
def test_p05_an_import_that_is_killed_at_any_step_ends_as_if_it_were_not(local, monkeypatch, mapping):
    monkeypatch.setattr("labelmill.datasets.slice_writer.ALONE_ROWS", 3)
    lines = [f"text {n % 13},{'good' if n % 3 else ''},w{n % 4}" for n in range(20)]
    path = local.write("\n".join(["text,label,who", *lines, "broken", " ,good,w1", "last,bad,w9"]))
    undisturbed = local.dataset(name="undisturbed")
    _, wanted = _interrupted(local, undisturbed, path, mapping, monkeypatch, 10_000)
    assert (wanted["rows"], wanted["rejected"]) == (21, 2)
    for time_of in range(1, 100):
        dataset = local.dataset(name=f"{time_of}")
        failed, result = _interrupted(local, dataset, path, mapping, monkeypatch, time_of)
        assert result == wanted, time_of
        assert local.everything(dataset) == local.everything(undisturbed), time_of
        if not failed:
            break
    assert time_of > 15, "hardly any place was passed"


def test_p05_images_that_are_interrupted_end_as_if_they_were_not(local, monkeypatch):
    members = {f"{n}.jpg": picture(colour=(n * 20, 0, 0)) for n in range(5)}
    path = write_zip(local.folder / "photos.zip", members | {"bad.jpg": b"none"})
    monkeypatch.setattr("labelmill.datasets.slice_writer.ALONE_ROWS", 2)
    monkeypatch.setattr(import_jobs, "PIECE_IMAGES", 3)
    mapping = imports.usual_mapping(imports.inspect(path))
    results = []
    for time_of in (10_000, *range(1, 50)):
        dataset = local.dataset(RecordKind.IMAGE, name=f"{time_of}")
        failed, result = _interrupted(local, dataset, path, mapping, monkeypatch, time_of)
        results.append((result, local.records(dataset)))
        if not failed and time_of != 10_000:
            break
    assert len(results) > 8
    assert all(each == results[0] for each in results)
    assert results[0][0]["rejected"] == 1


def test_a_source_that_cannot_be_read_ends_the_import_with_its_reason(mill):
    job = mill.begin(mill.dataset(), mill.write("text\na\n"), Mapping(columns=("none",)))
    done = run_or_watch(mill.app.runtime, job)
    assert (done.state, done.error["code"]) == (JobState.FAILED, "bad-source")


def test_a_column_with_too_many_labels_is_refused(mill, monkeypatch):
    monkeypatch.setattr(import_jobs, "MOST_LABELS", 10)
    path = mill.write("text,label\n" + "".join(f"a{n},l{n}\n" for n in range(11)))
    job = run_or_watch(mill.app.runtime, mill.begin(mill.dataset(), path, replace(TEXT, label_column="label")))
    assert (job.state, job.error["code"], job.error["where"]) == (JobState.FAILED, "bad-input", "label")


def test_what_an_import_kept_is_removed_at_its_end_but_its_rejects(mill):
    job = mill.begin(mill.dataset(), mill.write("text,b\na,1\nbroken\n"), TEXT)
    run_or_watch(mill.app.runtime, job)
    kept = [path.name for path in Shelf(mill.app.settings.blob_dir, job).folder.rglob("*") if path.is_file()]
    assert kept == ["read.json"]


def test_whether_anybody_is_served_is_known_as_long_as_they_are(tmp_path):
    assert not is_served(tmp_path)
    with serving(tmp_path), serving(tmp_path):
        assert is_served(tmp_path)
    assert not is_served(tmp_path)
    assert is_served(tmp_path / "missing")


def test_many_transactions_pause_only_for_people_who_are_served(embedded, tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr("labelmill.clock.sleep", slept.append)
    with closing(embedded):
        let_in(embedded, tmp_path)
        assert slept == []
        with serving(tmp_path):
            let_in(embedded, tmp_path)
        # SQLite's busy handler sleeps up to 25 ms between two looks.
        assert len(slept) == 1
        assert slept[0] > 0.025


def test_others_write_between_the_slices_while_many_rows_come_in(local):
    """What waits for SQLite's one writer gets its turn again and again: it meets the import when some of its rows are there."""
    path = local.write("text\n" + "".join(f"some text that is number {n}\n" for n in range(20_000)))
    dataset = local.dataset()
    job = local.begin(dataset, path, TEXT)
    met = set()
    with serving(local.app.settings.data_dir):
        thread = threading.Thread(target=run_or_watch, args=(local.app.runtime, job))
        thread.start()
        while thread.is_alive():
            met.add(local.app.database.transact(_touch, dataset))
        thread.join()
    assert len(local.records(dataset)) == 20_000
    assert len(met - {0, 20_000}) >= 3, met


def _touch(connection, dataset):
    """Write something, and return how many records there are in the same transaction."""
    connection.execute(sa.update(label_rows).where(label_rows.c.dataset_id == dataset).values(description="x"))
    return connection.scalar(sa.select(sa.func.count()).where(record_rows.c.dataset_id == dataset))
