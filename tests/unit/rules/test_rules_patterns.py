"""Why a pattern is refused, and at which character, is taken from the engine's own report."""

# ruff: noqa: RUF001 - letters that look like others are what is tested here

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.rules import patterns
from labelmill.rules.patterns import Refusal, effective, refusal


@pytest.mark.parametrize(
    "pattern", ["a", r"\d{3}", "(?x) a # c", "[王小]", "a++", r"\bmr\.?\b", "(?P<n>a)", "(?-i)A", "^$", "x*"]
)
def test_what_the_engine_takes_is_not_refused(pattern):
    """With and without regard to case."""
    assert refusal(pattern, case_sensitive=True) is None
    assert refusal(pattern, case_sensitive=False) is None


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab小(?=<!)\\1[]{}*+|^$.\n# x", min_size=1, max_size=12), st.booleans())
def test_every_pattern_is_either_run_or_refused_with_a_reason(pattern, case_sensitive):
    """No pattern raises anything else, and a position lies within the pattern or right behind it."""
    why = refusal(pattern, case_sensitive=case_sensitive)
    if why is None:
        assert patterns.matches(pl.Series(["ab"]), effective(pattern, case_sensitive=case_sensitive)).dtype == pl.Boolean
    else:
        assert why.reason
        assert why.way_out
        assert "(?i)" not in why.message
        assert why.position is None or 1 <= why.position <= len(pattern) + 1


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet="ab小é\n ", max_size=8),
    st.sampled_from(["(?=x)", "(?!x)", "(?<=x)", "(?<!x)"]),
    st.text(alphabet="ab\n", max_size=3),
)
def test_the_position_of_look_around_is_that_in_the_pattern(before, group, after):
    """Whatever stands before it, letters of several bytes and line ends included."""
    why = refusal(before + group + after, case_sensitive=False)
    assert why is not None
    assert "look-around" in why.reason
    assert why.position == len(before) + 1


def test_an_empty_pattern_is_refused_without_a_position():
    """It would match every text."""
    assert refusal("", case_sensitive=False) == Refusal("the pattern is empty", None)


def test_the_way_out_fits_the_reason():
    """What to do about look-around differs from what to do about size."""
    ways_out = {refusal(pattern, case_sensitive=False).way_out for pattern in ("(?=a)", r"(a)\1", r"\w{5000}", "(")}
    assert len(ways_out) == 4


def test_case_is_the_engines():
    """Without regard to case, simple folding applies; a flag in the pattern goes first."""
    texts = pl.Series(["K", "ſ", "ẞ", "İ", None])
    assert patterns.matches(texts, effective("k|s|ß", case_sensitive=False)).to_list() == [True, True, True, False, None]
    assert patterns.matches(texts, effective("k|s|ß", case_sensitive=True)).to_list() == [False, False, False, False, None]
    assert patterns.matches(pl.Series(["a", "A"]), effective("(?-i)A", case_sensitive=False)).to_list() == [False, True]
