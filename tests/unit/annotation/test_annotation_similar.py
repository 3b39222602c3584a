"""Texts that are like another one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelmill.annotation.similar import most_similar, words


def test_words_are_found_in_scripts_with_and_without_spaces() -> None:
    assert words("Late again, LATE_x 7!") == {"late", "again", "x", "7"}
    assert words("包裹遲到") == {"包裹", "裹遲", "遲到"}
    assert words("A4紙") == {"a4", "紙"}
    assert words("... --") == set()


def test_rare_words_count_more_than_common_ones() -> None:
    texts = ["the the day", "the zebra", "the night", "the walk", "the zebra and the day of it"]
    assert most_similar("the zebra", texts, 2) == [1, 4]


def test_what_shares_nothing_is_left_out() -> None:
    assert most_similar("zebra", ["a day", "", "!!"], 9) == []
    assert most_similar("", ["a day"], 9) == []
    assert most_similar("x", [], 9) == []


@given(st.text(), st.lists(st.text(), max_size=8), st.integers(0, 9))
def test_places_are_of_the_texts_each_once_and_at_most_the_limit(wanted: str, texts: list[str], limit: int) -> None:
    found = most_similar(wanted, texts, limit)
    assert len(found) == len(set(found)) <= limit
    assert all(0 <= place < len(texts) for place in found)


@given(st.lists(st.text(alphabet="abc 包裹", min_size=1), min_size=1, max_size=6))
def test_nothing_is_more_like_a_text_than_the_text_itself(texts: list[str]) -> None:
    """Unless it has no words at all."""
    found = most_similar(texts[0], texts, 1)
    assert not words(texts[0]) or words(texts[found[0]]) == words(texts[0])
