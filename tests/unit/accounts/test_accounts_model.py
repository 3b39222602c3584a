"""Sessions end when they should, whatever the clock does (promise 14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.accounts.model import LARGEST_JUMP, Leaps, Span, browser_of, checked_name, is_over, normal_email, touched
from labelmill.errors import BadInput

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
IDLE = timedelta(hours=12)
LONGEST = timedelta(days=14)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def _span(age: timedelta = timedelta(), unused: timedelta = timedelta()) -> Span:
    return Span(created_at=NOW - age, last_seen_at=NOW - unused, expires_at=NOW - age + LONGEST)


def test_a_session_lives_while_it_is_used() -> None:
    assert not is_over(_span(age=13 * DAY, unused=11 * HOUR), NOW, IDLE)


def test_a_session_ends_when_unused_and_at_its_absolute_end() -> None:
    assert is_over(_span(unused=IDLE), NOW, IDLE)
    assert is_over(_span(age=LONGEST), NOW, IDLE)


@pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY])
def test_p14_a_clock_jump_ends_no_session_that_is_in_use(jump: timedelta) -> None:
    """The process sees the jump against its monotonic clock."""
    leaps = Leaps()
    leaps.observe(NOW, 100.0)
    leaps.observe(NOW + jump, 100.5)
    span = _span(age=2 * DAY, unused=HOUR)
    assert not is_over(span, NOW + jump, IDLE, leaps.since(span.last_seen_at))


@pytest.mark.parametrize("jump", [HOUR, DAY])
def test_p14_a_leap_keeps_no_session_alive_that_was_unused_already(jump: timedelta) -> None:
    leaps = Leaps()
    leaps.observe(NOW, 0.0)
    leaps.observe(NOW + jump, 1.0)
    span = _span(unused=IDLE)
    assert is_over(span, NOW + jump, IDLE, leaps.since(span.last_seen_at))


@given(
    st.lists(st.tuples(st.floats(0, 20 * 3600), st.sampled_from([timedelta(), HOUR, -HOUR, DAY, -DAY])), max_size=60),
)
def test_p14_no_session_lives_longer_than_allowed_plus_what_the_clock_was_set_back(
    steps: list[tuple[float, timedelta]],
) -> None:
    """A model of a browser that asks now and then while the clock jumps: real time is kept beside the wall clock."""
    real, wall, back = timedelta(), NOW, timedelta()
    span, leaps = _span(), Leaps()
    leaps.observe(wall, 0.0)
    for pause, jump in steps:
        real, wall = real + timedelta(seconds=pause), wall + timedelta(seconds=pause) + jump
        back += max(-jump, timedelta())
        leaps.observe(wall, real.total_seconds())
        if is_over(span, wall, IDLE, leaps.since(span.last_seen_at)):
            return
        span = touched(span, wall, LONGEST) or span
        assert real <= LONGEST + back


@given(st.lists(st.tuples(st.floats(1, 8 * 3600), st.sampled_from([timedelta(), HOUR, -HOUR, DAY])), max_size=10))
def test_p14_a_session_in_use_within_a_week_survives_every_jump(steps: list[tuple[float, timedelta]]) -> None:
    """At most two jumps forward of a day fit before the absolute end."""
    steps = [(pause, jump if index in (1, 4) else timedelta()) for index, (pause, jump) in enumerate(steps)]
    real, wall, span, leaps = timedelta(), NOW, _span(), Leaps()
    leaps.observe(wall, 0.0)
    for pause, jump in steps:
        real, wall = real + timedelta(seconds=pause), wall + timedelta(seconds=pause) + jump
        leaps.observe(wall, real.total_seconds())
        assert not is_over(span, wall, IDLE, leaps.since(span.last_seen_at))
        span = touched(span, wall, LONGEST) or span


def test_a_session_from_a_far_future_is_not_believed() -> None:
    future = NOW + LARGEST_JUMP + HOUR
    assert is_over(Span(created_at=future, last_seen_at=future, expires_at=future + LONGEST), NOW, IDLE)


def test_times_from_a_near_future_are_brought_back_when_used() -> None:
    ahead = Span(created_at=NOW + HOUR, last_seen_at=NOW + HOUR, expires_at=NOW + HOUR + LONGEST)
    assert touched(ahead, NOW, LONGEST) == Span(created_at=NOW, last_seen_at=NOW, expires_at=NOW + LONGEST)


def test_the_last_use_is_written_once_a_minute_only() -> None:
    assert touched(_span(unused=timedelta(seconds=59)), NOW, LONGEST) is None
    again = touched(_span(age=DAY, unused=timedelta(seconds=60)), NOW, LONGEST)
    assert again is not None
    assert (again.last_seen_at, again.expires_at) == (NOW, NOW - DAY + LONGEST)


def test_a_sleep_longer_than_any_jump_is_taken_for_real_time() -> None:
    leaps = Leaps()
    leaps.observe(NOW, 0.0)
    leaps.observe(NOW + timedelta(days=3), 1.0)
    assert leaps.since(NOW - DAY) == timedelta()


@pytest.mark.parametrize(
    ("text", "email"), [(" Ann@Example.ORG ", "ann@example.org"), ("王@例え.jp", "王@例え.jp"), ("STRASSE@x", "strasse@x")]
)
def test_addresses_are_compared_in_one_form(text: str, email: str) -> None:
    assert normal_email(text) == email


@pytest.mark.parametrize("text", ["", "ann", "ann@", "@x", "a b@x", "a\n@x", "a@@x", "x" * 250 + "@x.org", "a\0@x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        normal_email(text)


@pytest.mark.parametrize("text", ["", "   ", "a\nb", "a\u202eb", "x" * 201, "a\0"])
def test_a_name_that_cannot_be_shown_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        checked_name(text)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox · Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0", "Edge · Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome · Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1", "Safari · iPhone"),
        ("curl/8.9.1", "curl/8.9.1"),
        ("x" * 100, "x" * 40),
        ("", ""),
    ],
)  # fmt: skip
def test_a_browser_is_called_what_people_call_it(agent: str, expected: str) -> None:
    assert browser_of(agent) == expected


@pytest.mark.parametrize(
    "odd", ["a\u202eb@example.org", "a\u200bb@example.org", "\ud800@example.org", "a\0@example.org", "a\n@b.c", "<b>", "@", ""]
)
def test_an_address_that_cannot_be_read_as_it_looks_is_none(odd: str) -> None:
    with pytest.raises(BadInput):
        normal_email(odd)


def test_one_address_however_its_accents_are_typed() -> None:
    assert normal_email("Rene\u0301@Example.org") == normal_email("ren\u00e9@example.ORG")
