"""How a delimited text file is written: found out from a sample of it, and shown to people."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelmill.db.bulk.delimited_rows import RowParser
from labelmill.db.bulk.text_blocks import split_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

SEPARATORS = (",", ";", "\t", "|")
SAMPLE_LINES = 200
QUOTE_SAMPLE = 1_000_000  # characters
_LINE_ENDS = {"\n": "LF", "\r\n": "CR LF", "\r": "CR", "\r\r\n": "CR CR LF"}


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What was found out, or said, about a delimited file. ``None``: nothing in the part read so far decides it."""

    encoding: str | None
    separator: str
    #: Whether quotes wrap fields (else they are text like any other).
    quoted: bool | None
    line_end: str

    def __str__(self) -> str:
        separator = {"\t": "tab"}.get(self.separator, self.separator)
        quotes = {True: "quotes wrap fields", False: "quotes are text", None: "no quotes seen"}[self.quoted]
        return f"{self.encoding or 'ASCII'}, separator {separator}, {quotes}, lines end in {self.line_end or 'nothing'}"


def find_line_end(lines: Sequence[str]) -> str:
    """Return the name of the first line's end, or nothing."""
    end = lines[0][len(lines[0].rstrip("\r\n")) :] if lines else ""
    return _LINE_ENDS.get(end, "")


def find_separator(lines: Sequence[str], usual: str) -> str:
    """Return the separator with which most rows have as many fields as the header; ``usual`` wins a tie."""
    candidates = sorted(SEPARATORS, key=lambda separator: separator != usual)
    sample = lines[:SAMPLE_LINES]
    return max(candidates, key=lambda separator: _fitness(sample, separator))


def _fitness(lines: Sequence[str], separator: str) -> tuple[bool, int, int]:
    rows = [row for row in csv.reader(lines, delimiter=separator) if row]
    width = len(rows[0]) if rows else 0
    return width > 1, sum(len(row) == width for row in rows), width


def quotes_wrap(text: str, separator: str, width: int) -> bool:
    """Tell whether the quotes in ``text``, whole lines of a file of ``width`` columns, wrap fields or are stray.

    They are stray where reading them as text gives more rows of the right width than reading them as wrapping does, and most of the
    fields that hold one are not wrapped by a pair.
    """
    lines = split_lines(text[: text.find("\n", text.find('"') + QUOTE_SAMPLE) + 1 or None])
    plain = [row for row in csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE) if len(row) == width]
    wrapping = RowParser(separator=separator, quoted=True, width=width).parse(lines, first_line=1, final=True)
    if len(plain) <= sum(len(parsed.rows) for parsed in wrapping):
        return True
    holding = [field for row in plain for field in row if '"' in field]
    wrapped = sum(len(field) > 1 and field[0] == field[-1] == '"' for field in holding)
    return wrapped > len(holding) - wrapped
