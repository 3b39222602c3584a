"""What the command line says where something was asked for that cannot be meant."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import preloaded

Run = Callable[..., subprocess.CompletedProcess[str]]
ROWS = (
    "id,s_id,author,content,title,post_time",
    "1,F1,tom,he,x,2020-01-01",
    "2,F1,tom,she,y,2020-01-02",
    "3,F1,tom,he,z,2020-01-03",
)
MALE, FEMALE = (
    "content,label,rule_type,match_type\nhe,/male,keyword,exactly\n",
    "content,label,rule_type,match_type\nshe,/female,keyword,exactly\n",
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command in a folder with three posts of one author, two by a man's word and one by a woman's."""
    (tmp_path / "posts.csv").write_text("\n".join(ROWS) + "\n")
    (tmp_path / "mal.csv").write_text(MALE)
    (tmp_path / "fem.csv").write_text(FEMALE)

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "LABELMILL_DATABASE_URL": f"sqlite:///{tmp_path}/own.db",
            "LABELMILL_DATA_DIR": str(tmp_path / "data"),
        }
        return preloaded.run(arguments, cwd=tmp_path, env=environment)

    return call


def label(run: Run, *more: str, rules: str = "mal.csv", out: str = "out.db") -> subprocess.CompletedProcess[str]:
    return run("label", "posts.csv", "--rules", rules, "--out", out, *more)


def test_two_rule_sets_of_one_dimension_leave_one_label_in_production(run: Run) -> None:
    """The majority of the author's records, though neither file says that their labels exclude each other."""
    done = label(run, "--rules", "fem.csv", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["labels"], found["production"]) == ({"/male": 2, "/female": 1}, {"posts_labels": 1})


def test_a_folder_labels_by_the_column_and_in_groups(run: Run, tmp_path: Path) -> None:
    """Predict types of two columns lie in it: that of the text column is taken, and labels that may hold at once do."""
    for name, lines in {"male": "t\tstart\n", "married": "to\tstart\n", "young": "m\tend\n"}.items():
        folder = tmp_path / "rules" / "keyword_model" / name
        folder.mkdir(parents=True)
        (folder / "author_name.txt").write_text(lines)
        (folder / "title.txt").write_text("x\tend\n")
    done = label(run, "--text-column", "author", "--json", rules="rules")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["labels"] == {"/male": 3, "/married": 3, "/young": 3}
    assert "gender (/male), marriage (/married), /young" in done.stderr


def test_a_time_column_without_times_is_questioned(run: Run) -> None:
    done = label(run, "--time-column", "title", "--where-start", "2020-01-01")
    assert "warning: no row has a readable time" in done.stderr
    task = run("label-tasks", "list", "--json")
    listed = run("label-tasks", "rejects", json.loads(task.stdout)[0]["id"])
    assert "text or id" in listed.stdout
    assert "warning" not in label(run, "--where-start", "2021-01-01", out="late.db").stderr


def test_a_queue_that_nobody_serves_is_told(run: Run) -> None:
    """The task runs all the same, here."""
    done = label(run, "--queue", "nosuch")
    assert (done.returncode, "no worker serves the queue 'nosuch'" in done.stderr) == (0, True)
    assert "queue" not in label(run, out="other.db").stderr


def test_a_sample_of_a_name_that_is_none_is_refused(run: Run) -> None:
    label(run)
    task = json.loads(run("label-tasks", "list", "--json").stdout)[0]["id"]
    refused = run("label-tasks", "sample", task, "--name", "nope")
    assert (refused.returncode, "'nope'" in refused.stderr, "There are: 'posts_labels'." in refused.stderr) == (3, True, True)
    assert "tom" in run("label-tasks", "sample", task, "--name", "posts_labels").stdout


def test_an_empty_production_prefix_is_refused_with_its_reason(run: Run, tmp_path: Path) -> None:
    refused = label(run, "--production-prefix", "")
    assert (refused.returncode, "results and production would be one table" in refused.stderr) == (2, True)
    assert not (tmp_path / "out.db").exists()


def test_tasks_are_listed_with_times_for_people_and_ended_ones_are_spoken_of_in_words(run: Run) -> None:
    label(run)
    assert re.search(r"\d\d:\d\d:\d\d UTC", run("label-tasks", "list").stdout)
    [task] = json.loads(run("label-tasks", "list", "--json").stdout)
    assert "T" in task["created"]
    assert "has succeeded already" in run("jobs", "cancel", task["id"]).stderr
    assert f"{task['id']} has succeeded." in run("jobs", "retry", task["id"]).stderr
