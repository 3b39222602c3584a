"""A difference says exactly what has to be done to one rule set to have the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from labelmill.rules import Kind, Label, Match, Rule, RuleSet, Tie
from labelmill.rules.console import diff_rows
from labelmill.rules.diff import Diff, diff

NAMES = ["/a", "/b", "/c"]
RULES = st.builds(
    lambda label, match, content: Rule(label, Kind.KEYWORD if match else Kind.REGEX, match, content),
    st.sampled_from(NAMES),
    st.sampled_from([*Match, None]),
    st.sampled_from(["x", "y", "人", "🌸"]),
)


@st.composite
def rule_sets(draw):
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, 3))]
    labels = tuple(Label(name, draw(st.sampled_from(["", "g"]))) for name in names)
    rules = draw(st.lists(RULES.filter(lambda rule: rule.label in names), max_size=8))
    return RuleSet("x", labels, tuple(rules), draw(st.sampled_from(Tie)), draw(st.booleans()))


def keyword(content: str, label: str = "/a", match: Match = Match.START) -> Rule:
    return Rule(label, Kind.KEYWORD, match, content)


def of(*rules: Rule, labels: str = "abc", **more) -> RuleSet:
    return RuleSet("x", tuple(Label(f"/{name}") for name in labels), rules, **more)


@given(rule_sets(), rule_sets())
def test_applied_to_the_old_rules_it_gives_the_new_ones(old, new):
    """Take the removed and the befores away, add the added and the afters: nothing is lost, doubled or made up."""
    found = diff(old, new)
    rules = Counter(old.rules)
    rules.subtract([*found.removed, *(before for before, _ in found.changed)])
    assert min(rules.values(), default=0) >= 0
    rules.update([*found.added, *(after for _, after in found.changed)])
    assert +rules == Counter(new.rules)
    labels = {label.name: label for label in old.labels}
    for label in (*found.labels_removed, *(before for before, _ in found.labels_changed)):
        assert labels.pop(label.name) == label
    labels |= {label.name: label for label in (*found.labels_added, *(after for _, after in found.labels_changed))}
    assert labels == {label.name: label for label in new.labels}


@given(rule_sets(), rule_sets())
def test_it_is_empty_exactly_for_equal_content(old, new):
    """An empty difference and an equal content hash mean the same; so nobody is asked to save nothing, or misses a change."""
    assert bool(diff(old, new)) == (old.content_hash != new.content_hash)
    assert not diff(old, replace(old, name="another"))


@given(rule_sets(), rule_sets())
def test_the_way_back_is_the_mirror_image(old, new):
    """What was added is removed, as often."""
    there, back = diff(old, new), diff(new, old)
    assert Counter(there.added) == Counter(back.removed)
    assert Counter(there.labels_added) == Counter(back.labels_removed)
    assert Counter(there.changed) == Counter((before, after) for after, before in back.changed)
    assert {(name, after, before) for name, before, after in there.options} == set(back.options)
    assert there.reordered == back.reordered


def test_a_rule_with_another_match_type_or_label_has_changed():
    """It is not told as one that went and one that came; another content is."""
    old = of(keyword("x"), keyword("y"), keyword("z"))
    new = of(keyword("x", match=Match.END), keyword("y", label="/b"), keyword("zz"))
    found = diff(old, new)
    assert found.changed == ((old.rules[0], new.rules[0]), (old.rules[1], new.rules[1]))
    assert (found.removed, found.added) == ((old.rules[2],), (new.rules[2],))


def test_a_keyword_does_not_become_a_regex_by_changing():
    """The same letters mean something else as a pattern."""
    regex = Rule("/a", Kind.REGEX, None, "x.")
    found = diff(of(keyword("x.")), of(regex))
    assert (found.changed, found.added, found.removed) == ((), (regex,), (keyword("x."),))


def test_doubles_are_counted():
    """The same rule twice is one more than once."""
    assert diff(of(keyword("x")), of(keyword("x"), keyword("x"))).added == (keyword("x"),)
    assert diff(of(keyword("x"), keyword("x")), of(keyword("x"))).removed == (keyword("x"),)


def test_order_ties_and_case_are_differences_too():
    """Another order of labels can settle a tie otherwise."""
    assert diff(of(labels="ab"), of(labels="ba")) == Diff(reordered=True)
    assert diff(of(keyword("x"), keyword("y")), of(keyword("y"), keyword("x"))) == Diff(reordered=True)
    options = (("tie", "drop", "first"), ("case_sensitive", "false", "true"))
    assert diff(of(), of(tie=Tie.FIRST, case_sensitive=True)) == Diff(options=options)


@given(rule_sets(), rule_sets())
def test_every_difference_is_one_row_for_people(old, new):
    """As many rows as differences, each with what was before or after."""
    found = diff(old, new)
    rows = diff_rows(found)
    parts = (found.added, found.removed, found.changed, found.labels_added, found.labels_removed, found.labels_changed)
    assert len(rows) == sum(map(len, parts)) + len(found.options) + found.reordered
    assert all(row["before"] or row["after"] for row in rows if row["change"] != "reordered")


def test_100_000_rules_are_compared_at_once():
    """Each rule is looked at a few times, not against every other."""
    many = tuple(keyword(f"{number}") for number in range(100_000))
    turned = tuple(replace(rule, match=Match.END) for rule in many)
    assert len(diff(of(*many), of(*turned)).changed) == 100_000
