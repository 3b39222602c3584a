"""The job that exports to a SQL table: of one moment, in committed steps, killed and cancelled anywhere."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import preloaded
from archive_lab import free_now
from labelmill import triggers
from labelmill.connections import service as connections
from labelmill.exports import table_jobs
from labelmill.jobs import service as jobs
from labelmill.jobs.model import JobState
from labelmill.jobs.sweep import Sweep
from labelmill.jobs.waker import PollingWaker
from labelmill.jobs.worker import WorkerProcess
from learning_lab import Lab

if TYPE_CHECKING:
    from pathlib import Path

    import webapp
    from labelmill.jobs.model import Job

SIZE, SLICE = 30, 8


class TableLab(Lab):
    """A dataset with answers and predictions, and somebody's SQLite file."""

    def __init__(self, site: webapp.Site, folder: Path) -> None:
        super().__init__(site.app)
        self.file = folder / "theirs.db"
        url = f"sqlite:///{self.file}"
        self.app.database.transact(connections.add, self.app, name="theirs", url=url, writable=["main"], confined=False)
        self.here = self.dataset(SIZE, batch_size=1000)
        self.answer_right(self.here, 12)
        self.train(self.here)

    def submit(self, table: str) -> Job:
        place = {"connection": "theirs", "schema": None, "table": table}
        return self.app.database.transact(table_jobs.submit, self.here.id, place, slice_records=SLICE)

    def made(self, table: str) -> Job:
        job = self.submit(table)
        self.work(("default",))
        return self.job(job.id)

    def rows(self, table: str) -> list[Any]:
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(f"SELECT * FROM {table} ORDER BY record_key").fetchall()

    def left(self) -> list[str]:
        return list(self.app.blobs.names("exports/"))


@pytest.fixture
def table_lab(stored_site: webapp.Site, tmp_path: Path) -> TableLab:
    return TableLab(stored_site, tmp_path)


@pytest.fixture
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step write one slice."""
    monkeypatch.setattr(table_jobs, "STEP_SECONDS", 0.0)


@pytest.mark.usefixtures("short_steps")
def test_the_table_is_of_the_moment_when_the_job_began(table_lab: TableLab) -> None:
    """Answers, records and predictions that come between its steps are not in it; each step is told of."""
    right = table_lab.made("before")
    assert right.result == {"as_of": 12, "added": SIZE, "changed": 0, "same": 0}
    job = table_lab.submit("meanwhile")
    process = WorkerProcess(table_lab.app.runtime, worker_id="w", queues=("default",))
    told = []
    while process.run_next(job_id=job.id):
        told.append((table_lab.job(job.id).done, table_lab.job(job.id).total))
        if len(told) == 2:
            table_lab.answer_right(table_lab.here, 10, start=12)
            table_lab.add(table_lab.here, 10, start=500)
            table_lab.train(table_lab.here)
    # The last two find nothing more, and say what became of the rows.
    assert [done for done, _ in told] == [0, 8, 16, 24, 30, 30, 30]
    assert {total for _, total in told} == {SIZE}
    assert table_lab.job(job.id).state is JobState.SUCCEEDED
    assert table_lab.rows("meanwhile") == table_lab.rows("before")
    assert table_lab.left() == []
    after = table_lab.made("before")
    assert (after.result or {})["added"] == 10


@pytest.mark.usefixtures("short_steps")
def test_a_failure_at_any_place_changes_nothing_of_the_table(table_lab: TableLab, monkeypatch: pytest.MonkeyPatch) -> None:
    table_lab.made("right_one")
    number = 0
    while True:
        number += 1
        monkeypatch.setattr(triggers, "_passed", Counter())
        monkeypatch.setenv(triggers.VARIABLE, f"*:fail:{number}")
        job = table_lab.made(f"table_{number}")
        monkeypatch.delenv(triggers.VARIABLE)
        is_whole = job.ended
        free_now(table_lab, job.id)
        table_lab.work(("default",))
        assert table_lab.job(job.id).state is JobState.SUCCEEDED
        assert table_lab.rows(f"table_{number}") == table_lab.rows("right_one")
        assert table_lab.left() == []
        if is_whole:
            break
    assert number == 1 + 1 + 4


def test_a_kill_at_any_place_costs_nothing(table_lab: TableLab, tmp_path: Path) -> None:
    """The process is killed with SIGKILL, and another one goes on."""
    table_lab.made("right_one")
    kept = {"LABELMILL_LOG_LEVEL": "error", **table_lab.app.settings.environment()}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABELMILL_")} | kept
    for number in range(1, 6):
        job = table_lab.submit(f"table_{number}")
        command = ["jobs", "run", job.id]
        first = preloaded.run(command, cwd=tmp_path, env=environment | {triggers.VARIABLE: f"*:kill:{number}"})
        assert first.returncode == -signal.SIGKILL, first.stderr
        Sweep(table_lab.app.database, PollingWaker(), lease_seconds=table_lab.app.settings.lease_seconds).once()
        free_now(table_lab, job.id)
        second = preloaded.run(command, cwd=tmp_path, env=environment)
        assert second.returncode == 0, second.stderr
        assert table_lab.rows(f"table_{number}") == table_lab.rows("right_one")
    assert table_lab.left() == []


@pytest.mark.usefixtures("short_steps")
def test_who_cancels_keeps_what_is_written_and_begins_again(table_lab: TableLab, monkeypatch: pytest.MonkeyPatch) -> None:
    job = table_lab.submit("labels")
    slices = []

    def meddle(place: str) -> None:
        if place == "export.slice-written":
            slices.append(place)
            if len(slices) == 2:
                table_lab.app.database.transact(jobs.cancel, job.id)

    with monkeypatch.context() as patch:
        patch.setattr("labelmill.exports.sql_table.passing", meddle)
        table_lab.work(("default",))
    assert table_lab.job(job.id).state is JobState.CANCELLED
    assert (len(table_lab.rows("labels")), table_lab.left()) == (2 * SLICE, [])
    table_lab.app.database.transact(jobs.retry, job.id)
    table_lab.work(("default",))
    again = table_lab.job(job.id)
    assert (again.state, (again.error or {})["way_out"]) == (JobState.FAILED, "Start the export again.")
    result = table_lab.made("labels").result or {}
    assert (result["added"], result["same"]) == (SIZE - 2 * SLICE, 2 * SLICE)
