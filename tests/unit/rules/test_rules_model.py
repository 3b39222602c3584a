"""Rule sets are values: equal when their content is, refused when malformed, and the same after a round through JSON."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.errors import BadRules
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, Tie, from_dict, to_dict

LABELS = st.text(alphabet="/abcé男女 -", min_size=1, max_size=8).filter(lambda name: name == name.strip())
CONTENTS = st.text(max_size=10).filter(lambda text: "\0" not in text)


@st.composite
def any_rule_set(draw: st.DrawFn) -> RuleSet:
    names = draw(st.lists(LABELS, min_size=1, max_size=4, unique=True))
    labels = tuple(Label(name, draw(st.sampled_from(["", "gender", "marriage"]))) for name in names)
    keywords = st.builds(Rule, st.sampled_from(names), st.just(Kind.KEYWORD), st.sampled_from(list(Match)), CONTENTS)
    regexes = st.builds(Rule, st.sampled_from(names), st.just(Kind.REGEX), st.none(), CONTENTS)
    return RuleSet(
        "x", labels, tuple(draw(st.lists(keywords | regexes))), draw(st.sampled_from(list(Tie))), draw(st.booleans())
    )


@given(any_rule_set())
def test_json_keeps_everything(rule_set):
    """A rule set written as JSON text and read again is equal and has the same content hash."""
    again = from_dict(json.loads(json.dumps(to_dict(rule_set))))
    assert rule_set == again
    assert rule_set.content_hash == again.content_hash


BASE = RuleSet("x", (Label("/a"), Label("/b")), (Rule("/a", Kind.KEYWORD, Match.START, "k"), Rule("/b", Kind.REGEX, None, "k")))


@pytest.mark.parametrize(
    "change",
    [
        {"tie": Tie.FIRST},
        {"case_sensitive": True},
        {"labels": BASE.labels[::-1]},
        {"labels": (Label("/a", "g"), Label("/b"))},
        {"rules": BASE.rules[::-1]},
        {"rules": BASE.rules[:1]},
        {"rules": (Rule("/a", Kind.KEYWORD, Match.END, "k"), BASE.rules[1])},
    ],
)
def test_the_hash_tells_contents_apart(change):
    """Whatever can change a label changes the hash."""
    assert BASE.content_hash != dataclasses.replace(BASE, **change).content_hash


def test_the_hash_is_stable():
    """It is the same in every process and version: stored rule sets are found by it. The name and the places do not matter."""
    placed = tuple(dataclasses.replace(rule, place="a.txt:1") for rule in BASE.rules)
    assert BASE.content_hash == dataclasses.replace(BASE, name="y", rules=placed).content_hash
    assert BASE.content_hash == "3999b3e36a156b24457f4369308957c7932814b169493a7071e1f749577a7794"


def test_label_names_are_one_whichever_way_they_were_typed():
    """A decomposed name is the composed one, in labels and in rules."""
    rule = Rule("/e\u0301", Kind.REGEX, None, "x")
    assert rule.label == "/é"
    assert RuleSet("x", (Label("/é"),), (rule,)) == RuleSet("x", (Label("/e\u0301"),), (rule,))


@pytest.mark.parametrize(
    "bad",
    ["", " ", "/a ", "/a\u200b", "\u202e/a", "/a\u2066", "/a\ufe0f", "/\u3164", "/a\nb", "/a\u00a0b", "/\ud800", "/\ufeffa"],
)
def test_names_that_look_like_others_are_refused(bad):
    """Blanks at an end, invisible and direction-changing characters make two labels that nobody can tell apart."""
    with pytest.raises(BadRules, match="label name"):
        Label(bad)
    with pytest.raises(BadRules, match=r"rule 3: .*label name"):
        Rule(bad, Kind.REGEX, None, "x", "rule 3")


def test_too_long_names_and_contents_are_refused():
    """The message cuts what it shows."""
    with pytest.raises(BadRules, match="201 characters") as caught:
        Label("x" * 201)
    assert len(str(caught.value)) < 200
    with pytest.raises(BadRules, match="1001 characters") as caught:
        Rule("/a", Kind.REGEX, None, "x" * 1001)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("content", ["a\0b", "\ud83d", "\ude00a"])
def test_contents_that_no_text_can_hold_are_refused(content):
    """NUL and halves of surrogate pairs."""
    with pytest.raises(BadRules, match=r"file\.txt:7: The rule partially:"):
        Rule("/a", Kind.KEYWORD, Match.PARTIALLY, content, "file.txt:7")


def test_only_keywords_have_a_match_type():
    """A regex with one and a keyword without one are refused."""
    with pytest.raises(BadRules, match="match type"):
        Rule("/a", Kind.REGEX, Match.START, "x")
    with pytest.raises(BadRules, match="match type"):
        Rule("/a", Kind.KEYWORD, None, "x")


def test_labels_are_listed_once_and_rules_are_for_listed_ones():
    """The message says which labels there are."""
    with pytest.raises(BadRules, match="'/a' is listed twice"):
        RuleSet("x", (Label("/a"), Label("/a", "g")))
    with pytest.raises(BadRules, match="The labels are: /a"):
        RuleSet("x", (Label("/a"),), (Rule("/b", Kind.REGEX, None, "x"),))


def test_groups_stand_in_the_order_of_the_labels():
    """Each once; without groups there is one of all."""
    assert RuleSet("x", (Label("/a", "g"), Label("/b", "h"), Label("/c", "g"))).groups == ("g", "h")
    assert BASE.groups == ("",)


RULE = {"label": "/a", "kind": "keyword", "match": "start", "content": "x"}


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ([], "Expected an object, found list"),
        ({"rules": []}, "'labels' is missing"),
        ({"labels": [], "rules": [], "tei": "drop"}, "'tei' is not known"),
        ({"labels": {}, "rules": []}, "labels is not a list"),
        ({"labels": [], "rules": [], "tie": "last"}, "one of: drop, first"),
        ({"labels": [], "rules": [], "tie": ["drop"]}, "one of: drop, first"),
        ({"labels": [], "rules": [], "case_sensitive": 1}, "true or false"),
        ({"labels": [], "rules": [], "name": None}, "name is NoneType"),
        ({"labels": ["/a", 7], "rules": []}, "label 2: Expected an object"),
        ({"labels": ["/a", "/b\u200b"], "rules": []}, r"label 2: .*U\+200B"),
        ({"labels": [{"name": "/a", "group": 3}], "rules": []}, "label 1: group is int"),
        ({"labels": ["/a"], "rules": [RULE, RULE | {"match": "begin"}]}, "rule 2: match is 'begin'"),
        ({"labels": ["/a"], "rules": [RULE | {"kind": None}]}, "rule 1: kind is None"),
        ({"labels": ["/a"], "rules": [RULE | {"content": 5}]}, "rule 1: content is int"),
        ({"labels": ["/a"], "rules": [RULE | {"content": "\ud800"}]}, "rule 1: .*surrogate"),
        ({"labels": ["/a"], "rules": [RULE | {"kind": "regex"}]}, "rule 1: .*match type"),
        ({"labels": ["/a"], "rules": [RULE | {"score": 1}]}, "rule 1: .*'score' is not known"),
        ({"labels": ["/a"], "rules": [RULE | {"label": "/b"}]}, "rule 1: .*not listed"),
    ],
)
def test_a_bad_document_is_refused_by_number(document, fault):
    """The message names the label or rule, the field and the way out."""
    with pytest.raises(BadRules, match=fault) as caught:
        from_dict(document)
    assert caught.value.way_out


def test_labels_may_be_given_by_name_alone():
    """A short document is enough: the rest has defaults."""
    assert RuleSet("rules", (Label("/a"),)) == from_dict({"labels": ["/a"], "rules": []})
