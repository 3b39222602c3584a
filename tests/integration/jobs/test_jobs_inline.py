"""A command runs its job itself unless a live worker is there."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa

from labelmill import clock
from labelmill.errors import JobCancelled, JobStopped, NotFound, WorkerStopping
from labelmill.jobs import presence, service
from labelmill.jobs.inline import has_live_worker, require_success, run_or_watch
from labelmill.jobs.tables import workers

only_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def test_without_workers_the_job_runs_here(lab):
    job, seen = lab.submit("add", seconds=0.1), []
    ended = run_or_watch(lab.runtime, job.id, on_progress=seen.append)
    assert lab.holds_exactly(job)
    assert require_success(ended) is ended
    assert seen[-1].state == "succeeded"
    assert [found.done for found in seen] == sorted(found.done for found in seen)
    assert lab.alive() == []


@only_sqlite
def test_nothing_waits_for_a_look_between_steps_and_phases(lab, monkeypatch):
    """With minutes between two looks a job of twelve steps in three phases is done at once: there is no look in between."""
    monkeypatch.setattr("labelmill.jobs.inline.LOOK_SECONDS", 200.0)
    monkeypatch.setattr("labelmill.jobs.inline.REPORT_SECONDS", 200.0)
    job, begun = lab.submit("add", steps=10), time.monotonic()
    run_or_watch(lab.runtime, job.id)
    assert lab.holds_exactly(job)
    assert time.monotonic() - begun < 150


@only_sqlite
def test_an_unknown_job_is_told(lab):
    with pytest.raises(NotFound):
        run_or_watch(lab.runtime, "nothing")


@only_sqlite
def test_a_worker_whose_process_is_gone_is_forgotten_at_once_and_its_step_freed(lab, monkeypatch):
    """The row of a process that was killed a moment ago delays nobody."""
    job = lab.submit("add")
    lab.database.transact(presence.arrive, "gone", runner="local", queues=["default"])
    with lab.database.write() as connection:
        connection.execute(sa.update(workers).values(pid=2**22 + 1))
    from labelmill.jobs import leases

    lab.database.transact(leases.claim, "gone", queues=["default"])
    waits = []
    monkeypatch.setattr(clock, "sleep", waits.append)
    assert not has_live_worker(lab.runtime, "default")
    assert waits == []
    assert lab.steps(job)[0]["error"]["code"] == "worker-died"


@only_sqlite
@pytest.mark.parametrize("queue", ["default", "other"])
def test_a_worker_whose_heart_stands_still_is_not_waited_for_long(lab, queue, monkeypatch):
    """Its process exists (ours) and nothing beats: after 2.5 heartbeats it does not count; one of another queue never does."""
    lab.database.transact(presence.arrive, "still", runner="local", queues=[queue])
    waits = []
    monkeypatch.setattr(clock, "sleep", lambda seconds: (waits.append(seconds), time.sleep(seconds)))
    assert not has_live_worker(lab.runtime, "default")
    assert sum(waits) < 3 * lab.settings.heartbeat_seconds


@only_sqlite
def test_with_a_live_worker_the_job_is_watched(lab):
    with lab.worker("other") as other:
        thread = threading.Thread(target=lambda: (time.sleep(0.5), other.run_next()))
        job = lab.submit("sleep", seconds=0.3)
        thread.start()
        assert run_or_watch(lab.runtime, job.id).state == "succeeded"
        thread.join()
    assert lab.steps(job)[0]["owner"] == "other"


@only_sqlite
def test_when_the_watched_worker_goes_the_job_runs_here(lab):
    job = lab.submit("add")
    with lab.worker("other"):
        thread = threading.Thread(target=run_or_watch, args=(lab.runtime, job.id))
        thread.start()
        time.sleep(0.5)
        assert lab.job(job).state == "queued"
    thread.join(20)
    assert lab.holds_exactly(job)


@only_sqlite
def test_two_commands_share_one_job(lab):
    """Neither takes the other for a worker to wait for, and each step runs once."""
    job = lab.submit("add", steps=10, seconds=0.05)
    threads = [threading.Thread(target=run_or_watch, args=(lab.runtime, job.id)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert lab.holds_exactly(job)
    assert len(lab.runs(job)) == 10


@only_sqlite
def test_an_abandoned_step_is_found_by_the_command_itself(lab):
    """Its sweep frees what a worker of another machine has left."""
    from labelmill.jobs import leases

    job = lab.submit("add")
    lab.database.transact(leases.claim, "dead", queues=["default"])
    assert run_or_watch(lab.runtime, job.id).state == "succeeded"
    assert lab.holds_exactly(job)


def interrupt_once(lab, job):
    """Return an on_progress that behaves like Ctrl-C once the step runs."""

    def on_progress(_job):
        if lab.runs(job):
            raise KeyboardInterrupt

    return on_progress


@only_sqlite
def test_ctrl_c_hands_the_step_back_and_says_how_to_go_on(lab):
    job = lab.submit("sleep", seconds=60, tries=1)
    with pytest.raises(WorkerStopping, match=f"left queued. `labelmill jobs run {job.id}`") as caught:
        run_or_watch(lab.runtime, job.id, on_progress=interrupt_once(lab, job))
    assert "jobs cancel" in caught.value.way_out
    step = lab.steps(job)[0]
    assert (step["state"], step["tries"]) == ("queued", 0)
    assert lab.alive() == []


@only_sqlite
def test_ctrl_c_in_front_of_a_step_that_does_not_listen_hands_it_back_too(lab, monkeypatch):
    """After some seconds the step is taken from the thread, whose late result is refused."""
    monkeypatch.setattr("labelmill.jobs.inline.PATIENCE_SECONDS", 0.2)
    job = lab.submit("deaf", seconds=1.0, tries=1)
    with pytest.raises(WorkerStopping):
        run_or_watch(lab.runtime, job.id, on_progress=interrupt_once(lab, job))
    assert lab.steps(job)[0]["state"] == "queued"
    time.sleep(1.2)
    assert (lab.steps(job)[0]["state"], lab.job(job).done) == ("queued", 0)


@only_sqlite
def test_ctrl_c_while_watching_leaves_the_job_to_its_worker(lab):
    job = lab.submit("sleep", seconds=0.2)
    with lab.worker() as worker:
        with pytest.raises(WorkerStopping, match="goes on in its worker"):
            run_or_watch(lab.runtime, job.id, on_progress=_interrupt)
        worker.run_next()
    assert lab.job(job).state == "succeeded"


def _interrupt(_job):
    raise KeyboardInterrupt


@only_sqlite
@pytest.mark.parametrize(("tries", "state", "verb"), [(1, "failed", "retry"), (2, "running", "run")])
def test_p16_a_step_over_its_time_ends_the_command_with_a_reason(lab, tries, state, verb, monkeypatch):
    monkeypatch.setattr("labelmill.jobs.inline.PATIENCE_SECONDS", 0.1)
    job = lab.submit("deaf", seconds=2.0, limit_seconds=0.3, tries=tries)
    with pytest.raises(JobStopped, match=f"limit of 0.3 s.*`labelmill jobs {verb} "):
        run_or_watch(lab.runtime, job.id)
    assert (lab.job(job).state, lab.steps(job)[0]["error"]["code"]) == (state, "time-limit")
    clock.sleep(2)
    assert lab.job(job).done == 0, "the late result is refused"


@only_sqlite
def test_p15_a_step_over_its_memory_ends_the_command_with_a_reason(lab, monkeypatch):
    monkeypatch.setattr("labelmill.jobs.inline.PATIENCE_SECONDS", 0.1)
    job = lab.submit("sleep", seconds=5, memory_mb=1, tries=1)
    with pytest.raises(JobStopped, match="limit of 1 MB"):
        run_or_watch(lab.runtime, job.id)
    assert lab.job(job).state == "failed"


@only_sqlite
def test_how_a_job_ended_is_an_exception(lab):
    failed = run_or_watch(lab.runtime, lab.submit("refuse").id)
    with pytest.raises(JobStopped, match=r"failed: row 7: Row 7 is wrong\. Mend it"):
        require_success(failed)
    cancelled = lab.database.transact(service.cancel, lab.submit("sleep", seconds=1).id)
    with pytest.raises(JobCancelled):
        require_success(run_or_watch(lab.runtime, cancelled.id))


@only_sqlite
def test_an_outage_of_something_else_is_waited_out(lab):
    job = lab.submit("flaky", times=2, tries=1)
    assert run_or_watch(lab.runtime, job.id).state == "succeeded"
    assert len(lab.runs(job)) == 3


@only_sqlite
def test_a_result_that_cannot_be_stored_is_the_step_s_failure(lab):
    ended = run_or_watch(lab.runtime, lab.submit("unstorable", tries=1).id)
    assert (ended.state, ended.error["code"]) == ("failed", "internal")
    assert "not JSON serializable" in ended.error["detail"]
