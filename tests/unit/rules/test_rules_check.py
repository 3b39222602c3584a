"""The check finds what is wrong or idle, and calls nothing idle that can ever change a label."""

from __future__ import annotations

import dataclasses

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.errors import BadRules
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, Severity, Tie, check, compile_rules


def rule(text: str, label: str = "/a") -> Rule:
    """Make a rule of ``type:content``."""
    kind, _, content = text.partition(":")
    return Rule(label, Kind.REGEX, None, content) if kind == "regex" else Rule(label, Kind.KEYWORD, Match(kind), content)


def rule_set(*rules: Rule, case_sensitive: bool = False, groups: tuple[str, str] = ("", "")) -> RuleSet:
    used = dict.fromkeys([*(rule.label for rule in rules), "/a"])
    labels = tuple(Label(name, group) for name, group in zip(used, groups, strict=False))
    return RuleSet("x", labels, rules, case_sensitive=case_sensitive)


def found(rules: RuleSet) -> list[tuple[str, str]]:
    return [(finding.code, finding.place) for finding in check(rules)]


def test_a_clean_rule_set_has_no_findings():
    """Rules that add to each other are not called duplicates or useless."""
    rules = [rule(f"{match}:amy") for match in Match]
    assert (
        check(rule_set(*rules, rule("start:amyx"), rule("exactly:xamyx"), rule("regex:amy"), rule("partially:bo", "/b"))) == []
    )


def test_duplicates_are_found_even_in_other_case():
    """The second of two equal rules is named with the place of the first; where case matters they differ."""
    rules = rule("start:Amy"), rule("end:amy"), rule("start:amy"), rule("regex:X"), rule("regex:x"), rule("regex:x")
    assert found(rule_set(*rules)) == [("duplicate", "rule 3"), ("duplicate", "rule 6")]
    assert found(rule_set(*rules, case_sensitive=True)) == [("duplicate", "rule 6")]
    same = rule("start:amy")
    assert found(rule_set(same, same)) == [("duplicate", "rule 2")]
    assert "repeats rule 1" in check(rule_set(same, same))[0].message


def test_a_partial_keyword_around_another_one_is_useless():
    """Only under the same label, only among partial keywords, and in the middle too."""
    rules = (
        rule("partially:XAMYX"),
        rule("partially:amy"),
        rule("partially:amyamy"),
        rule("start:amyx"),
        rule("partially:am", "/b"),
    )
    assert found(rule_set(*rules)) == [("useless", "rule 1"), ("useless", "rule 3")]


@settings(max_examples=300, deadline=None)
@given(st.sets(st.text(alphabet="ab", min_size=1, max_size=5), min_size=1, max_size=8))
def test_useless_is_exactly_what_holds_another_keyword(contents):
    """The linear search finds the same as comparing each with each."""
    rules = [rule(f"partially:{content}") for content in sorted(contents)]
    expected = {content for content in contents if any(other in content and other != content for other in contents)}
    assert expected == {finding.rule.content for finding in check(rule_set(*rules)) if finding.code == "useless"}


RULES = st.builds(
    rule,
    st.builds(
        "{}:{}".format,
        st.sampled_from(["partially", "partially", "start", "end", "exactly", "regex"]),
        st.text("ab", min_size=1, max_size=3),
    ),
    st.sampled_from(["/a", "/b"]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(RULES, min_size=1, max_size=8),
    st.sampled_from(list(Tie)),
    st.lists(st.text("abA", max_size=6), min_size=5, max_size=30),
)
def test_removing_all_idle_rules_changes_no_label_and_no_score(rules, tie, texts):
    """What is called useless or duplicate can be removed, all at once."""
    full = dataclasses.replace(rule_set(*rules), tie=tie)
    idle = {int(finding.place.split()[1]) - 1 for finding in check(full) if finding.code in {"useless", "duplicate"}}
    lean = dataclasses.replace(full, rules=tuple(rule for number, rule in enumerate(rules) if number not in idle))
    column = pl.Series(texts, dtype=pl.String)
    assert compile_rules(lean).label(column).drop("match_meta").equals(compile_rules(full).label(column).drop("match_meta"))


def test_one_keyword_under_two_labels_is_found_within_a_group():
    """Whatever its match types; in different groups it is no conflict."""
    rules = rule("partially:Amy"), rule("exactly:amy", "/b")
    assert found(rule_set(*rules)) == [("two-labels", "rule 2")]
    assert "'/a'" in check(rule_set(*rules))[0].message
    assert check(rule_set(*rules, groups=("g", "h"))) == []
    assert check(rule_set(rule("partially:amy"), rule("regex:amy", "/b"))) == []


@pytest.mark.parametrize(
    ("pattern", "reason", "position"),
    [
        ("(?=a)", "look-around", 1),
        ("小é(?<!b)", "look-around", 3),
        ("a\n b(?!c)", "look-around", 5),
        (r"(a)\1", "backreferences", 4),
        ("a(", "unclosed group", 2),
        ("*a", "repetition", 1),
        ("[z-a]", "range", 2),
        (r"\p{Nothing}", "property", 1),
        (r"\w{5000}", "size limit", None),
        ("((((a{100}){100}){100}){100})", "size limit", None),
        ("(" * 300 + ")" * 300, "nest", 251),
    ],
)
def test_refused_patterns_are_listed_with_position_and_reason(pattern, reason, position):
    """The finding is an error, and it is the error that compiling raises."""
    (finding,) = check(rule_set(rule(f"regex:{pattern}")))
    assert (finding.severity, finding.code) == (Severity.ERROR, "refused")
    assert reason in finding.message
    assert position is None or f"(at character {position})" in finding.message
    assert position is not None or "at character" not in finding.message
    with pytest.raises(BadRules, match=reason):
        compile_rules(rule_set(rule(f"regex:{pattern}")))


def test_errors_come_first_and_are_what_compiling_refuses():
    """Empty contents are errors; blanks, decomposed letters, patterns that match nothing and bare labels are warnings."""
    rules = rule("partially: "), rule("start:x "), rule("end:e\u0301"), rule("regex:a*"), rule("regex:"), rule("exactly:")
    bare = dataclasses.replace(rule_set(*rules), labels=(Label("/a"), Label("/c")))
    findings = check(bare)
    assert [(finding.code, finding.place) for finding in findings] == [
        ("empty", "rule 5"),
        ("empty", "rule 6"),
        ("matches-all", "rule 4"),
        ("blank-edge", "rule 1"),
        ("blank-edge", "rule 2"),
        ("not-nfc", "rule 3"),
        ("no-rules", "/c"),
    ]
    assert [finding.severity for finding in findings] == ["error", "error"] + ["warning"] * 5
    assert all(finding.way_out and finding.message for finding in findings)
    assert compile_rules(dataclasses.replace(bare, rules=rules[:4]))
