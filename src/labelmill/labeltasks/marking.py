"""Where in its text a result's rules hit, so that a page can mark it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labelmill import rules as matching
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, compile_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from labelmill.rules.matcher import Matcher

#: Characters of a text that are shown; longer ones are cut around their first hit.
LONGEST = 400
BEFORE = 80

#: A text in pieces: each with whether a rule hit it.
Marked = list[tuple[str, bool]]


def mark(results: Sequence[tuple[str, str, str]], rule_sets: Sequence[Mapping[str, Any]]) -> list[Marked]:
    """Return the texts of results (label, text, match_meta) in pieces; ``rule_sets`` are those of the task's labellers, as JSON.

    Only the rules that ``match_meta`` names are compiled: a sample is marked as quickly under 100,000 rules as under ten.
    """
    found = [tuple(_rules(label, meta)) for label, _, meta in results]
    cases = _cases(found, rule_sets)
    matchers = {
        case: _matcher([own for own, its in zip(found, cases, strict=True) if its is case], case) for case in set(cases)
    }
    marked = []
    for (_, text, _), own, case in zip(results, found, cases, strict=True):
        spans = [span for hit in matching.explain(matchers[case], text).hits if hit.rule in own for span in hit.spans]
        marked.append(_cut(list(_pieces(text, spans))))
    return marked


def _matcher(found: Iterable[tuple[Rule, ...]], case_sensitive: bool) -> Matcher:
    rules = tuple(dict.fromkeys(rule for own in found for rule in own))
    labels = tuple(Label(name) for name in dict.fromkeys(rule.label for rule in rules))
    return compile_rules(RuleSet("sample", labels, rules, case_sensitive=case_sensitive))


def _cases(found: Sequence[tuple[Rule, ...]], rule_sets: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Return for the rules of each result whether their labeller tells capitals apart: the first labeller that has all of them."""
    told = [bool(one.get("case_sensitive")) for one in rule_sets]
    if len(set(told)) == 1:
        return told[:1] * len(found)
    known = [{(rule["label"], rule["kind"], rule.get("match"), rule["content"]) for rule in one["rules"]} for one in rule_sets]
    wanted = [{(rule.label, rule.kind, rule.match, rule.content) for rule in own} for own in found]
    return [next((case for case, rules in zip(told, known, strict=True) if own <= rules), told[0]) for own in wanted]


def _rules(label: str, meta: str) -> Iterator[Rule]:
    for item in json.loads(meta):
        kind, _, content = item.partition(":")
        match = None if kind == Kind.REGEX else Match(kind)
        yield Rule(label, Kind.REGEX if match is None else Kind.KEYWORD, match, content)


def _pieces(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    place = 0
    for begins, end in sorted(spans):
        start = max(begins, place)
        if end <= start:
            continue
        if start > place:
            yield text[place:start], False
        yield text[start:end], True
        place = end
    if place < len(text):
        yield text[place:], False


def _cut(pieces: Marked) -> Marked:
    """Shorten long texts: an ellipsis stands for what is left out before the first hit and at the end."""
    if pieces and not pieces[0][1] and len(pieces[0][0]) > BEFORE and sum(len(text) for text, _ in pieces) > LONGEST:
        pieces = [(f"…{pieces[0][0][-BEFORE:]}", False), *pieces[1:]]
    kept: Marked = []
    room = LONGEST
    for text, hit in pieces:
        if room <= 0:
            return [*kept, ("…", False)]
        kept.append((text if len(text) <= room else f"{text[:room]}…", hit))
        room -= len(text)
    return kept
