"""Leases on every database: one owner for each attempt, first come first served, late results refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from labelmill import clock
from labelmill.errors import Conflict, JobCancelled, StepLost
from labelmill.jobs import leases, service
from labelmill.jobs.model import JobState, Limits, NewStep, StepResult

DONE = StepResult(done=1)


def submit(lab, count=1, **values):
    steps = [NewStep(key=f"s{number:03}", name="only", phase=0, units=1) for number in range(count)]
    usual = {"kind": "sleep", "title": "t", "params": {}, "steps": steps}
    return lab.database.transact(service.submit, **(usual | values))


def claim(lab, owner="w", **where):
    return lab.database.transact(leases.claim, owner, **where)


def in_threads(count, work):
    """Run ``work(number)`` in threads that start together; return what they gave."""
    barrier = threading.Barrier(count)

    def run(number):
        barrier.wait(10)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_eight_claimers_lease_every_step_once(lab):
    """Who wins a step is the database's decision; nobody gets one twice and none is left."""
    job = submit(lab, 40)

    def take(number):
        taken = []
        while step := claim(lab, f"w{number}", queues=["default"]):
            taken.append((step.key, step.attempt))
        return taken

    taken = [entry for part in in_threads(8, take) for entry in part]
    assert sorted(taken) == [(f"s{number:03}", 1) for number in range(40)]
    assert {step["state"] for step in lab.steps(job)} == {"leased"}


def test_first_come_first_served(lab):
    jobs = []
    for _ in range(5):
        jobs.append(submit(lab, 2))
        clock.sleep(0.002)  # ids rise with each millisecond
    order = [(step.job_id, step.key) for step in iter(lambda: claim(lab, queues=["default"]), None)]
    assert order == [(job.id, key) for job in jobs for key in ("s000", "s001")]


def test_a_queue_is_served_by_its_own_workers_only(lab):
    slow, usual = submit(lab, queue="slow"), submit(lab)
    assert claim(lab, queues=["default"]).job_id == usual.id
    assert claim(lab, queues=["default"]) is None
    assert claim(lab, queues=["other", "slow"]).job_id == slow.id


def test_a_message_for_a_done_or_leased_step_has_no_effect(lab):
    job = submit(lab)
    step = claim(lab)
    assert claim(lab, "other", step_id=step.id) is None
    lab.database.transact(leases.finish, step, DONE)
    assert claim(lab, "other", step_id=step.id) is None
    assert lab.job(job).done == 1


def test_a_finished_step_is_not_finished_again(lab):
    job = submit(lab, 2)
    step = claim(lab)
    lab.database.transact(leases.finish, step, DONE)
    with pytest.raises(StepLost):
        lab.database.transact(leases.finish, step, DONE)
    assert (lab.job(job).done, lab.job(job).state) == (1, JobState.RUNNING)


def test_a_failed_step_waits_then_is_tried_again_then_is_parked_with_its_reason(lab, monkeypatch):
    job = submit(lab, limits=Limits(tries=2))
    step = claim(lab)
    assert not lab.database.transact(leases.fail, step, {"code": "x", "detail": "first"})
    assert claim(lab) is None
    later = clock.now()
    monkeypatch.setattr(clock, "now", lambda: later.replace(year=later.year + 1))
    again = claim(lab)
    assert (again.attempt, again.tries) == (2, 1)
    assert lab.database.transact(leases.fail, again, {"code": "x", "detail": "second"})
    ended = lab.job(job)
    assert ended.state == JobState.FAILED
    assert ended.error == {"code": "x", "detail": "second", "step": "s000", "tries": 2}


def test_an_outage_gets_more_tries_than_a_fault(lab, monkeypatch):
    submit(lab, limits=Limits(tries=1))
    real, parked, tries = clock.now(), False, 0
    while not parked:
        monkeypatch.setattr(clock, "now", lambda years=tries + 1: real.replace(year=real.year + years))
        parked = lab.database.transact(leases.fail, claim(lab), {"code": "unavailable"}, outage=True)
        tries += 1
    assert tries == 1 + leases.OUTAGE_TRIES


def test_a_late_failure_changes_nothing(lab):
    """The worker that slept through its lease may not spend the tries of the one that took over."""
    submit(lab)
    slept = claim(lab)
    lab.database.transact(leases.hand_back, slept)
    awake = claim(lab, "other")
    lab.database.transact(leases.fail, slept, {"code": "late"}, final=True)
    lab.database.transact(leases.hand_back, slept)
    with lab.database.read() as connection:
        leases.check_wanted(connection, awake)
    with pytest.raises(StepLost):
        lab.database.transact(leases.finish, slept, DONE)
    with pytest.raises(StepLost):
        lab.database.transact(leases.beat, slept, 1)


def test_p17_a_hand_back_is_no_try(lab):
    submit(lab, limits=Limits(tries=1))
    for expected in range(1, 6):
        step = claim(lab)
        assert (step.attempt, step.tries) == (expected, 0)
        lab.database.transact(leases.hand_back, step)


def test_cancelling_stops_what_waits_and_refuses_what_runs(lab):
    job = submit(lab, 3)
    step = claim(lab)
    lab.database.transact(service.cancel, job.id)
    assert claim(lab) is None
    with pytest.raises(JobCancelled):
        lab.database.transact(leases.beat, step, 1)
    assert lab.database.transact(leases.finish, step, DONE) == []
    assert {found["state"] for found in lab.steps(job)} == {"cancelled"}
    assert (lab.job(job).state, lab.job(job).done) == (JobState.CANCELLED, 0)
    with pytest.raises(Conflict):
        lab.database.transact(service.cancel, job.id)


def test_a_result_that_meets_a_cancellation_on_its_way_is_refused(lab):
    """The result waits for the cancelling transaction, which has the job, and then counts for nothing."""
    job = submit(lab)
    step = claim(lab)
    result = threading.Thread(target=lab.database.transact, args=(leases.finish, step, DONE))
    with lab.database.write() as connection:
        service.cancel(connection, job.id)
        result.start()
        result.join(0.3)
        assert result.is_alive()
    result.join(10)
    assert (lab.job(job).state, lab.job(job).done, lab.steps(job)[0]["state"]) == (JobState.CANCELLED, 0, "cancelled")


def test_a_retry_of_a_cancelled_job_refuses_the_worker_that_still_runs(lab):
    job = submit(lab, 2)
    old = claim(lab, "old")
    lab.database.transact(service.cancel, job.id)
    lab.database.transact(service.retry, job.id)
    with pytest.raises(StepLost):
        lab.database.transact(leases.finish, old, DONE)
    new = claim(lab, "new")
    assert (new.key, new.attempt) == (old.key, 2)
    with pytest.raises(StepLost):
        lab.database.transact(leases.finish, old, DONE)
    lab.database.transact(leases.finish, new, DONE)
    lab.database.transact(leases.finish, claim(lab, "new"), DONE)
    assert (lab.job(job).state, lab.job(job).done) == (JobState.SUCCEEDED, 2)


def test_a_retry_keeps_what_is_done_and_counts_tries_anew(lab):
    job = submit(lab, 3, limits=Limits(tries=1))
    lab.database.transact(leases.finish, claim(lab), DONE)
    assert lab.database.transact(leases.fail, claim(lab), {"code": "x"})
    assert [step["state"] for step in lab.steps(job)] == ["done", "failed", "waiting"]
    retried = lab.database.transact(service.retry, job.id)
    assert (retried.state, retried.error, retried.done) == (JobState.QUEUED, None, 1)
    assert [(step["state"], step["tries"]) for step in lab.steps(job)] == [("done", 0), ("queued", 0), ("queued", 0)]
    with pytest.raises(Conflict):
        lab.database.transact(service.retry, job.id)


def test_two_steps_that_finish_a_phase_together_open_the_next_once(lab):
    """The second result waits for the first one's commit, else each would see the other's step undone and nobody go on."""
    steps = [NewStep(key=key, name="only", phase=0) for key in "ab"] + [NewStep(key="c", name="only", phase=1)]
    job = submit(lab, steps=steps)
    held = [claim(lab, name) for name in ("one", "two")]
    freed = []
    second = threading.Thread(target=lambda: freed.append(lab.database.transact(leases.finish, held[1], DONE)))
    with lab.database.write() as connection:
        assert leases.finish(connection, held[0], DONE) == []
        second.start()
        second.join(0.3)
        assert second.is_alive()
    second.join(10)
    assert [len(part) for part in freed] == [1]
    last = claim(lab)
    assert last.key == "c"
    lab.database.transact(leases.finish, last, DONE)
    assert lab.job(job).state == JobState.SUCCEEDED


def test_steps_added_by_a_step_are_added_once_and_told_to_be_woken(lab):
    """A planner whose first attempt was lost after it added its steps adds them no second time."""
    job = submit(lab)
    more = tuple(NewStep(key=f"m{number}", name="only", phase=0, units=2) for number in range(3))
    freed = lab.database.transact(leases.finish, claim(lab), StepResult(steps=more + more))
    assert len(freed) == 3
    assert (lab.job(job).steps_total, lab.job(job).total) == (4, 7)


def test_everybody_at_once(lab):
    """Claims, beats, results, failures, hand-backs, cancels and retries from eight threads end with exact counts."""
    jobs = [submit(lab, 6, limits=Limits(tries=50)) for _ in range(3)]

    def work(number):
        if number == 7:
            return [_meddle(lab, jobs[1]) for _ in range(4)]
        for turn in range(200):
            step = claim(lab, f"w{number}", queues=["default"])
            if step is None:
                if all(lab.job(job).ended for job in jobs):
                    return None
                clock.sleep(0.02)
                continue
            _treat(lab, step, turn + number)
        return None

    in_threads(8, work)
    if lab.job(jobs[1]).state == JobState.CANCELLED:
        lab.database.transact(service.retry, jobs[1].id)
    while step := claim(lab, queues=["default"]):
        lab.database.transact(leases.finish, step, DONE)
    assert [(lab.job(job).state, lab.job(job).done) for job in jobs] == [("succeeded", 6)] * 3


def _treat(lab, step, turn):
    try:
        lab.database.transact(leases.beat, step, 0)
        if turn % 4 == 1:
            lab.database.transact(leases.hand_back, step)
        else:
            lab.database.transact(leases.finish, step, DONE)
    except (StepLost, JobCancelled):
        lab.database.transact(leases.hand_back, step)


def _meddle(lab, job):
    for verb in (service.cancel, service.retry):
        clock.sleep(0.03)
        try:
            lab.database.transact(verb, job.id)
        except Conflict:
            continue
