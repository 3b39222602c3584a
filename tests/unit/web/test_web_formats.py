"""Figures, times and code on pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from labelmill.web.formats import codes, duration, moment, number, percent


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "\N{EN DASH}"), (0, "0"), (1234567, "1,234,567"), (3.14, "3.1"), (3.0, "3"), (1234.5, "1,234"), (-2.5, "-2.5")],
)
def test_numbers_have_thousands_and_one_decimal_only_where_it_matters(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "0 s"),
        (0.25, "0.2 s"),
        (42, "42 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_percent_never_says_all_before_the_end() -> None:
    assert [percent(share) for share in (None, 0.0, 0.9999, 1.0)] == ["\N{EN DASH}", "0 %", "99 %", "100 %"]


def test_a_moment_tells_its_zone_without_a_script() -> None:
    html = moment(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    assert html == '<time datetime="2026-03-04T05:06:07+00:00" title="2026-03-04 05:06:07 UTC">2026-03-04 05:06 UTC</time>'


def test_what_stands_in_backticks_is_code_and_everything_is_escaped() -> None:
    assert codes("run `a <b>` & go") == "run <code>a &lt;b&gt;</code> &amp; go"
