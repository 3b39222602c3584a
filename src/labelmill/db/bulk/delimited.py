"""CSV, TSV and their relatives as a source of rows. Everything is text: ``007`` stays ``007``."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from labelmill.db.bulk.delimited_rows import FIELD_LIMIT, Parsed, RowParser, is_sound
from labelmill.db.bulk.dialect import Dialect, find_line_end, find_separator, quotes_wrap
from labelmill.db.bulk.encoding import check_encoding, is_in_disguise
from labelmill.db.bulk.file_source import FileSource
from labelmill.db.bulk.model import Column, Kind, Part, TableInfo
from labelmill.db.bulk.text_blocks import TextBlocks, count_lines, split_lines
from labelmill.errors import BadFile, TooLarge

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from labelmill.db.bulk.location import Location

COLUMN_LIMIT = 10_000
_BOM = "\ufeff"
_USUAL = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """What is known about a text file beforehand; None is found out."""

    encoding: str | None = None
    separator: str | None = None
    #: Whether quotes wrap fields; False reads them as text.
    quoting: bool | None = None


class DelimitedFile(FileSource):
    def __init__(self, location: Location, options: FileOptions) -> None:
        super().__init__(location)
        self._encoding = check_encoding(options.encoding) if options.encoding else None
        blocks = TextBlocks(self.path, self._encoding)
        first = next(iter(blocks), "")
        lines = split_lines(first)
        if not first.strip():
            raise self._bad("The file holds nothing but blank lines.", "Name a file with a header and rows.")
        if is_in_disguise(first, blocks.encoding):
            raise self._bad(
                f"Read as {blocks.encoding} the file has no line ends: its text is in another encoding, whatever its first bytes say.",
                "Save it anew as UTF-8, or say which encoding it is with --encoding.",
            )
        separator = options.separator or find_separator(lines, _USUAL[location.format])
        self.dialect = Dialect(
            encoding=blocks.encoding, separator=separator, quoted=options.quoting, line_end=find_line_end(lines)
        )
        self._header, self._header_lines = self._read_header(lines)
        self._header_length = sum(map(len, lines[: self._header_lines]))

    @cached_property
    def table(self) -> TableInfo:
        columns = tuple(Column(name=name, kind=Kind.TEXT, declared="text") for name in self._header)
        return TableInfo(name=self.location.name, schema=None, columns=columns)

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072) -> Iterator[pl.DataFrame]:
        self._begin(columns, part)
        blocks = TextBlocks(self.path, self._encoding)
        line, rest = self._header_lines + 1, ""
        skip = self._header_length
        for block in blocks:
            text, skip = rest + block[skip:], 0
            self.dialect = replace(self.dialect, encoding=blocks.encoding)
            rest = yield from self._frames(text, columns, line, batch_rows, final=False)
            line += count_lines(text) - count_lines(rest)
        if rest:
            yield from self._frames(rest, columns, line, batch_rows, final=True)

    def _frames(
        self, text: str, columns: Sequence[str], line: int, batch_rows: int, *, final: bool
    ) -> Generator[pl.DataFrame, None, str]:
        """Yield the rows of whole lines; return the lines of a row that goes on in the next block."""
        quotes = '"' in text
        if quotes and self.dialect.quoted is None:
            self.dialect = replace(self.dialect, quoted=quotes_wrap(text, self.dialect.separator, len(self._header)))
        quoted = bool(self.dialect.quoted) and quotes
        frame = None if quoted else self._quick_frame(text, columns)
        if frame is not None:
            yield from self._placed(frame, _line_numbers(text, line, frame.height), batch_rows)
            return ""
        rest: Sequence[str] = ()
        for parsed in self._parse(text, line, quoted=quoted, final=final):
            self._refuse(parsed.rejects)
            rest = parsed.rest
            if parsed.rows:
                yield from self._placed(self._from_rows(parsed.rows, columns), parsed.places, batch_rows)
        return "".join(rest)

    def _parse(self, text: str, line: int, *, quoted: bool, final: bool) -> Iterable[Parsed]:
        lines = split_lines(text)
        parser = RowParser(separator=self.dialect.separator, quoted=quoted, width=len(self._header))
        parsed = parser.all_rows(lines, line) if "\0" not in text and is_sound(text) else None
        return parser.parse(lines, first_line=line, final=final) if parsed is None else [parsed]

    def _quick_frame(self, text: str, columns: Sequence[str]) -> pl.DataFrame | None:
        """Return the rows of text in which quotes mean nothing, or None where it is not proved that the csv module sees the same.

        Proof: no line has more separators than the header (else polars refuses) and all lines together have just as many as
        they need, so each has exactly as many as the header; and without quotes there is nothing else to a row.
        """
        if "\0" in text or len(text) > FIELD_LIMIT or text.startswith(_BOM):
            return None
        flat = _flat_lines(text)
        rows, width = flat.count("\n"), len(self._header)
        if not rows or flat.count(self.dialect.separator) != rows * (width - 1):
            return None
        schema = {str(place): pl.String for place in range(width)}
        try:
            frame = pl.read_csv(
                flat.encode(),
                has_header=False,
                separator=self.dialect.separator,
                quote_char=None,
                schema=schema,
                empty_string_is_null=False,
            )
        except (UnicodeEncodeError, pl.exceptions.PolarsError):
            return None
        return frame.select(pl.nth(self._header.index(name)).alias(name) for name in columns) if frame.height == rows else None

    def _from_rows(self, rows: list[list[str]], columns: Sequence[str]) -> pl.DataFrame:
        cells = list(zip(*rows, strict=True))
        return pl.DataFrame([pl.Series(name, cells[self._header.index(name)], dtype=pl.String) for name in columns])

    def _read_header(self, lines: list[str]) -> tuple[list[str], int]:
        """Return the column names and the number of lines up to and with the header's."""
        quoted = self.dialect.quoted is not False
        reader = RowParser(separator=self.dialect.separator, quoted=quoted, width=0).reader(iter(lines))
        try:
            names = next(row for row in reader if row)
        except csv.Error as error:
            raise self._bad(
                f"Line 1, the header, cannot be read: {error}.", "Close its quotes, or read quotes as text."
            ) from error
        self._check_header(names)
        return names, reader.line_num

    def _check_header(self, names: list[str]) -> None:
        if len(names) > COLUMN_LIMIT:
            raise TooLarge(
                f"The header has {len(names):,} columns; {COLUMN_LIMIT:,} are allowed.",
                where=str(self.path),
                way_out="Check the separator, or keep the columns that are needed.",
            )
        for place, name in enumerate(names, 1):
            if not name.strip():
                raise self._bad(f"Column {place} has no name in the header.", "Name it in the first line of the file.")
            if "\0" in name or not is_sound(name):
                raise self._bad(
                    f"The name of column {place} holds NUL or bytes that are not text.", "Check the encoding, or name it anew."
                )
        seen: dict[str, int] = {}
        for place, name in enumerate(names, 1):
            if seen.setdefault(name, place) != place:
                raise self._bad(
                    f"Columns {seen[name]} and {place} are both named {name!r}.", "Rename one in the first line of the file."
                )

    def _bad(self, message: str, way_out: str) -> BadFile:
        return BadFile(message, where=str(self.path), way_out=way_out)


def _line_numbers(text: str, first_line: int, rows: int) -> Sequence[int]:
    """Return the line of each row of text in which every line that is not blank is one."""
    if count_lines(text) + (not text.endswith(("\n", "\r"))) == rows:
        return range(first_line, first_line + rows)
    return [number for number, line in enumerate(split_lines(text), first_line) if line.strip("\r\n")]


def _flat_lines(text: str) -> str:
    """Return ``text`` with LF as its only line end, without blank lines."""
    if "\r" in text:
        text = text.replace("\r", "\n")
    while "\n\n" in text:
        text = text.replace("\n\n", "\n")
    text = text.lstrip("\n")
    return text if not text or text.endswith("\n") else text + "\n"
