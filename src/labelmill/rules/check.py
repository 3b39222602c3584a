"""What is wrong or idle in a rule set, all findings at once, within seconds for 100,000 keywords.

An *error* is a rule that ``compile_rules`` refuses. A *warning* is a rule that works, but perhaps not as its author thinks.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import polars as pl

from labelmill.rules import patterns
from labelmill.rules.matcher import identity, refusal_of
from labelmill.rules.model import Kind, Match, Rule, RuleSet

if TYPE_CHECKING:
    from collections.abc import Iterator


class Severity(StrEnum):
    """Whether the rule set can be used in spite of a finding."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """``place`` is file and line where the rule came from a file, else its 1-based number; ``rule`` is None for a label."""

    severity: Severity
    code: str
    place: str
    message: str
    way_out: str
    rule: Rule | None = None


@dataclass(frozen=True)
class _Placed:
    """A rule, where it stands, and what it is compared by: label, type and content."""

    rule: Rule
    place: str
    identity: tuple[str, str, str]

    def warning(self, code: str, message: str, way_out: str) -> Finding:
        return Finding(Severity.WARNING, code, self.place, f"The rule {self.rule.shown} {message}", way_out, self.rule)


def check(rule_set: RuleSet) -> list[Finding]:
    """Return all findings, errors first, each kind in the order of the rules.

    Codes: ``refused``, ``empty`` (errors); ``duplicate``, ``useless``, ``two-labels``, ``matches-all``, ``blank-edge``, ``not-nfc``,
    ``no-rules``.
    """
    errors: list[Finding] = []
    usable: list[_Placed] = []
    for number, rule in enumerate(rule_set.rules, start=1):
        place = rule.place or f"rule {number}"
        refusal = refusal_of(rule, case_sensitive=rule_set.case_sensitive)
        if refusal is None:
            usable.append(_Placed(rule, place, identity(rule, case_sensitive=rule_set.case_sensitive)))
            continue
        code = "refused" if rule.content else "empty"
        message = f"The rule {rule.shown} cannot be used: {refusal.message}."
        errors.append(Finding(Severity.ERROR, code, place, message, refusal.way_out, rule))
    return [
        *errors,
        *_duplicates(usable),
        *_useless(usable),
        *_two_labels(usable, {label.name: label.group for label in rule_set.labels}),
        *_matches_all(usable),
        *_spelling(usable),
        *_no_rules(rule_set),
    ]


def _duplicates(rules: list[_Placed]) -> Iterator[Finding]:
    first: dict[tuple[str, str, str], _Placed] = {}
    for rule in rules:
        earlier = first.setdefault(rule.identity, rule)
        if earlier is not rule:
            yield rule.warning("duplicate", f"repeats {earlier.place}; they count once.", "Remove one of them.")


def _useless(rules: list[_Placed]) -> Iterator[Finding]:
    """Find ``partially`` keywords that hold another one of their label.

    That is all that can be said for sure: wherever the longer one stands the shorter one stands too, and together they score 1.
    Every other rule adds to the score, so that its removal can turn a win into a tie. A keyword strictly inside of another one
    stands in it without its first or without its last character, which is what is searched: linear, whatever the overlaps.
    """
    by_label: dict[str, dict[str, _Placed]] = defaultdict(dict)
    for rule in rules:
        if rule.rule.match is Match.PARTIALLY:
            by_label[rule.rule.label].setdefault(rule.identity[2], rule)
    for keywords in by_label.values():
        contents = pl.Series(list(keywords), dtype=pl.String)
        shortened = contents.str.head(-1) + "\0" + contents.str.tail(-1)
        inner = shortened.str.extract_many(list(keywords)).list.first()
        for rule, found in zip(keywords.values(), inner, strict=True):
            if found is not None:
                message = f"changes nothing: {found!r} ({keywords[found].place}) is found wherever it is."
                yield rule.warning("useless", message, "Remove it, or choose another match type.")


def _two_labels(rules: list[_Placed], groups: dict[str, str]) -> Iterator[Finding]:
    """Find contents that stand under two labels of one group, whatever their match types."""
    first: dict[tuple[str, str, str], _Placed] = {}
    for rule in rules:
        label, _, content = rule.identity
        earlier = first.setdefault((groups[label], rule.rule.kind.value, content), rule)
        if earlier.rule.label != label:
            message = f"speaks for {earlier.rule.label!r} too ({earlier.place}): where both hit they cancel out."
            yield rule.warning("two-labels", message, "Keep it for one label, or put the labels into different groups.")


def _matches_all(rules: list[_Placed]) -> Iterator[Finding]:
    nothing = pl.Series([""])
    for rule in rules:
        if rule.rule.kind is Kind.REGEX and patterns.matches(nothing, rule.rule.content).item():
            message = "matches even nothing, so perhaps every text."
            yield rule.warning("matches-all", message, "Ask for at least one character, e.g. + for *.")


def _spelling(rules: list[_Placed]) -> Iterator[Finding]:
    """Find keywords that perhaps stand there otherwise than they look: blanks at an end, letters in pieces."""
    for rule in rules:
        content = rule.rule.content
        if rule.rule.kind is Kind.REGEX:
            continue
        if content != content.strip():
            what = "begins or ends with" if content.strip() else "is nothing but"
            yield rule.warning(
                "blank-edge", f"{what} blanks, which must stand in the text too.", "Remove them if they are not meant."
            )
        if not unicodedata.is_normalized("NFC", content):
            message = "is not in the usual composed form (NFC) and is not found in texts that are."
            yield rule.warning("not-nfc", message, "Write it in NFC unless the texts are decomposed too.")


def _no_rules(rule_set: RuleSet) -> Iterator[Finding]:
    used = {rule.label for rule in rule_set.rules}
    for label in rule_set.labels:
        if label.name not in used:
            message = f"The label {label.name!r} has no rules: no text will get it."
            yield Finding(Severity.WARNING, "no-rules", label.name, message, "Add a rule, or remove the label.")
