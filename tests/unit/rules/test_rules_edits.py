"""What is typed into the table becomes the rule set that it shows, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.errors import BadInput, BadRules
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, Tie
from labelmill.rules.edits import Edits, LabelRow, Row, apply, label_rows_of, rows_of

BASE = RuleSet(
    "people",
    (Label("/male", "gender"), Label("/female", "gender"), Label("/bare")),
    (
        Rule("/male", Kind.KEYWORD, Match.START, "tom", "rule 1"),
        Rule("/female", Kind.REGEX, None, "^amy", "rule 2"),
        Rule("/male", Kind.KEYWORD, Match.EXACTLY, " 志明 ", "rule 3"),
    ),
)


def shown(base: RuleSet = BASE, *numbers: int, **more) -> Edits:
    rows = rows_of(base, numbers or range(len(base.rules)))
    return replace(Edits(rows=rows, labels=label_rows_of(base), tie=base.tie, case_sensitive=base.case_sensitive), **more)


def with_row(edits: Edits, place: int, **change) -> Edits:
    rows = list(edits.rows)
    rows[place] = replace(rows[place], **change)
    return replace(edits, rows=tuple(rows))


@given(st.lists(st.integers(0, 2), unique=True), st.sampled_from(Tie), st.booleans())
def test_what_nobody_touched_stays_whatever_part_of_it_was_shown(numbers, tie, case_sensitive):
    """A page of the table, in any order, sent back as it came, changes nothing: not a blank, not the order."""
    base = replace(BASE, tie=tie, case_sensitive=case_sensitive)
    edits = Edits(rows=rows_of(base, numbers), labels=label_rows_of(base), tie=tie, case_sensitive=case_sensitive)
    assert apply(base, edits) == base
    assert apply(base, replace(edits, labels=None)) == base


def test_a_line_changes_its_own_rule_only():
    """Also where it is the only one shown."""
    edits = with_row(shown(BASE, 1), 0, type="end", content="amy", label="/male")
    assert apply(BASE, edits).rules == (BASE.rules[0], Rule("/male", Kind.KEYWORD, Match.END, "amy"), BASE.rules[2])


def test_removed_lines_go_and_new_ones_follow():
    """Blank new lines are no rules; removed new ones neither."""
    rows = (
        *rows_of(BASE, [0]), Row(key="n1", label="/female", content="amy"), Row(key="n2"),
        Row(key="n3", label="/x", content="gone", removed=True),
    )  # fmt: skip
    edits = replace(shown(), rows=(replace(rows[0], removed=True), *rows[1:]))
    assert apply(BASE, edits).rules == (*BASE.rules[1:], Rule("/female", Kind.KEYWORD, Match.PARTIALLY, "amy"))


def test_a_renamed_label_takes_its_rules_along():
    """Those that are shown and those that are not."""
    labels = (replace(label_rows_of(BASE)[0], name="/man"), *label_rows_of(BASE)[1:])
    made = apply(BASE, replace(shown(BASE, 0), labels=labels))
    assert [rule.label for rule in made.rules] == ["/man", "/female", "/man"]
    assert made.labels[0] == Label("/man", "gender")


def test_labels_can_change_places_with_each_other():
    """Names that swap are renamed at once, not one after the other."""
    first, second, third = label_rows_of(BASE)
    labels = (replace(first, name="/female"), replace(second, name="/male"), third)
    assert [rule.label for rule in apply(BASE, shown(labels=labels)).rules] == ["/female", "/male", "/female"]


def test_the_order_of_labels_is_the_one_that_was_typed():
    """The number decides; equal numbers keep their order."""
    labels = tuple(replace(row, order=order) for row, order in zip(label_rows_of(BASE), (5, 5, 1), strict=True))
    assert [label.name for label in apply(BASE, shown(labels=labels)).labels] == ["/bare", "/male", "/female"]


def test_a_label_is_removed_by_its_blank_name_unless_a_rule_needs_it():
    """A label that rules speak for comes back, in the group of all, rather than taking its rules away unasked."""
    labels = tuple(replace(row, name="") for row in label_rows_of(BASE))
    made = apply(BASE, shown(labels=labels))
    assert made.labels == (Label("/male"), Label("/female"))
    assert made.rules == BASE.rules


def test_a_new_rule_brings_its_label():
    """Nobody has to list it first."""
    edits = shown(rows=(Row(key="n1", label="/student", content="同學"),), labels=(*label_rows_of(BASE), LabelRow()))
    assert apply(BASE, edits).labels == (*BASE.labels, Label("/student"))


def test_lines_are_pasted_with_or_without_match_type_and_label():
    """Contents keep their blanks; empty lines are skipped; both kinds of line ends are understood."""
    edits = shown(lines="amy \r\n\nbob\tend\n^x\tregex\t/rx\n", lines_label="/female", lines_type="start")
    assert apply(BASE, edits).rules[3:] == (
        Rule("/female", Kind.KEYWORD, Match.START, "amy "),
        Rule("/female", Kind.KEYWORD, Match.END, "bob"),
        Rule("/rx", Kind.REGEX, None, "^x"),
    )


@pytest.mark.parametrize(
    ("edits", "where", "fault"),
    [
        (shown(rows=(Row(key="n7", content="amy"),)), "new rule 7", "no label"),
        (with_row(shown(), 1, type="about"), "rule 2", "'about' is no match type"),
        (with_row(shown(), 2, content="x" * 1001), "rule 3", "1001 characters"),
        (with_row(shown(), 0, label="/a\u200b"), "rule 1", "U+200B"),
        (shown(lines="a\n\nb"), "line 1", "no label"),
        (shown(lines="a\tnear", lines_label="/x"), "line 1", "'near' is no match type"),
        (shown(lines="\n" * 100_001), "lines", "100,002 lines"),
    ],
)
def test_a_mistake_names_its_line(edits, where, fault):
    """The way back to the place in the table."""
    with pytest.raises(BadInput) as caught:
        apply(BASE, edits)
    assert caught.value.where == where
    assert fault in caught.value.message
    assert caught.value.way_out


def test_two_labels_of_one_name_are_refused():
    """Nobody could tell which group it has."""
    labels = (*label_rows_of(BASE), LabelRow(name="/male"))
    with pytest.raises(BadRules, match="listed twice"):
        apply(BASE, shown(labels=labels))


def test_a_line_of_another_base_changes_nothing():
    """A rule that is not there any more cannot be changed; the version check tells the user."""
    assert apply(BASE, shown(rows=(Row(key="b99", label="/x", content="x"),))) == BASE
