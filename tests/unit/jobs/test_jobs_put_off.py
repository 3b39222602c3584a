"""When a step that was put off may run, whatever happens to the clock."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelmill import clock
from labelmill.jobs import leases, service
from labelmill.jobs.model import NewStep


@pytest.fixture
def shift(monkeypatch):
    """Return a function that sets the clock forward (or back) by some time."""
    real = clock.now

    def set_clock(**by):
        monkeypatch.setattr(clock, "now", lambda: real() + timedelta(**by))

    return set_clock


def is_free(lab):
    with lab.database.read() as connection:
        return leases.any_free(connection)


def test_a_countdown_is_waited_for(lab, shift):
    lab.submit("sleep", countdown=3600)
    assert not is_free(lab)
    shift(minutes=59)
    assert not is_free(lab)
    shift(minutes=61)
    assert is_free(lab)


def test_the_delay_of_a_first_step_is_waited_for_like_that_of_a_later_one(lab, shift):
    """What is to be swept a day later was swept at once."""
    steps = [NewStep(key="one", name="only", phase=0, delay=3600)]
    lab.database.transact(service.submit, kind="sleep", title="t", params={}, steps=steps)
    assert not is_free(lab)
    shift(minutes=61)
    assert is_free(lab)


@pytest.mark.parametrize("back", [{"hours": -1}, {"days": -1}, {"minutes": -2}])
def test_p14_a_clock_that_was_set_back_does_not_put_a_step_off_for_that_long(lab, shift, back):
    lab.submit("sleep", countdown=5)
    shift(**back)
    assert is_free(lab)


@pytest.mark.parametrize("back", [-1, -30, -59])
def test_p14_a_clock_that_is_corrected_by_seconds_lets_no_step_run_early(lab, shift, back):
    lab.submit("sleep", countdown=3600)
    shift(seconds=back)
    assert not is_free(lab)


def test_many_steps_that_are_put_off_do_not_hide_one_that_is_due(lab):
    """Not even when they come first and wait for days."""
    for _ in range(40):
        lab.submit("sleep", countdown=5 * 86_400)
    due = lab.submit("sleep", seconds=1)
    step = lab.database.transact(leases.claim, "w", queues=["default"])
    assert step.job_id == due.id


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(countdown=st.integers(1, 10**6), passed=st.integers(-(10**6), 10**6))
def test_a_step_is_due_when_its_time_has_come_or_its_clock_was_set_back(lab, countdown, passed):
    """The rule in SQL equals the rule in words."""
    real = clock.now()
    steps = [NewStep(key="a", name="only", phase=0)]

    def look(connection, moment):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "now", lambda: real)
            job = service.submit(connection, kind="sleep", steps=steps, params={}, title="t", countdown=countdown)
            patch.setattr(clock, "now", lambda: moment)
            return leases.any_free(connection, job_id=job.id)

    found = lab.database.transact(look, real + timedelta(seconds=passed))
    assert found == (passed >= countdown or passed < -60)
