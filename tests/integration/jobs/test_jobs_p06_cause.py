"""Promise 6: a job exists if and only if its cause committed, wherever the process is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from job_lab import environment
from labelmill.jobs import leases, service
from labelmill.jobs.model import NewStep

SCRIPT = """
import os, sys
import sqlalchemy as sa
from labelmill.bootstrap import make_waker, open_database
from labelmill.jobs import service
from labelmill.jobs.model import NewStep
from labelmill.settings import load_settings

moment, out = sys.argv[1:]
settings = load_settings()
database = open_database(settings)
with database.write() as connection:
    connection.execute(sa.text("INSERT INTO causes (id) VALUES (1)"))
    steps = [NewStep(key="first", name="plan", phase=0)]
    service.submit(connection, kind="add", title="t", steps=steps, params={"out": out, "steps": 2, "each": 3}, key="cause-1")
    if moment == "before commit":
        os._exit(9)
if moment == "before wake":
    os._exit(9)
"""


@pytest.fixture
def causes(lab):
    with lab.database.write() as connection:
        connection.execute(sa.text("CREATE TABLE causes (id INTEGER)"))
    yield lambda: _count(lab, "causes"), lambda: _count(lab, "jobs")
    with lab.database.write() as connection:
        connection.execute(sa.text("DROP TABLE causes"))


def _count(lab, table):
    with lab.database.read() as connection:
        return connection.scalar(sa.text(f"SELECT count(*) FROM {table}"))


@pytest.mark.parametrize(("moment", "expected"), [("before commit", 0), ("before wake", 1)])
def test_p06_a_killed_process_leaves_cause_and_job_or_neither(lab, causes, moment, expected):
    count_causes, count_jobs = causes
    with environment(lab) as variables:
        done = subprocess.run([sys.executable, "-c", SCRIPT, moment, str(lab.out)], env=variables, check=False)
    assert done.returncode == 9
    assert (count_causes(), count_jobs()) == (expected, expected)
    if expected:
        lab.work()
        with lab.database.read() as connection:
            assert lab.holds_exactly(service.list_jobs(connection)[0])


def test_p06_a_cause_that_is_rolled_back_takes_its_job_along(lab, causes):
    count_causes, count_jobs = causes

    class Refused(Exception):
        pass

    def cause(connection):
        connection.execute(sa.text("INSERT INTO causes (id) VALUES (1)"))
        service.submit(connection, kind="add", title="t", params={}, steps=[NewStep(key="a", name="plan", phase=0)], key="k")
        raise Refused

    with pytest.raises(Refused):
        lab.database.transact(cause)
    assert (count_causes(), count_jobs()) == (0, 0)


def test_p06_the_same_cause_from_eight_sides_at_once_makes_one_job(lab):
    """A unique key settles it, also when each looks before any has written."""
    import threading
    from concurrent.futures import ThreadPoolExecutor

    barrier = threading.Barrier(8)

    def submit(_):
        barrier.wait(10)
        return lab.submit("add", key="only-once").id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(submit, range(8)))) == 1
    with lab.database.read() as connection:
        assert len(leases.free_steps(connection)) == 1


def test_p06_wakers_that_fail_lose_nothing(lab, monkeypatch):
    """Nobody is woken and everything runs: the database alone says what is due."""
    woken = []

    class Deaf:
        runner = "celery"

        def wake(self, steps):
            woken.extend(steps)

    from dataclasses import replace

    monkeypatch.setattr(lab, "runtime", replace(lab.runtime, waker=Deaf()))
    job = lab.submit("add")
    lab.work()
    assert lab.holds_exactly(job)
    assert len(woken) == 1 + 4 + 1, "each step is told of once when it becomes free"


def test_the_script_is_this_checkout_s():
    """The child process imports the code under test."""
    import labelmill

    assert Path(labelmill.__file__).parts[-3] == "src"
