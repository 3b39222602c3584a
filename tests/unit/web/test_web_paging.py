"""Cursors lead to the next page and nowhere else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.errors import BadInput
from labelmill.paging import decode_cursor, encode_cursor, page_of


@given(st.lists(st.integers(), max_size=30), st.integers(1, 10))
def test_pages_together_hold_every_item_once_and_in_order(items: list[int], limit: int) -> None:
    seen: list[int] = []
    start = 0
    while True:
        page = page_of(list(enumerate(items))[start : start + limit + 1], limit, lambda pair: {"after": str(pair[0])})
        seen += [value for _, value in page.items]
        if page.next is None:
            break
        start = int(decode_cursor(page.next, "after")["after"]) + 1
    assert seen == items


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=100))
def test_a_cursor_gives_back_what_was_put_in(text: str) -> None:
    assert decode_cursor(encode_cursor({"before": text}), "before") == {"before": text}


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!",
        "é",
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b"7").decode(),
        base64.urlsafe_b64encode(b'{"before": 7}').decode(),
        encode_cursor({"other": "x"}),
        encode_cursor({"before": "x", "more": "y"}),
        encode_cursor({"before": "x\0"}),
        "A" * 5000,
    ],
)
def test_a_cursor_of_somebody_else_is_refused_with_the_way_out(cursor: str) -> None:
    with pytest.raises(BadInput) as caught:
        decode_cursor(cursor, "before")
    assert caught.value.where == "cursor"
    assert caught.value.way_out
