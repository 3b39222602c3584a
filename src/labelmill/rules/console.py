"""Explanations, statistics and differences on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from labelmill.console import make_console, print_fields, print_rows, printable, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelmill.rules.diff import Diff
    from labelmill.rules.explain import Explanation
    from labelmill.rules.stats import Stats

MOST_NOTES: Final = 20
PERCENT: Final = 100


def print_explanation(explanation: Explanation) -> None:
    """Print the text with its hits marked, the rules that hit, and the outcome of each group."""
    _print_marked(explanation)
    print_rows(
        (
            {"rule": hit.rule.meta, "label": hit.rule.label, "at": ", ".join(f"{start}-{end}" for start, end in hit.spans)}
            for hit in explanation.hits
        ),
        columns=("label", "rule", "at"),
    )
    print_rows(
        {
            "group": outcome.group or "(all)",
            "label": outcome.label or ("tie" if outcome.tied else "none"),
            "scores": ", ".join(f"{label} {score}" for label, score in outcome.scores.items()),
        }
        for outcome in explanation.outcomes
    )


def _print_marked(explanation: Explanation) -> None:
    """Print the text: hits stand out on a terminal, in brackets elsewhere."""
    from rich.text import Text

    on_terminal = sys.stdout.isatty()
    shown = Text()
    for text, hit in pieces(explanation):
        plain = printable(text)
        shown.append(plain if on_terminal or not hit else f"[{plain}]", style="bold reverse" if hit and on_terminal else "")
    make_console().print(shown, soft_wrap=True)


def pieces(explanation: Explanation) -> Iterator[tuple[str, bool]]:
    """Yield the text in pieces, each with whether a rule hit it."""
    text, place = explanation.text, 0
    for start, end in sorted(span for hit in explanation.hits for span in hit.spans):
        if end <= place:
            continue
        if start > place:
            yield text[place:start], False
        yield text[max(start, place) : end], True
        place = end
    if place < len(text):
        yield text[place:], False


def stats_fields(counted: Stats) -> dict[str, Any]:
    """Return statistics as JSON-able values."""
    totals = {name: getattr(counted, name) for name in _TOTALS}
    return totals | {"labels": counted.labels.to_dicts(), "rules": counted.rules.to_dicts()}


_TOTALS: Final = ("rows", "empty", "covered", "overlapping", "conflicting", "unknown_gold")


def print_stats(counted: Stats, rejected: int, *, top: int) -> None:
    """Print the totals, every label, and the ``top`` rules by hits."""
    share = {name: _share(getattr(counted, name), counted.rows) for name in ("covered", "overlapping", "conflicting")}
    print_fields({name: f"{getattr(counted, name):,}{share.get(name, '')}" for name in _TOTALS} | {"rejected": rejected})
    rates = ("precision", "recall") if counted.labels["judged"].sum() or counted.labels["gold"].sum() else ()
    print_rows(counted.labels.to_dicts(), columns=("label", "group", "rules", "hits", "conflicts", "labelled", *rates))
    best = counted.rules.sort("hits", descending=True, maintain_order=True).head(top)
    print_rows(best.to_dicts(), columns=("rule", "label", "place", "hits", "overlaps", "conflicts", *rates))
    idle = counted.rules.filter(counted.rules["hits"] == 0).height
    say(f"{counted.rules.height:,} rules, {idle:,} of them without a hit")


def _share(part: int, whole: int) -> str:
    return f" ({part / whole * PERCENT:.1f} %)" if whole else ""


def diff_rows(changes: Diff) -> list[dict[str, Any]]:
    """Return one row for each difference: change, what, before, after."""
    rows: list[dict[str, Any]] = [
        {"change": "changed", "what": name, "before": before, "after": after} for name, before, after in changes.options
    ]
    rows += [_row("removed", "label", before=_label(one)) for one in changes.labels_removed]
    rows += [_row("added", "label", after=_label(one)) for one in changes.labels_added]
    rows += [_row("changed", "label", _label(before), _label(after)) for before, after in changes.labels_changed]
    rows += [_row("removed", "rule", before=_rule(one)) for one in changes.removed]
    rows += [_row("added", "rule", after=_rule(one)) for one in changes.added]
    rows += [_row("changed", "rule", _rule(before), _rule(after)) for before, after in changes.changed]
    return rows + ([_row("reordered", "labels or rules")] if changes.reordered else [])


def _row(change: str, what: str, before: str | None = None, after: str | None = None) -> dict[str, Any]:
    return {"change": change, "what": what, "before": before, "after": after}


def _label(label: Any) -> str:
    return f"{label.name} ({label.group})" if label.group else str(label.name)


def _rule(rule: Any) -> str:
    return f"{rule.label} {rule.meta}"
