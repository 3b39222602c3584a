"""An explanation agrees with the matcher and points into the text as it is written."""

# ruff: noqa: RUF001 - letters that look like others are what is tested here

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.errors import BadInput
from labelmill.rules import Kind, Label, Match, Outcome, Rule, RuleSet, Tie, compile_rules, explain

GENDER = (Label("/male", "gender"), Label("/female", "gender"), Label("/young", "age"))


def make(*rules: tuple[str, str, str], tie: Tie = Tie.DROP, case_sensitive: bool = False) -> RuleSet:
    made = (
        Rule(label, Kind.REGEX, None, content) if match == "regex" else Rule(label, Kind.KEYWORD, Match(match), content)
        for label, match, content in rules
    )
    return RuleSet("x", GENDER, tuple(made), tie, case_sensitive)


def spans(rule_set: RuleSet, text: str) -> list[tuple[str, tuple[tuple[int, int], ...]]]:
    return [(hit.rule.meta, hit.spans) for hit in explain(rule_set, text).hits]


def test_each_hit_tells_its_places():
    """Partial keywords tell all places, overlapping ones too; the others the one that they can have."""
    rules = make(
        ("/male", "partially", "aa"),
        ("/male", "start", "aa"),
        ("/male", "end", "aB"),
        ("/male", "exactly", "aaaab"),
        ("/male", "regex", "B$"),
    )
    assert spans(rules, "AaAaB") == [
        ("partially:aa", ((0, 2), (1, 3), (2, 4))),
        ("start:aa", ((0, 2),)),
        ("end:aB", ((3, 5),)),
        ("exactly:aaaab", ((0, 5),)),
        ("regex:B$", ((4, 5),)),
    ]


def test_places_are_those_of_the_text_as_written():
    """Letters that grow when lower-cased, and letters of several bytes, do not shift what follows."""
    rules = make(("/male", "partially", "x"), ("/male", "partially", "i"), ("/male", "regex", "小X"), ("/male", "end", "Σ"))
    assert spans(rules, "İİ小X") == [("partially:x", ((3, 4),)), ("partially:i", ((0, 1), (1, 2))), ("regex:小X", ((2, 4),))]
    assert spans(make(("/male", "end", "ς")), "ΑΣΣ") == [("end:ς", ((2, 3),))]


def test_the_outcome_tells_scores_winner_and_tie():
    """One outcome per group, also where nothing was hit."""
    rules = ("/male", "partially", "x"), ("/female", "partially", "x"), ("/female", "end", "y")
    assert (Outcome("gender", "/female", {"/male": 1, "/female": 2}), Outcome("age", None, {})) == explain(
        make(*rules), "xy"
    ).outcomes
    tied = {"/male": 1, "/female": 1}
    assert Outcome("gender", None, tied, ("/male", "/female")) == explain(make(*rules), "x").outcomes[0]
    assert Outcome("gender", "/male", tied, ("/male", "/female")) == explain(make(*rules, tie=Tie.FIRST), "x").outcomes[0]


RULES = st.tuples(
    st.sampled_from([label.name for label in GENDER]),
    st.sampled_from([*Match, "regex"]),
    st.text(alphabet="aAbİiΣσς", min_size=1, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(RULES, max_size=8), st.sampled_from(list(Tie)), st.booleans(), st.text(alphabet="aAbİiΣσς\x01😀", max_size=8))
def test_explanations_agree_with_the_matcher(rules, tie, case_sensitive, text):
    """The labels are the same, and each place holds what the rule asks for."""
    rule_set = make(*rules, tie=tie, case_sensitive=case_sensitive)
    told = explain(rule_set, text)
    frame = compile_rules(rule_set).label(pl.Series([text]))
    assert frame.select("group", "label").rows() == [
        (outcome.group, outcome.label) for outcome in told.outcomes if outcome.label
    ]
    assert frame["score"].to_list() == [outcome.scores[outcome.label] for outcome in told.outcomes if outcome.label]
    for hit in told.hits:
        assert hit.spans
        assert all(0 <= start < end <= len(text) for start, end in hit.spans)
        if case_sensitive:
            assert {hit.rule.content} == {text[start:end] for start, end in hit.spans}


def test_half_a_character_is_refused():
    """A lone surrogate, as a shell may pass it, is named by its position."""
    with pytest.raises(BadInput, match="Character 2"):
        explain(make(("/male", "partially", "x")), "x\ud800")
