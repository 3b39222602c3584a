"""Rules that would hang, blow up or swamp another product end quickly here, with the right labels or a clear refusal."""

from __future__ import annotations

import gzip
import random
import time
from pathlib import Path

import polars as pl
import pytest

from labelmill.errors import BadRules
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, check, compile_rules, explain

ROOT = Path(__file__).resolve().parents[2]
NAMES = ROOT.parent / "shared" / "data" / "ssa_names" / "name_totals.csv.gz"


def regexes(*patterns: str) -> RuleSet:
    return RuleSet("x", (Label("/a"),), tuple(Rule("/a", Kind.REGEX, None, pattern) for pattern in patterns))


def keywords(contents: list[str], labels: tuple[str, ...] = ("/a", "/b"), match: Match = Match.PARTIALLY) -> RuleSet:
    rules = (Rule(labels[number % len(labels)], Kind.KEYWORD, match, content) for number, content in enumerate(contents))
    return RuleSet("x", tuple(map(Label, labels)), tuple(rules))


def words(count: int) -> list[str]:
    """Return real names first, as far as there are any here, and made-up ones after them; all different."""
    real: list[str] = []
    if NAMES.exists():
        with gzip.open(NAMES, "rt", encoding="utf-8") as file:
            real = [line.partition(",")[0].strip('"').lower() for line in list(file)[1:]]
    letters = random.Random(5)
    made = ("".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=9)) for _ in range(count))
    return list(dict.fromkeys([*real, *made]))[:count]


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){12}$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y"])
def test_patterns_that_explode_elsewhere_are_linear_here(pattern):
    """Backtracking engines need ages for forty such letters; here 50,000 of them take no time."""
    texts = pl.Series(["a" * 50_000 + "!", "x" * 50_000])
    started = time.process_time()
    frame = compile_rules(regexes(pattern)).label(texts)
    assert time.process_time() - started < 5
    assert frame.height <= 2


@pytest.mark.parametrize(
    ("pattern", "reason"), [("a(?=b)", "look-around"), ("(?<=a)b", "look-around"), (r"(a)\1", "backreferences")]
)
def test_what_the_engine_lacks_is_refused_and_not_run_elsewhere(pattern, reason):
    """The refusal names the label, the pattern, the place and what to do instead."""
    for use in (compile_rules, lambda rule_set: explain(rule_set, "ab")):
        with pytest.raises(BadRules, match=reason) as caught:
            use(regexes("fine", pattern))
        assert "'/a'" in str(caught.value)
        assert repr(pattern) in str(caught.value)
        assert "at character" in str(caught.value)
        assert "labelmill rules check" in caught.value.way_out


@pytest.mark.parametrize("pattern", [r"\w{5000}", "((a{100}){100}){100}", "(((((((((a{9}){9}){9}){9}){9}){9}){9}){9}){9})"])
def test_patterns_that_fill_the_memory_are_refused_quickly(pattern):
    """The engine stops at its size limit."""
    started = time.process_time()
    with pytest.raises(BadRules, match="size limit"):
        compile_rules(regexes(pattern))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("rule_set", [regexes(""), keywords([""])], ids=["regex", "keyword"])
def test_empty_patterns_are_refused(rule_set):
    """They would hit every text."""
    with pytest.raises(BadRules, match="is empty"):
        compile_rules(rule_set)


def test_a_hundred_thousand_keywords_are_checked_and_matched_within_seconds():
    """All are sound and different, each hits itself, and every one of a sample is found in a longer text."""
    contents = words(100_000)
    rule_set = keywords(contents, match=Match.EXACTLY)
    started = time.process_time()
    assert check(rule_set) == []
    matcher = compile_rules(rule_set)
    assert matcher.label(pl.Series(contents)).height == 100_000
    partially = compile_rules(keywords(contents))
    assert partially.hits(pl.Series([f"x {word} y" for word in contents[:1_000]]))["row"].n_unique() == 1_000
    assert time.process_time() - started < 20


def test_a_hundred_thousand_keywords_under_two_labels_are_all_found():
    """The check stays quick when every rule is a finding."""
    contents = words(50_000)
    twice = [word for word in contents for _ in range(2)]
    started = time.process_time()
    findings = [finding.code for finding in check(keywords(twice))]
    assert findings.count("two-labels") == 50_000
    assert time.process_time() - started < 20


def test_keywords_inside_each_other_do_not_swamp_the_check():
    """A thousand keywords, each around the one before: all but the first are useless, found in linear time."""
    started = time.process_time()
    findings = check(keywords(["a" * length for length in range(1, 1_001)], labels=("/a",)))
    assert [finding.code for finding in findings] == ["useless"] * 999
    assert time.process_time() - started < 5


def test_one_keyword_in_two_labels_is_a_tie_and_not_a_crash():
    """As everywhere: counted, and dropped by default."""
    done = compile_rules(keywords(["amy", "amy"])).run(pl.Series(["Amy", "tom"]))
    assert (done.frame.height, done.counts.ties) == (0, {"": 1})


def test_one_huge_text_is_matched():
    """Ten million characters in one row, the keyword at its very end."""
    text = "小" * 10_000_000 + "Amy"
    done = compile_rules(keywords(["amy", "tom"], match=Match.END)).run(pl.Series(["tom", text, None, "x"]))
    assert done.frame.select("row", "label").rows() == [(0, "/b"), (1, "/a")]
