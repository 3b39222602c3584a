"""Submitting, finding and listing jobs."""

from __future__ import annotations

import pytest

from labelmill.errors import Conflict, NotFound
from labelmill.jobs import service
from labelmill.jobs.model import JobState, Limits, NewStep


def submit(lab, **values):
    usual = {"kind": "sleep", "title": "t", "params": {}, "steps": [NewStep(key="a", name="only", phase=0, units=5)]}
    return lab.database.transact(service.submit, **(usual | values))


def test_a_new_job_is_queued_with_its_steps_and_limits(lab):
    job = submit(lab, limits=Limits(seconds=7, memory_mb=300, tries=2), unit="rows", params={"name": "é\u0000😀"})
    assert (job.state, job.total, job.done, job.steps_total, job.unit) == (JobState.QUEUED, 5, 0, 1, "rows")
    assert job.limits == Limits(seconds=7, memory_mb=300, tries=2)
    assert job.params == {"name": "é\u0000😀"}


def test_the_same_key_gives_the_same_job(lab):
    """A double click submits one job."""
    assert submit(lab, key="k").id == submit(lab, key="k").id
    assert submit(lab, key="other").id != submit(lab, key="k").id


def test_a_job_without_steps_is_refused(lab):
    with pytest.raises(ValueError, match="never end"):
        submit(lab, steps=[])


def test_a_key_given_twice_is_one_step(lab):
    twice = [NewStep(key="a", name="only", phase=0, units=1), NewStep(key="a", name="only", phase=0, units=1)]
    job = submit(lab, steps=twice)
    assert (job.steps_total, job.total) == (1, 1)


def test_only_the_first_phase_is_open(lab):
    job = submit(lab, steps=[NewStep(key="b", name="only", phase=4), NewStep(key="a", name="only", phase=2)])
    assert [(step["key"], step["state"]) for step in lab.steps(job)] == [("a", "queued"), ("b", "waiting")]
    assert job.phase == 2


def test_jobs_are_listed_newest_first_in_pages_and_by_state_and_kind(lab):
    made = [submit(lab, kind="sleep" if number % 2 else "loop") for number in range(7)]
    newest_first = sorted((job.id for job in made), reverse=True)
    with lab.database.read() as connection:
        first = service.list_jobs(connection, limit=3)
        rest = service.list_jobs(connection, before=first[-1].id)
        assert [job.id for job in (*first, *rest)] == newest_first
        assert {job.kind for job in service.list_jobs(connection, kind="loop")} == {"loop"}
        assert service.list_jobs(connection, state="failed") == []


def test_a_job_is_found_by_the_start_of_its_id(lab):
    job = submit(lab)
    with lab.database.read() as connection:
        assert service.find(connection, job.id[:20]).id == job.id
        with pytest.raises(NotFound, match="no job 'zz'"):
            service.find(connection, "zz")
        with pytest.raises(NotFound):
            service.find(connection, "%")
        with pytest.raises(NotFound, match="No job is named"):  # a script's variable that was never set: not the only job
            service.find(connection, "")


def test_an_ambiguous_start_of_an_id_is_refused(lab):
    submit(lab), submit(lab)
    with lab.database.read() as connection, pytest.raises(Conflict, match="Several"):
        service.find(connection, "0")


def test_what_was_done_counts_the_steps_that_run(lab):
    """A bar moves also while one long step runs."""
    from labelmill.jobs import leases

    job = submit(lab)
    step = lab.database.transact(leases.claim, "w", job_id=job.id)
    lab.database.transact(leases.beat, step, 3)
    assert lab.job(job).done == 3
