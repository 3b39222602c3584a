"""Calls with a limit."""

from __future__ import annotations

import threading
import time

import pytest

from labelmill.deadline import within
from labelmill.errors import Conflict, Unavailable


def test_a_quick_call_gives_its_value() -> None:
    assert within(5, lambda: 7, "seven") == 7


def test_a_call_that_gives_nothing_is_no_slow_call() -> None:
    assert within(5, lambda: None, "nothing") is None


def test_an_error_comes_through_as_it_is() -> None:
    def fail() -> None:
        raise Conflict("no")

    with pytest.raises(Conflict, match=r"no"):
        within(5, fail, "failure")


def test_a_slow_call_is_given_up_and_named() -> None:
    end = threading.Event()
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"the far end did not answer within 0.2 seconds"):
        within(0.2, lambda: end.wait(10), "the far end")
    end.set()
    assert time.monotonic() - started < 3
