"""The figures of a label task's report: what became of every row. Pure values."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from labelmill.labeltasks.model import MOST_UNMAPPED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: What the unmapped sources beyond ``MOST_UNMAPPED`` are listed as.
OTHERS = "(others)"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The counts of one step or, added up, of a task. Every row read is in exactly one of them or labelled."""

    #: Rows in the time range.
    rows_read: int = 0
    #: Rows whose text, in every labelled column, is NULL or empty.
    rows_without_text: int = 0
    #: Rows whose time is NULL or cannot be read; they are left out when a time range was asked for.
    rows_without_time: int = 0
    #: Rows that were read and lie outside of the time range. A source with an index on the time need not read them all.
    rows_outside: int = 0
    #: Rows that a filter left out before labelling.
    rows_filtered: int = 0
    #: Rows that the source could not give (broken lines, undecodable text), each listed with its reason.
    rows_rejected: int = 0
    rows_labelled: int = 0
    #: Rows that carry a label but no author: they have a result and no part in production.
    rows_without_author: int = 0
    #: Rows written, by name; a row with labels of two groups counts twice.
    results: dict[str, int] = field(default_factory=dict)
    #: Rows read, by name.
    received: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    #: Per group, rows for which several labels shared the best score.
    ties: dict[str, int] = field(default_factory=dict)
    #: Source ids that the source map does not know, with their rows.
    unmapped: dict[str, int] = field(default_factory=dict)
    authors: dict[str, int] = field(default_factory=dict)
    production: dict[str, int] = field(default_factory=dict)
    #: Authors whose labels of one group had equally many records.
    production_ties: int = 0
    peak_memory_mb: float = 0.0

    def __add__(self, other: Figures) -> Figures:
        values: dict[str, Any] = {}
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            values[item.name] = dict(Counter(mine) + Counter(theirs)) if isinstance(mine, dict) else mine + theirs
        values["peak_memory_mb"] = max(self.peak_memory_mb, other.peak_memory_mb)
        return Figures(**values)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def rates(self) -> dict[str, float]:
        """Return the rate of label by name: production rows per hundred distinct authors, with two decimals."""
        return {name: rate_of_label(self.production.get(name, 0), self.authors.get(name, 0)) for name in self.received}


def total(figures: Iterable[Mapping[str, Any]]) -> Figures:
    """Return the sum of the figures of several steps."""
    return bounded(sum((Figures(**values) for values in figures), Figures()))


def bounded(figures: Figures) -> Figures:
    """Return the figures with the largest unmapped sources by name and the others as one: a source may have millions."""
    counts = figures.unmapped
    if len(counts) <= MOST_UNMAPPED:
        return figures
    by_size = sorted(counts, key=lambda source: (source != OTHERS, counts[source]), reverse=True)
    kept = {source: counts[source] for source in by_size[:MOST_UNMAPPED] if source != OTHERS}
    return replace(figures, unmapped=kept | {OTHERS: sum(counts.values()) - sum(kept.values())})


def rate_of_label(production_rows: int, authors: int) -> float:
    """Return production rows per hundred distinct authors, rounded to two decimals; 0 where nobody wrote."""
    return round(production_rows / authors * 100, 2) if authors else 0.0
