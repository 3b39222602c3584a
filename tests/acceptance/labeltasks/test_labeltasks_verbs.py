"""``labelmill label`` and ``labelmill label-tasks`` as a user meets them: real processes, several workers, exit codes, output."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

import preloaded
import task_lab
from task_lab import FIGURES, TaskLab

ROWS = 3_000


@pytest.fixture
def lab(tmp_path: Path) -> TaskLab:
    made = TaskLab(tmp_path)
    task_lab.rows(ROWS).write_parquet(tmp_path / "posts.parquet")
    return made


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'out.db'}"


@pytest.fixture
def begun(lab: TaskLab) -> Iterator[Callable[..., preloaded.Process]]:
    """Start the command, and end it with the test."""
    started: list[preloaded.Process] = []

    def begin(*arguments: str, **more: str) -> preloaded.Process:
        started.append(lab.begin(*arguments, **more))
        return started[-1]

    yield begin
    for process in started:
        for child in children_of(process):
            child.kill()
        process.kill()
        process.communicate()


def children_of(process: preloaded.Process) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def told(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def until(happened: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


def test_two_workers_write_what_one_does(lab: TaskLab, tmp_path: Path) -> None:
    """Into files in the order of the source and into tables; the processes are gone at the end."""
    reports, outputs = [], []
    for workers in ("1", "2"):
        url = f"sqlite:///{tmp_path / workers}.db"
        words = lab.words("posts.parquet", url, "--step-rows", "300", "--workers", workers)
        reports.append(told(lab.run(*words)))
        outputs.append(task_lab.output(url))
        file = lab.words("posts.parquet", f"{workers}.parquet", "--step-rows", "300", "--workers", workers)
        told(lab.run(*file))
    one, two = ({figure: report[figure] for figure in FIGURES} for report in reports)
    assert one == two
    assert outputs[0] == outputs[1]
    assert one["rows_read"] == ROWS
    files = [pl.read_parquet(tmp_path / f"{workers}.parquet").drop("task_id") for workers in ("1", "2")]
    assert files[0].equals(files[1])
    here = str(tmp_path)
    assert not [process.pid for process in psutil.process_iter() if here in environment_of(process)]


def environment_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("LABELMILL_DATA_DIR", "")
    except psutil.Error:
        return ""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_leaves_the_task_queued_and_no_process_behind(lab: TaskLab, begun: Any, url: str, workers: str) -> None:
    """It says how to go on, and that ends with the rows of an undisturbed run."""
    right = told(lab.run(*lab.words("posts.parquet", "right.parquet")))
    words = lab.words("posts.parquet", url, "--step-rows", "20", "--workers", workers)
    process = begun(*words)

    def some_steps() -> Any:
        tasks = [job for job in lab.jobs() if job.id != right["id"]]
        return tasks if tasks and tasks[0].steps_done >= 3 else None

    (job,) = until(some_steps)
    expected = 0 if workers == "1" else int(workers)
    until(lambda: len(children_of(process)) == expected)
    children = children_of(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 8, err
    assert f"labelmill jobs run {job.id}" in err
    assert [child.pid for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
    states = {step["state"] for step in lab.steps(job.id)}
    assert "leased" not in states
    assert "queued" in states
    went_on = lab.run("jobs", "run", job.id, "--json")
    assert went_on.returncode == 0, went_on.stderr
    report = told(lab.run("label-tasks", "show", job.id, "--json"))
    assert {figure: report[figure] for figure in FIGURES} == {figure: right[figure] for figure in FIGURES}


def test_a_task_is_cancelled_begun_again_and_removed(lab: TaskLab, begun: Any, url: str) -> None:
    """Each verb with its exit code: cancelling a running one, refusing an ended one, and leaving no row of it at the end."""
    process = begun(*lab.words("posts.parquet", url, "--step-rows", "20"))
    (job,) = until(lambda: [job for job in lab.jobs() if job.steps_done >= 3])
    refused = lab.run("label-tasks", "remove", job.id, "--yes")
    assert (refused.returncode, "label-tasks cancel" in refused.stderr) == (4, True)
    assert told(lab.run("label-tasks", "cancel", job.id[:12], "--json")) == {"id": job.id, "state": "cancelled"}
    process.communicate(timeout=60)
    assert process.returncode == 8
    assert lab.run("label-tasks", "cancel", job.id).returncode == 4
    with task_lab.connected(url) as connection:
        assert connection.exec_driver_sql("SELECT stat, prod_stat FROM state").all() == [("BREAK", None)]
    report = told(lab.run("label-tasks", "rerun", job.id, "--workers", "2", "--json"))
    assert (report["state"], report["rows_read"], report["id"]) == ("succeeded", ROWS, job.id)
    other = told(lab.run(*lab.words("posts.parquet", url)))
    assert {figure: report[figure] for figure in FIGURES} == {figure: other[figure] for figure in FIGURES}
    alone = task_lab.output(url)["state"]
    removed = told(lab.run("label-tasks", "remove", job.id, "--results", "--yes", "--json"))
    assert "forum" in removed["rows removed from"]
    with task_lab.connected(url) as connection:
        for table in ("forum", "wh_panel_mapping_forum", "again", "F2", "state", "labelmill_steps"):
            owners = connection.exec_driver_sql(f'SELECT DISTINCT task_id FROM "{table}"').scalars().all()
            assert owners == [other["id"]]
    assert len(alone) == 2
    assert [job.id for job in lab.jobs()] == [other["id"]]


def test_several_rule_sets_and_filters_are_given_by_their_options(lab: TaskLab) -> None:
    """One column for each rule set, in their order; a filter with its column; a text file says what to do with other sources."""
    rules = {"name": "ids", "labels": ["/nine"], "rules": [{"label": "/nine", "kind": "regex", "content": "9$"}]}
    (lab.folder / "ids.json").write_text(json.dumps(rules), encoding="utf-8")
    (lab.folder / "spam.csv").write_text("content,rule_type,match_type\np0000,keyword,start\n", encoding="utf-8")
    two = ("--rules", "ids.json", "--text-column", "id", "--filter", "delete:id=spam.csv", "--unmapped", "leave-out")
    report = told(lab.run(*lab.words("posts.parquet", "out.parquet", *two)))
    frame = task_lab.rows(ROWS)
    mapped = frame.filter(pl.col("s_id") != "F2", ~pl.col("id").str.starts_with("p0000"))
    doubled = pl.concat([mapped, mapped.filter(pl.col("s_id") == "F1")])
    assert report["labels"]["/nine"] == doubled.filter(pl.col("id").str.ends_with("9")).height
    assert report["rows_filtered"] == 100
    assert set(report["received"]) == {"forum", "again"}
    assert report["unmapped"] == {"F2": frame.filter(pl.col("s_id") == "F2").height}
    refused = lab.run(*lab.words("posts.parquet", "no.parquet", "--text-column", "id"))
    assert (refused.returncode, "text columns" in refused.stderr) == (2, True)
    refused = lab.run(*lab.words("posts.parquet", "no.parquet", "--filter", "spam.csv"))
    assert (refused.returncode, "delete=rules.csv" in refused.stderr) == (2, True)
