"""Stopping a label task: within one step, with no part of it left, on every database, and with an honest answer to whoever asks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import http_tasks
import task_lab
from labelmill.accounts import Role
from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch
from labelmill.labeltasks import jobs as steps
from labelmill.labeltasks import service, table_output
from labelmill.rules import from_dict
from task_lab import TaskLab
from webapp import Site

#: Rows of the two parts; the results of each are eight in ten and less.
ROWS, STEP_ROWS = 60, 30


def counts(url: str) -> dict[str, int]:
    """Return the rows of each table that a task wrote to, those of the ledger as ``ledger``, and its state."""
    with task_lab.connected(url) as connection:
        quote = connection.dialect.identifier_preparer.quote_identifier
        tables = set(sa.inspect(connection).get_table_names()) - {"posts", "state", "labelmill_steps"}
        found = {name: connection.exec_driver_sql(f"SELECT count(*) FROM {quote(name)}").scalar_one() for name in tables}
        ledger = connection.exec_driver_sql(f"SELECT sum({quote('rows')}) FROM labelmill_steps").scalar_one()
        return {name: rows for name, rows in found.items() if rows} | {"ledger": int(ledger or 0)}


def stat(url: str) -> str:
    with task_lab.connected(url) as connection:
        return str(connection.exec_driver_sql("SELECT stat FROM state").scalar_one())


@pytest.mark.parametrize(
    ("place", "written"),
    [
        ("label-task.part-labelled", False),
        ("label-task.part-kept", False),
        ("label-task.rows-inserted", False),
        ("label-task.rows-committed", True),
    ],
)
def test_a_task_that_is_stopped_within_a_step_leaves_whole_steps_only(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, written: bool
) -> None:
    """Even where the rows were inserted already: they are not committed. Going on later ends with every row once."""
    url = f"sqlite:///{tmp_path / 'posts.db'}" if database_url.startswith("sqlite") else database_url
    posts = task_lab.make_table(url, task_lab.rows(ROWS))
    with TaskLab(tmp_path).app() as app:
        places = app.places
        request = service.Request(
            source=places.reference(posts), sink=places.reference(url), rules=from_dict(task_lab.RULES), text_column="author",
            name="all", step_rows=STEP_ROWS,
        )  # fmt: skip
        job = service.begin(app.database, places, service.prepare(request, places))
        came = []

        def stop(name: str) -> None:
            if name == place and not came:
                came.append(name)
                app.database.transact(jobs.cancel, job.id)

        monkeypatch.setattr(steps, "passing", stop)
        monkeypatch.setattr(table_output, "passing", stop)
        ended = run_or_watch(app.runtime, job.id)
        assert (came, ended.state, stat(url)) == ([place], "cancelled", "BREAK")
        found = counts(url)
        assert found.get("all", 0) == found["ledger"]
        # One part has so many results; the other may have been in the hands of a second thread.
        assert found["ledger"] in ((ROWS // 3, ROWS // 3 * 2) if written else (0, ROWS // 3))
        app.database.transact(jobs.retry, job.id)
        assert run_or_watch(app.runtime, job.id).state == "succeeded"
        assert (counts(url)["all"], stat(url)) == (ROWS // 3 * 2, "SUCCESS")


def test_cancel_on_the_command_line_stops_a_running_task_and_answers_honestly(database_url: str, tmp_path: Path) -> None:
    """The command that runs it ends by itself; unknown and ended tasks are told apart by exit codes."""
    url = f"sqlite:///{tmp_path / 'posts.db'}" if database_url.startswith("sqlite") else database_url
    task_lab.make_table(url, task_lab.rows(3000))
    lab = TaskLab(tmp_path / "lab")
    running = lab.begin(*lab.words(f"{url}::posts", url, "--step-rows", "5"))
    until((tmp_path / "lab" / "data" / "labelmill.db").exists)
    until(lambda: lab.jobs() and lab.only_job().steps_done > 3)
    job_id = lab.only_job().id
    cancelled = lab.run("label-tasks", "cancel", job_id, "--json")
    assert (cancelled.returncode, json.loads(cancelled.stdout)["state"]) == (0, "cancelled"), cancelled.stderr
    out, err = running.communicate(timeout=60)
    assert running.returncode == 8, err
    assert json.loads(out)["state"] == "cancelled"
    done = [step for step in lab.steps(job_id) if step["state"] == "done"]
    found = counts(url)
    assert sum(rows for name, rows in found.items() if name != "ledger") == found["ledger"]
    assert 3 < len(done) < 600
    assert stat(url) == "BREAK"
    again = lab.run("label-tasks", "cancel", job_id)
    assert (again.returncode, "was cancelled already" in again.stderr) == (4, True)
    unknown = lab.run("label-tasks", "cancel", "0" * 32)
    assert (unknown.returncode, "error[not-found]" in unknown.stderr) == (3, True)
    assert stat(url) == "BREAK"


def until(happened: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_cancel_over_http_answers_404_for_an_unknown_and_409_for_an_ended_task(site: Site) -> None:
    """A finished task stays finished, a cancelled one cancelled."""

    def cancel(task_id: str) -> tuple[int, str]:
        answer = site.ask("POST", f"/v1/label-tasks/{task_id}/cancel", role=Role.MANAGER)
        return answer.status_code, answer.json().get("code") or answer.json()["state"]

    http_tasks.write(site, "posts.csv")
    finished = http_tasks.labelled(site)
    assert cancel(finished) == (409, "conflict")
    assert http_tasks.get(site, finished)["state"] == "succeeded"
    waiting = http_tasks.start(site, http_tasks.body(sink="other.csv")).json()["id"]
    assert cancel(waiting) == (200, "cancelled")
    assert cancel(waiting) == (409, "conflict")
    assert cancel("0" * 32) == (404, "not-found")
    http_tasks.work(site, waiting)
    assert http_tasks.get(site, waiting)["state"] == "cancelled"
    assert not (http_tasks.folder(site) / "other.csv").exists()
