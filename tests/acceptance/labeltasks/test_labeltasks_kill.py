"""Kill -9 at every place where a label task can be killed: the finished output equals that of an undisturbed run."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

import task_lab
from labelmill.jobs.inline import run_or_watch
from task_lab import FIGURES, TaskLab

ROWS = 90
STEP_ROWS = "50"
#: A run of two parts comes to at least so many places where it can be killed; more than the most would be an endless loop.
LEAST, MOST = {"table": 15, "file": 8}, 40


@dataclass(frozen=True)
class Ends:
    """Where a task reads and where it writes, and how to see what it wrote."""

    folder: Path
    url: str | None

    def source(self) -> str:
        return f"{self.url}::posts" if self.url else str(self.folder / "posts.csv")

    def sink(self) -> str:
        return self.url or str(self.folder / "out.parquet")

    def output(self) -> dict[str, Any]:
        if self.url:
            return task_lab.output(self.url)
        rows = {
            name: pl.read_parquet(self.folder / name).drop("task_id").rows()
            for name in ("out.parquet", "out.production.parquet")
        }
        # Results stand in the order of the source; authors have none.
        return rows | {"out.production.parquet": sorted(rows["out.production.parquet"])}

    def clear(self) -> None:
        """Remove what tasks wrote."""
        if self.url:
            task_lab.empty(self.url)
        for path in self.folder.glob("out.*"):
            path.unlink()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb", "file"])
def ends(request: pytest.FixtureRequest, tmp_path: Path) -> Ends:
    if request.param == "file":
        task_lab.rows(ROWS).write_csv(tmp_path / "posts.csv")
        return Ends(tmp_path, None)
    # The tasks' own database, also on SQLite: the posts and what becomes of them share it.
    url = (
        f"sqlite:///{tmp_path / 'posts.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue(f"{request.param}_database")
    )
    task_lab.make_table(url, task_lab.rows(ROWS))
    return Ends(tmp_path, url)


def words(lab: TaskLab, ends: Ends, *options: str, step_rows: str = STEP_ROWS) -> list[str]:
    return lab.words(ends.source(), ends.sink(), "--step-rows", step_rows, *options)


def go_on(lab: TaskLab) -> dict[str, Any]:
    """Finish what a killed command left, as ``labelmill jobs run`` does, and return the report."""
    job_id = lab.only_job().id
    with lab.app() as application:
        ended = run_or_watch(application.runtime, job_id)
    assert ended.state == "succeeded", ended.error
    return {"state": ended.state, **(ended.result or {})}


def figures(report: dict[str, Any]) -> dict[str, Any]:
    return {name: report[name] for name in FIGURES}


def places(folder: Path, ends: Ends) -> Iterator[tuple[TaskLab, int, str]]:
    """Kill a run at its first place, another one at its second ... and yield each; the last one comes to its end."""
    for place in range(1, MOST):
        lab = TaskLab(folder / f"lab{place}")
        run = lab.run(*words(lab, ends), trigger=f"*:kill:{place}")
        assert run.returncode in (0, -signal.SIGKILL), run.stderr
        yield lab, run.returncode, run.stdout


@pytest.mark.timeout(900)  # some twenty processes, two seconds each on a quiet machine
def test_p05_a_task_killed_anywhere_ends_with_the_same_output(tmp_path: Path, ends: Ends) -> None:
    """The killed process leaves whole steps only; going on adds what is missing, once; figures and state row are the same."""
    found = []
    for lab, code, out in places(tmp_path, ends):
        report = json.loads(out) if code == 0 else go_on(lab)
        found.append((ends.output(), figures(report)))
        ends.clear()
        if code == 0:
            break
    undisturbed = found.pop()
    assert undisturbed[1]["rows_labelled"] == 60
    assert len(found) >= LEAST["table" if ends.url else "file"]
    for place, after in enumerate(found, start=1):
        assert after == undisturbed, f"killed at place {place}"


@pytest.fixture
def undisturbed(tmp_path: Path, ends: Ends) -> tuple[dict[str, Any], dict[str, Any]]:
    """The output and the figures when nothing happens."""
    lab = TaskLab(tmp_path / "undisturbed")
    run = lab.run(*words(lab, ends))
    assert run.returncode == 0, run.stderr
    found = without_steps(ends.output()), figures(json.loads(run.stdout))
    ends.clear()
    return found


def until(happened: Any, *, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def done(lab: TaskLab, name: str) -> int:
    """Return how many steps of a name are done, as the command's own database says."""
    path = lab.folder / "data" / "labelmill.db"
    with suppress(sqlite3.OperationalError):
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            query = "SELECT count(*) FROM job_steps WHERE name = ? AND state = 'done'"
            return int(database.execute(query, (name,)).fetchone()[0])
        finally:
            database.close()
    return 0


def test_p05_a_task_killed_while_its_production_waits_goes_on_with_the_same_output(
    tmp_path: Path, ends: Ends, undisturbed: Any
) -> None:
    """``--production-after`` is a time of the task and not of its process: whoever goes on keeps to it, and makes production once."""
    lab = TaskLab(tmp_path / "lab")
    waiting = lab.begin(*words(lab, ends, "--production-after", "3", step_rows="5"))
    until(lambda: done(lab, "label") == ROWS // 5)
    waiting.kill()
    waiting.communicate()
    assert done(lab, "settle") == 0
    during = lab.run("jobs", "run", lab.only_job().id, trigger="label-task.rows-inserted:kill:1")
    assert during.returncode == (-signal.SIGKILL if ends.url else 0), during.stderr
    report = go_on(lab)
    assert (without_steps(ends.output()), figures(report)) == undisturbed
    steps = lab.steps(lab.only_job().id)
    labelled = max(step["finished_at"] for step in steps if step["name"] == "label")
    (settled,) = [step["started_at"] for step in steps if step["name"] == "settle"]
    assert (settled - labelled).total_seconds() >= 3


def children(process: Any) -> list[psutil.Process]:
    """Return the worker processes of a command."""
    with suppress(psutil.Error):
        return [child for child in psutil.Process(process.pid).children() if "--child" in child.cmdline()]
    return []


@pytest.fixture
def shared(tmp_path: Path, ends: Ends, undisturbed: Any) -> Iterator[tuple[TaskLab, Any]]:
    """A command whose steps are shared by two processes of its own, once both have begun and some steps are done."""
    del undisturbed  # it is made before: both write to the same place
    lab = TaskLab(tmp_path / "lab")
    process = lab.begin(*words(lab, ends, "--workers", "2", step_rows="3"))
    until(lambda: len(children(process)) == 2 and done(lab, "label") >= 3)
    yield lab, process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("ends", ["sqlite", "mariadb"], indirect=True)
def test_p07_a_killed_process_of_several_is_replaced_and_its_step_runs_again(
    ends: Ends, shared: tuple[TaskLab, Any], undisturbed: Any
) -> None:
    """The command itself ends well: nobody has to do anything."""
    lab, process = shared
    children(process)[0].kill()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert (without_steps(ends.output()), figures(json.loads(out))) == undisturbed
    assert len({step["owner"] for step in lab.steps(lab.only_job().id) if step["name"] == "label"}) >= 2


@pytest.mark.parametrize("ends", ["postgresql", "mariadb"], indirect=True)
def test_p07_the_processes_of_a_killed_command_end_by_themselves_and_the_task_can_be_gone_on_with(
    ends: Ends, shared: tuple[TaskLab, Any], undisturbed: Any
) -> None:
    lab, process = shared
    orphans = [child.pid for child in children(process)]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not [pid for pid in orphans if psutil.pid_exists(pid)], seconds=30)
    assert lab.only_job().state == "running"
    report = go_on(lab)
    assert (without_steps(ends.output()), figures(report)) == undisturbed


def without_steps(output: dict[str, Any]) -> dict[str, Any]:
    """Return an output without the ledger, which tells how many rows a step had."""
    return {name: rows for name, rows in output.items() if name != "labelmill_steps"}
