"""The sweep: what it frees, whom it wakes and how often."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from labelmill import clock
from labelmill.errors import Unavailable
from labelmill.jobs import leases, presence, service
from labelmill.jobs.registry import JobKind, Later, Registry
from labelmill.jobs.sweep import FIRST_WAKE, LONGEST_WAKE, Sweep


class Recorder:
    runner = "celery"

    def __init__(self):
        self.woken = []

    def wake(self, steps):
        self.woken.append(list(steps))


@pytest.fixture
def moment(monkeypatch):
    """Return a list whose one entry is the monotonic time."""
    now = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def waker():
    return Recorder()


@pytest.fixture
def sweep(lab, waker):
    return Sweep(lab.database, waker, lease_seconds=15)


def look(sweep, moment, seconds, every=1.0):
    for _ in range(int(seconds / every)):
        moment[0] += every
        sweep.once()


def test_a_lease_without_a_heart_is_freed_after_its_time(lab, sweep, moment):
    job = lab.submit("sleep")
    lab.database.transact(leases.claim, "w")
    look(sweep, moment, 14)
    assert lab.steps(job)[0]["state"] == "leased"
    look(sweep, moment, 3)
    step = lab.steps(job)[0]
    assert (step["state"], step["tries"], step["error"]["code"]) == ("queued", 1, "lease-expired")


def test_a_lease_with_a_heart_is_left_alone(lab, sweep, moment):
    job = lab.submit("sleep")
    held = lab.database.transact(leases.claim, "w")
    for _ in range(60):
        lab.database.transact(leases.beat, held, 0)
        look(sweep, moment, 10, every=10)
    assert lab.steps(job)[0]["state"] == "leased"


def test_a_worker_without_a_heart_is_forgotten_and_its_step_freed(lab, sweep, moment, monkeypatch):
    job = lab.submit("sleep")
    lab.database.transact(presence.arrive, "w", runner="local", queues=["default"])
    lab.database.transact(leases.claim, "w")
    look(sweep, moment, 17)
    assert lab.alive() == []
    assert lab.steps(job)[0]["tries"] == 1, "one death is one try, though worker and lease were both found dead"


def test_p07_a_worker_whose_step_writes_is_alive_though_its_heart_waits_for_the_lock(lab, sweep, moment):
    """What an import keeps with each slice says so as well; once that stands still, the worker is held for dead like any other."""
    job = lab.submit("sleep")
    lab.database.transact(presence.arrive, "w", runner="local", queues=["default"])
    held = lab.database.transact(leases.claim, "w")
    for written in range(60):
        lab.database.transact(leases.keep, held, {"written": written})
        look(sweep, moment, 1)
    assert [worker.id for worker in lab.alive()] == ["w"]
    assert (lab.steps(job)[0]["state"], lab.steps(job)[0]["tries"]) == ("leased", 0)
    look(sweep, moment, 17)
    assert lab.alive() == []
    step = lab.steps(job)[0]
    assert (step["state"], step["tries"], step["error"]["code"]) == ("queued", 1, "worker-died")
    assert "no sign of life" in step["error"]["detail"]


def test_free_steps_are_told_again_and_again_but_ever_more_seldom(lab, sweep, moment, waker):
    """After 5, 10, 20 ... at most 60 seconds: a broker that forgot everything is made good within a minute."""
    job = lab.submit("sleep")
    lab.database.transact(presence.arrive, "w", runner="celery", queues=["default"])
    times, known = [], 0
    for second in range(300):
        lab.database.transact(presence.beat, "w", runner="celery", queues=["default"])
        look(sweep, moment, 1)
        if len(waker.woken) > known:
            known = len(waker.woken)
            times.append(second)
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses[:4] == [FIRST_WAKE, 2 * FIRST_WAKE, 4 * FIRST_WAKE, 8 * FIRST_WAKE]
    assert max(pauses) <= LONGEST_WAKE
    assert waker.woken[0] == [(lab.steps(job)[0]["id"], "default")]


def test_nobody_is_woken_where_nobody_serves_the_queue(lab, sweep, moment, waker):
    """The messages would only pile up; the first worker that comes is told at once."""
    lab.submit("sleep")
    lab.database.transact(presence.arrive, "w", runner="celery", queues=["other"])
    look(sweep, moment, 10)
    assert waker.woken == []
    lab.database.transact(presence.arrive, "v", runner="celery", queues=["default"])
    look(sweep, moment, 1)
    assert len(waker.woken) == 1


def test_local_workers_are_never_woken(lab, moment):
    sweep = Sweep(lab.database, lab.runtime.waker, lease_seconds=15)
    lab.submit("sleep")
    sweep.once()


def test_a_sweep_survives_a_database_that_is_away(lab, monkeypatch):
    sweep, calls = Sweep(lab.database, lab.runtime.waker, lease_seconds=0.03), []

    def once():
        calls.append(1)
        raise Unavailable("away") if len(calls) % 2 else RuntimeError("a fault")

    monkeypatch.setattr(sweep, "once", once)
    sweep.start()
    lab.until(lambda: len(calls) > 3)
    sweep.stop()
    assert not sweep.is_alive()


def test_waking_tells_the_free_steps_of_one_job(lab, waker):
    job = lab.submit("add")
    lab.submit("add")
    runtime = replace(lab.runtime, waker=waker)
    runtime.wake(job.id)
    assert waker.woken == [[(lab.steps(job)[0]["id"], "default")]]


def test_two_kinds_of_one_name_are_refused():
    with pytest.raises(ValueError, match="one name"):
        Registry(JobKind(name="a", handlers={}), JobKind(name="a", handlers={}))
    with pytest.raises(ValueError, match="one name"):
        Registry(JobKind(name="a", handlers={}), Later(("b", "a"), list))


def test_kinds_for_later_are_made_once_when_one_of_them_is_needed():
    made = []

    def make() -> list[JobKind]:
        made.append(1)
        return [JobKind(name="b", handlers={}), JobKind(name="c", handlers={})]

    registry = Registry(JobKind(name="a", handlers={}), Later(("b", "c"), make))
    registry.close_idle()
    assert registry.follower("a") is None
    assert registry.follower("unknown") is None
    assert made == []
    assert registry.follower("c") is None
    assert [kind.name for kind in registry] == ["b", "c", "a"]
    assert made == [1]


def test_kinds_that_are_not_those_that_were_named_are_refused():
    with pytest.raises(ValueError, match="made"):
        list(Registry(Later(("b",), lambda: [JobKind(name="c", handlers={})])))


def test_a_kind_that_nobody_knows_is_parked_with_the_way_out(lab):
    job = lab.submit("from-the-future")
    lab.work()
    ended = lab.job(job)
    assert (ended.state, ended.error["code"]) == ("failed", "not-found")
    assert "one version" in ended.error["way_out"]
    with lab.database.read() as connection:
        assert service.get(connection, job.id).steps_done == 0
