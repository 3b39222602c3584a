"""What is drawn at random for each record, as a function of the dataset's seed and the record's key. Pure, and the same for ever.

The first eight hex digits of the key are a number of 32 bits, the next eight another. Each is combined by exclusive or with a number
made from the seed (the first four bytes of the SHA-256 of ``shuffle <seed>`` and of ``share <seed>``) and stirred, so that nearby seeds
draw nothing alike. Half of the first is ``shuffle``; a record is in the random share where the second, as a part of 2**32, is below the
share. A larger share holds all of a smaller one. No library's hash is used: those change from version to version.
"""

from __future__ import annotations

import hashlib
from typing import Final

import polars as pl

_BITS: Final = 0xFFFF_FFFF
_DIGITS: Final = 8


def drawn(key: pl.Expr, seed: int, share: float) -> tuple[pl.Expr, pl.Expr]:
    """Return the columns ``shuffle`` (0 to 2**31 - 1) and ``in_share`` (0 or 1) for keys of hex digits."""
    shuffle = _stirred(key, 0, f"shuffle {seed}") // 2
    in_share = _stirred(key, _DIGITS, f"share {seed}") < round(share * 2**32)
    return shuffle.cast(pl.Int64).alias("shuffle"), in_share.cast(pl.Int64).alias("in_share")


def _stirred(key: pl.Expr, start: int, name: str) -> pl.Expr:
    """Return a number of 32 bits: each pass multiplies by an odd number and folds the upper half onto the lower, and loses nothing."""
    salt = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    number = key.str.slice(start, _DIGITS).str.to_integer(base=16, dtype=pl.UInt64)
    for odd in (0x9E37_79B1, 0x85EB_CA6B):
        number = ((number ^ pl.lit(salt, dtype=pl.UInt64)) * odd) & pl.lit(_BITS, dtype=pl.UInt64)
        number ^= number // 2**16
    return number
