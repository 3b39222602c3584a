"""Jobs while real servers and workers are stopped, emptied and restarted. The seed of every random choice is printed."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from job_lab import Lab

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]
#: What a busy machine may need until all is done: no promise is about that.
PATIENCE_SECONDS = 600.0


def test_p09_a_broker_that_restarts_and_forgets_loses_nothing(broker, tmp_path, chance):
    """Under load: emptied three times and restarted twice. All jobs end, each effect once."""
    lab = Lab(f"sqlite:///{tmp_path / 'labelmill.db'}", tmp_path, broker_url=broker.url)
    jobs = []
    with lab.supervised(2):
        for action in ("forget", "restart", "forget", "restart", "forget"):
            jobs += [lab.submit("add", steps=5, seconds=0.05, tries=20) for _ in range(3)]
            time.sleep(chance.uniform(0.5, 2))
            broker.restart(chance.uniform(0.5, 3)) if action == "restart" else broker.forget(f"labelmill.{lab.queue}")
        for job in jobs:
            lab.wait(job, seconds=PATIENCE_SECONDS)
    assert [lab.holds_exactly(job) for job in jobs] == [True] * len(jobs)
    lab.close()


def test_p09_jobs_can_be_submitted_while_the_broker_is_away(broker, tmp_path):
    """Nobody who submits is refused or kept waiting for long; the work is done once the broker is back."""
    lab = Lab(f"sqlite:///{tmp_path / 'labelmill.db'}", tmp_path, broker_url=broker.url)
    with lab.supervised(1):
        lab.until(lab.alive, seconds=PATIENCE_SECONDS)
        broker.stop()
        begun = time.monotonic()
        jobs = [lab.submit("add", steps=2) for _ in range(5)]
        assert time.monotonic() - begun < 10
        broker.start()
        for job in jobs:
            lab.wait(job, seconds=PATIENCE_SECONDS)
    assert [lab.holds_exactly(job) for job in jobs] == [True] * 5
    lab.close()


def test_p07_workers_that_are_killed_and_stopped_all_the_time_lose_and_double_nothing(tmp_path, chance):
    """Three workers for twenty seconds of SIGKILL and SIGSTOP beyond two leases."""
    lab = Lab(f"sqlite:///{tmp_path / 'labelmill.db'}", tmp_path)
    jobs = [lab.submit("add", steps=10, seconds=0.1, tries=1000) for _ in range(6)]
    stopped = []
    with lab.supervised(3):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.2, 0.8))
            _hurt(lab, chance, stopped)
        for pid in stopped:
            _signal(pid, signal.SIGCONT)
        for job in jobs:
            lab.wait(job, seconds=PATIENCE_SECONDS)
    assert [lab.holds_exactly(job) for job in jobs] == [True] * 6
    lab.close()


def _hurt(lab, chance, stopped):
    alive = [worker.pid for worker in lab.alive()]
    if alive:
        pid, number = chance.choice(alive), chance.choice([signal.SIGKILL, signal.SIGSTOP])
        _signal(pid, number)
        if number is signal.SIGSTOP:
            stopped.append(pid)
    if len(stopped) > 1:
        _signal(stopped.pop(0), signal.SIGCONT)


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def test_p17_rolling_restarts_lose_nothing_and_spend_no_try(tmp_path):
    """Supervisors come and go while jobs run; every step needs its one try only."""
    # Nobody dies here: who waits for a busy processor must not be held for dead.
    lab = Lab(f"sqlite:///{tmp_path / 'labelmill.db'}", tmp_path, lease_seconds=120.0)
    jobs = [lab.submit("add", steps=10, seconds=0.2, tries=1) for _ in range(4)]
    for _ in range(4):
        with lab.supervised(2):
            lab.until(lambda: len(lab.alive()) == 2, seconds=PATIENCE_SECONDS)
            time.sleep(1.0)
    with lab.supervised(2):
        for job in jobs:
            lab.wait(job, seconds=PATIENCE_SECONDS)
    assert [lab.holds_exactly(job) for job in jobs] == [True] * 4
    assert [step["tries"] for job in jobs for step in lab.steps(job)] == [0] * 48
    lab.close()


def test_one_sqlite_file_under_long_load_stays_whole(tmp_path, chance):
    """Worker processes are killed in the middle of their writes for half a minute: what was acknowledged is stored."""
    lab = Lab(f"sqlite:///{tmp_path / 'labelmill.db'}", tmp_path, lease_seconds=3.0)
    acknowledged = []
    with lab.supervised(3):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            acknowledged.append(lab.submit("add", steps=2, tries=1000))
            if chance.random() < 0.05 and (alive := lab.alive()):
                _signal(chance.choice(alive).pid, signal.SIGKILL)
            time.sleep(0.05)
        for job in acknowledged:
            lab.wait(job, seconds=PATIENCE_SECONDS)
    with closing(sqlite3.connect(tmp_path / "labelmill.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert [job.id for job in acknowledged if not lab.holds_exactly(job)] == []
    lab.close()
