"""The heart: what it says, what it hears, and what it does when the database is away."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa

from labelmill.errors import JobCancelled, StepLost, Unavailable, WorkerStopping
from labelmill.jobs import leases, presence, service
from labelmill.jobs.heart import Heart, RunningStep, patiently


@pytest.fixture
def running(lab):
    """Return a leased step as its handler sees it."""
    lab.submit("sleep", seconds=9)
    step = lab.database.transact(leases.claim, "w", queues=["default"])
    return RunningStep(step, lab.database, threading.Event(), patience=0.3)


@pytest.fixture
def heart(lab, running):
    made = Heart(lab.database, lambda _connection: None, seconds=0.02, lease_seconds=0.3)
    made.current = running
    made.start()
    yield made
    made.stop()
    assert not made.is_alive()


def test_a_beat_raises_the_counter_and_tells_what_is_done(lab, running, heart):
    running.report(7)
    lab.until(lambda: next(iter(_beats(lab))) > 2)
    with lab.database.read() as connection:
        assert service.list_jobs(connection)[0].done == 7


def _beats(lab):
    with lab.database.read() as connection:
        return [each.beat for each in leases.pulses(connection)]


def test_a_step_of_a_cancelled_job_hears_of_it(lab, running, heart):
    lab.database.transact(service.cancel, running.step.job_id)
    lab.until(lambda: running.verdict is not None)
    with pytest.raises(JobCancelled):
        running.report(1)


def test_a_step_that_was_given_to_another_hears_of_it(lab, running, heart):
    lab.database.transact(leases.hand_back, running.step)
    lab.database.transact(leases.claim, "other")
    lab.until(lambda: running.verdict is not None)
    with pytest.raises(StepLost):
        running.fence()


def test_a_worker_that_stops_tells_its_step(running):
    running._stop.set()
    with pytest.raises(WorkerStopping):
        running.report(1)


def test_p07_a_database_that_is_away_for_a_lease_means_that_the_step_is_lost(lab, running, heart, monkeypatch):
    """Somebody else may hold the step by then."""

    def away(*_arguments, **_named):
        raise Unavailable("away")

    begun = time.monotonic()
    monkeypatch.setattr(lab.database, "transact", away)
    lab.until(lambda: isinstance(running.verdict, StepLost))
    assert time.monotonic() - begun > 0.25
    with pytest.raises(StepLost):
        running.report(1)


def test_a_fault_in_one_beat_does_not_stop_the_heart(lab, running, monkeypatch):
    beats = []

    def beat(_connection):
        beats.append(1)
        if len(beats) == 1:
            raise RuntimeError("once")

    heart = Heart(lab.database, beat, seconds=0.02, lease_seconds=1)
    heart.start()
    lab.until(lambda: len(beats) > 2)
    heart.stop()


def test_fencing_asks_the_database_now(lab, running):
    """No heart beats in this test: the answer is fresh all the same."""
    running.fence()
    lab.database.transact(service.cancel, running.step.job_id)
    with pytest.raises(JobCancelled):
        running.fence()


def test_patience_asks_again_until_its_time_is_over():
    answers = iter([Unavailable("a"), Unavailable("b"), 3])

    def call():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(call, seconds=5) == 3
    with pytest.raises(Unavailable):
        patiently(_away, seconds=0.1)


def _away():
    raise Unavailable("away")


def test_a_worker_that_was_held_for_dead_registers_again(lab):
    """After a long sleep its row is gone; the next beat brings it back."""
    with lab.worker("w") as worker:
        lab.database.transact(presence.leave, ["w"])
        lab.until(lambda: [found.id for found in lab.alive()] == ["w"])
        assert worker.queues == ("default", "learner", "predictor", "archiver")
    assert lab.alive() == []


def test_only_a_process_of_this_very_machine_can_be_known_to_be_gone(lab):
    """Process numbers of another machine, container or boot mean nothing here."""
    gone = 2**22 + 1
    worker = presence.Worker(id="w", host=presence.this_machine(), pid=gone, runner="local", queues=("a",), beat=0)
    assert worker.is_gone
    elsewhere = presence.Worker(id="w", host="elsewhere", pid=gone, runner="local", queues=("a",), beat=0)
    assert not elsewhere.is_gone
    assert (worker.serves("a"), worker.serves("b")) == (True, False)
    assert len(presence.this_machine()) <= 255


def test_worker_names_fit_their_column_and_differ():
    names = {presence.new_worker_id() for _ in range(100)}
    assert len(names) == 100
    assert max(len(found) for found in names) <= 64


def test_a_lost_worker_row_is_no_reason_to_fail(lab):
    with lab.worker("w"), lab.database.write() as connection:
        connection.execute(sa.text("DELETE FROM workers"))
