"""`labelmill dataset`, as it is typed."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from annotation_lab import Lab, person
from labelmill import cli
from labelmill.annotation import service as annotation
from labelmill.bootstrap import build
from labelmill.datasets import DatasetSettings, service
from labelmill.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from labelmill.bootstrap import App


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELMILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("LABELMILL_DATABASE_URL", raising=False)


@pytest.fixture
def built(tmp_path: Path):
    made = build(Settings(data_dir=tmp_path / "data"))
    yield made
    made.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str, code: int = 0) -> str:
        found = cli.run(["dataset", *arguments])
        captured = capsys.readouterr()
        assert found == code, captured.err
        return captured.err if code else captured.out

    return run


def shown(run: Any, which: str) -> dict[str, Any]:
    return dict(json.loads(run("show", which, "--json")))


def test_one_is_made_listed_and_shown(run: Any, tmp_path: Path):
    (tmp_path / "look.md").write_text("**good**: likes it", encoding="utf-8")
    made = json.loads(
        run("new", "posts", "--label", "good", "--label", "bad", "--guidelines", str(tmp_path / "look.md"),
            "--setting", "batch_size=7", "--setting", "order=random", "--setting", "suggest=false", "--json")
    )  # fmt: skip
    assert [label["name"] for label in made["labels"]] == ["good", "bad", "ignored"]
    assert (made["settings"]["batch_size"], made["settings"]["order"], made["settings"]["suggest"]) == (7, "random", False)
    assert made["guidelines"] == "**good**: likes it"
    assert shown(run, "posts") == shown(run, str(made["id"])) == made
    [row] = json.loads(run("list", "--json"))
    assert (row["name"], row["labels"], row["records"], row["open"]) == ("posts", 3, 0, 0)
    assert "posts" in run("list")
    assert "good, bad, ignored" in run("show", "posts")


def test_the_list_goes_on_after_its_first_page(run: Any, built: App):
    lab = Lab(built.database)
    for _ in range(60):
        lab.dataset(0)
    assert len(json.loads(run("list", "--json"))) == 60


def test_what_is_given_is_changed_and_the_rest_stays(run: Any):
    run("new", "posts", "--setting", "batch_size=7")
    changed = json.loads(run("change", "posts", "--name", "notes", "--setting", "seed=5", "--revision", "1", "--json"))
    assert (changed["name"], changed["settings"]["batch_size"], changed["settings"]["seed"]) == ("notes", 7, 5)
    assert "at revision 2, not 1" in run("change", "notes", "--name", "x", "--revision", "1", code=4)


def test_labels_are_added_renamed_merged_removed_and_ordered(run: Any, built: App):
    lab = Lab(built.database)
    dataset = lab.dataset(2)
    [first, _] = lab.ids(dataset)
    built.database.transact(annotation.answer, dataset, first, person(1), label_ids=[lab.label(dataset, "a")], key="k")
    out = run("labels", str(dataset.id), "--add", "d", "--rename", "b", "bee", "--remove", "c", "--merge", "a", "d", "--json")
    assert [label["name"] for label in json.loads(out)] == ["bee", "ignored", "d"]
    out = run("labels", dataset.name, "--order", "d", "--order", "ignored", "--order", "bee", "--json")
    assert [label["name"] for label in json.loads(out)] == ["d", "ignored", "bee"]
    with built.database.read() as connection:
        assert service.get_record(connection, dataset.id, first).majority_id == lab.label(lab.again(dataset), "d")


def test_of_several_changes_of_labels_all_are_made_or_none(run: Any):
    run("new", "posts", "--label", "good")
    assert "It has: 'good', 'new', 'ignored'" not in run("labels", "posts", "--add", "new", "--remove", "nothing", code=3)
    assert [label["name"] for label in shown(run, "posts")["labels"]] == ["good", "ignored"]


def test_a_merge_of_many_answers_is_done_when_the_command_ends(run: Any, built: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("labelmill.datasets.recount.SLICE", 2)
    lab = Lab(built.database)
    dataset = lab.dataset(7)
    for record_id in lab.ids(dataset):
        built.database.transact(
            annotation.answer, dataset, record_id, person(1), label_ids=[lab.label(dataset, "a")], key=f"{record_id}"
        )
    run("labels", dataset.name, "--merge", "a", "b")
    with built.database.read() as connection:
        found = service.list_records(connection, dataset.id)
    assert {each.majority_id for each in found} == {lab.label(dataset, "b")}


def test_archived_ones_come_back_or_go_for_good(run: Any, monkeypatch: pytest.MonkeyPatch):
    run("new", "posts")
    assert "Archive it first" in run("remove", "posts", "--yes", code=4)
    assert json.loads(run("archive", "posts", "--json"))["archived_at"]
    assert json.loads(run("list", "--json")) == []
    assert [row["name"] for row in json.loads(run("list", "--archived", "--json"))] == ["posts"]
    assert json.loads(run("restore", "posts", "--json"))["archived_at"] is None
    run("archive", "posts")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    run("remove", "posts", code=130)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    run("remove", "posts")
    assert "dataset list" in run("show", "posts", code=3)


def test_a_large_one_is_gone_when_the_command_ends(run: Any, built: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("labelmill.datasets.removal.SLICE", 2)
    dataset = Lab(built.database).dataset(5)
    run("archive", dataset.name)
    assert json.loads(run("remove", dataset.name, "--yes", "--json")) == {"removed": dataset.id, "name": dataset.name}
    with built.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM records").scalar() == 0


def test_every_setting_is_taken_as_people_write_it(run: Any):
    run("new", "posts")
    written = {
        "order": "diverse", "uncertainty": "entropy", "labels_per_record": "007", "min_label_count": "2", "tie": "first",
        "batch_size": " 20", "warm_start": "0", "random_share": "1", "ignored_threshold": ".5", "lease_seconds": "60",
        "suggest": "No", "several_labels": "yes", "learner": "linear-svc", "seed": "7", "consensus": "dawid-skene",
    }  # fmt: skip
    assert set(written) == set(DatasetSettings().as_dict())
    asked = [part for name, text in written.items() for part in ("--setting", f"{name}={text}")]
    changed = json.loads(run("change", "posts", *asked, "--json"))["settings"]
    assert changed == {
        "order": "diverse", "uncertainty": "entropy", "labels_per_record": 7, "min_label_count": 2, "tie": "first",
        "batch_size": 20, "warm_start": 0, "random_share": 1.0, "ignored_threshold": 0.5, "lease_seconds": 60,
        "suggest": False, "several_labels": True, "learner": "linear-svc", "seed": 7, "consensus": "dawid-skene",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "nothing"), 3, "dataset list"),
        (("new", "a\u202eb"), 2, "invisible character"),
        (("new", "x", "--label", "a", "--label", "a"), 4, "Leave one of them out"),
        (("new", "x", "--setting", "batch_size"), 2, "NAME=VALUE"),
        (("new", "x", "--setting", "batch_size=0"), 2, "from 1 to"),
        (("new", "x", "--setting", "size=1"), 2, "There are: order"),
        (("new", "x", "--setting", "batch_size=many"), 2, "batch_size: It is 'many'. A whole number from 1 to 1,000,000."),
        (("new", "x", "--setting", "seed=4.5"), 2, "seed: It is '4.5'. A whole number from 0"),
        (("new", "x", "--setting", "random_share=NaN"), 2, "random_share: It is nan. A number from 0 to 1."),
        (("new", "x", "--setting", "suggest=perhaps"), 2, "suggest: It is 'perhaps'. true or false."),
        (("new", "x", "--setting", "order=best"), 2, "One of: uncertainty, ranking, random, sequential, diverse."),
        (("new", "x", "--setting", "learner=deep"), 2, "There are: tfidf-logreg"),
        (("new", "x", "--setting", "seed=1", "--setting", "seed=2"), 2, "given twice"),
        (("new", "x", "--setting", "=1"), 2, "NAME=VALUE"),
        (("new", "x", "--guidelines", "nowhere.md"), 2, "nowhere.md"),
        (("change", "x"), 2, "--setting"),
        (("labels", "x"), 3, "dataset list"),
    ],
)
def test_an_error_names_the_way_out(run: Any, arguments: tuple[str, ...], code: int, words: str):
    assert words in run(*arguments, code=code)


def test_what_was_done_at_the_command_line_is_written_down(run: Any, built: App):
    from labelmill.accounts import service as accounts

    run("new", "posts")
    run("archive", "posts")
    with built.database.read() as connection:
        assert [(each.action, each.actor_id) for each in accounts.list_audit(connection)] == [
            ("archive dataset", None), ("make dataset", None),
        ]  # fmt: skip
