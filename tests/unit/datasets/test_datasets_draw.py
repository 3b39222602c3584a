"""What is drawn for a record depends on its key and the seed alone, and is the same for ever."""

from __future__ import annotations

import polars as pl
import pytest

from labelmill.datasets.draw import drawn
from labelmill.datasets.model import record_key

KEYS = [record_key(None, f"text {number}") for number in range(20_000)]
SHUFFLE = [982046053, 528816532, 1624676895, 1602764380]
IN_SHARE = [1, 1, 0, 1]


def draw(seed: int, share: float = 0.1, keys: list[str] = KEYS) -> pl.DataFrame:
    return pl.DataFrame({"key": keys}).select(drawn(pl.col("key"), seed, share))


def test_the_numbers_are_these_in_every_version():
    """Stored numbers outlive libraries: a change of the function would mix two draws in one dataset."""
    keys = ["00000000000000000000000000000000", "0123456789abcdef0123456789abcdef", "f" * 32, record_key("7", "")]
    found = draw(42, 0.5, keys)
    assert found["shuffle"].to_list() == SHUFFLE
    assert found["in_share"].to_list() == IN_SHARE


def by_hand(number: int, salt: int) -> int:
    """The module's text, computed with Python's own numbers."""
    for odd in (0x9E3779B1, 0x85EBCA6B):
        number = ((number ^ salt) * odd) % 2**32
        number ^= number >> 16
    return number


def test_it_is_what_the_text_says():
    import hashlib

    shuffle = int.from_bytes(hashlib.sha256(b"shuffle 7").digest()[:4], "big")
    share = int.from_bytes(hashlib.sha256(b"share 7").digest()[:4], "big")
    found = draw(7, 0.3)
    assert found["shuffle"].to_list() == [by_hand(int(key[:8], 16), shuffle) // 2 for key in KEYS]
    assert found["in_share"].to_list() == [int(by_hand(int(key[8:16], 16), share) < round(0.3 * 2**32)) for key in KEYS]


def test_the_range_is_that_of_the_column():
    found = draw(42)["shuffle"]
    assert 0 <= int(str(found.min())) < 2**31 * 0.01
    assert 2**31 * 0.99 < int(str(found.max())) < 2**31


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.5, 1.0])
def test_the_share_is_as_large_as_it_should_be(share: float):
    count = int(draw(42, share)["in_share"].sum())
    assert abs(count - share * len(KEYS)) <= 4 * (share * (1 - share) * len(KEYS)) ** 0.5


def test_a_larger_share_holds_a_smaller_one():
    small, large = draw(42, 0.1)["in_share"], draw(42, 0.2)["in_share"]
    assert ((small == 1) & (large == 0)).sum() == 0


def test_nearby_seeds_draw_nothing_alike():
    """Not even the order: with the seed's bits alone, seeds 42 and 43 would serve the same records in pairs."""
    one, other = draw(42), draw(43)
    assert (
        abs(float(pl.DataFrame([one["shuffle"].alias("a"), other["shuffle"].alias("b")]).select(pl.corr("a", "b")).item()))
        < 0.05
    )
    both = int(((one["in_share"] == 1) & (other["in_share"] == 1)).sum())
    assert both < 0.02 * len(KEYS)


def test_the_share_is_no_stretch_of_the_order():
    """Who labels in random order meets records of the share evenly."""
    found = draw(42)
    first = found.sort("shuffle").head(len(KEYS) // 10)
    assert 0.07 < float(str(first["in_share"].mean())) < 0.13
