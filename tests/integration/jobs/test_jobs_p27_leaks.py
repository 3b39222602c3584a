"""Promise 27: a thousand times opened and closed, nothing is left: descriptors, threads, memory."""

from __future__ import annotations

import gc
import threading

import psutil
import pytest

from job_lab import Lab
from labelmill.db.database import Database
from labelmill.db.engine import make_engine
from labelmill.jobs import leases

MEBIBYTE = 1024 * 1024


def usage():
    gc.collect()
    process = psutil.Process()
    return process.num_fds(), threading.active_count(), process.memory_info().rss


def assert_flat(cycle, *, times, warm_up, allowed_mb, settle=lambda: None):
    for _ in range(warm_up):
        cycle()
    settle()
    descriptors, threads, memory = usage()
    for _ in range(times):
        cycle()
    settle()
    after = usage()
    assert after[:2] == (descriptors, threads)
    assert (after[2] - memory) / MEBIBYTE < allowed_mb


def test_p27_a_thousand_databases_opened_and_closed(lab):
    """An engine each time, one transaction, one read."""

    def cycle():
        database = Database(make_engine(lab.settings.database_url))
        with database.read() as connection:
            leases.any_free(connection)
        database.transact(lambda connection: leases.claim(connection, "w"))
        database.close()

    times = 1000 if lab.database.dialect == "sqlite" else 60
    assert_flat(cycle, times=times, warm_up=30, allowed_mb=25)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_p27_a_thousand_workers_come_and_go(lab):
    """A heart's thread, a row, a connection or two: gone each time."""

    def cycle():
        with lab.worker() as worker:
            worker.run_next()

    # The pool keeps what two threads once needed at a time: that is no leak, and it is given back before counting.
    assert_flat(cycle, times=1000, warm_up=30, allowed_mb=25, settle=lab.database.engine.dispose)
    assert lab.alive() == []


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_p27_a_supervisor_that_restarts_its_children_keeps_nothing(lab):
    """Children that die at once are buried whole: no pipe and no zombie stays."""
    import sys

    from labelmill.jobs.supervisor import Child, Supervisor

    supervisor = Supervisor(lab.runtime, [])
    child = Child("brief", lambda _: [sys.executable, "-S", "-c", ""])

    def cycle():
        child.pause = child.started = 0.0
        supervisor._look_after(child)
        child.process.wait(10)
        supervisor._look_after(child)
        assert child.process is None

    assert_flat(cycle, times=40, warm_up=5, allowed_mb=10)
    assert [found for found in psutil.Process().children() if found.status() == psutil.STATUS_ZOMBIE] == []


def test_the_lab_itself_closes(tmp_path):
    """Else the counts above would mean nothing."""
    before = usage()[:2]
    for _ in range(3):
        Lab(f"sqlite:///{tmp_path / 'again.db'}", tmp_path).close()
    assert usage()[:2] == before
