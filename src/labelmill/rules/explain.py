"""Why a text gets its labels: which rules hit where, the scores, and the winner of each group."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from labelmill.errors import BadInput
from labelmill.rules import patterns
from labelmill.rules.casing import fold
from labelmill.rules.matcher import Matcher, compile_rules
from labelmill.rules.model import Kind, Match, Rule, RuleSet, Tie

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Hit:
    """A rule that hit, and where: half-open (start, end) in characters of the text as it is written.

    A regex tells the first place only. A letter whose small form is two characters counts whole as soon as one of them is hit.
    """

    rule: Rule
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Outcome:
    """What a group came to: its label or None, the scores of its labels that have one, and the labels that share the best score."""

    group: str
    label: str | None
    scores: dict[str, int]
    tied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    text: str
    hits: tuple[Hit, ...]
    outcomes: tuple[Outcome, ...]


def explain(rules: RuleSet | Matcher, text: str) -> Explanation:
    """Return which rules hit ``text`` where, and what follows; the labels are those that ``Matcher.label`` gives."""
    matcher = rules if isinstance(rules, Matcher) else compile_rules(rules)
    found = matcher.hits(_column(text))["rule"]
    case_sensitive = matcher.rule_set.case_sensitive
    hits = tuple(
        Hit(matcher.rules[rule], tuple(_spans(matcher.rules[rule], text, case_sensitive=case_sensitive))) for rule in found
    )
    return Explanation(text, hits, tuple(_outcomes(matcher.rule_set, hits)))


def _column(text: str) -> pl.Series:
    try:
        return pl.Series([text], dtype=pl.String)
    except UnicodeEncodeError as error:
        message = f"Character {error.start + 1} of the text is half of a surrogate pair."
        raise BadInput(message, way_out="Give the whole character.") from error


def _outcomes(rule_set: RuleSet, hits: tuple[Hit, ...]) -> Iterator[Outcome]:
    found: dict[str, list[Rule]] = defaultdict(list)
    for hit in hits:
        found[hit.rule.label].append(hit.rule)
    scores: dict[str, dict[str, int]] = {group: {} for group in rule_set.groups}
    for label in rule_set.labels:
        if label.name in found:
            scores[label.group][label.name] = _score(found[label.name])
    for group, scored in scores.items():
        yield _outcome(group, scored, rule_set.tie)


def _outcome(group: str, scores: dict[str, int], tie: Tie) -> Outcome:
    most = max(scores.values(), default=0)
    best = [label for label, score in scores.items() if score == most]
    tied = len(best) > 1
    won = None if not best or (tied and tie is Tie.DROP) else best[0]
    return Outcome(group, won, scores, tuple(best) if tied else ())


def _score(rules: list[Rule]) -> int:
    """Return the score of a label: all ``partially`` keywords together count 1, every other rule 1 each."""
    partially = sum(rule.match is Match.PARTIALLY for rule in rules)
    return len(rules) - partially + min(partially, 1)


def _spans(rule: Rule, text: str, *, case_sensitive: bool) -> Iterator[tuple[int, int]]:
    if rule.kind is Kind.REGEX:
        yield _regex_span(patterns.effective(rule.content, case_sensitive=case_sensitive), text)
        return
    folded, keyword = fold(text, case_sensitive=case_sensitive), fold(rule.content, case_sensitive=case_sensitive)
    origin = [place for place, character in enumerate(text) for _ in fold(character, case_sensitive=case_sensitive)]
    for start in _starts(rule.match, folded, keyword):
        yield origin[start], origin[start + len(keyword) - 1] + 1


def _starts(match: Match | None, text: str, keyword: str) -> Iterator[int]:
    if match is Match.END:
        yield len(text) - len(keyword)
    elif match is Match.PARTIALLY:
        start = text.find(keyword)
        while start >= 0:
            yield start
            start = text.find(keyword, start + 1)
    else:
        yield 0


def _regex_span(pattern: str, text: str) -> tuple[int, int]:
    column = pl.Series([text], dtype=pl.String)
    first_byte: int = column.str.find(pattern, literal=False).item()
    found: str = column.str.extract(pattern, 0).item()
    start = len(text.encode()[:first_byte].decode())
    return start, start + len(found)
