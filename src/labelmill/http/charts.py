"""Charts as pages draw them: figures become places on a plot. Pure; ``charts.html`` makes SVG of it, which needs no script and prints.

Across, a place is a share of the width in percent: text keeps its size whatever the page's width is. Down, it is in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEIGHT: Final = 200
#: Kinds of line, told apart by dashes as well as by colour: three are as many as can be read together.
MOST_LINES: Final = 3
#: Names at the ends of lines are at least this far apart.
_NAME_HEIGHT: Final = 16
_STEPS: Final = (1, 2, 5, 10)
#: Shades of a matrix.
SHADES: Final = 8


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of a line; ``low`` and ``high`` are the ends of its interval, where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    #: What is said on hover.
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Place:
    across: float
    down: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line as it is drawn; ``path`` and ``band`` are SVG points in a box of 1000 by ``HEIGHT``."""

    name: str
    places: tuple[Place, ...]
    path: str
    band: str
    name_down: float


@dataclass(frozen=True, kw_only=True)
class LineChart:
    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    down: tuple[Tick, ...]
    height: int = HEIGHT


@dataclass(frozen=True, kw_only=True)
class Column:
    across: float
    width: float
    down: float
    height: float
    text: str


@dataclass(frozen=True, kw_only=True)
class ColumnChart:
    columns: tuple[Column, ...]
    across: tuple[Tick, ...]
    down: tuple[Tick, ...]
    height: int = HEIGHT


def ticks(low: float, high: float, wanted: int = 5, *, whole: bool = False) -> list[float]:
    """Return round numbers from at most ``low`` to at least ``high``; with ``whole`` no fractions."""
    span = high - low
    if span < max(abs(low), abs(high), 1.0) * 1e-9:
        span = abs(high) if abs(high) > 1e-6 else 1.0  # noqa: PLR2004 - figures that nobody could tell apart
    rough = span / max(1, wanted)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(each for each in (one * size for one in _STEPS) if each >= rough * 0.999)
    if whole:
        step = max(1.0, round(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def line_chart(
    series: Sequence[tuple[str, Sequence[Figure]]], *, write_x: Callable[[float], str], write_y: Callable[[float], str]
) -> LineChart | None:
    """Return a chart of at most ``MOST_LINES`` named lines, None where no line has a figure.

    The scale down holds every interval and does not begin at zero: it is for scores, whose differences are looked for.
    """
    drawn = [(name, sorted(figures, key=lambda each: each.x)) for name, figures in series[:MOST_LINES] if figures]
    everything = [figure for _, figures in drawn for figure in figures]
    if not everything:
        return None
    xs = [figure.x for figure in everything]
    ys = [end for figure in everything for end in (figure.y, figure.low, figure.high) if end is not None]
    marks_x, marks_y = ticks(min(xs), max(xs), whole=True), ticks(min(ys), max(ys), 4)
    at_x = _scale(marks_x[0], marks_x[-1], 0, 100)
    at_y = _scale(marks_y[0], marks_y[-1], HEIGHT, 0)
    names = _apart([at_y(figures[-1].y) for _, figures in drawn])
    lines = [_line(name, figures, at_x, at_y, down) for (name, figures), down in zip(drawn, names, strict=True)]
    return LineChart(
        lines=tuple(lines),
        across=tuple(Tick(at=at_x(value), text=write_x(value)) for value in marks_x),
        down=tuple(Tick(at=at_y(value), text=write_y(value)) for value in marks_y),
    )


def column_chart(
    bars: Sequence[tuple[str, float, str]], *, write_y: Callable[[float], str], names: int = 6
) -> ColumnChart | None:
    """Return a chart of columns (name below, figure, text on hover) from zero; about ``names`` of them are named."""
    if not bars:
        return None
    marks = ticks(0, max(1.0, *(figure for _, figure, _ in bars)), 4, whole=True)
    at_y = _scale(0, marks[-1], HEIGHT, 0)
    slot = 100 / len(bars)
    columns = [
        Column(
            across=round(slot * (place + 0.1), 3), width=round(slot * 0.8, 3), down=at_y(figure), height=HEIGHT - at_y(figure), text=text
        )
        for place, (_, figure, text) in enumerate(bars)
    ]  # fmt: skip
    every = math.ceil(len(bars) / names)
    named = [Tick(at=round(slot * (place + 0.5), 3), text=bars[place][0]) for place in range(0, len(bars), every)]
    return ColumnChart(
        columns=tuple(columns), across=tuple(named), down=tuple(Tick(at=at_y(value), text=write_y(value)) for value in marks)
    )


def shade(share: float | None) -> int:
    """Return the shade of a matrix's cell for a share from 0 to 1: 0 for none, ``SHADES`` for all."""
    if share is None or share <= 0:
        return 0
    return min(SHADES, 1 + int(share * SHADES * 0.999))


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = high - low or 1.0
    return lambda value: round(start + (value - low) / span * (end - start), 2)


def _line(
    name: str, figures: Sequence[Figure], at_x: Callable[[float], float], at_y: Callable[[float], float], name_down: float
) -> Line:
    banded = [each for each in figures if each.low is not None and each.high is not None]
    above = [_point(at_x(each.x), at_y(each.high or 0.0)) for each in banded]
    below = [_point(at_x(each.x), at_y(each.low or 0.0)) for each in reversed(banded)]
    return Line(
        name=name,
        places=tuple(Place(across=at_x(each.x), down=at_y(each.y), text=each.text) for each in figures),
        path=" ".join(_point(at_x(each.x), at_y(each.y)) for each in figures),
        band=" ".join(above + below) if len(banded) > 1 else "",
        name_down=name_down,
    )


def _point(across: float, down: float) -> str:
    return f"{across * 10:g},{down:g}"


def _apart(places: Sequence[float]) -> list[float]:
    """Return places that do not lie upon each other, in the order given."""
    free = float("-inf")
    moved = dict.fromkeys(range(len(places)), 0.0)
    for number, place in sorted(enumerate(places), key=lambda pair: pair[1]):
        moved[number] = free = max(place, free + _NAME_HEIGHT)
    return [moved[number] for number in range(len(places))]
