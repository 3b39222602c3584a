"""The pieces of a marked text are the text, and what is marked is what the result's rules hit."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.labeltasks.marking import LONGEST, Marked, mark
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, compile_rules


def one(text: str, *rules: str, case_sensitive: bool = False) -> Marked:
    return mark([("/a", text, json.dumps(rules))], [{"case_sensitive": case_sensitive}])[0]


@pytest.mark.parametrize(
    ("text", "rules", "marked"),
    [
        ("Tom Lee", ["start:tom"], [("Tom", True), (" Lee", False)]),
        ("林淑芬🌸", ["partially:淑芬"], [("林", False), ("淑芬", True), ("🌸", False)]),
        ("Dr. Tom", ["end:tom"], [("Dr. ", False), ("Tom", True)]),
        ("tom", ["exactly:tom"], [("tom", True)]),
        ("x17", ["regex:\\d+$"], [("x", False), ("17", True)]),
        ("a:b", ["partially:a:b"], [("a:b", True)]),
        ("abab", ["partially:ab"], [("ab", True), ("ab", True)]),
        ("aaa", ["partially:aa"], [("aa", True), ("a", True)]),
        ("abc", ["partially:ab", "partially:bc"], [("ab", True), ("c", True)]),
        ("abcd", ["partially:abcd", "partially:bc"], [("abcd", True)]),
        ("İstanbul x", ["partially:x"], [("İstanbul ", False), ("x", True)]),
    ],
)
def test_the_place_of_each_hit_is_marked(text: str, rules: list[str], marked: Marked) -> None:
    assert one(text, *rules) == marked


def test_a_rule_of_one_label_marks_nothing_in_a_result_of_another() -> None:
    results = [("/a", "ab", '["partially:a"]'), ("/b", "ab", '["partially:b"]')]
    assert mark(results, [{}]) == [[("a", True), ("b", False)], [("a", False), ("b", True)]]


def test_case_matters_where_the_rule_set_says_so() -> None:
    assert one("tom Tom", "partially:Tom", case_sensitive=True) == [("tom ", False), ("Tom", True)]


def test_no_results_are_no_marks() -> None:
    assert mark([], [{}]) == []


def test_a_long_text_is_cut_around_its_first_hit() -> None:
    pieces = one("x" * 5000 + "tom" + "y" * 5000, "partially:tom")
    assert ("tom", True) in pieces
    assert sum(len(text) for text, _ in pieces) <= LONGEST + 10
    assert pieces[0][0].startswith("…")
    assert pieces[-1][0].endswith("…")


@given(text=st.text(max_size=60), keywords=st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=4, unique=True))
def test_the_pieces_put_together_are_the_text(text: str, keywords: list[str]) -> None:
    keywords = [word for word in keywords if "\0" not in word]
    rules = tuple(Rule("/a", Kind.KEYWORD, Match.PARTIALLY, word) for word in keywords)
    found = compile_rules(RuleSet("r", (Label("/a"),), rules)).label(pl.Series([text]))
    for meta in found["match_meta"]:
        pieces = one(text, *json.loads(meta))
        assert "".join(piece for piece, _ in pieces) == text
        assert any(hit for _, hit in pieces)
        assert all(piece for piece, _ in pieces)


def test_each_result_is_marked_as_its_own_labeller_reads_capitals() -> None:
    def rules(content: str, *, case_sensitive: bool) -> dict[str, Any]:
        rule = {"label": "/a", "kind": "keyword", "match": "partially", "content": content}
        return {"case_sensitive": case_sensitive, "rules": [rule]}

    labellers = [rules("Tom", case_sensitive=True), rules("amy", case_sensitive=False)]
    results = [("/a", "tom Tom", '["partially:Tom"]'), ("/a", "AMY amy", '["partially:amy"]')]
    assert mark(results, labellers) == [[("tom ", False), ("Tom", True)], [("AMY", True), (" ", False), ("amy", True)]]


def test_a_result_whose_rules_no_labeller_has_is_marked_as_the_first_would() -> None:
    labellers = [{"case_sensitive": True, "rules": []}, {"case_sensitive": False, "rules": []}]
    assert mark([("/a", "tom Tom", '["partially:Tom"]')], labellers) == [[("tom ", False), ("Tom", True)]]
