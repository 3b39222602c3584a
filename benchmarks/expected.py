"""What a label task must find, counted once more with plain loops: slow, and independent of everything that is measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from baseline import keywords, labels_of
from posts import SOURCE_MAP, pieces

if TYPE_CHECKING:
    from labelmill.rules import RuleSet

#: The figures of a report that are compared.
COUNTS = ("rows_read", "rows_labelled", "labels", "results", "authors", "production")


def count(rows: int, rules: RuleSet) -> dict[str, Any]:
    """Return ``COUNTS`` for a table of so many rows."""
    by_group, group_of = keywords(rules), {label.name: label.group for label in rules.labels}
    labels, results = Counter[str](), Counter[str]()
    labelled = 0
    authors: dict[str, set[str]] = defaultdict(set)
    votes: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for piece in pieces(rows):
        for source, author in piece.select("s_id", "author").iter_rows():
            found = labels_of(author, by_group)
            labelled += bool(found)
            for name in _names(source):
                authors[name].add(f"{source}_{author}")
                results[name] += len(found)
                labels.update(found)
                for label in found:
                    votes[name, f"{source}_{author}", group_of[label]][label] += 1
    production = Counter(name for (name, _, _), cast in votes.items() if _decided(cast))
    return {
        "rows_read": rows, "rows_labelled": labelled, "labels": dict(labels), "results": dict(results),
        "authors": {name: len(written) for name, written in authors.items()}, "production": dict(production),
    }  # fmt: skip


def _names(source: str) -> list[str]:
    return [name for name, sources in SOURCE_MAP.items() if source in sources] or [source]


def _decided(cast: Counter[str]) -> bool:
    most = max(cast.values())
    return sum(votes == most for votes in cast.values()) == 1
