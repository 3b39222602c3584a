"""What the rules' page shows: lines of the table with findings and figures, the text with marks, the changes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from labelmill.errors import LabelmillError
from labelmill.rules import edits as editing
from labelmill.rules.check import Finding, Severity, check
from labelmill.rules.console import diff_rows, pieces
from labelmill.rules.diff import Diff, diff
from labelmill.rules.edits import Edits, Row
from labelmill.rules.explain import Explanation, explain
from labelmill.rules.matcher import identity
from labelmill.rules.sample import Sample, columns_of, take

if TYPE_CHECKING:
    from labelmill.bootstrap import App
    from labelmill.rules.form import Wishes
    from labelmill.rules.model import RuleSet

#: Rules of one page of the table.
PAGE: Final = 200
#: Labels up to which they can be edited in the page.
MOST_LABELS: Final = 300
#: Blank lines for new rules, for those who have no script.
BLANK: Final = 3
MOST_CHANGES: Final = 100
MOST_FINDINGS: Final = 100
#: Rules up to which a change is checked as it is typed.
LIVE: Final = 20_000
LONGEST_PIECE: Final = 300


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a rule does to the sample, in rows."""

    hits: int = 0
    overlaps: int = 0
    conflicts: int = 0


@dataclass(kw_only=True)
class View:
    """Everything live on the page; what could not be worked out is None, and its reason an error."""

    base: RuleSet
    edits: Edits
    pages: int
    shown: int
    rule_set: RuleSet | None = None
    error: LabelmillError | None = None
    findings: list[Finding] = field(default_factory=list)
    by_place: dict[str, list[Finding]] = field(default_factory=dict)
    changes: Diff | None = None
    explanation: Explanation | None = None
    text_error: LabelmillError | None = None
    sample: Sample | None = None
    sample_error: LabelmillError | None = None
    columns: tuple[str, ...] = ()
    figures: dict[str, Figures] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        return sum(one.severity is Severity.ERROR for one in self.findings)

    @property
    def usable(self) -> bool:
        return self.rule_set is not None and not self.errors

    @property
    def change_rows(self) -> list[dict[str, Any]]:
        return diff_rows(self.changes) if self.changes is not None else []

    @property
    def texts(self) -> list[tuple[int, list[tuple[str, bool]], list[str]]]:
        """The sample's texts: row number, pieces, labels that won."""
        return [] if self.sample is None else [(row, _short(one), _labels(one)) for row, one in self.sample.shown]

    @property
    def marked(self) -> list[tuple[str, bool]]:
        return [] if self.explanation is None else list(pieces(self.explanation))


def begin(base: RuleSet, *, wanted: str = "", page: int = 1) -> View:
    """Return the view of a rule set that nobody has changed yet: the rules that hold ``wanted``, a page of them."""
    numbers = [number for number, rule in enumerate(base.rules) if _holds(rule, wanted.casefold())]
    first = (page - 1) * PAGE
    rows = editing.rows_of(base, numbers[first : first + PAGE])
    labels = editing.label_rows_of(base) if len(base.labels) <= MOST_LABELS else None
    edits = Edits(rows=(*rows, *blank_rows()), labels=labels, tie=base.tie, case_sensitive=base.case_sensitive)
    return View(base=base, edits=edits, pages=max(1, -(-len(numbers) // PAGE)), shown=len(numbers))


def blank_rows(start: int = 1) -> tuple[Row, ...]:
    """Return lines for new rules."""
    return tuple(Row(key=f"n{number}") for number in range(start, start + BLANK))


def work_out(app: App, view: View, wishes: Wishes, *, sampled: bool, checked: bool = True) -> View:
    """Fill in what follows from the edits: the rule set, findings, changes, the explanation, the sample."""
    try:
        view.rule_set = editing.apply(view.base, view.edits)
    except LabelmillError as error:
        view.error = error
        return view
    view.changes = diff(view.base, view.rule_set)
    if checked:
        view.findings = check(view.rule_set)
        by_place = defaultdict(list)
        for finding in view.findings:
            by_place[finding.place].append(finding)
        view.by_place = dict(by_place)
    if not view.errors:
        _explain(view, wishes)
        if sampled and wishes.source:
            _sample(app, view, wishes)
    return view


def _explain(view: View, wishes: Wishes) -> None:
    if not wishes.text or view.rule_set is None:
        return
    try:
        view.explanation = explain(view.rule_set, wishes.text)
    except LabelmillError as error:
        view.text_error = error


def _sample(app: App, view: View, wishes: Wishes) -> None:
    if view.rule_set is None:
        return
    try:
        view.columns = columns_of(app, wishes.source)
        if wishes.text_column:
            gold = wishes.gold_column or None
            view.sample = take(
                app, wishes.source, view.rule_set, text_column=wishes.text_column, gold_column=gold, rows=wishes.rows
            )
    except LabelmillError as error:
        view.sample_error = error
        return
    if view.sample is not None:
        view.figures = _figures(view.rule_set, view.sample)


def _figures(rule_set: RuleSet, sample: Sample) -> dict[str, Figures]:
    """Return by place what each rule does; rules that count as one share their figures."""
    counted = {(row["label"], row["rule"]): row for row in sample.stats.rules.iter_rows(named=True)}
    first: dict[tuple[str, str, str], tuple[str, str]] = {}
    found = {}
    for rule in rule_set.rules:
        key = first.setdefault(identity(rule, case_sensitive=rule_set.case_sensitive), (rule.label, rule.meta))
        row = counted[key]
        found[rule.place] = Figures(hits=row["hits"], overlaps=row["overlaps"], conflicts=row["conflicts"])
    return found


def _holds(rule: Any, wanted: str) -> bool:
    return not wanted or wanted in rule.content.casefold() or wanted in rule.label.casefold() or wanted == rule.type


def _short(explanation: Explanation) -> list[tuple[str, bool]]:
    """Return the pieces of a text with the parts between hits shortened."""
    cut = [(_cut(text) if not hit else text, hit) for text, hit in pieces(explanation)]
    return cut[:40] if len(cut) <= 40 else [*cut[:40], ("…", False)]  # noqa: PLR2004 - more would not be read


def _cut(text: str) -> str:
    half = LONGEST_PIECE // 2
    return text if len(text) <= LONGEST_PIECE else f"{text[:half]} … {text[-half:]}"


def _labels(explanation: Explanation) -> list[str]:
    return [outcome.label for outcome in explanation.outcomes if outcome.label]
