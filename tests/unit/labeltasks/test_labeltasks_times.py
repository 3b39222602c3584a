"""Times of every usual spelling mean the same moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.labeltasks.times import as_moments

MOMENT = datetime(2020, 2, 29, 23, 59, 58)


@pytest.mark.parametrize(
    "text",
    [
        "2020-02-29 23:59:58", "2020-02-29T23:59:58", "2020-02-29T23:59:58Z", "2020-02-29 23:59:58z", "2020-03-01T07:59:58+08:00",
        "2020-03-01 07:59:58+0800", "2020-02-29T18:59:58-05:00", "2020-02-29 23:59:58+00", "2020-03-01 07:59:58+08", "2020-02-29t23:59:58z",
        "2020-02-29 23:59:58 UTC", "2020-03-01 07:59:58 +0800", "2020-02-29 23:59:58,000", "1583020798", "1583020798000", "1583020798000000", " 2020-02-29 23:59:58 ", "2020/02/29 23:59:58", "2020-02-29 23:59:58.000000",
    ],
)  # fmt: skip
def test_each_spelling_is_read(text: str) -> None:
    """With or without T, zone, fraction and blanks around it."""
    assert as_moments(pl.Series([text])).to_list() == [MOMENT]


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2020-13-01 00:00:00", "2021-02-29", "0000-00-00 00:00:00", "12:30", "20200229235958x"]
)
def test_what_is_no_time_is_null(text: str) -> None:
    """It is counted by the caller; it never becomes some other time."""
    assert as_moments(pl.Series([text, None])).to_list() == [None, None]


def test_a_column_may_mix_spellings() -> None:
    """Each value is read by itself."""
    texts = pl.Series(["2020-02-29", None, "2020-02-29T00:00:00.5", "x", "2020-02-29 08:00:00+08:00"])
    midnight = datetime(2020, 2, 29)
    assert as_moments(texts).to_list() == [midnight, None, midnight + timedelta(milliseconds=500), None, midnight]


@pytest.mark.parametrize("factor", [1, 1000, 1_000_000])
def test_numbers_are_seconds_milliseconds_or_microseconds_by_size(factor: int) -> None:
    """Whole numbers since 1970, as databases keep them."""
    seconds = int(MOMENT.replace(tzinfo=UTC).timestamp())
    assert as_moments(pl.Series([seconds * factor, None])).to_list() == [MOMENT, None]


def test_days_and_zones_are_understood() -> None:
    """A day begins at midnight; a zoned column is read as UTC."""
    assert as_moments(pl.Series([date(2020, 2, 29)])).to_list() == [datetime(2020, 2, 29)]
    taipei = MOMENT.replace(tzinfo=timezone(timedelta(hours=8)))
    zoned = pl.Series([taipei]).dt.convert_time_zone("Asia/Taipei")
    assert as_moments(zoned).to_list() == [MOMENT - timedelta(hours=8)]


def test_other_kinds_have_no_time() -> None:
    """Booleans and bytes are no times, nor are numbers that are none."""
    for values in ([True], [b"2020-01-01"], [float("nan")], [float("inf")]):
        assert as_moments(pl.Series(values)).to_list() == [None]


@given(st.lists(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)), max_size=20))
def test_iso_text_is_read_back_exactly(moments: list[datetime]) -> None:
    """To the microsecond, for every year that four digits can write."""
    for separator in (" ", "T"):
        texts = pl.Series([moment.isoformat(sep=separator) for moment in moments], dtype=pl.String)
        assert as_moments(texts).to_list() == moments


def test_seconds_with_a_fraction_and_days_without_signs() -> None:
    """A real number is seconds since 1970; eight digits are a day, as a number and as text."""
    assert as_moments(pl.Series([1583020798.5])).to_list() == [MOMENT + timedelta(milliseconds=500)]
    assert (
        as_moments(pl.Series([20200229])).to_list() == as_moments(pl.Series(["20200229"])).to_list() == [datetime(2020, 2, 29)]
    )


def test_a_stray_text_among_numbers_costs_one_row() -> None:
    """SQLite may give a column of numbers as text because of one value: the others are still read."""
    assert as_moments(pl.Series(["1583020798", "unknown"])).to_list() == [MOMENT, None]
