"""What is removed equals a naive oracle that walks one text character by character, with nothing but Python's own string methods."""

# ruff: noqa: RUF001 - letters that look like others are what is tested here

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelmill.rules.stripping
from labelmill.errors import BadInput, BadRules
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, Stripper, compile_rules

#: Letters on which implementations of case, anchors and lengths go wrong: small forms of other lengths, signs of our own, line ends.
LETTERS = "aAbB ſßẞİıIi\u0307ΣσςΑα王小Ⱥⱥé\u0301😀👩\u200d\n\t\x01\x02\x03\x04\x05\x7f\ue000'.Ǆǅ\ua7dcƛ\U00010d50Kk\\^$["
TEXTS = st.text(alphabet=LETTERS, max_size=10)
WORDS = st.text(alphabet=LETTERS, min_size=1, max_size=3)
PLAIN = st.text(alphabet="aAbBsS ", max_size=8)
#: Patterns whose meaning is the same for Python's ``re`` and Rust's engine, on text that is only ASCII and without line ends.
REGEXES = st.sampled_from(
    ["a", "^a", "b$", "ab+", "[ab]s", "a|s", "(ab)*s", "a.b", "^$", "A", "s?b", "^[^a]+$", "a*", r"\bs", "(?P<x>b)a"]
)


def oracle(rule_set: RuleSet, text: str | None) -> str | None:
    """Return the text without what the rules match, by Python's own string methods."""
    if text is None:
        return None
    text = without_keywords(rule_set, text)
    for pattern in dict.fromkeys(rule.content for rule in rule_set.rules if rule.kind is Kind.REGEX):
        text = re.sub(pattern, "", text, flags=0 if rule_set.case_sensitive else re.IGNORECASE)
    return text


def without_keywords(rule_set: RuleSet, text: str) -> str:
    def compared(value: str) -> str:
        return value if rule_set.case_sensitive else value.lower()

    folded = compared(text)
    removed: set[int] = set()
    place = 0
    while place < len(folded):
        sizes = [
            len(compared(rule.content))
            for rule in rule_set.rules
            if rule.kind is Kind.KEYWORD and matches_at(compared(rule.content), rule.match, folded, place)
        ]
        removed |= set(range(place, place + max(sizes, default=0)))
        place += max(sizes, default=1)
    kept, place = "", 0
    for character in text:
        size = len(compared(character))
        kept += "" if removed & set(range(place, place + size)) else character
        place += size
    return kept


def matches_at(keyword: str, match: Match | None, text: str, place: int) -> bool:
    at_start = place == 0
    at_end = place + len(keyword) == len(text)
    fits = {Match.PARTIALLY: True, Match.START: at_start, Match.END: at_end, Match.EXACTLY: at_start and at_end}[match]
    return fits and text.startswith(keyword, place)


def keyword(content: str, match: str = "partially") -> Rule:
    return Rule("x", Kind.KEYWORD, Match(match), content)


def regex(content: str) -> Rule:
    return Rule("x", Kind.REGEX, None, content)


def rules(*listed: Rule, case_sensitive: bool = False) -> RuleSet:
    return RuleSet("some rules", (Label("x"),), listed, case_sensitive=case_sensitive)


def strip(rule_set: RuleSet, *texts: str | None) -> list[str | None]:
    return Stripper(rule_set).strip(pl.Series("text", texts, dtype=pl.String)).to_list()


KEYWORDS = st.builds(keyword, WORDS, st.sampled_from(list(Match)))
PLAIN_KEYWORDS = st.builds(keyword, PLAIN.filter(bool), st.sampled_from(list(Match)))
RULE_SETS = st.builds(lambda listed, case: rules(*listed, case_sensitive=case), st.lists(KEYWORDS, max_size=8), st.booleans())
MIXED = st.builds(
    lambda listed, case: rules(*listed, case_sensitive=case),
    st.lists(PLAIN_KEYWORDS | st.builds(regex, REGEXES), max_size=6),
    st.booleans(),
)


def around(rule_set: RuleSet, texts: list[str | None]) -> list[str | None]:
    """Return the texts, and each keyword as it is, in capitals, and within a text."""
    words = [rule.content for rule in rule_set.rules]
    pairs = zip(texts, words, strict=False)
    return [
        *texts,
        *words,
        *(word.upper() for word in words),
        *(f"{text or ''}{word.upper()}{text or ''}" for text, word in pairs),
    ]


@settings(max_examples=500, deadline=None)
@given(RULE_SETS, st.lists(st.none() | TEXTS, max_size=10))
def test_keywords_equal_the_oracle_over_letters_that_change(rule_set, texts):
    """All four matches, of letters whose small form is longer, shorter, or depends on its neighbours, and of our own signs."""
    texts = around(rule_set, texts)
    assert [oracle(rule_set, text) for text in texts] == strip(rule_set, *texts)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(min_size=1, max_size=4).map(lambda text: text.replace("\0", "") or "x"), max_size=5),
    st.sampled_from(list(Match)),
    st.lists(st.none() | st.text(max_size=8), max_size=6),
)
def test_keywords_equal_the_oracle_over_all_of_unicode(words, match, texts):
    """The same holds for any text at all."""
    rule_set = rules(*(keyword(word, match) for word in words))
    texts = around(rule_set, texts)
    assert [oracle(rule_set, text) for text in texts] == strip(rule_set, *texts)


@settings(max_examples=300, deadline=None)
@given(MIXED, st.lists(st.none() | PLAIN, max_size=12))
def test_regexes_after_keywords_equal_the_oracle(rule_set, texts):
    """Regexes remove their matches from what the keywords left, in the order of the rules."""
    assert [oracle(rule_set, text) for text in texts] == strip(rule_set, *texts)


@settings(max_examples=300, deadline=None)
@given(RULE_SETS, st.lists(st.none() | TEXTS, max_size=10))
def test_a_text_changes_if_and_only_if_the_matcher_hits_it(rule_set, texts):
    """What a deleting filter would leave out is what an altering one shortens."""
    texts = around(rule_set, texts)
    hit = set(compile_rules(rule_set).hits(pl.Series(texts, dtype=pl.String))["row"])
    changed = {row for row, (old, new) in enumerate(zip(texts, strip(rule_set, *texts), strict=True)) if old != new}
    assert hit == changed


@settings(max_examples=60, deadline=None)
@given(MIXED, st.lists(st.none() | PLAIN, max_size=40), st.integers(1, 40))
def test_slices_change_nothing(rule_set, texts, size):
    """However a column is cut for the threads, each text keeps its place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelmill.rules.stripping, "_SLICE_BYTES", size)
        patch.setattr(labelmill.rules.stripping, "_SLICE_PER_PATTERN", 0)
        assert [oracle(rule_set, text) for text in texts] == strip(rule_set, *texts)


@pytest.mark.parametrize(
    ("match", "text", "left"),
    [
        ("partially", "Amy and AMY", " and "),
        ("partially", "nobody", "nobody"),
        ("start", "amy amy", " amy"),
        ("start", "my amy", "my amy"),
        ("end", "amy Amy", "amy "),
        ("end", "amy.", "amy."),
        ("exactly", "AMY", ""),
        ("exactly", "amy amy", "amy amy"),
    ],
)
def test_each_match_removes_its_own(match, text, left):
    """Every occurrence, the prefix, the suffix, or the whole text."""
    assert strip(rules(keyword("amy", match)), text) == [left]


@pytest.mark.parametrize(
    ("listed", "text", "left"),
    [
        ([keyword("ab"), keyword("abc")], "abcd", "d"),
        ([keyword("a", "start"), keyword("abc")], "abcab", "ab"),
        ([keyword("abc", "start"), keyword("a")], "abcabc", "bc"),
        ([keyword("a", "start"), keyword("abc", "end")], "abc", ""),
        ([keyword("c", "end"), keyword("bc")], "abc", "a"),
        ([keyword("b"), keyword("bc", "end")], "bcbc", "c"),
        ([keyword("xa"), keyword("abc", "end")], "xabc", "bc"),
        ([keyword("aa")], "aaa", "a"),
        ([keyword("ab")], "aabb", "ab"),
    ],
)
def test_at_one_place_the_longest_goes_and_the_search_goes_on_behind_it(listed, text, left):
    """Whatever the order of the rules; what has come together is not searched again."""
    assert strip(rules(*listed), text) == [left]
    assert strip(rules(*reversed(listed)), text) == [left]


@pytest.mark.parametrize("before", ["İ", "İİİ", "KÅ", "Ⱥ", "ẞ", "ΑΣ ", "😀", "\x01\x02\x03", "İKȺ\x01Σ"])
@pytest.mark.parametrize("after", ["", "İ", "Kx", "王"])
def test_what_is_removed_stands_where_it_was_found(before, after):
    """Characters whose small form has another length shift nothing, before or behind."""
    assert strip(rules(keyword("amy")), f"{before}AMY{after}", f"{before}Amy{before}aMY{after}") == [
        before + after,
        before + before + after,
    ]


def test_a_character_that_is_matched_in_part_is_removed():
    """The small form of İ is an i and a dot: either of them takes it away."""
    assert strip(rules(keyword("i")), "aİb", "ai\u0307b") == ["ab", "a\u0307b"]
    assert strip(rules(keyword("\u0307")), "aİb", "ai\u0307b") == ["ab", "aib"]
    assert strip(rules(keyword("İ")), "aİb", "aI\u0307b", "ai\u0307b", "aib") == ["ab", "ab", "ab", "aib"]


def test_case_is_python_s_for_keywords():
    """A long s is no s, the Kelvin sign is a k, and the small sigma is the one that the place asks for."""
    assert strip(rules(keyword("s")), "sSſ") == ["ſ"]
    assert strip(rules(keyword("k")), "kK\u212a") == [""]
    assert strip(rules(keyword("σας")), "ΣΑΣ", "ΣΑΣΑ") == ["", "ΣΑΣΑ"]
    assert strip(rules(keyword("Amy"), case_sensitive=True), "Amy amy") == [" amy"]


def test_null_stays_null_and_nothing_left_is_an_empty_text():
    assert strip(rules(keyword("a"), regex("b+")), None, "", "aab", "bab") == [None, "", "", ""]


def test_regexes_see_what_the_rules_before_them_left():
    """Keywords first, then one regex after the other; all matches of each, none of them a keyword's business."""
    assert strip(rules(regex("^b"), keyword("a")), "abb") == ["b"]
    assert strip(rules(regex("b"), regex("^c+")), "bccbc") == [""]
    assert strip(rules(regex("^c+"), regex("b")), "bccbc") == ["ccc"]
    assert strip(rules(regex(r"https?://\S+"), regex("#(tag)")), "see HTTP://a.b/c?d and #TAG $1") == ["see  and  $1"]
    assert strip(rules(regex("A"), case_sensitive=True), "Aa") == ["a"]


def test_a_regex_that_is_listed_twice_works_once():
    """As everywhere rules that are the same count once, whatever their labels."""
    twice = RuleSet("x", (Label("x"), Label("y")), (regex("^a"), regex("b"), Rule("y", Kind.REGEX, None, "^a")))
    assert strip(twice, "aab") == ["a"]


def test_regexes_that_match_everywhere_or_nothing():
    assert strip(rules(regex("x*")), "axb", "") == ["ab", ""]
    assert strip(rules(regex("(?s).*")), "a\nb") == [""]


def test_without_rules_nothing_is_removed():
    assert strip(rules(), "a", None) == ["a", None]


def test_a_column_in_chunks_without_rows_and_of_null_only():
    stripper = Stripper(rules(keyword("a"), regex("b")))
    chunks = pl.concat(
        [pl.Series("t", ["ab", "c"]), pl.Series("t", [], dtype=pl.String), pl.Series("t", ["ca"])], rechunk=False
    )
    assert stripper.strip(chunks).to_list() == ["", "c", "c"]
    assert stripper.strip(chunks).name == "t"
    assert stripper.strip(pl.Series("t", [], dtype=pl.String)).dtype == pl.String
    assert stripper.strip(pl.Series("t", [None, None], dtype=pl.String)).to_list() == [None, None]


def test_the_given_column_is_left_as_it_is():
    texts = pl.Series(["İamy", "Amy", "no"])
    Stripper(rules(keyword("amy"))).strip(texts)
    assert texts.to_list() == ["İamy", "Amy", "no"]


def test_thousands_of_keywords_over_thousands_of_matches():
    """Each of 5,000 keywords is removed wherever it stands, in one long text and in many short ones."""
    words = [f"{number:04}王" for number in range(5_000)]
    stripper = Stripper(rules(*(keyword(word, "start" if number % 2 else "partially") for number, word in enumerate(words))))
    assert stripper.strip(pl.Series([word + "K" for word in words])).to_list() == ["K"] * 5_000
    long = "K".join(words)
    left = "K" + "K".join(word if number % 2 else "" for number, word in enumerate(words) if number)
    assert stripper.strip(pl.Series([long])).to_list() == [left]


def test_one_stripper_serves_many_threads():
    stripper = Stripper(rules(keyword("amy"), regex("[0-9]")))
    texts = [pl.Series([f"Amy {number} İ{character}" for character in "abc"]) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert [part.to_list() for part in pool.map(stripper.strip, texts)] == [[" " + " İa", "  İb", "  İc"]] * 40


@pytest.mark.parametrize("listed", [[keyword("")], [regex("a(")], [regex("(?=a)")], [keyword("a"), regex("")]])
def test_a_rule_that_cannot_be_used_is_refused(listed):
    with pytest.raises(BadRules, match="cannot be used"):
        Stripper(rules(*listed))


def test_keywords_that_hold_all_signs_are_refused():
    """Four characters of one byte have to be free; whatever other characters keywords hold, they are found."""
    ascii_signs = [chr(code) for code in range(1, 128) if not chr(code).isalnum()]
    with pytest.raises(BadRules, match="control characters") as caught:
        Stripper(rules(*map(keyword, ascii_signs)))
    assert caught.value.way_out
    assert strip(rules(*map(keyword, ascii_signs[:31])), "".join(map(chr, range(1, 128)))) == [
        "".join(map(chr, range(32, 128)))
    ]


def test_what_is_not_text_is_refused():
    with pytest.raises(BadInput, match="holds Int64, not text"):
        Stripper(rules(keyword("1"))).strip(pl.Series("n", [1]))


def test_every_character_is_kept_beside_a_keyword():
    """All of Unicode before and behind a match that itself changes case."""
    texts = [f"{chr(code)}AMY{chr(code)}" for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    left = Stripper(rules(keyword("amy"))).strip(pl.Series(texts)).to_list()
    assert [text for text, rest in zip(texts, left, strict=True) if rest != text[0] * 2] == []
