"""``labelmill jobs``, ``worker`` and ``db`` as a user meets them: real processes, exit codes, output."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import psutil
import pytest
import sqlalchemy as sa

from job_lab import environment
from labelmill import cli
from labelmill.jobs import leases, presence, service
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.model import NewStep
from labelmill.jobs.tables import workers

STEPS = [NewStep(key="a", name="only", phase=0)]
LABELMILL = [sys.executable, "-m", "labelmill"]


@pytest.fixture
def command(lab):
    """Return a function that starts ``labelmill`` with some arguments on the lab's database."""
    started = []

    def start(*arguments):
        with environment(lab) as variables:
            process = subprocess.Popen(
                [*LABELMILL, *arguments], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run(lab, monkeypatch, capsys):
    """Return a function that runs a verb in this process (a new one costs a second) and gives exit code, stdout and stderr."""
    for name, value in lab.settings.environment().items():
        monkeypatch.setenv(name, value)

    def to_the_end(*arguments):
        capsys.readouterr()
        code = cli.run(arguments)
        return code, *capsys.readouterr()

    return to_the_end


def test_jobs_are_listed_shown_cancelled_and_retried(lab, run):
    job = lab.submit("add")
    code, out, _ = run("jobs", "list")
    assert (code, job.id in out, "queued" in out) == (0, True, True)
    code, out, _ = run("jobs", "list", "--json", "--state", "queued")
    assert [found["id"] for found in json.loads(out)] == [job.id]
    code, out, _ = run("jobs", "show", job.id[:16], "--json")
    shown = json.loads(out)
    assert (shown["id"], shown["state"], [step["key"] for step in shown["steps"]]) == (job.id, "queued", ["first"])
    code, out, _ = run("jobs", "show", job.id)
    assert (code, "first" in out) == (0, True)
    code, _, err = run("jobs", "cancel", job.id)
    assert (code, err) == (0, f"Job {job.id} is cancelled.\n")
    code, _, err = run("jobs", "cancel", job.id)
    assert (code, "error[conflict]" in err, err.count("\n")) == (4, True, 1)
    code, out, _ = run("jobs", "retry", job.id, "--json")
    assert (code, json.loads(out)["state"]) == (0, "queued")
    code, _, err = run("jobs", "show", "nothing")
    assert (code, "error[not-found]" in err) == (3, True)


@pytest.mark.parametrize("verb", ["worker", "learner", "predictor", "archiver"])
def test_l28_each_service_logs_time_level_module_and_message(command, verb):
    process = command("--set", "log_format=json", "--set", "log_level=info", verb)
    said = json.loads(process.stderr.readline())
    assert list(said)[:4] == ["time", "level", "logger", "message"]
    assert (said["level"], said["logger"], said["message"]) == ("info", "labelmill.jobs.supervisor", "process started")
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0


def test_watching_prints_a_line_of_json_each_second_and_ends_with_the_job(lab, command):
    job = lab.submit("sleep", seconds=0.1)
    process = command("jobs", "watch", job.id, "--json")
    first = json.loads(process.stdout.readline())
    assert (first["id"], first["state"]) == (job.id, "queued")
    lab.work()
    out, err = process.communicate(timeout=15)
    assert (json.loads(out.splitlines()[-1])["state"], process.returncode, err) == ("succeeded", 0, "")


def test_watching_a_job_that_fails_ends_with_code_8_and_its_reason(lab, run):
    job = lab.submit("refuse")
    lab.work()
    code, _, err = run("jobs", "watch", job.id)
    assert (code, "Row 7 is wrong." in err, "jobs retry" in err) == (8, True, True)


def test_a_kind_that_the_product_does_not_know_fails_when_it_is_run(lab, run):
    """``jobs run`` knows the product's own kinds only; the exit code and the one line say why."""
    job = lab.submit("add")
    code, _, err = run("jobs", "run", job.id)
    assert (code, "does not know how to run 'plan' of 'add'" in err) == (8, True)


def test_p17_ctrl_c_while_watching_says_how_to_go_on(lab, command):
    job = lab.submit("sleep")
    process = command("jobs", "watch", job.id, "--json")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=15)
    assert (process.returncode, "jobs cancel" in err, err.count("\n")) == (8, True, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_p17_a_worker_ends_on_a_signal_with_all_its_processes(lab, command, number):
    process = command("worker", "--concurrency", "2")
    lab.until(lambda: len(lab.alive()) == 2, seconds=30)
    children = [worker.pid for worker in lab.alive()]
    process.send_signal(number)
    process.communicate(timeout=60)
    assert (process.returncode, lab.alive()) == (0, [])
    assert [pid for pid in children if psutil.pid_exists(pid)] == []


def test_a_worker_serves_the_queues_it_is_told(lab, command, run):
    command("worker", "--queue", "slow", "--queue", "other")
    lab.until(lab.alive, seconds=30)
    assert lab.alive()[0].queues == ("slow", "other")
    code, _, err = run("worker", "--queue", "no such queue")
    assert (code, "queues (command line)" in err) == (2, True)


def test_the_schema_is_looked_after(lab, run):
    assert run("db", "check")[0] == 0
    code, out, _ = run("db", "revision", "--json")
    versions = json.loads(out)
    assert (code, versions["database"]) == (0, versions["needed"])
    code, _, err = run("db", "downgrade", "base")
    assert (code, err) == (0, "The database is at revision none.\n")
    code, _, err = run("db", "check")
    assert (code, "labelmill db upgrade" in err) == (4, True)
    code, _, err = run("db", "upgrade")
    assert (code, err) == (0, f"The database is at revision {versions['needed']}.\n")
    code, _, err = run("db", "upgrade", "nonsense")
    assert (code, "no revision 'nonsense'" in err) == (2, True)


def test_a_database_that_is_away_is_one_line(lab, run):
    code, _, err = run("--set", "database_url=postgresql://nobody@127.0.0.1:1/none", "jobs", "list")
    assert (code, "error[unavailable]" in err, err.count("\n")) == (7, True, 1)


def test_a_damaged_file_is_told(lab, run, tmp_path):
    path = tmp_path / "labelmill.db"
    lab.database.transact(
        lambda connection: [service.submit(connection, kind="k", title="t" * 500, params={}, steps=STEPS) for _ in range(300)]
    )
    lab.close()
    content = bytearray(path.read_bytes())
    content[8192 : len(content) // 2] = b"\xff" * (len(content) // 2 - 8192)
    path.write_bytes(content)
    code, _, err = run("db", "check")
    assert (code in (1, 7), err.count("\n")) == (True, 1)


def test_a_live_worker_is_left_to_do_the_job(lab, command):
    """``jobs run`` watches the worker that is there instead of taking its step."""
    with lab.worker("theirs") as worker:
        job = lab.submit("sleep", seconds=0.2)
        process = command("jobs", "run", job.id)
        time.sleep(1.5)
        assert worker.run_next()
        assert process.wait(20) == 0
    assert lab.steps(job)[0]["owner"] == "theirs"


def test_what_a_killed_command_held_is_free_for_the_next(lab):
    """The next command finds the dead process at once and takes its step over."""
    job = lab.submit("add")
    lab.database.transact(presence.arrive, "gone", runner="local", queues=[])
    lab.database.transact(leases.claim, "gone")
    with lab.database.write() as connection:
        connection.execute(sa.update(workers).values(pid=2**22 + 1))
    begun = time.monotonic()
    assert run_or_watch(lab.runtime, job.id).state == "succeeded"
    assert time.monotonic() - begun < 20
