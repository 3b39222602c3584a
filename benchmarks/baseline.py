"""The row-by-row way that label tasks are measured against: what the predecessor did, step by step, on a slice of the rows.

Rows come through the usual row driver, whole, and become an object each; each keyword of each label is tried on the lower-cased
author; the rows that hit are cleaned (the latest for each author and label) and inserted; at the end they are read back, cleaned
again and inserted into production.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends import PRODUCTION
from labelmill.rules import Match, RuleSet
from posts import SOURCE_MAP

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from backends import Backend, Row

SLICE = 20_000  # rows
#: Per group, per label: its keywords with their match.
Keywords = dict[str, dict[str, list[tuple[Match | None, str]]]]


@dataclass
class Record:
    id: str
    s_id: str
    s_area_id: str
    author: str
    title: str
    content: str
    post_time: datetime


def measure(backend: Backend, rules: RuleSet) -> float:
    """Return rows per second on the first ``SLICE`` rows of a loaded source, into an emptied sink."""
    by_group = keywords(rules)
    start = time.perf_counter()
    records = [Record(*row) for row in backend.read_slice(SLICE)]
    found: list[Row] = [
        (record.id, "0" * 32, f"{record.s_id}_{record.author}", label, record.post_time, record.s_id, record.author)
        for record in records
        for label in labels_of(record.author, by_group)
    ]
    tables = []
    for name, sources in SOURCE_MAP.items():
        rows = [row for row in found if row[5] in sources]
        if rows:
            backend.insert_rows(name, clean(rows))
            tables.append(name)
    for name in tables:
        backend.insert_rows(PRODUCTION + name, clean(backend.read_rows(name)))
    return len(records) / (time.perf_counter() - start)


def keywords(rules: RuleSet) -> Keywords:
    found: Keywords = {label.group: {} for label in rules.labels}
    group = {label.name: label.group for label in rules.labels}
    for rule in rules.rules:
        found[group[rule.label]].setdefault(rule.label, []).append((rule.match, rule.content))
    return found


def labels_of(author: str, by_group: Keywords) -> list[str]:
    """Return the label with the best score of each group; several with the best score drop each other."""
    folded, won = author.lower(), []
    for labels in by_group.values():
        scores = {label: _score(folded, words) for label, words in labels.items()}
        best = max(scores.values())
        winners = [label for label, score in scores.items() if score == best]
        if best and len(winners) == 1:
            won += winners
    return won


def _score(text: str, words: list[tuple[Match | None, str]]) -> int:
    """Return 1 for all keywords that stand anywhere together, and 1 for each one that stands in its place."""
    anywhere = placed = 0
    for match, word in words:
        if match is Match.PARTIALLY:
            anywhere |= word in text
        elif match is Match.START:
            placed += text.startswith(word)
        else:
            placed += text.endswith(word)
    return anywhere + placed


def clean(rows: Iterable[Row]) -> list[Row]:
    """Return the latest row of each author and label."""
    return list({(row[2], row[3]): row for row in sorted(rows, key=lambda row: row[4])}.values())
