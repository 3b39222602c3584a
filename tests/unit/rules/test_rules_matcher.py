"""The matcher equals a naive oracle that looks at one text and one rule at a time, with nothing but Python's own string methods."""

# ruff: noqa: RUF001 - letters that look like others are what is tested here

from __future__ import annotations

import json
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelmill.rules.matcher
from labelmill.errors import BadInput, BadRules
from labelmill.rules import Counts, Kind, Label, Match, Rule, RuleSet, Tie, compile_rules

#: Short texts over few letters hit often; the letters are those on which implementations of case and anchors go wrong.
LETTERS = "aAbBsS ſßẞİıIiΣσςΑα王小ÅÅé\u0301😀👩\u200d\n\t\x01\x02\x03\x08\ue000\u02b0'.Ǆǅ\ua7dcƛ\U00010d50Kk"
TEXTS = st.text(alphabet=LETTERS, max_size=8)
#: Patterns whose meaning is the same for Python's ``re`` and Rust's engine, on text that is only ASCII.
REGEXES = st.sampled_from(["a", "^a", "b$", "ab+", "[ab]s", "a|s", "(ab)*s", "a.b", "^$", "A", "s?b", "^[^a]+$"])
#: Rust's ``.`` and ``$`` do not treat a final line end as Python's do, so it is left out here.
PLAIN = st.text(alphabet="aAbBsS ", max_size=6)


def oracle_hits(rule: Rule, text: str, *, case_sensitive: bool) -> bool:
    """Return whether a rule hits a text, by Python's own string methods."""
    if not text:
        return False
    if rule.kind is Kind.REGEX:
        return re.search(rule.content, text, 0 if case_sensitive else re.IGNORECASE) is not None
    keyword = rule.content
    if not case_sensitive:
        text, keyword = text.lower(), keyword.lower()
    return {
        Match.PARTIALLY: keyword in text,
        Match.START: text.startswith(keyword),
        Match.END: text.endswith(keyword),
        Match.EXACTLY: text == keyword,
    }[rule.match]


def oracle(rule_set: RuleSet, texts: list[str | None]) -> tuple[list[tuple[int, str, str, int, list[str]]], dict[str, int]]:
    """Return (row, group, label, score, matched rules) in order, and the ties of each group, row by row and label by label."""
    found, ties = [], dict.fromkeys(rule_set.groups, 0)
    for row, text in enumerate(texts):
        for group in rule_set.groups:
            scored = [
                (label.name, *oracle_score(rule_set, label.name, text or ""))
                for label in rule_set.labels
                if label.group == group
            ]
            best = max(score for _, score, _ in scored)
            winners = [(name, score, metas) for name, score, metas in scored if score == best and score]
            ties[group] += len(winners) > 1
            if len(winners) == 1 or (winners and rule_set.tie is Tie.FIRST):
                found.append((row, group, *winners[0]))
    return found, ties


def oracle_score(rule_set: RuleSet, label: str, text: str) -> tuple[int, list[str]]:
    """Return the score of a label and what its rules are listed as; rules that are the same count once."""
    seen, metas, partially, others = set(), [], 0, 0
    for rule in rule_set.rules:
        compared = rule.content if rule_set.case_sensitive or rule.kind is Kind.REGEX else rule.content.lower()
        if rule.label != label or (rule.type, compared) in seen:
            continue
        seen.add((rule.type, compared))
        if oracle_hits(rule, text, case_sensitive=rule_set.case_sensitive):
            metas.append(rule.meta)
            partially, others = (1, others) if rule.match is Match.PARTIALLY else (partially, others + 1)
    return partially + others, metas


def keyword(label: str, match: str, content: str) -> Rule:
    return Rule(label, Kind.KEYWORD, Match(match), content)


def regex(label: str, content: str) -> Rule:
    return Rule(label, Kind.REGEX, None, content)


@st.composite
def rule_sets(draw: st.DrawFn, contents: st.SearchStrategy[str], regexes: st.SearchStrategy[str] | None = None) -> RuleSet:
    labels = [Label(f"/{number}", draw(st.sampled_from(["", "g", "h"]))) for number in range(draw(st.integers(1, 4)))]
    names = st.sampled_from([label.name for label in labels])
    rule = st.builds(keyword, names, st.sampled_from(list(Match)), contents.filter(bool))
    rules = st.one_of(rule, st.builds(regex, names, regexes)) if regexes is not None else rule
    return RuleSet(
        "x", tuple(labels), tuple(draw(st.lists(rules, max_size=10))), draw(st.sampled_from(list(Tie))), draw(st.booleans())
    )


def listed(frame: pl.DataFrame) -> list[tuple[int, str, str, int, list[str]]]:
    return [(*row[:-1], json.loads(row[-1])) for row in frame.rows()]


def assert_equal(rule_set: RuleSet, texts: list[str | None]) -> None:
    done = compile_rules(rule_set).run(pl.Series(texts, dtype=pl.String))
    expected, ties = oracle(rule_set, texts)
    assert expected == listed(done.frame)
    assert Counts(len(texts), sum(not text for text in texts), len({row[0] for row in expected}), ties) == done.counts


@settings(max_examples=400, deadline=None)
@given(rule_sets(TEXTS), st.lists(st.none() | TEXTS, max_size=12))
def test_keywords_equal_the_oracle_over_letters_that_change(rule_set, texts):
    """Labels, groups, scores, matched rules and counts are the oracle's, for letters of unusual case, control characters and null."""
    assert_equal(rule_set, texts)


@settings(max_examples=200, deadline=None)
@given(
    rule_sets(st.text(max_size=4).map(lambda text: text.replace("\0", "")), None),
    st.lists(st.none() | st.text(max_size=8), max_size=6),
)
def test_keywords_equal_the_oracle_over_all_of_unicode(rule_set, texts):
    """The same holds for any text at all, and for texts built around the very keywords."""
    keywords = [rule.content for rule in rule_set.rules]
    around = [f"{text or ''}{word.upper()}{text or ''}" for text, word in zip(texts, keywords, strict=False)]
    assert_equal(rule_set, [*texts, *keywords, *around])


@settings(max_examples=300, deadline=None)
@given(rule_sets(PLAIN, REGEXES), st.lists(st.none() | PLAIN, max_size=12))
def test_regexes_beside_keywords_equal_the_oracle(rule_set, texts):
    """Regexes count one each and ignore case unless the rule set minds it, upper-case letters in the pattern included."""
    assert_equal(rule_set, texts)


@settings(max_examples=50, deadline=None)
@given(rule_sets(PLAIN, REGEXES), st.lists(st.none() | PLAIN, min_size=20, max_size=60), st.integers(1, 7), st.integers(1, 40))
def test_slices_change_nothing(rule_set, texts, rows, size):
    """However a column is cut for the threads, the rows keep their numbers and their labels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelmill.rules.matcher, "_SLICE_ROWS", rows)
        patch.setattr(labelmill.rules.matcher, "_SLICE_BYTES", size)
        patch.setattr(labelmill.rules.matcher, "_SLICE_PER_PATTERN", 0)
        assert_equal(rule_set, texts)


def two(*rules: Rule, tie: Tie = Tie.DROP, case_sensitive: bool = False) -> RuleSet:
    return RuleSet("x", (Label("/male"), Label("/female")), rules, tie, case_sensitive)


def labels_of(rule_set: RuleSet, *texts: str | None) -> list[tuple[int, str, int]]:
    frame = compile_rules(rule_set).label(pl.Series(texts, dtype=pl.String))
    return frame.select("row", "label", "score").rows()


def test_partially_counts_once_and_the_others_each():
    """Three partial hits are worth 1; a start, an end and a whole match are worth 1 each, on top."""
    rules = [keyword("/female", match, "amy") for match in Match]
    more = [keyword("/female", "partially", content) for content in ("am", "my")]
    assert labels_of(two(*rules, *more), "Amy") == [(0, "/female", 4)]
    assert labels_of(two(*rules, *more), "xamyx") == [(0, "/female", 1)]


def test_a_repeated_rule_counts_once():
    """The same keyword of the same type twice, even in other case, is one rule; as another type it is another one."""
    assert labels_of(two(keyword("/male", "start", "Tom"), keyword("/male", "start", "tom")), "tom x") == [(0, "/male", 1)]


def test_a_tie_is_dropped_or_goes_to_the_first_label():
    """The order that settles a tie is that of the labels, not that of the rules; both ways it is counted."""
    rules = keyword("/female", "partially", "x"), keyword("/male", "partially", "x")
    assert labels_of(two(*rules), "x") == []
    assert labels_of(two(*rules, tie=Tie.FIRST), "x") == [(0, "/male", 1)]
    for tie in Tie:
        assert compile_rules(two(*rules, tie=tie)).run(pl.Series(["x", "y"])).counts.ties == {"": 1}


def test_each_group_gives_its_own_label():
    """A text may be /male and /young at once when these compete in different groups, listed in the groups' order."""
    labels = Label("/male", "gender"), Label("/young", "age"), Label("/female", "gender")
    rules = keyword("/young", "partially", "kid"), keyword("/male", "partially", "boy"), keyword("/female", "partially", "girl")
    done = compile_rules(RuleSet("x", labels, rules)).run(pl.Series(["kid boy", "boy girl kid"]))
    assert done.frame.select("row", "group", "label").rows() == [
        (0, "gender", "/male"),
        (0, "age", "/young"),
        (1, "age", "/young"),
    ]
    assert Counts(rows=2, labelled=2, ties={"gender": 1, "age": 0}) == done.counts


def test_match_meta_lists_the_rules_of_the_winner_as_json():
    """Quotes, backslashes and CJK in a rule come back from the JSON as they were; the loser's rules are not listed."""
    rules = keyword("/male", "partially", '"\\'), regex("/male", r"^.*小\b"), keyword("/female", "partially", "小")
    frame = compile_rules(two(*rules)).label(pl.Series(['"\\小']))
    assert json.loads(frame["match_meta"].item()) == ['partially:"\\', r"regex:^.*小\b"]


def test_upper_case_in_a_pattern_matches():
    """A pattern is searched in the text as it is written, without regard to case, and with regard to it when the rule set minds."""
    assert labels_of(two(regex("/male", r"^M[R]\b")), "mr x", "MR X") == [(0, "/male", 1), (1, "/male", 1)]
    assert labels_of(two(regex("/male", r"^M[R]\b"), case_sensitive=True), "mr x", "MR X") == [(1, "/male", 1)]
    assert labels_of(two(regex("/male", r"\S\D"), case_sensitive=True), "ab", "1") == [(0, "/male", 1)]


def test_nothing_in_nothing_out():
    """An empty column, an empty rule set, and columns of nulls give a frame of the same schema without rows."""
    full, bare = two(keyword("/male", "end", "x"), regex("/male", "y*")), two()
    for rule_set in (full, bare):
        for texts in ([], [None], [""], [None, "", None]):
            frame = compile_rules(rule_set).label(pl.Series(texts, dtype=pl.String))
            assert (frame.schema, frame.height) == (labelmill.rules.matcher.SCHEMA, 0)
    assert compile_rules(full).hits(pl.Series([], dtype=pl.String)).is_empty()


def test_counts_add_up_over_batches():
    """The counts of two batches are those of both in one, with the groups of either."""
    matcher = compile_rules(two(keyword("/male", "end", "x"), keyword("/female", "end", "x")))
    one, other = pl.Series(["x", None]), pl.Series(["", "x", "y"])
    assert matcher.run(pl.concat([one, other])).counts == matcher.run(one).counts + matcher.run(other).counts
    assert Counts(ties={"a": 1, "b": 2}) == Counts(ties={"a": 1}) + Counts(ties={"b": 2})


def test_keywords_may_hold_the_first_choice_of_anchors():
    """Anchors give way to keywords: control characters in both match as any other character."""
    rule_set = two(keyword("/male", "start", "\x01\x02"), keyword("/female", "partially", "\x03"))
    assert labels_of(rule_set, "\x01\x02x", "x\x01\x02", "\x04\x03\x05") == [(0, "/male", 1), (2, "/female", 1)]


def test_an_anchor_in_a_text_joins_nothing():
    """A control character between two letters keeps them apart, and one at an edge keeps start and end away."""
    rule_set = two(keyword("/male", "partially", "ab"), keyword("/female", "start", "c"))
    assert labels_of(rule_set, "a\x01b", "a\x02b", "\x01c", "x\x01c") == []


def test_the_input_is_left_as_it_was():
    """Mending texts with contested characters happens on a copy."""
    for case_sensitive in (True, False):
        texts = pl.Series(["ΑΣ", "\x01a", "b"])
        compile_rules(two(keyword("/male", "end", "ς"), case_sensitive=case_sensitive)).label(texts)
        assert texts.to_list() == ["ΑΣ", "\x01a", "b"]


def test_categories_are_text_and_numbers_are_not():
    """A categorical column is matched by its strings; a column of numbers is refused with its name and type."""
    matcher = compile_rules(two(keyword("/male", "partially", "x")))
    assert matcher.label(pl.Series(["x", "y"], dtype=pl.Categorical)).height == 1
    with pytest.raises(BadInput, match="'age' holds Int64"):
        matcher.label(pl.Series("age", [1]))


def test_an_unusable_rule_is_named():
    """Compiling refuses an empty keyword and a pattern of another engine, naming label and place."""
    with pytest.raises(BadRules, match="'/male' cannot be used: the keyword is empty"):
        compile_rules(two(keyword("/male", "end", "")))
    with pytest.raises(BadRules, match=r"a\.txt:3: .*look-around.*at character 2"):
        compile_rules(two(Rule("/male", Kind.REGEX, None, "a(?=b)", "a.txt:3")))
