"""Promise 9 in the small: a Celery worker that no message reaches finds in the database what is due."""

from __future__ import annotations

import pytest

from job_lab import Lab


@pytest.fixture
def deaf(sqlite_database, tmp_path):
    """Return a lab whose broker is not there at all, which is as deaf as a worker can be."""
    made = Lab(sqlite_database, tmp_path, broker_url="redis://127.0.0.1:1/0")
    yield made
    made.close()


def test_p09_a_worker_that_no_message_reaches_does_what_is_due(deaf):
    jobs = [deaf.submit("add", steps=3) for _ in range(2)]
    with deaf.supervised(1):
        for job in jobs:
            deaf.wait(job, seconds=90)
    assert [deaf.holds_exactly(job) for job in jobs] == [True] * 2
    assert {step["tries"] for job in jobs for step in deaf.steps(job)} == {0}


def test_p17_a_step_that_was_found_so_is_handed_back_when_the_worker_is_told_to_stop(deaf):
    job = deaf.submit("sleep", seconds=60, limit_seconds=120)
    with deaf.supervised(1):
        deaf.until(lambda: deaf.runs(job), seconds=90)
    (step,) = deaf.steps(job)
    assert (step["state"], step["tries"], step["owner"]) == ("queued", 0, None)
