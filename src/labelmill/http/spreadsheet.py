"""Rows as CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: A cell that begins with one of these is a formula to some spreadsheet; the wide ones are typed on East Asian keyboards.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")


def as_csv(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> bytes:
    """Return UTF-8 with a byte-order mark (spreadsheets guess wrong without one), a header and the rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([defused(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().encode("utf-8-sig", "replace")


def defused(value: Any) -> Any:
    """Return a value that no spreadsheet takes for a formula: texts that look like one get an apostrophe in front."""
    if isinstance(value, str) and value.lstrip(" \ufeff").startswith(FORMULA):
        return f"'{value}"
    return value
