"""What may be stored, under which name, and what a reference means."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.errors import BadInput, BadRules, TooLarge
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, pack, parse_reference
from labelmill.rules.stored import checked_name, read_document, unpack


def keywords(count: int, length: int = 1) -> RuleSet:
    rules = tuple(Rule("/x", Kind.KEYWORD, Match.END, f"{number}".rjust(length, "x")) for number in range(count))
    return RuleSet("big", (Label("/x"),), rules)


@given(st.text(max_size=30).filter(lambda text: "\0" not in text))
def test_what_is_packed_comes_out_equal(content):
    """Every letter of a keyword that can be used."""
    rule_set = RuleSet("x", (Label("/x", "g"),), (Rule("/x", Kind.KEYWORD, Match.END, content or "x"),))
    packed = pack(rule_set)
    assert unpack(packed.content, "x") == rule_set
    assert packed.content_hash == rule_set.content_hash


def test_rules_that_cannot_be_used_are_listed_each_with_its_place():
    """All of them, so that they can be mended at once."""
    rules = (
        Rule("/x", Kind.REGEX, None, "("),
        Rule("/x", Kind.KEYWORD, Match.END, "ok"),
        Rule("/x", Kind.REGEX, None, "(?=a)", "a.csv:9"),
    )
    with pytest.raises(BadRules, match="2 rules cannot be used") as caught:
        pack(RuleSet("x", (Label("/x"),), rules))
    assert [one["where"] for one in caught.value.details["errors"]] == ["rule 1", "a.csv:9"]


def test_warnings_do_not_keep_a_rule_set_out():
    """A duplicate works."""
    assert pack(RuleSet("x", (Label("/x"),), (Rule("/x", Kind.KEYWORD, Match.END, "a"),) * 2))


@pytest.mark.parametrize(
    ("rule_set", "fault"),
    [
        (keywords(100_001), "100,001 rules"),
        (RuleSet("x", tuple(Label(f"/{number}") for number in range(10_001))), "10,001 labels"),
        (keywords(20_000, 900), "MB"),
    ],
)
def test_a_rule_set_that_is_too_large_is_refused_with_the_limit(rule_set, fault):
    """Rules, labels, bytes."""
    with pytest.raises(TooLarge, match=fault) as caught:
        pack(rule_set)
    assert "100,000 rules, 10,000 labels and 16 MB" in caught.value.way_out


def test_a_document_that_is_too_large_is_refused_before_it_is_read():
    """By its length alone: its rules are not even rules."""
    with pytest.raises(TooLarge, match="100,001 rules"):
        read_document({"labels": [], "rules": [None] * 100_001}, "x")


def test_a_document_gets_the_name_that_it_is_stored_under():
    """Whatever its own."""
    assert read_document({"name": "other", "labels": [], "rules": []}, "mine").name == "mine"
    with pytest.raises(BadRules):
        read_document(["rules"], "x")


@pytest.mark.parametrize("name", ["people", "人 名", "a.b-c_d", "7", "é", "x" * 100, "v1@x".replace("@", "-")])
def test_names_that_can_be_written_everywhere_are_taken(name):
    assert checked_name(name) == name


def test_a_decomposed_name_is_composed():
    """Two names that look alike are one."""
    assert checked_name("e\u0301") == "\xe9"
    assert parse_reference("e\u0301") == ("\xe9", None)


@pytest.mark.parametrize(
    ("text", "meant"), [("people", ("people", None)), ("people@3", ("people", 3)), ("a b@999999999", ("a b", 999_999_999))]
)
def test_a_reference_is_a_name_or_a_name_and_a_version(text, meant):
    assert parse_reference(text) == meant


@pytest.mark.parametrize("text", ["a@", "a@b", "a@01", "a@-1", "a@1.5", "a@ 1", "a@1000000000", "@", "a@\uff11"])
def test_a_version_that_is_no_number_is_refused(text):
    with pytest.raises(BadInput, match="is no version"):
        parse_reference(text)


def test_the_content_is_compressed():
    """The packet of a database is bounded."""
    packed = pack(keywords(10_000, 60))
    assert len(packed.content) * 4 < len(zlib.decompress(packed.content))
