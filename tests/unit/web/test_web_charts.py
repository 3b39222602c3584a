"""Charts: places of figures on a plot, round numbers on its axes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.http.charts import HEIGHT, SHADES, Figure, column_chart, line_chart, shade, ticks


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 100, False, [0, 20, 40, 60, 80, 100]),
        (0.71, 0.93, False, [0.7, 0.75, 0.8, 0.85, 0.9, 0.95]),
        (0, 3, True, [0, 1, 2, 3]),
        (7, 7, True, [6, 8]),
        (0, 0, False, [0, 0.2]),
    ],
)
def test_axes_have_round_numbers(low: float, high: float, whole: bool, expected: list[float]) -> None:
    assert ticks(low, high, whole=whole) == expected


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9), st.booleans())
def test_an_axis_holds_all_figures_with_few_marks(low: float, span: float, whole: bool) -> None:
    marks = ticks(low, low + span, whole=whole)
    slack = 1e-6 * (abs(low) + span + 1)
    assert marks[0] <= low + slack
    assert marks[-1] >= low + span - slack
    assert 2 <= len(marks) <= 9


def test_a_line_keeps_its_figures_in_order_with_their_interval_around() -> None:
    figures = [Figure(x=200, y=0.9, low=0.85, high=0.95, text="b"), Figure(x=100, y=0.8, low=0.7, high=0.88, text="a")]
    chart = line_chart([("F1", figures)], write_x=str, write_y=str)
    assert chart is not None
    [line] = chart.lines
    assert [place.text for place in line.places] == ["a", "b"]
    assert (line.places[0].across, line.places[1].across) == (0, 100)
    assert line.places[0].down > line.places[1].down
    assert len(line.band.split()) == 4
    assert all(0 <= tick.at <= HEIGHT for tick in chart.down)


def test_names_of_lines_that_end_together_do_not_lie_upon_each_other() -> None:
    chart = line_chart([("one", [Figure(x=1, y=1)]), ("two", [Figure(x=1, y=1)])], write_x=str, write_y=str)
    assert chart is not None
    assert abs(chart.lines[0].name_down - chart.lines[1].name_down) >= 16


def test_nothing_to_draw_is_no_chart() -> None:
    assert line_chart([("one", [])], write_x=str, write_y=str) is None
    assert column_chart([], write_y=str) is None


def test_columns_stand_on_zero_and_some_are_named() -> None:
    chart = column_chart([(f"day {number}", number, f"{number} labels") for number in range(31)], write_y=str)
    assert chart is not None
    assert len(chart.columns) == 31
    assert len(chart.across) == 6
    assert all(round(column.down + column.height, 6) == HEIGHT for column in chart.columns)
    assert chart.columns[0].height == 0
    assert chart.columns[-1].across + chart.columns[-1].width <= 100


@pytest.mark.parametrize(("share", "expected"), [(None, 0), (0, 0), (0.001, 1), (0.5, 4), (1, SHADES)])
def test_a_cell_has_a_shade_as_soon_as_there_is_something(share: float | None, expected: int) -> None:
    assert shade(share) == expected
