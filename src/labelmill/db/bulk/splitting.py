"""How a table is cut into ranges that hold every row once, without counting its rows.

Whole-number keys are cut by bisection. Of a range only its first and last key and sixteen samples of neighbouring keys are looked
up in the key's index; a range that seems to hold too many rows is cut into ranges of equal width, which shrink to the keys that
they hold, so gaps and uneven keys cost a few more look-ups and no scan. Samples can miss a crowd of keys between thin ones. Keys
differ, so a range cannot hold more rows than it is wide: only ranges far wider than their rows are walked along as well, which
costs one pass over the index of a table with thin keys and nothing for numbered rows. Times repeat, so ranges of times are cut by
walking along the time's index once, over the asked range only. Keys of text have no widths, so theirs is walked along too: what comes
before what is for the database to say, by the column's own collation, when it cuts and when it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill.db.bulk.model import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection
    from sqlalchemy.sql.expression import ColumnElement, FromClause

SAMPLES = 16
SAMPLE_KEYS = 64
MOST_CUTS = 16
#: A range is walked along where it is this many times wider than the rows wanted.
THIN = 4
#: What is selected where only the number of rows matters.
ONE: ColumnElement[int] = sa.literal_column("1", sa.Integer)
#: Ranges of the time's index are preferred where they hold less than this share of the table.
SMALL_SHARE = 0.25


@dataclass(frozen=True)
class Span:
    """The keys from ``first`` to ``last``, both included, with about ``rows`` rows."""

    first: int
    last: int
    rows: int


@dataclass(frozen=True)
class Keys:
    """Looks keys up in their index."""

    connection: Connection
    table: FromClause
    key: ColumnElement[Any]

    def between(self, low: int | None, high: int | None, count: int, *, last: bool = False) -> list[int]:
        """Return the first (or last) ``count`` keys from ``low`` to ``high``, both included."""
        query = sa.select(self.key).select_from(self.table).limit(count).order_by(self.key.desc() if last else self.key.asc())
        if low is not None:
            query = query.where(self.key >= sa.bindparam("low", low, sa.BigInteger))
        if high is not None:
            query = query.where(self.key <= sa.bindparam("high", high, sa.BigInteger))
        return [int(key) for key in self.connection.scalars(query) if key is not None]

    def span(self, low: int | None = None, high: int | None = None) -> Span | None:
        first, last = self.between(low, high, 1), self.between(low, high, 1, last=True)
        return Span(first[0], last[0], self._estimate(first[0], last[0])) if first and last else None

    def nth(self, low: int, high: int, offset: int) -> int | None:
        """Return the key ``offset`` places after the first one from ``low``, if it is at most ``high``."""
        within = self.key.between(sa.bindparam("low", low, sa.BigInteger), sa.bindparam("high", high, sa.BigInteger))
        found = self.connection.scalar(
            sa.select(self.key).select_from(self.table).where(within).order_by(self.key).limit(1).offset(offset)
        )
        return None if found is None else int(found)

    def _estimate(self, first: int, last: int) -> int:
        width = last - first + 1
        density = 0.0
        for number in range(SAMPLES):
            start = first + width * number // SAMPLES
            found = self.between(start, last, SAMPLE_KEYS)
            if number == 0 and len(found) < SAMPLE_KEYS:
                return len(found)
            density += len(found) / ((found[-1] if len(found) == SAMPLE_KEYS else last) - start + 1)
        return max(1, min(width, round(density / SAMPLES * width)))


def cut_keys(keys: Keys, rows: int) -> list[Span]:
    """Return spans of about ``rows`` rows, in order, that hold all rows; none for an empty table."""
    whole = keys.span()
    spans: list[Span] = []
    for span in _cut(keys, whole, rows) if whole else ():
        if spans and spans[-1].rows + span.rows <= rows:
            spans[-1] = Span(spans[-1].first, span.last, spans[-1].rows + span.rows)
        else:
            spans.append(span)
    return spans


def _cut(keys: Keys, span: Span, rows: int) -> Iterator[Span]:
    width = span.last - span.first + 1
    if span.rows <= rows or width <= rows:
        yield from _walk(keys, span, rows) if width > THIN * rows else (span,)
        return
    cuts = min(MOST_CUTS, width, ceil(span.rows / rows))
    for number in range(cuts):
        piece = keys.span(span.first + width * number // cuts, span.first + width * (number + 1) // cuts - 1)
        if piece is not None:
            yield from _cut(keys, piece, rows)


def _walk(keys: Keys, span: Span, rows: int) -> Iterator[Span]:
    """Give ``span``, or spans of twice ``rows`` rows where it holds more than the samples told."""
    low = span.first
    while (cut := keys.nth(low, span.last, 2 * rows)) is not None:
        yield Span(low, cut - 1, 2 * rows)
        low = cut
    yield Span(low, span.last, min(span.rows, 2 * rows))


def key_parts(keys: Keys, rows: int, label: str) -> tuple[Part, ...]:
    """Return the parts of a table by its key; the bounds are both included, since one above the largest key may be no number."""
    return tuple(
        Part(
            name=f"{label} {span.first:,} to {span.last:,}",
            bounds={"by": "key", "first": span.first, "last": span.last},
            rows=span.rows,
        )
        for span in cut_keys(keys, rows)
    )


def within(column: ColumnElement[Any], low: Any, below: Any, *, after: bool = False) -> ColumnElement[bool]:
    """Return the condition that ``low`` <= value < ``below`` (with ``after`` also without ``low`` itself)."""
    conditions: list[ColumnElement[bool]] = [column.is_not(None)]
    if low is not None:
        bound = sa.bindparam("low", low, column.type)
        conditions.append(column > bound if after else column >= bound)
    if below is not None:
        conditions.append(column < sa.bindparam("below", below, column.type))
    return sa.and_(*conditions)


@dataclass(frozen=True)
class Ordered:
    """Walks along the index of a column. ``low`` and ``below`` are values of its own type, or None where the range is open."""

    connection: Connection
    table: FromClause
    column: ColumnElement[Any]
    low: Any
    below: Any

    def count(self, condition: ColumnElement[bool], most: int | None = None) -> int:
        """Return the number of rows, counted up to ``most``."""
        rows = sa.select(ONE.label("one")).select_from(self.table).where(condition)
        inner = (rows.limit(most) if most is not None else rows).subquery("counted")
        return int(self.connection.scalar(sa.select(sa.func.count()).select_from(inner)) or 0)

    def cuts(self, rows: int) -> Iterator[Any]:
        """Give the values at which a new range begins, the first excepted."""
        low = self.low
        while True:
            cut = self._nth(within(self.column, low, self.below), rows)
            if cut is not None and cut == low:  # more rows than wanted share one value
                cut = self._nth(within(self.column, low, self.below, after=True), 0)
            if cut is None:
                return
            yield cut
            low = cut

    def _nth(self, condition: ColumnElement[bool], offset: int) -> Any:
        return self.connection.scalar(
            sa.select(self.column).select_from(self.table).where(condition).order_by(self.column).limit(1).offset(offset)
        )


def time_parts(times: Ordered, rows: int, column: str, rest: ColumnElement[bool]) -> tuple[Part, ...]:
    """Return the parts of a range of times, and one more for the rows whose time cannot be told (the condition ``rest``)."""
    edges = [times.low, *times.cuts(rows), times.below]
    parts = []
    for low, below in pairwise(edges):
        counted = rows if below is not edges[-1] else times.count(within(times.column, low, below))
        bounds = {"by": "time", "column": column, "low": spell(low), "below": spell(below)}
        parts.append(Part(name=f"{column} from {low or 'the first'} to {below or 'the last'}", bounds=bounds, rows=counted))
    untold = times.count(rest)
    if untold:
        parts.append(Part(name=f"{column} is missing or unreadable", bounds={"by": "untold", "column": column}, rows=untold))
    return tuple(parts)


def text_parts(texts: Ordered, rows: int, column: str, estimated: Iterable[tuple[str, int]] | None = None) -> tuple[Part, ...]:
    """Return the parts of a table by its key of text. The first and the last are open, so that no key is outside of all parts.

    They are cut by walking along the key, or where ``estimated`` says: keys with the number of rows of the range that they begin.
    """
    known = list(estimated or ())
    lows = [None, *((low for low, _ in known) if known else texts.cuts(rows))]
    sizes = dict(known)
    parts = []
    for low, below in zip(lows, [*lows[1:], None], strict=True):
        counted = sizes.get(low) or (rows if below is not None else texts.count(within(texts.column, low, None), rows))
        bounds = {"by": "text", "column": column, "low": low, "below": below}
        parts.append(Part(name=f"{column} from {low or 'the first'} to {below or 'the last'}", bounds=bounds, rows=counted))
    return tuple(parts) if parts[-1].rows else ()


def spell(moment: Any) -> str | None:
    """Return a bound as JSON can keep it."""
    return moment if moment is None or isinstance(moment, str) else str(moment.isoformat())
