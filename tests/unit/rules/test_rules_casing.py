"""Lower-casing by columns is Python's, for every character of Unicode and for what depends on the neighbours."""

# ruff: noqa: RUF001 - letters that look like others are what is tested here

from __future__ import annotations

import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.rules.casing import CONTESTED, fold, fold_column

CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]


@pytest.mark.parametrize("form", ["{}", "a{}", "{}A", "Σ{}", "{}Σ", "a{}Σ", "aΣ{}", "aΣ{}a", "É{}Äßſ and then some more"])
def test_every_character_in_every_setting_is_lowered_as_by_python(form):
    """All 1,112,064 characters, alone, beside letters and around the sigma whose small form depends on them."""
    texts = [form.format(character) for character in CHARACTERS]
    folded = fold_column(pl.Series(texts), case_sensitive=False).to_list()
    assert [(text, mine) for text, mine in zip(texts, folded, strict=True) if mine != text.lower()] == []


def test_the_contested_characters_are_all_there_are():
    """No other character is lowered differently by the engine itself; a new version of it or of Python fails here."""
    lowered = pl.Series(CHARACTERS).str.to_lowercase().to_list()
    assert {pair[0] for pair in zip(CHARACTERS, lowered, strict=True) if pair[0].lower() != pair[1]} <= set(CONTESTED)


@settings(deadline=None)
@given(st.lists(st.none() | st.text(alphabet="aÄΣΑ.'İẞǅ\u0345\x01\U00010d50 ", max_size=6)), st.booleans())
def test_columns_fold_as_single_texts_do(texts, case_sensitive):
    """Null stays null, exchanged characters are exchanged, all else is what ``fold`` gives."""
    folded = fold_column(pl.Series(texts, dtype=pl.String), case_sensitive=case_sensitive, exchanged={"\x01": "\x02"}).to_list()
    assert [
        text if text is None else fold(text, case_sensitive=case_sensitive).replace("\x01", "\x02") for text in texts
    ] == folded


def test_known_letters():
    """The letters on which naive code goes wrong."""
    assert fold_column(pl.Series(["İ", "ß", "ẞ", "ſ", "ΣΑΣ", "K"]), case_sensitive=False).to_list() == [
        "i\u0307",
        "ß",
        "ß",
        "ſ",
        "σας",
        "k",
    ]
