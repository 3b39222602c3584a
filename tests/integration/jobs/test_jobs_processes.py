"""Real worker processes on the embedded default: killed, stopped, over their limits."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def test_p07_a_killed_worker_s_step_runs_again_within_seconds_and_once(lab):
    """Killed by somebody else, in the middle of a step: one try is spent, the next attempt succeeds."""
    job = lab.submit("sleep", seconds=0.5)
    with lab.supervised(1):
        lab.until(lambda: lab.runs(job))
        killed = time.monotonic()
        os.kill(lab.runs(job)[0][2], signal.SIGKILL)
        ended = lab.wait(job, seconds=60)
    assert (ended.state, [attempt for _, attempt, _ in lab.runs(job)]) == ("succeeded", [1, 2])
    assert lab.steps(job)[0]["tries"] == 1
    assert time.monotonic() - killed < 30


def test_p07_a_stopped_worker_s_step_is_rescued_once_and_its_late_result_refused(lab):
    """SIGSTOP for more than two leases, then SIGCONT: the sleeper wakes up to a refusal and goes on as a worker."""
    job = lab.submit("deaf", seconds=0.5)
    with lab.supervised(2):
        lab.until(lambda: lab.runs(job))
        sleeper = lab.runs(job)[0][2]
        os.kill(sleeper, signal.SIGSTOP)
        try:
            assert lab.wait(job, seconds=60).state == "succeeded"
            time.sleep(max(0.0, 2 * lab.settings.lease_seconds))
        finally:
            os.kill(sleeper, signal.SIGCONT)
        lab.until(lambda: sleeper in {worker.pid for worker in lab.alive()}, seconds=20)
        again = lab.submit("add", steps=6, seconds=0.1)
        lab.wait(again, seconds=60)
    assert [attempt for _, attempt, _ in lab.runs(job)] == [1, 2]
    assert (lab.job(job).done, lab.steps(job)[0]["attempt"]) == (1, 2)
    assert lab.holds_exactly(again)


def test_p15_the_queue_behind_a_poisonous_job_flows_with_one_worker(lab):
    """One worker only, and every attempt takes it along: what waits behind still runs, without growing pauses."""
    poison = [lab.submit("crash", tries=2) for _ in range(2)]
    behind = lab.submit("add")
    with lab.supervised(1):
        assert lab.wait(behind, seconds=30).state == "succeeded"
        ended = [lab.wait(job, seconds=30) for job in poison]
    assert [(job.state, job.error["code"], job.error["tries"]) for job in ended] == [("failed", "worker-died", 2)] * 2


def test_p16_a_blocked_socket_ends_by_the_time_limit(lab):
    job = lab.submit("block", tries=1, limit_seconds=0.5)
    with lab.supervised(1):
        ended = lab.wait(job, seconds=30)
    assert (ended.state, ended.error["code"]) == ("failed", "time-limit")
    assert "limit of 0.5 s" in ended.error["detail"]


def test_p17_a_step_that_does_not_listen_is_cut_short_and_handed_back(lab, tmp_path):
    """The time to stop is over: the process is killed, the step goes back without a spent try."""
    from job_lab import Lab

    brief = Lab(lab.settings.database_url, tmp_path, stop_seconds=1.0)
    job = brief.submit("deaf", tries=1, seconds=60)
    with brief.supervised(1) as supervisor:
        brief.until(lambda: brief.runs(job))
        begun = time.monotonic()
        supervisor.stop.set()
    assert time.monotonic() - begun < 30  # the step would take a minute
    step = brief.steps(job)[0]
    assert (step["state"], step["tries"], brief.job(job).state) == ("queued", 0, "running")
    assert not psutil.pid_exists(brief.runs(job)[0][2])
    brief.close()


def test_p17_sigterm_to_a_worker_process_hands_its_step_back(lab):
    """As an orchestrator does that signals every process: the step goes back and the next process takes it."""
    job = lab.submit("sleep", tries=1, seconds=1.0)
    with lab.supervised(1):
        lab.until(lambda: lab.runs(job))
        os.kill(lab.runs(job)[0][2], signal.SIGTERM)
        ended = lab.wait(job, seconds=30)
    assert (ended.state, lab.steps(job)[0]["tries"], lab.steps(job)[0]["attempt"]) == ("succeeded", 0, 2)


def test_orphans_end_when_their_parent_is_killed(lab):
    """Nobody is left to hold them to limits, so they finish what they have and leave."""
    import subprocess
    import sys

    from job_lab import MAIN, environment

    with environment(lab) as variables:
        parent = subprocess.Popen([sys.executable, str(MAIN.with_name("worker_parent.py"))], env=variables)
    lab.until(lab.alive, seconds=30)
    child = lab.alive()[0].pid
    parent.kill()
    parent.wait()
    lab.until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie", seconds=20)
    assert lab.alive() == []
