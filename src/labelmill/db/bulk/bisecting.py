"""Cutting a large table by its key of text without reading it: the server estimates how many rows a range holds, ranges are halved.

Whoever keeps its rows in the order of the key (InnoDB) reads whole rows to walk along it. An estimate looks at a few pages. Where to
halve a range is guessed from its two ends as if keys were numbers; a guess only chooses among keys that are there, so a bad one costs
some look-ups and a part of another size, never a row.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import sqlalchemy as sa

from labelmill.db.bulk.splitting import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from labelmill.db.bulk.splitting import Ordered

    #: How many rows have keys from the first on and below the second, about.
    Estimate: TypeAlias = Callable[[str, str], int]
#: What a key's next few signs are taken for as digits, each tried when the one before brought nothing.
_ALPHABETS = ("0123456789", "0123456789abcdef", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz", "".join(map(chr, range(32, 127))))  # fmt: skip
_DIGITS = 10
#: Halvings that brought nothing before a range is taken as it is.
_VAIN = 2 * len(_ALPHABETS)


def cut_texts(texts: Ordered, rows: int, estimate: Estimate) -> Iterator[tuple[str, int]]:
    """Yield the keys at which new ranges of about ``rows`` rows begin, the first excepted, each with the estimate of its range."""
    ends = _end(texts, last=False), _end(texts, last=True)
    if ends[0] is not None and ends[1] is not None:
        yield from list(_cut(texts, rows, estimate, (ends[0], ends[1]), _VAIN))[1:]


def _cut(texts: Ordered, rows: int, estimate: Estimate, ends: tuple[str, str], patience: int) -> Iterator[tuple[str, int]]:
    low, below = ends
    size = estimate(low, below)
    middle = _between(texts, low, below, patience) if size * 2 > rows * 3 and patience else None
    if middle is None:
        yield low, max(1, size)
        return
    # A guess that cut next to nothing off is forgiven a few times.
    left = estimate(low, middle)
    uneven = not size // 20 < left < size - size // 20
    for half in ((low, middle), (middle, below)):
        yield from _cut(texts, rows, estimate, half, patience - 1 if uneven else _VAIN)


def _between(texts: Ordered, low: str, below: str, patience: int) -> str | None:
    """Return a key inside of a range, near its middle as far as the ends tell, or None where there is no other."""
    tries = _VAIN - patience
    guess = _middle(low, below, _ALPHABETS[tries % len(_ALPHABETS)], eighths=4 + tries // len(_ALPHABETS))
    for probe in (guess, None):
        inside = within(texts.column, low, below, after=True)
        if probe is not None:
            inside = sa.and_(inside, texts.column >= sa.bindparam("probe", probe, texts.column.type))
        found = texts.connection.scalar(
            sa.select(texts.column).select_from(texts.table).where(inside).order_by(texts.column).limit(1)
        )
        if found is not None:
            return str(found)
    return None


def _middle(low: str, below: str, alphabet: str, *, eighths: int) -> str:
    """Return a text so many eighths of the way between two, by the signs after what both begin with."""
    shared = 0
    while shared < min(len(low), len(below)) and low[shared] == below[shared]:
        shared += 1
    first, second = (_number(text[shared : shared + _DIGITS], alphabet) for text in (low, below))
    return low[:shared] + _text(first + max(0, second - first) * eighths // 8, alphabet)


def _number(signs: str, alphabet: str) -> int:
    value = 0
    for place in range(_DIGITS):
        digit = bisect_left(alphabet, signs[place]) if place < len(signs) else 0
        value = value * len(alphabet) + min(digit, len(alphabet) - 1)
    return value


def _text(value: int, alphabet: str) -> str:
    signs = []
    for _ in range(_DIGITS):
        value, digit = divmod(value, len(alphabet))
        signs.append(alphabet[digit])
    return "".join(reversed(signs))


def _end(texts: Ordered, *, last: bool) -> str | None:
    order = texts.column.desc() if last else texts.column.asc()
    return texts.connection.scalar(sa.select(texts.column).select_from(texts.table).order_by(order).limit(1))
