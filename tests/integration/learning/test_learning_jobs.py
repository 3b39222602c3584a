"""Trainings and predictions from the answer to the queue, on each database."""

from __future__ import annotations

import threading

import numpy as np
import orjson
import pytest
import sqlalchemy as sa

from labelmill import clock, triggers
from labelmill.annotation import service as annotation
from labelmill.datasets import service as datasets
from labelmill.datasets.tables import labels
from labelmill.errors import NotFound
from labelmill.jobs import leases
from labelmill.jobs import service as jobs
from labelmill.jobs.heart import RunningStep
from labelmill.jobs.tables import job_steps
from labelmill.learning import reading, service
from labelmill.learning.features.text import TextFeatures
from labelmill.learning.tables import classifiers, current_generations, generations, queue_records
from learning_lab import person, text


def metrics(lab, dataset):
    """Return the newest classifier."""
    return lab.read(service.list_classifiers, dataset.id, limit=1)[0]


def test_l12_a_training_is_followed_by_a_prediction_of_every_record(lab):
    dataset = lab.dataset(60)
    lab.answer_right(dataset, 30)
    job = lab.train(dataset)
    assert job.state == "succeeded", job.error
    assert [each.state for each in lab.jobs("predict")] == ["succeeded"]
    contents = lab.ids(dataset)
    found = lab.read(service.predicted, lab.app.blobs, dataset.id, list(contents), every=True)
    names = {label.id: label.name for label in dataset.labels}
    assert {record_id: names[each.label_id] for record_id, each in found.items()} == {
        record_id: lab.gold[content] for record_id, content in contents.items()
    }
    for each in found.values():
        assert each.confidence == max(each.probabilities.values()) == each.probabilities[each.label_id]
        assert abs(sum(each.probabilities.values()) - 1) < 1e-5
    assert lab.read(service.predictions, lab.app.blobs, dataset.id, [1 << 40]) == {}
    assert sum(lab.read(service.prediction_counts, lab.app.blobs, dataset.id).values()) == 60


def test_l10_a_classifier_knows_what_it_was_made_of(lab):
    dataset = lab.dataset(60, learner="counts-logreg")
    lab.answer_right(dataset, 9)
    lab.add_init(dataset, {"ball": "sport", "soup": "food"})
    lab.train(dataset)
    made = metrics(lab, dataset)
    assert (made.version, made.data["records"], made.data["init_records"]) == (1, 9, 2)
    ids = {label.name: str(label.id) for label in dataset.labels}
    assert made.data["by_label"] == {ids["sport"]: 4, ids["food"]: 4, ids["music"]: 3}
    assert made.parameters["parameters"] == {"random_state": 42, "max_iter": 100_000}
    assert made.parameters["features"]["name"] == "counts"
    assert made.metrics["held_out"]["records"] == 2
    lab.answer_right(dataset, 12, start=9)
    lab.train(dataset)
    assert [each.version for each in lab.read(service.list_classifiers, dataset.id)] == [2, 1]


def test_l8_a_training_is_due_once_after_as_many_answers_as_the_batch_size(lab):
    dataset = lab.dataset(60, batch_size=5)
    ids = list(lab.ids(dataset))
    due = [lab.answer(dataset, record_id, "sport") for record_id in ids[:9]]
    assert [bool(each) for each in due] == [False] * 4 + [True] + [False] * 4
    assert len(lab.jobs("train")) == 1
    lab.work()
    # Four answers came after the fifth, and all nine were trained on: they count no more.
    due = [lab.answer(dataset, record_id, "food") for record_id in ids[9:14]]
    assert [bool(each) for each in due] == [False] * 4 + [True]


def test_l8_answers_of_many_annotators_at_once_make_one_job(lab):
    dataset = lab.dataset(40, batch_size=10)
    barrier, failures = threading.Barrier(10), []

    def work(number, record_id):
        barrier.wait()
        try:
            lab.answer(dataset, record_id, "sport", who=number)
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=work, args=each) for each in enumerate(list(lab.ids(dataset))[:10])]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert len(lab.jobs("train")) == 1


def test_l8_a_training_that_failed_is_followed_by_one_after_as_many_answers_again(lab):
    dataset = lab.dataset(60, batch_size=5)
    ids = list(lab.ids(dataset))
    first = next(filter(None, (lab.answer(dataset, record_id, "sport") for record_id in ids[:5])))
    lab.app.database.transact(lambda connection: connection.execute(sa.text("UPDATE jobs SET state = 'failed'")))
    due = [lab.answer(dataset, record_id, "food") for record_id in ids[5:10]]
    assert [bool(each) for each in due] == [False] * 4 + [True]
    assert due[-1] != first


def test_train_now_returns_the_training_that_waits(lab):
    dataset = lab.dataset(10)
    both = [lab.app.database.transact(service.train_now, dataset).id for _ in range(2)]
    assert both[0] == both[1]
    lab.work()
    assert lab.app.database.transact(service.train_now, dataset).id != both[0]


def test_l6_init_data_makes_the_first_classifier_and_stays(lab):
    dataset = lab.dataset(60)
    lab.add_init(dataset, {text(label, 1000 + number): label for label in ("sport", "food", "music") for number in range(5)})
    assert lab.app.database.transact(service.after_import, dataset)
    assert lab.app.database.transact(service.after_import, dataset) is None
    lab.work()
    made = metrics(lab, dataset)
    assert (made.data["init_records"], made.data["records"], made.trained_to) == (15, 0, 0)
    assert made.metrics["share"] == {"records": 0}
    assert len(lab.read(service.predictions, lab.app.blobs, dataset.id, list(lab.ids(dataset)))) == 60
    lab.answer_right(dataset, 6)
    lab.train(dataset)
    assert metrics(lab, dataset).data["init_records"] == 15


@pytest.mark.parametrize("size", [2, 3, 60])
def test_l7_without_labels_the_queue_has_an_order_and_nothing_is_shown(lab, size):
    dataset = lab.dataset(size, random_share=0.0)
    lab.app.database.transact(service.after_import, dataset)
    lab.work()
    queued = lab.queue(dataset)
    assert sorted(each.record_id for each in queued) == sorted(lab.ids(dataset))
    assert {(each.label_id, each.confidence) for each in queued} == {(None, None)}
    assert lab.read(service.list_classifiers, dataset.id) == []
    assert lab.read(service.predictions, lab.app.blobs, dataset.id, list(lab.ids(dataset))) == {}
    assert lab.read(service.figures, lab.app.blobs, dataset)["curve"] == []


def test_l7_the_first_order_is_seeded(lab):
    orders = []
    for _ in range(2):
        dataset = lab.dataset(30, random_share=0.0)
        lab.app.database.transact(service.after_import, dataset)
        lab.work()
        contents = lab.ids(dataset)
        orders.append([contents[each.record_id] for each in lab.queue(dataset)])
    assert orders[0] == orders[1]
    assert orders[0] != sorted(orders[0])


@pytest.mark.parametrize(("size", "names"), [(0, ("sport", "food")), (1, ("sport", "food")), (9, ("sport",)), (9, ())])
def test_l7_too_little_to_begin_with_is_no_error(lab, size, names):
    dataset = lab.dataset(0, labels=names)
    lab.add_contents(dataset, [f"text {number}" for number in range(size)])
    job = lab.train(dataset)
    assert job.state == "succeeded"
    assert "nothing to learn from" in (job.result or {})["outcome"]
    assert lab.queue(dataset) == []


def test_l2_records_that_come_later_are_predicted(lab):
    dataset = lab.dataset(30)
    lab.answer_right(dataset, 15)
    lab.train(dataset)
    lab.add(dataset, 9, start=500)
    assert lab.app.database.transact(service.after_import, dataset)
    lab.work()
    assert len(lab.read(service.list_classifiers, dataset.id)) == 1
    assert len(lab.read(service.predictions, lab.app.blobs, dataset.id, list(lab.ids(dataset)))) == 39
    assert lab.app.database.transact(service.after_import, dataset) is None
    # The next training adds their features to those that were made; only a much larger dataset is fitted anew.
    lab.train(dataset)
    first, second = (each.parameters["features"] for each in reversed(lab.read(service.list_classifiers, dataset.id)))
    assert first["blob"] == second["blob"]
    assert [part["records"] for part in second["parts"]] == [30, 9]
    lab.add(dataset, 100, start=1000)
    lab.train(dataset)
    third = metrics(lab, dataset).parameters["features"]
    assert third["blob"] != second["blob"]
    assert not any(lab.app.blobs.exists(part["blob"]) for part in second["parts"])
    assert lab.app.blobs.exists(second["blob"])


def test_only_one_label_is_no_error(lab):
    dataset = lab.dataset(20)
    for record_id in list(lab.ids(dataset))[:6]:
        lab.answer(dataset, record_id, "food")
    assert lab.train(dataset).state == "succeeded"
    found = lab.read(service.predictions, lab.app.blobs, dataset.id, list(lab.ids(dataset)))
    assert set(found.values()) == {(next(x.id for x in dataset.labels if x.name == "food"), 1.0)}


def test_a_label_that_was_merged_is_learnt_as_the_other_one_at_once(lab):
    """Also before its answers are derived anew, which takes a while in a large dataset."""
    dataset = lab.dataset(60)
    lab.add_init(dataset, {"choir": "music"})
    lab.answer_right(dataset, 30)
    ids = {label.name: label.id for label in dataset.labels}
    lab.app.database.transact(datasets.merge_labels, dataset.id, ids["music"], ids["food"])
    dataset = lab.again(dataset)
    assert lab.train(dataset).state == "succeeded"
    assert metrics(lab, dataset).data["by_label"] == {str(ids["sport"]): 10, str(ids["food"]): 21}


def test_a_label_that_vanished_is_not_learnt(lab):
    dataset = lab.dataset(60)
    lab.answer_right(dataset, 30)
    music = next(label.id for label in dataset.labels if label.name == "music")
    gone = sa.update(labels).where(labels.c.id == music).values(removed_at=clock.now())
    lab.app.database.transact(lambda connection: connection.execute(gone))
    dataset = lab.again(dataset)
    assert lab.train(dataset).state == "succeeded"
    assert music not in metrics(lab, dataset).data["classes"]


def test_l15_records_predicted_ignored_come_after_all_others(lab):
    dataset = lab.dataset(60, labels=("sport", "food"), random_share=0.0, ignored_threshold=0.5)
    lab.add(dataset, 30, ("music",), start=100)
    contents = lab.ids(dataset)
    for record_id, content in list(contents.items())[:30]:
        lab.answer(dataset, record_id, lab.gold[content])
    for record_id in list(contents)[60:70]:
        lab.answer(dataset, record_id, "ignored")
    lab.train(dataset)
    found = [lab.gold[contents[each.record_id]] for each in lab.queue(dataset)]
    assert len(found) == 50
    assert "music" not in found[:30]
    assert set(found[30:]) == {"music"}


@pytest.mark.parametrize("order", ["uncertainty", "ranking", "diverse"])
def test_l13_l14_the_queue_follows_the_order_of_the_dataset(lab, order):
    dataset = lab.dataset(60, order=order, random_share=0.0, labels=("sport", "food"))
    lab.add_contents(dataset, ["ball soup", "ball goal match soup"])
    ids = list(lab.ids(dataset))
    lab.answer_right(dataset, 30)
    lab.train(dataset)
    queued = [each.record_id for each in lab.queue(dataset)]
    assert sorted(queued) == ids[30:]
    if order == "ranking":
        assert [each.confidence for each in lab.queue(dataset)] == sorted(
            (each.confidence for each in lab.queue(dataset)), reverse=True
        )
    else:
        assert ids[60] in queued[:10]


def test_l13_l14_another_order_holds_without_a_training(lab):
    dataset = lab.dataset(60, random_share=0.0)
    lab.app.database.transact(datasets.change, dataset.id, settings={"order": "diverse"})
    assert lab.jobs("predict") == [], "there is nothing to predict by"
    lab.answer_right(dataset, 30)
    lab.train(lab.again(dataset))
    for order, sign in (("ranking", -1), ("uncertainty", 1)):
        lab.app.database.transact(
            datasets.change, dataset.id, settings={"order": order, "uncertainty": "least-confidence"}, guidelines=order
        )
        lab.work()
        sure = [each.confidence for each in lab.queue(dataset)]
        assert len(sure) == 30
        assert sure == sorted(sure, key=lambda each: sign * each)
    made = len(lab.jobs("predict"))
    lab.app.database.transact(datasets.change, dataset.id, guidelines="Look twice.", settings={"batch_size": 7})
    assert len(lab.jobs("predict")) == made
    assert len(lab.read(service.list_classifiers, dataset.id)) == 1


@pytest.mark.parametrize("place", ["predict.file-kept", "predict.queue-slice", "predict.switched"])
def test_l12_who_labels_while_a_generation_is_written_never_waits(lab, monkeypatch, place):
    """At each place of the writing somebody else gets a record, without waiting for the rest, and the answer is stored."""
    dataset = lab.dataset(80, random_share=0.0, batch_size=1000)
    lab.answer_right(dataset, 30)
    lab.train(dataset)
    answered = []

    def label(passed: str) -> None:
        if passed != place:
            return

        def work() -> None:
            served = lab.app.database.transact(annotation.next_records, dataset, person(7)).records[0].record
            lab.answer(dataset, served.id, lab.gold[served.content], who=7)
            answered.append(served.id)

        before = len(answered)
        colleague = threading.Thread(target=work)
        colleague.start()
        colleague.join(60)
        assert len(answered) == before + 1, "labelling waits for the generation"

    monkeypatch.setattr("labelmill.learning.predicting._QUEUE_SLICE", 20)
    monkeypatch.setattr("labelmill.learning.predicting.passing", label)
    assert lab.train(dataset).state == "succeeded"
    assert [each.state for each in lab.jobs("predict")] == ["succeeded"] * 2
    assert answered
    counted = lab.read(datasets.counts, dataset.id)
    assert counted.annotations == 30 + len(answered) == 30 + len(set(answered))
    assert whole(lab, dataset) == 2


def test_the_queue_holds_no_record_that_is_answered_or_in_the_share(lab):
    dataset = lab.dataset(80, random_share=0.3)
    lab.answer_right(dataset, 40)
    lab.train(dataset)
    with lab.app.database.read() as connection:
        share = {lab_id for lab_id in lab.ids(dataset) if datasets.get_record(connection, dataset.id, lab_id).in_share}
    queued = {each.record_id for each in lab.queue(dataset)}
    assert share
    assert queued == set(list(lab.ids(dataset))[40:]) - share


def test_the_queue_suggests_nothing_where_somebody_answered_be_it_taken_back(lab):
    """The classifier may have learnt the answer: what it says of that record would be an echo of it."""
    dataset = lab.dataset(30, random_share=0.0, labels_per_record=2)
    lab.answer_right(dataset, 6)
    lab.train(dataset)
    first, second, *_ = lab.ids(dataset)
    lab.app.database.transact(annotation.withdraw, dataset, first, person(), key="w")
    suggested = {each.record_id: each.label_id for each in lab.queue(dataset)}
    assert suggested[first] is suggested[second] is None
    assert len([label for label in suggested.values() if label]) == 24


def test_a_page_of_the_queue_leaves_out_what_somebody_answered_or_skipped(lab):
    dataset = lab.dataset(30, random_share=0.0, labels_per_record=2)
    lab.answer_right(dataset, 6)
    lab.train(dataset)
    before = [each.record_id for each in lab.queue(dataset, who=5)]
    lab.answer(dataset, before[0], "food", who=5)
    assert [each.record_id for each in lab.queue(dataset, who=5)] == before[1:]
    # The six that have one answer wait for a second annotator.
    assert [each.record_id for each in lab.queue(dataset, who=6)] == before
    page = lab.read(service.queue_page, dataset.id, person(6), 3)
    rest = lab.read(service.queue_page, dataset.id, person(6), 100, after=page[-1].place)
    assert [each.record_id for each in (*page, *rest)] == before


def test_l11_classifiers_are_scored_on_the_random_share(lab):
    dataset = lab.dataset(150, random_share=0.4)
    lab.answer_right(dataset, 150)
    lab.train(dataset)
    share = metrics(lab, dataset).metrics["share"]
    with lab.app.database.read() as connection:
        expected = sum(datasets.get_record(connection, dataset.id, each).in_share for each in lab.ids(dataset))
    assert share["records"] == expected
    assert share["precision"] > 0.9
    assert share["precision_low"] < share["precision"] <= share["precision_high"]
    found = lab.read(service.figures, lab.app.blobs, dataset)
    assert found["curve"][0]["labels"] == 150
    assert found["active_against_random"]["verdict"] == "too-early"
    assert found["advice"]["advice"] == "go-on"
    assert sum(found["predicted"].values()) == 150


def test_l29_the_learner_and_the_predictor_run_alone_and_in_any_order(lab):
    dataset = lab.dataset(30)
    lab.answer_right(dataset, 12)
    lab.app.database.transact(service.train_now, dataset)
    lab.work(("predictor",))
    assert lab.read(service.list_classifiers, dataset.id) == []
    lab.work(("learner",))
    assert len(lab.read(service.list_classifiers, dataset.id)) == 1
    assert lab.read(service.queue, dataset.id) is None
    lab.work(("predictor",))
    assert lab.read(service.queue, dataset.id) is not None


def test_the_last_three_generations_stay_and_those_of_kept_classifiers(lab):
    dataset = lab.dataset(30)
    lab.answer_right(dataset, 9)
    for number in range(6):
        lab.train(dataset)
        if number == 1:
            lab.app.database.transact(service.keep, metrics(lab, dataset).id, True)
    with lab.app.database.read() as connection:
        kept = connection.execute(
            sa.select(classifiers.c.version, generations.c.blob).join(
                generations, generations.c.classifier_id == classifiers.c.id
            )
        ).all()
        queued = set(connection.scalars(sa.select(queue_records.c.generation_id)))
    assert sorted(version for version, _ in kept) == [2, 4, 5, 6]
    assert sorted(lab.app.blobs.names("predictions/")) == sorted(blob for _, blob in kept)
    assert len(queued) == 4


def test_the_queue_is_written_and_removed_a_few_records_at_a_time(lab, monkeypatch):
    """Whoever answers meanwhile waits for one such transaction, not for a whole queue."""
    monkeypatch.setattr("labelmill.learning.predicting._QUEUE_SLICE", 4)
    let_in = []
    monkeypatch.setattr("labelmill.learning.predicting.let_in", lambda *_: let_in.append(len(written)))
    dataset = lab.dataset(30)
    lab.answer_right(dataset, 9)
    written, removed, engine = [0], [0], lab.app.database.engine

    def before(_connection, _cursor, statement, parameters, _context, many):
        if statement.startswith("INSERT INTO queue_records"):
            written[-1] += len(parameters) if many else 1

    def after(_connection, cursor, statement, _parameters, _context, _many):
        if statement.startswith("DELETE FROM queue_records"):
            removed[-1] += cursor.rowcount

    def committed(_connection):
        written.append(0)
        removed.append(0)

    listeners = {"before_cursor_execute": before, "after_cursor_execute": after, "commit": committed}
    for name, listener in listeners.items():
        sa.event.listen(engine, name, listener)
    for _ in range(5):
        lab.train(dataset)
    for name, listener in listeners.items():
        sa.event.remove(engine, name, listener)
    size = len(lab.queue(dataset))
    assert size > 8
    assert (sum(written), sum(removed)) == (5 * size, 2 * size)
    assert (max(written), max(removed)) == (4, 4)
    changing = {number + 2 for number, rows in enumerate(zip(written, removed, strict=True)) if any(rows)}
    assert changing <= set(let_in), "two such transactions without a pause between them"


def test_p22_a_hostile_classifier_is_refused_and_the_old_generation_stays(lab, tmp_path):
    import pickle  # noqa: TID251 - to be refused

    class Hostile:
        def __reduce__(self):
            return open, (str(tmp_path / "sentinel"), "w")

    dataset = lab.dataset(30)
    lab.answer_right(dataset, 9)
    lab.train(dataset)
    shown = lab.read(service.queue, dataset.id)
    lab.app.blobs.put("classifiers/bad.skops", pickle.dumps(Hostile()))
    lab.app.database.transact(
        lambda connection: connection.execute(sa.update(classifiers).values(blob="classifiers/bad.skops"))
    )
    lab.add(dataset, 3, start=900)
    lab.app.database.transact(service.after_import, dataset)
    lab.work()
    job = lab.jobs("predict")[0]
    assert (job.state, (job.error or {})["code"]) == ("failed", "bad-file")
    assert not (tmp_path / "sentinel").exists()
    assert lab.read(service.queue, dataset.id) == shown


def whole(lab, dataset) -> int:
    """Return the version that a dataset shows, 0 for none; fails unless the file, the queue and the pointer are of one classifier."""
    with lab.app.database.read() as connection:
        row = (
            connection.execute(
                sa.select(generations, classifiers.c.version, classifiers.c.data)
                .join(current_generations, current_generations.c.generation_id == generations.c.id)
                .join(classifiers, classifiers.c.id == generations.c.classifier_id)
                .where(current_generations.c.dataset_id == dataset.id)
            )
            .mappings()
            .one_or_none()
        )
        if row is None:
            return 0
        queued = connection.execute(sa.select(queue_records).where(queue_records.c.generation_id == row["id"])).mappings().all()
    frame = service.generation_frame(lab.app.blobs, row["blob"])
    assert frame.height == row["records"]
    assert frame["record_id"].is_sorted()
    assert {int(name[2:]) for name in frame.columns if name.startswith("p_")} == set(row["data"]["classes"])
    said = dict(zip(frame["record_id"], zip(frame["label_id"], frame["confidence"], strict=True), strict=True))
    assert queued
    for each in queued:
        label, confidence = said[each["record_id"]]
        assert each["label_id"] == label
        assert each["confidence"] == pytest.approx(confidence)
    return row["version"]


def test_p23_a_training_that_fails_at_any_point_shows_the_old_or_the_new_classifier_whole(lab, monkeypatch):
    """The n-th named place raises, for n = 1, 2, 3 ... until a run passes no n-th place; after each the work is taken up again."""
    dataset = lab.dataset(40)
    lab.answer_right(dataset, 8)
    lab.train(dataset)
    version, answered = 1, 8
    for number in range(1, 40):
        lab.answer_right(dataset, 1, start=answered)
        answered = min(39, answered + 1)
        monkeypatch.setattr(triggers, "_passed", triggers.Counter())
        monkeypatch.setenv(triggers.VARIABLE, f"*:fail:{number}")
        job = lab.app.database.transact(service.train_now, dataset)
        lab.work()
        passed = triggers._passed["*"]
        assert whole(lab, dataset) in {version, version + 1}
        monkeypatch.delenv(triggers.VARIABLE)
        lab.app.database.transact(lambda connection: connection.execute(sa.update(job_steps).values(not_before=None)))
        lab.work()
        assert lab.job(job.id).state == "succeeded"
        assert whole(lab, dataset) == version + 1
        version += 1
        if passed < number:
            break
    assert number > 8
    assert [each.version for each in lab.read(service.list_classifiers, dataset.id)] == list(range(version, 0, -1))
    assert len(list(lab.app.blobs.names("predictions/"))) == 3


def test_p23_a_late_prediction_never_replaces_a_newer_one(lab):
    dataset = lab.dataset(30)
    lab.answer_right(dataset, 9)
    for _ in range(2):
        lab.app.database.transact(service.train_now, dataset)
        lab.work(("learner",))
    waiting = sorted(each.id for each in lab.jobs("predict"))
    assert len(waiting) == 2
    from labelmill.jobs.worker import WorkerProcess

    process = WorkerProcess(lab.app.runtime, worker_id="w", queues=("predictor",))
    for job_id in reversed(waiting):
        assert process.run_next(job_id=job_id)
        assert whole(lab, dataset) == 2
    assert "newer classifier" in lab.job(waiting[0]).result["outcome"]


def test_images_and_rows_are_learnt_from_too(lab):
    import io

    from PIL import Image

    dataset = lab.dataset(0, kind="image", labels=("dark", "light"))
    contents = []
    for number in range(12):
        out = io.BytesIO()
        Image.new("L", (20, 20), 20 if number % 2 else 220).save(out, "PNG")
        lab.app.blobs.put(f"images/{number}.png", out.getvalue())
        contents.append(orjson.dumps({"blob": f"images/{number}.png", "width": 20, "height": 20}).decode())
        lab.gold[contents[-1]] = "dark" if number % 2 else "light"
    lab.add_contents(dataset, contents)
    lab.answer_right(dataset, 6)
    assert lab.train(dataset).state == "succeeded"
    found = lab.read(service.predictions, lab.app.blobs, dataset.id, list(lab.ids(dataset)))
    names = {label.id: label.name for label in dataset.labels}
    assert [names[label] for label, _ in found.values()] == ["light", "dark"] * 6


def test_features_of_an_earlier_version_are_made_anew(lab, monkeypatch):
    dataset = lab.dataset(30)
    lab.answer_right(dataset, 12)
    lab.train(dataset)
    first = metrics(lab, dataset).parameters["features"]
    monkeypatch.setattr(TextFeatures, "VERSION", TextFeatures.VERSION + 1)
    job = lab.train(dataset)
    assert job.state == "succeeded", job.error
    second = metrics(lab, dataset).parameters["features"]
    assert first["blob"] != second["blob"]
    assert sum(part["records"] for part in second["parts"]) == 30


def test_long_records_are_read_a_few_at_a_time(lab, monkeypatch):
    """Ten thousand texts of a megabyte have no room in memory; of short ones so many are read at once."""
    monkeypatch.setattr(reading, "_FIRST", 4)
    monkeypatch.setattr(reading, "_CHARACTERS", 3_000)
    dataset = lab.dataset(0)
    lab.add_contents(dataset, [f"{number} short" for number in range(60)])
    lab.add_contents(dataset, [f"{number} {'x' * 2_000}" for number in range(35)])
    ids = list(lab.ids(dataset))
    found = [some.tolist() for some, _ in reading.slices(lab.app.database, dataset.id, to=ids[-1], size=32)]
    assert [each for some in found for each in some] == ids
    assert [len(some) for some in found] == [4, 8, 16, 32, 32, 1, 1, 1]


def test_rows_without_any_value_are_no_error(lab):
    dataset = lab.dataset(0, kind="tabular", labels=("sport", "food"), random_share=0.5)
    contents = [orjson.dumps({f"field {number}": None, "empty": ""}).decode() for number in range(12)]
    lab.gold |= dict.fromkeys(contents[::2], "sport") | dict.fromkeys(contents[1::2], "food")
    lab.add_contents(dataset, contents)
    lab.answer_right(dataset, 10)
    job = lab.train(dataset)
    assert job.state == "succeeded", job.error
    assert len(lab.read(service.predictions, lab.app.blobs, dataset.id, list(lab.ids(dataset)))) == len(contents)


def test_a_classifier_that_is_not_there_is_not_found(lab):
    dataset = lab.dataset(2)
    with pytest.raises(NotFound):
        lab.read(service.get_classifier, 12345, dataset_id=dataset.id)


def test_the_features_of_a_part_are_made_again_where_their_file_is_gone(lab):
    dataset = lab.dataset(30)
    lab.answer_right(dataset, 12)
    lab.train(dataset)
    before = lab.read(service.predictions, lab.app.blobs, dataset.id, list(lab.ids(dataset)))
    for part in metrics(lab, dataset).parameters["features"]["parts"]:
        lab.app.blobs.remove(part["blob"])
    lab.train(dataset)
    after = lab.read(service.predictions, lab.app.blobs, dataset.id, list(lab.ids(dataset)))
    assert before.keys() == after.keys()
    np.testing.assert_allclose([each[1] for each in before.values()], [each[1] for each in after.values()], atol=1e-5)


def test_a_training_that_is_cancelled_while_it_reads_ends_there(lab, monkeypatch):
    """The first pass over a million records takes a while: whoever cancels need not wait for it."""
    monkeypatch.setattr("labelmill.learning.reading.slices.__kwdefaults__", {"after": 0, "init": False, "size": 5})
    dataset = lab.dataset(60)
    lab.answer_right(dataset, 6)
    job = lab.app.database.transact(service.train_now, dataset)
    read = []
    report = RunningStep.report

    def cancelled(step, done):
        read.append(done)
        if len(read) == 2:
            lab.app.database.transact(jobs.cancel, job.id)
            lab.app.database.transact(leases.beat, step.step, 0)
        report(step, done)

    monkeypatch.setattr(RunningStep, "report", cancelled)
    lab.work()
    assert lab.job(job.id).state == "cancelled"
    assert len(read) == 2
    assert lab.read(service.list_classifiers, dataset.id) == []


@pytest.mark.parametrize(("verdict", "is_random"), [("random", True), ("no-difference", False), ("active", False)])
def test_the_queue_falls_back_to_random_only_where_active_choice_has_lost(lab, verdict, is_random):
    dataset = lab.dataset(120, random_share=0.0)
    lab.answer_right(dataset, 12)
    lab.train(dataset)
    scores = metrics(lab, dataset).metrics | {"active_against_random": {"verdict": verdict}}
    lab.app.database.transact(lambda connection: connection.execute(sa.update(classifiers).values(metrics=scores)))
    lab.add(dataset, 1, start=700)
    lab.app.database.transact(service.after_import, dataset)
    lab.work()
    found = lab.read(service.predicted, lab.app.blobs, dataset.id, list(lab.ids(dataset)))
    margins = [found[each.record_id].margin for each in lab.queue(dataset)]
    assert len(margins) == 109
    assert (margins != sorted(margins)) == is_random
