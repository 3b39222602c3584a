"""The monitor's figures: pace and forecast, days without answers, shares, matrices, disputed records."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from labelmill.datasets.model import Label
from labelmill.learning import monitor_view

TODAY = date(2026, 3, 10)


def days(*counts: int) -> list[tuple[date, int]]:
    """Return these counts of answers for days that end today; days without any are left out, as they are stored."""
    first = TODAY - timedelta(days=len(counts) - 1)
    return [(first + timedelta(days=place), count) for place, count in enumerate(counts) if count]


@pytest.mark.parametrize(
    ("given", "per_record", "annotators", "expected"),
    [
        ((), 2, 0, (0.0, 200, None)),
        ((10, 10, 10), 1, 2, (10.0, 70, 7)),
        ((10, 0, 20), 1, 2, (10.0, 70, 7)),
        ((999, 7, 7, 7, 7, 7, 7, 7), 2, 2, (7.0, 0, 0)),
        ((30,), 0, 3, (30.0, 270, 9)),
        ((30, 0, 0, 0, 0, 0, 0, 0, 0), 1, 1, (0.0, 70, None)),
    ],
)
def test_the_forecast_takes_the_pace_of_the_last_week(
    given: tuple[int, ...], per_record: int, annotators: int, expected: tuple[float, int, int | None]
) -> None:
    found = monitor_view.forecast(
        days(*given), TODAY, records=100, per_record=per_record, answers=sum(given), annotators=annotators
    )
    assert (round(found.pace, 6), found.wanted, found.days) == expected


def test_days_without_an_answer_are_shown_and_old_ones_are_not() -> None:
    assert [count for _, count in monitor_view.filled_days(days(5, 0, 0, 2, 0), TODAY)] == [5, 0, 0, 2, 0]
    assert len(monitor_view.filled_days([(TODAY - timedelta(days=400), 1)], TODAY)) == monitor_view.SHOWN_DAYS
    assert monitor_view.filled_days([], TODAY) == []


def test_shares_are_of_each_ones_own_records() -> None:
    labels = [Label(id=number, name=str(number), place=number, colour="#000000", shortcut="") for number in (1, 2)]
    found = monitor_view.shares(labels, {1: 3, 2: 1}, {1: 50})
    assert [(each.human_share, each.machine_share) for each in found] == [(0.75, 1.0), (0.25, 0.0)]
    assert monitor_view.shares(labels, {}, None)[0].machine is None


def test_a_matrix_keeps_its_most_frequent_labels_and_says_how_many_it_left_out() -> None:
    size = monitor_view.MOST_CELLS + 2
    counts = [[row if row == column else 0 for column in range(size)] for row in range(size)]
    found = monitor_view.matrix_of(list(range(size)), counts, {number: f"l{number}" for number in range(size)})
    assert found.left_out == 2
    assert found.names[0] == "l2"
    assert found.rows[-1].cells[-1].share == 1.0


def test_disputed_records_come_with_their_votes_the_most_first() -> None:
    votes = pl.DataFrame({"record_id": [1, 1, 1, 2, 2], "label_id": [8, 9, 9, 8, 9]})
    disputed = pl.DataFrame({"record_id": [2, 1], "answers": [2, 3], "disagreement": [1.0, 0.67]})
    assert [(each.record_id, each.votes) for each in monitor_view.with_votes(disputed, votes)] == [
        (2, ((8, 1), (9, 1))),
        (1, ((9, 2), (8, 1))),
    ]
