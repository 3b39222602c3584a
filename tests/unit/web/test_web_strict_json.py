"""JSON bodies have one meaning or are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.errors import BadInput
from labelmill.http.routing import DEEPEST, parse

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_every_plain_value_is_read_as_it_was_written(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"a": NaN}', "JSON"),
        (b'{"a": -Infinity}', "JSON"),
        (b'{"a": 1e999}', "infinity"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"x": [{"b": 1, "b": 1}]}', "twice"),
        (b'{"a": "\\ud800"}', "JSON"),
        (b'{"a": "\xff"}', "JSON"),
        (b'{"a": "x\\u0000y"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'["\\u0000"]', "NUL"),
        (b'{"a": 1', "JSON"),
        (b'{"a": 1} x', "JSON"),
        (b"{'a': 1}", "JSON"),
        (b"", "JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "JSON"),
        (b"1" * 5000, "JSON"),
    ],
)
def test_what_readers_could_differ_about_is_refused_with_its_reason(body: bytes, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(body)
    assert says in caught.value.message
    assert caught.value.where.startswith("body")


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert parse(b'{"a": "\\\\u0000"}') == {"a": "\\u0000"}


@pytest.mark.parametrize("levels", [DEEPEST + 1, 5_000, 200_000])
def test_deep_nesting_is_refused_at_every_depth(levels: int) -> None:
    with pytest.raises(BadInput, match="deep"):
        parse(b"[" * levels + b"]" * levels)


def test_the_deepest_allowed_is_read() -> None:
    assert parse(b"[" * DEEPEST + b"]" * DEEPEST) is not None


def test_brackets_inside_of_strings_are_no_depth() -> None:
    assert parse(b'{"a": "' + b"[{" * 500 + b'"}') == {"a": "[{" * 500}


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth_counts_lists_and_objects_alike(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    assert parse(opening * DEEPEST + b"1" + closing * DEEPEST)
    with pytest.raises(BadInput, match="deep"):
        parse(opening * (DEEPEST + 1) + b"1" + closing * (DEEPEST + 1))
