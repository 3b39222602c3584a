"""Whoever guesses is slowed down."""

from __future__ import annotations

import pytest

from labelmill import clock
from labelmill.accounts import limits
from labelmill.accounts.limits import Attempts
from labelmill.errors import TooManyRequests


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the monotonic clock into the test's hand."""
    now = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    return now


def test_attempts_above_the_limit_are_refused_and_told_how_long(at: list[float]) -> None:
    attempts = Attempts(3)
    for _ in range(3):
        attempts.count("a")
    at[0] += 20
    with pytest.raises(TooManyRequests) as caught:
        attempts.count("a")
    assert caught.value.details["retry_after"] == 40


def test_the_limit_is_for_each_address_alone(at: list[float]) -> None:
    attempts = Attempts(1)
    attempts.count("a")
    attempts.count("b")


def test_attempts_are_forgotten_after_a_minute_and_after_success(at: list[float]) -> None:
    attempts = Attempts(1)
    attempts.count("a")
    at[0] += 60
    attempts.count("a")
    attempts.forget("a")
    attempts.count("a")


def test_refused_attempts_do_not_lengthen_the_wait(at: list[float]) -> None:
    attempts = Attempts(1)
    attempts.count("a")
    for _ in range(50):
        with pytest.raises(TooManyRequests):
            attempts.count("a")
    at[0] += 60
    attempts.count("a")


def test_memory_stays_bounded_however_many_addresses_come(at: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_ADDRESSES", 100)
    attempts = Attempts(2)
    for number in range(1000):
        attempts.count(str(number))
    assert len(attempts._seen) == 100
