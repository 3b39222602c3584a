"""Classifiers over HTTP and at the command line."""

from __future__ import annotations

import html

import orjson
import pytest

import learning_lab
from labelmill import cli
from labelmill.accounts import Role
from labelmill.learning import service
from labelmill.learning.classifiers import set_metrics
from labelmill.paging import encode_cursor


@pytest.fixture
def lab(site):
    return learning_lab.Lab(site.app)


def trained(lab, times: int = 1):
    dataset = lab.dataset(60, random_share=0.3)
    for number in range(times):
        lab.answer_right(dataset, 20, start=20 * number)
        lab.train(dataset)
    return dataset


def test_l21_classifiers_are_listed_newest_first_in_pages(site, lab):
    dataset = trained(lab, times=3)
    path = f"/v1/datasets/{dataset.id}/classifiers"
    page = site.ask("GET", path, role=Role.ADMIN, params={"limit": 2}).json()
    assert [each["version"] for each in page["items"]] == [3, 2]
    rest = site.ask("GET", path, role=Role.ADMIN, params={"cursor": page["next"]}).json()
    assert [each["version"] for each in rest["items"]] == [1]
    assert rest["next"] is None
    for wrong in ("x", encode_cursor({"before": "-1"}), encode_cursor({"before": "9" * 40}), encode_cursor({"after": "1"})):
        assert site.ask("GET", path, role=Role.ADMIN, params={"cursor": wrong}).status_code == 422
    first = page["items"][0]
    assert 0 <= first["precision"] <= 1
    assert first["created_at"].endswith("Z")
    assert (first["records"], first["labels"], first["kept"]) == (60, 3, False)
    assert first["share_precision_low"] <= first["share_precision"] <= first["share_precision_high"]


def test_one_classifier_is_shown_with_all_its_scores(site, lab):
    dataset = trained(lab)
    made = site.ask("GET", f"/v1/datasets/{dataset.id}/classifiers", role=Role.ADMIN).json()["items"][0]
    path = f"/v1/datasets/{dataset.id}/classifiers/{made['id']}"
    found = site.ask("GET", path, role=Role.ADMIN).json()
    assert found["parameters"]["learner"] == "tfidf-logreg"
    assert sum(found["data"]["by_label"].values()) == 20
    assert set(found["metrics"]) == {"share", "held_out", "active_against_random", "doubling", "labels"}
    assert site.ask("PUT", f"{path}/kept", role=Role.ADMIN, json={"kept": True}).json()["kept"] is True
    assert site.ask("GET", f"/v1/datasets/{dataset.id}/classifiers/999999", role=Role.ADMIN).status_code == 404


def test_a_training_over_http_is_one_job_however_often_it_is_asked_for(site, lab):
    dataset = lab.dataset(20)
    lab.answer_right(dataset, 4)
    path = f"/v1/datasets/{dataset.id}/train"
    answers = [site.ask("POST", path, role=Role.ADMIN, headers={"Idempotency-Key": key}) for key in ("a", "a", "b")]
    assert [each.status_code for each in answers] == [202] * 3
    assert len({each.json()["job_id"] for each in answers}) == 1
    monitor = f"/v1/datasets/{dataset.id}/monitor"
    assert [each["kind"] for each in site.ask("GET", monitor, role=Role.ADMIN).json()["training"]] == ["train"]
    lab.work()
    found = site.ask("GET", monitor, role=Role.ADMIN).json()
    assert found["training"] == []
    assert found["generation"]["records"] == 20
    assert sum(found["predicted"].values()) == 20


def test_the_monitor_of_a_dataset_without_labels_has_figures_too(site, lab):
    dataset = lab.dataset(3)
    found = site.ask("GET", f"/v1/datasets/{dataset.id}/monitor", role=Role.ADMIN).json()
    assert found["curve"] == []
    assert found["share"] is None
    assert found["active_against_random"]["verdict"] == "too-early"
    assert found["advice"]["advice"] == "too-early"


def test_what_is_not_there_is_not_found(site):
    for method, path in (("GET", "classifiers"), ("GET", "monitor"), ("POST", "train"), ("GET", "classifiers/1")):
        assert site.ask(method, f"/v1/datasets/424242/{path}", role=Role.ADMIN).status_code == 404


@pytest.fixture
def command(lab, monkeypatch, capsys, tmp_path):
    """Return what runs a command on the site's data, and returns its exit code and output."""
    monkeypatch.setenv("LABELMILL_DATA_DIR", str(lab.app.settings.data_dir))

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = cli.run(list(words))
        return code, capsys.readouterr().out

    return run


def test_a_classifier_is_trained_shown_and_kept_at_the_command_line(lab, command):
    dataset = lab.dataset(40)
    lab.answer_right(dataset, 4)
    code, out = command("classifier", "train", dataset.name, "--json")
    assert code == 0
    assert orjson.loads(out)["version"] == 1
    assert len(lab.queue(dataset)) > 20
    code, out = command("classifier", "list", str(dataset.id), "--json")
    assert [each["version"] for each in orjson.loads(out)] == [1]
    code, out = command("classifier", "show", dataset.name, "1", "--json")
    assert orjson.loads(out)["data"]["records"] == 4
    assert command("classifier", "keep", dataset.name, "1")[0] == 0
    assert orjson.loads(command("classifier", "show", dataset.name, "1", "--json")[1])["kept"] is True
    assert command("classifier", "show", dataset.name, "7")[0] == 3
    assert command("classifier", "list", "no such dataset")[0] == 3


@pytest.mark.parametrize(("verb", "queue"), [("learner", "learner"), ("predictor", "predictor"), ("archiver", "archiver")])
def test_l29_a_worker_of_one_kind_takes_its_own_queue_only(monkeypatch, command, verb, queue):
    seen = []

    class Supervisor:
        def __init__(self, runtime, children):
            seen.append((runtime.settings.queues, len(children)))

        def stop_on_signals(self):
            pass

        def run(self):
            pass

    monkeypatch.setattr("labelmill.jobs.supervisor.Supervisor", Supervisor)
    assert command(verb)[0] == 0
    assert seen == [((queue,), 1)]


_FIGURES = {"difference": -0.031, "low": -0.05, "high": -0.012, "k": 120, "warm_start": 45, "share_records": 210}
_FALLS_BACK = "Records are served at random until this changes."


@pytest.mark.parametrize(
    ("order", "compared", "said", "unsaid"),
    [
        (
            "uncertainty",
            _FIGURES | {"verdict": "random"},
            ["Random records teach more", "-3.1", "-5.0 \N{EN DASH} -1.2", _FALLS_BACK],
            [],
        ),
        ("ranking", _FIGURES | {"verdict": "random"}, ["Random records teach more"], [_FALLS_BACK]),
        ("uncertainty", _FIGURES | {"verdict": "no-difference"}, ["No difference can be seen"], [_FALLS_BACK]),
        ("diverse", _FIGURES | {"verdict": "active"}, ["Choosing records by the classifier pays", "120", "45"], [_FALLS_BACK]),
        ("uncertainty", {"verdict": "too-early", "share_records": 40, "enough": 200}, ["Too early: 40 of 200 records"], []),
        (
            "uncertainty",
            {"verdict": "too-early", "share_records": 260, "enough": 200, "active_records": 31},
            ["Too early: 31 labelled records were chosen by the classifier so far; that takes 50."],
            ["260 of 200"],
        ),
        ("random", _FIGURES | {"verdict": "random"}, ["no record is chosen by the classifier"], ["teach more"]),
        ("sequential", _FIGURES | {"verdict": "active"}, ["no record is chosen by the classifier"], ["pays"]),
    ],
)
def test_the_monitor_says_what_active_against_random_has_found(site, lab, order, compared, said, unsaid):
    dataset = lab.dataset(60, random_share=0.5, order=order)
    lab.answer_right(dataset, 20)
    lab.train(dataset)
    found = lab.read(service.list_classifiers, dataset.id)[0]
    metrics = found.metrics | {"active_against_random": compared}
    lab.app.database.transact(set_metrics, found.id, metrics)
    page = html.unescape(site.page(f"/datasets/{dataset.id}/monitor").text)
    assert [each for each in said if each not in page] == []
    assert [each for each in unsaid if each in page] == []


@pytest.mark.parametrize(
    ("doubling", "said"),
    [
        (None, "Too early to say what more labels bring: that takes 50 labelled records"),
        (
            {"records": 80, "difference": 0.04, "low": 0.01, "high": 0.07},
            "are expected to bring +4.0 points of precision, and perhaps +7.0",
        ),
        (
            {"records": 900, "difference": 0.001, "low": -0.004, "high": 0.006},
            "at most 0.6 points of precision: it is time to stop",
        ),
    ],
)
def test_the_monitor_says_what_more_labels_bring(site, lab, doubling, said):
    dataset = lab.dataset(60, random_share=0.5)
    lab.answer_right(dataset, 20)
    lab.train(dataset)
    found = lab.read(service.list_classifiers, dataset.id)[0]
    lab.app.database.transact(set_metrics, found.id, found.metrics | {"doubling": doubling})
    assert said in html.unescape(site.page(f"/datasets/{dataset.id}/monitor").text)
