"""Rows out of lines, one by one, where something is wrong with some of them: each row that cannot be right is refused by itself."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from labelmill.db.bulk.encoding import show_marks
from labelmill.db.bulk.file_source import KEPT_TEXT
from labelmill.db.bulk.model import Reject
from labelmill.db.bulk.text_blocks import LINE_LIMIT

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Iterator, Sequence

FIELD_LIMIT = 10_000_000  # characters
#: Lines that one row may go over; beyond, its quote was never closed.
ROW_LINES = 100_000
#: Rows of one ``Parsed``: a field without end is read again as millions of short rows.
ROWS_AT_ONCE = 65_536
# The limit is the csv module's own and holds for the whole process.
csv.field_size_limit(FIELD_LIMIT)


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """Good rows, refused ones, and the lines of a row that has not ended."""

    rows: list[list[str]] = field(default_factory=list)
    #: The line on which each row begins.
    places: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    rest: Sequence[str] = ()


class _Lines:
    """Lines that can be read again from an earlier place, which an ordinary iterator cannot."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self.place = 0
        self.exhausted = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.place >= len(self._lines):
            self.exhausted = True
            raise StopIteration
        self.place += 1
        return self._lines[self.place - 1]


@dataclass(frozen=True, kw_only=True)
class RowParser:
    separator: str
    quoted: bool
    width: int

    def all_rows(self, lines: Sequence[str], first_line: int) -> Parsed | None:
        """Return the rows where every single one is well formed, else None."""
        reader = self.reader(iter(lines))
        try:
            ended = [(row, reader.line_num) for row in reader]
        except csv.Error:
            return None
        starts = [first_line, *(first_line + end for _, end in ended)]
        rows, places = [], []
        for (row, _), start in zip(ended, starts, strict=False):
            if row:
                rows.append(row)
                places.append(start)
        return Parsed(rows=rows, places=places) if set(map(len, rows)) <= {self.width} else None

    def parse(self, lines: Sequence[str], *, first_line: int, final: bool) -> Iterator[Parsed]:
        """Yield every row that is right and a reject for every other; the last one yielded has the lines of a row that goes on.

        A quote that is never closed, or closed in the middle of a field, must not take the lines after it along: its own line is
        refused, and each line that it had swallowed counts as a row only if it is beyond doubt one (right width, more than one
        field, no quote left in it).
        """
        parsed = Parsed()
        source = _Lines(lines)
        reader = self.reader(source)
        suspect, broken = 0, 0
        while (start := source.place) < len(lines):
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                if source.exhausted and not final and _may_go_on(lines[start:]):
                    yield replace(parsed, rest=lines[start:])
                    return
                suspect, broken = max(suspect, source.place), first_line + start
                source.place, source.exhausted = start + 1, False
                reason = f"its quotes are broken ({error})" if self.quoted else str(error)
            else:
                reason = self._fault(row)
                if not reason and start < suspect and (self.width == 1 or any('"' in cell for cell in row)):
                    reason = f"it may belong to the row of line {broken:,}, whose quotes are broken"
                if row and not reason:
                    parsed.rows.append(row)
                    parsed.places.append(first_line + start)
            if len(parsed.rows) >= ROWS_AT_ONCE:
                yield parsed
                parsed = Parsed()
            if reason:
                text = "".join(lines[start : source.place])
                parsed.rejects.append(
                    Reject(place=first_line + start, reason=reason, text=show_marks(text[:KEPT_TEXT].rstrip("\r\n")))
                )
        yield parsed

    def reader(self, lines: Iterator[str]) -> Reader:
        return csv.reader(
            lines, delimiter=self.separator, quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE, strict=True
        )

    def _fault(self, row: list[str]) -> str:
        if not row:
            return ""
        if len(row) != self.width:
            return f"it has {len(row):,} fields, the header has {self.width:,}"
        if any("\0" in cell for cell in row):
            return "it holds a NUL character"
        return "" if is_sound("".join(row)) else "it holds bytes that are not of the file's encoding"


def _may_go_on(lines: Sequence[str]) -> bool:
    return len(lines) < ROW_LINES and sum(map(len, lines)) < LINE_LIMIT


def is_sound(text: str) -> bool:
    """Tell whether ``text`` holds no marked bytes or lone surrogates, which could not be stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
