"""The monitor's figures as its page shows them: made of what people answered and of what classifiers scored. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from labelmill.http.charts import ColumnChart, Figure, LineChart, column_chart, line_chart, shade

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labelmill.datasets import Label
    from labelmill.learning.model import Classifier

#: Days of the chart, and those from which the pace is taken.
SHOWN_DAYS: Final = 60
PACE_DAYS: Final = 7
#: Labels of a matrix on the page; more is nothing to look at. The API has all.
MOST_CELLS: Final = 25


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """How long it takes at the present pace; ``days`` is None where there is no pace or nobody knows how much is wanted."""

    #: Answers a day over the last days.
    pace: float
    #: Answers that are still wanted.
    wanted: int | None
    days: int | None


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often a label is the answer, of people and of the classifier; shares are of each one's records."""

    label: Label
    human: int
    machine: int | None
    human_share: float
    machine_share: float | None


@dataclass(frozen=True, kw_only=True)
class Cell:
    count: int
    share: float
    shade: int


@dataclass(frozen=True, kw_only=True)
class MatrixRow:
    name: str
    total: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Right labels down, predicted ones across."""

    names: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    #: Labels that have no room.
    left_out: int


@dataclass(frozen=True, kw_only=True)
class Hard:
    """A record that people disagree about: how many answers of each label."""

    record_id: int
    answers: int
    #: The share of pairs of answers that differ.
    disagreement: float
    votes: tuple[tuple[int, int], ...]


def forecast(
    days: Sequence[tuple[date, int]], today: date, *, records: int, per_record: int, answers: int, annotators: int
) -> Forecast:
    """Return how long it takes; ``per_record`` is how many annotators a record gets, 0 for every one of ``annotators``."""
    if not days:
        return Forecast(pace=0.0, wanted=records * per_record or None, days=None)
    since = max(days[0][0], today - timedelta(days=PACE_DAYS - 1))
    pace = sum(count for day, count in days if day >= since) / max(1, (today - since).days + 1)
    wanted = max(0, records * (per_record or max(1, annotators)) - answers)
    return Forecast(pace=pace, wanted=wanted, days=math.ceil(wanted / pace) if pace else None)


def filled_days(days: Sequence[tuple[date, int]], today: date) -> list[tuple[date, int]]:
    """Return every day from the first one with an answer to today, at most ``SHOWN_DAYS``, those without one too."""
    if not days:
        return []
    counts = dict(days)
    first = max(min(counts), today - timedelta(days=SHOWN_DAYS - 1))
    return [(day, counts.get(day, 0)) for day in (first + timedelta(days=n) for n in range((today - first).days + 1))]


def day_chart(days: Sequence[tuple[date, int]]) -> ColumnChart | None:
    """Return the chart of answers per day."""
    return column_chart(
        [(f"{day:%m-%d}", count, f"{day:%Y-%m-%d}: {count:,}") for day, count in days], write_y=lambda value: f"{value:,.0f}"
    )


def shares(labels: Sequence[Label], human: Mapping[int, int], machine: Mapping[int, int] | None) -> list[Share]:
    """Return how labels are distributed over the records that have a majority, and over those that were predicted."""
    by_people, by_machine = sum(human.values()), sum((machine or {}).values())
    return [
        Share(
            label=label,
            human=human.get(label.id, 0),
            machine=None if machine is None else machine.get(label.id, 0),
            human_share=human.get(label.id, 0) / max(1, by_people),
            machine_share=None if machine is None else machine.get(label.id, 0) / max(1, by_machine),
        )
        for label in labels
    ]


def curve_chart(curve: Sequence[Mapping[str, Any]], names: tuple[str, str]) -> LineChart | None:
    """Return the learning curve: precision and macro-F1 on the random share over the labels that were trained on."""
    scored = [each for each in curve if each.get("records") and each.get("precision") is not None]

    def line(field: str) -> list[Figure]:
        return [
            Figure(x=each["labels"], y=each[field], low=each.get(f"{field}_low"), high=each.get(f"{field}_high"), text=_said(each, field))
            for each in scored if each.get(field) is not None
        ]  # fmt: skip

    return line_chart(
        [(names[0], line("precision")), (names[1], line("macro_f1"))],
        write_x=lambda value: f"{value:,.0f}", write_y=lambda value: f"{100 * value:.0f} %",
    )  # fmt: skip


def curve_of(classifiers: Sequence[Classifier]) -> list[dict[str, Any]]:
    """Return the points of the learning curve, oldest first: the scores on the random share, ``version`` and ``labels``."""
    points = []
    for each in reversed(classifiers):
        metrics = each.metrics or {}
        scores = {"records": 0} | {name: value for name, value in (metrics.get("share") or {}).items() if name != "labels"}
        points.append(scores | {"version": each.version, "labels": int(metrics.get("labels") or each.data.get("records") or 0)})
    return points


def matrix_of(labels: Sequence[int], counts: Sequence[Sequence[int]], names: Mapping[int, str]) -> Matrix:
    """Return a confusion matrix with its most frequent labels, each row shaded by the shares of its records."""
    often = sorted(range(len(labels)), key=lambda at: -sum(counts[at]))[:MOST_CELLS]
    kept = sorted(often)
    rows = []
    for down in kept:
        total = sum(counts[down])
        cells = [_cell(counts[down][across], total) for across in kept]
        rows.append(MatrixRow(name=names.get(labels[down], str(labels[down])), total=total, cells=tuple(cells)))
    return Matrix(names=tuple(row.name for row in rows), rows=tuple(rows), left_out=len(labels) - len(kept))


def with_votes(disputed: pl.DataFrame, votes: pl.DataFrame) -> list[Hard]:
    """Return disputed records with how many answers each label got, the most first.

    ``disputed`` has ``record_id``, ``answers`` and ``disagreement``; ``votes`` has ``record_id`` and ``label_id``.
    """
    here = votes.filter(pl.col("record_id").is_in(disputed["record_id"].implode()))
    counted = here.group_by("record_id", "label_id").len().sort(["len", "label_id"], descending=[True, False])
    by_record: dict[int, list[tuple[int, int]]] = {}
    for record, label, count in counted.iter_rows():
        by_record.setdefault(record, []).append((label, count))
    rows = disputed.select("record_id", "answers", "disagreement").iter_rows()
    return [
        Hard(record_id=record, answers=answers, disagreement=disagreement, votes=tuple(by_record.get(record, ())))
        for record, answers, disagreement in rows
    ]


def _said(point: Mapping[str, Any], field: str) -> str:
    value, low, high = (point.get(name) for name in (field, f"{field}_low", f"{field}_high"))
    interval = "" if low is None or high is None else f" ({100 * low:.1f}\N{EN DASH}{100 * high:.1f})"
    return f"v{point['version']} · {point['labels']:,}: {100 * (value or 0):.1f} %{interval}"


def _cell(count: int, total: int) -> Cell:
    share = count / total if total else 0.0
    return Cell(count=count, share=share, shade=shade(share))
