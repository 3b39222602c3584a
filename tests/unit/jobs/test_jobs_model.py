"""What a job is, as pure values: when a lease is dead, how far a job is, how long a failed step waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.jobs.model import Job, JobState, LeaseWatch, Limits, progress, retry_delay

START = datetime(2026, 3, 29, 1, 59, tzinfo=UTC)
gaps = st.lists(st.floats(0.01, 5.0), min_size=1, max_size=60)


def job(**values):
    usual = {
        "id": "1", "kind": "k", "queue": "q", "state": JobState.RUNNING, "title": "t", "params": {}, "phase": 0, "created_at": START,
        "started_at": START, "finished_at": None, "done": 0, "total": None, "unit": "rows", "error": None, "result": None,
        "limits": Limits(),
    }  # fmt: skip
    return Job(**(usual | values))


@given(gaps, st.floats(0.5, 30))
def test_a_lease_whose_counter_moves_never_dies(steps, lease):
    """However seldom the watcher looks: a beat between two looks is a sign of life."""
    watch, moment = LeaseWatch(lease), 0.0
    for beat, gap in enumerate(steps):
        moment += gap
        assert watch.observe({"a": beat}, moment) == []


@given(gaps, st.floats(0.5, 30))
def test_a_lease_whose_counter_stands_still_dies_neither_before_its_time_nor_never(steps, lease):
    watch, moment = LeaseWatch(lease), 0.0
    watch.observe({"a": 7}, moment)
    looks = min(2.0, lease / 4)  # a look each second or so, as the sweep does
    dead_at = None
    for gap in [*steps, *[looks] * (int(lease / looks) + 2)]:
        moment += gap
        if dead_at is None and watch.observe({"a": 7}, moment):
            dead_at = moment
    assert dead_at is not None
    assert dead_at >= lease - 1e-6


@given(st.floats(1, 1e7), st.floats(0.5, 60))
def test_p14_a_watcher_that_slept_declares_nobody_dead_when_it_wakes(slept, lease):
    """A suspended machine wakes with every counter unchanged: the owners get time for a beat."""
    watch = LeaseWatch(lease)
    watch.observe({"a": 1}, 0.0)
    watch.observe({"a": 2}, 0.1)
    assert watch.observe({"a": 2}, 0.1 + slept) == []


@given(st.integers(1, 50), st.integers(0, 50))
def test_a_new_attempt_starts_a_new_watch(first, second):
    """The key holds the attempt, so an old lease's silence is not charged to the next owner."""
    watch = LeaseWatch(1.0)
    for moment in range(10):
        watch.observe({("step", 1): first}, moment)
    assert watch.observe({("step", 2): second}, 10) == []


def test_a_lease_that_ended_is_forgotten():
    watch = LeaseWatch(1.0)
    watch.observe({"a": 1}, 0)
    watch.observe({}, 1)
    assert [watch.observe({"a": 1}, moment) for moment in (2.0, 2.4)] == [[], []]


@given(st.integers(0, 10**12), st.none() | st.integers(0, 10**12), st.floats(-1e6, 1e6), st.sampled_from(JobState))
def test_progress_holds_for_any_figures_and_any_clock(done, total, passed, state):
    """No share above one, no negative time, no division by zero: also with a clock that was set back."""
    found = progress(job(done=done, total=total, state=state), START + timedelta(seconds=passed))
    assert found.seconds >= 0
    assert found.share is None or 0 <= found.share <= 1
    assert found.seconds_left is None or found.seconds_left >= 0
    assert found.rate is None or found.rate > 0
    assert state is not JobState.SUCCEEDED or found.share == 1


def test_progress_tells_rate_and_time_left():
    found = progress(job(done=300, total=1000), START + timedelta(seconds=3))
    assert (found.rate, found.share, found.seconds_left) == (100, 0.3, 7)


def test_a_job_that_ended_keeps_its_rate():
    ended = job(done=300, total=300, state=JobState.SUCCEEDED, finished_at=START + timedelta(seconds=3))
    found = progress(ended, START + timedelta(days=9))
    assert (found.rate, found.seconds, found.seconds_left) == (100, 3, None)


@given(st.integers(1, 10**9))
def test_the_pause_after_a_failed_try_grows_to_a_minute(tries):
    assert 1 <= retry_delay(tries) <= 60
    assert retry_delay(tries) <= retry_delay(tries + 1)


@pytest.mark.parametrize(("tries", "seconds"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60)])
def test_the_pauses_double(tries, seconds):
    assert retry_delay(tries) == seconds
