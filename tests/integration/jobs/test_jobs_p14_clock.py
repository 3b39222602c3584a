"""Promise 14: the wall clock jumps while steps are leased; no lease is stolen, nothing is done twice, what waits still runs."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta

import pytest

from labelmill import clock
from labelmill.jobs.sweep import Sweep

JUMPS = [timedelta(hours=1), timedelta(hours=-1), timedelta(days=-1), timedelta(days=1), timedelta()]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_p14_jumps_of_the_clock_steal_no_lease(lab, monkeypatch):
    """A step runs for two leases, its heart beats, the clock jumps to and fro, three sweeps look: one attempt."""
    real, offset = clock.now, [timedelta()]
    monkeypatch.setattr(clock, "now", lambda: real() + offset[0])
    job = lab.submit("sleep", seconds=2 * lab.settings.lease_seconds)
    sweeps = [Sweep(lab.database, lab.runtime.waker, lease_seconds=lab.settings.lease_seconds) for _ in range(3)]
    for sweep in sweeps:
        sweep.start()
    try:
        with lab.worker() as worker:
            thread = threading.Thread(target=worker.run_next)
            thread.start()
            lab.until(lambda: lab.runs(job))
            jumps = itertools.cycle(JUMPS)
            while thread.is_alive():
                offset[0] = next(jumps)
                thread.join(lab.settings.lease_seconds / 4)
    finally:
        for sweep in sweeps:
            sweep.stop()
    assert lab.job(job).state == "succeeded"
    assert [attempt for _, attempt, _ in lab.runs(job)] == [1]


def test_p14_jobs_end_exactly_while_the_clock_jumps_at_every_look(lab, monkeypatch):
    """Each question for the time is answered by another clock; a failed step and a countdown are among the jobs."""
    real, jumps = clock.now, itertools.cycle(JUMPS)
    add = lab.submit("add")
    flaky = lab.submit("flaky", times=1)
    later = lab.submit("sleep", seconds=0.01, countdown=30)
    monkeypatch.setattr(clock, "now", lambda: real() + next(jumps))
    lab.until(lambda: lab.work() or all(lab.job(job).ended for job in (add, flaky, later)))
    assert lab.holds_exactly(add)
    assert (lab.job(flaky).state, len(lab.runs(flaky))) == ("succeeded", 2)
    assert (lab.job(later).state, len(lab.runs(later))) == ("succeeded", 1)
