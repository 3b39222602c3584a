"""Whoever guesses is slowed down, whichever of the web processes they ask."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

import webapp
from labelmill import clock
from labelmill.accounts import Role, limits
from labelmill.accounts.limits import Attempts
from labelmill.accounts.tables import attempts as attempt_rows
from labelmill.errors import TooManyRequests
from labelmill.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from labelmill.db.database import Database


class Time:
    """The clock in the test's hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 5, 4, 12, tzinfo=UTC)

    def goes_on(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(clock, "now", lambda: made.at)
    return made


@pytest.fixture
def make(database: Database) -> Callable[[int], Attempts]:
    """Return what each web process makes for itself."""
    return lambda most: Attempts(database, "sign in", most)


def test_attempts_above_the_limit_are_refused_and_told_how_long(make: Callable[[int], Attempts], time: Time) -> None:
    for _ in range(3):
        make(3).count("a")
    time.goes_on(20)
    with pytest.raises(TooManyRequests) as caught:
        make(3).count("a")
    assert caught.value.details["retry_after"] == 40


def test_the_limit_is_for_each_address_and_each_kind_of_attempt_alone(
    make: Callable[[int], Attempts], time: Time, database: Database
) -> None:
    make(1).count("a")
    make(1).count("b")
    Attempts(database, "import", 1).count("a")
    with pytest.raises(TooManyRequests):
        make(1).count("a")


def test_an_attempt_is_forgotten_after_a_minute_and_when_it_succeeded(make: Callable[[int], Attempts], time: Time) -> None:
    attempts = make(1)
    attempts.count("a")
    time.goes_on(60)
    attempts.count("a")
    attempts.take_back("a")
    attempts.count("a")


def test_a_success_takes_back_only_itself(make: Callable[[int], Attempts], time: Time) -> None:
    """Whoever has an account of their own could guess at another one without end otherwise."""
    attempts = make(3)
    for _ in range(3):
        attempts.count("a")
    attempts.take_back("a")
    attempts.count("a")
    with pytest.raises(TooManyRequests):
        attempts.count("a")
    attempts.take_back("nobody")


def test_what_is_counted_may_be_let_try_more_often(make: Callable[[int], Attempts], time: Time) -> None:
    attempts = make(2)
    for _ in range(4):
        attempts.count("account ann", times=2)
    with pytest.raises(TooManyRequests):
        attempts.count("account ann", times=2)


def test_refused_attempts_do_not_lengthen_the_wait(make: Callable[[int], Attempts], time: Time) -> None:
    attempts = make(1)
    attempts.count("a")
    for _ in range(20):
        time.goes_on(2)
        with pytest.raises(TooManyRequests):
            attempts.count("a")
    time.goes_on(20)
    attempts.count("a")


@pytest.mark.parametrize("hours", [-1, 1])
def test_p14_a_clock_that_jumps_shuts_nobody_out(make: Callable[[int], Attempts], time: Time, hours: int) -> None:
    make(1).count("a")
    time.goes_on(hours * 3600)
    make(1).count("a")
    with pytest.raises(TooManyRequests):
        make(1).count("a")


def test_rows_stay_few_however_many_addresses_come(
    make: Callable[[int], Attempts], time: Time, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SWEPT", 5)
    attempts = make(2)
    for number in range(30):
        time.goes_on(30)
        attempts.count(str(number))
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(attempt_rows)) <= 3


def test_p03_many_at_once_get_exactly_as_many_attempts_as_there_are(make: Callable[[int], Attempts]) -> None:
    barrier = Barrier(12)

    def attempt(_: int) -> bool:
        barrier.wait()
        try:
            make(5).count("a")
        except TooManyRequests:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(attempt, range(12))) == 5


def test_two_web_processes_count_together(tmp_path: Path) -> None:
    with webapp.site(tmp_path, login_attempts_per_minute=4) as site:
        first, second = site.web, create_app(site.app)
        statuses = []
        for number in range(6):
            site.web = (first, second)[number % 2]
            statuses.append(site.ask("GET", "/v1/jobs", token=f"lm_guess{number}").status_code)
        assert statuses == [401] * 4 + [429] * 2
        assert site.ask("GET", "/v1/jobs", role=Role.VIEWER).status_code == 200
