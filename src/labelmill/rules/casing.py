"""Lower-casing by columns that equals Python's ``str.lower`` to the letter, whatever Unicode version either engine follows."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Characters that the column engine and some supported Python lower-case differently: capital sigma, whose small form depends on its
#: neighbours (and on what each engine's Unicode version calls a letter), and the capitals added after Unicode 14 (Python 3.11).
CONTESTED: Final = tuple(
    map(
        chr,
        (
            *(0x03A3, 0x1C89, 0xA7CB, 0xA7CC, 0xA7CE, 0xA7D2, 0xA7D4, 0xA7DA, 0xA7DC),
            *range(0x10D50, 0x10D66),
            *range(0x16EA0, 0x16EB9),
        ),
    )
)


def fold(text: str, *, case_sensitive: bool) -> str:
    """Return what keywords and texts are compared as: lower-cased by Python's rules, or as it is."""
    return text if case_sensitive else text.lower()


def fold_column(texts: pl.Series, *, case_sensitive: bool, exchanged: Mapping[str, str] = MappingProxyType({})) -> pl.Series:
    """Return each text as ``fold`` gives it, with the caseless characters of ``exchanged`` exchanged; null stays null.

    The few rows with a contested or exchanged character take the way through Python, all others stay in columns.
    """
    folded = texts if case_sensitive else texts.str.to_lowercase()
    wanted = [*exchanged, *(() if case_sensitive else CONTESTED)]
    rows = texts.str.contains_any(wanted).arg_true() if wanted else pl.Series(dtype=pl.UInt32)
    if rows.is_empty():
        return folded
    table = str.maketrans(dict(exchanged))
    mended = [fold(text, case_sensitive=case_sensitive).translate(table) for text in texts.gather(rows).to_list()]
    return folded.clone().scatter(rows, pl.Series(mended, dtype=pl.String))
