"""Spreadsheets (XLSX, XLSM, XLS, ODS) as a source of rows: the first sheet, or the one that is named; its first row is the header."""

from __future__ import annotations

import zipfile
from datetime import date, datetime, time
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import polars as pl

from labelmill.db.bulk.file_source import FileSource
from labelmill.db.bulk.model import Column, Kind, TableInfo
from labelmill.errors import BadFile, BadSource, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import Part

SUFFIXES = frozenset({".xlsx", ".xlsm", ".xls", ".ods"})
#: Bytes that the parts of a workbook may have in all once they are unpacked, and as a multiple of the file.
MOST_BYTES = 200 << 20
MOST_COLUMNS = 10_000
_CHUNK = 1 << 20
_WAY_OUT = "Open it in a spreadsheet program and save it again, or export it as CSV."


class Spreadsheet(FileSource):
    """Everything is text, as it would be typed: a number that is whole has no point, ``007`` that is text stays ``007``."""

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        self._check_size()
        self._sheet = self._open()

    @property
    def dialect(self) -> str:
        return f"sheet {self._sheet.name}"

    @cached_property
    def table(self) -> TableInfo:
        header = next(iter(self._rows()), None)
        if header is None:
            raise self._bad("The sheet is empty.")
        names = _names(header)
        for place, name in enumerate(names, 1):
            if names.index(name) != place - 1:
                raise self._bad(f"Columns {names.index(name) + 1} and {place} are both named {name!r}.")
        columns = tuple(Column(name=name, kind=Kind.TEXT, declared="text") for name in names)
        return TableInfo(name=self.location.name, schema=None, columns=columns, rows=max(0, self._sheet.height - 1))

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072) -> Iterator[pl.DataFrame]:
        self._begin(columns, part)
        known = [column.name for column in self.table.columns]
        places = [known.index(name) for name in columns]
        rows = islice(enumerate(self._rows(), 1), 1, None)
        while block := list(islice(rows, min(batch_rows, 20_000))):
            numbered = [(number, row) for number, row in block if any(cell not in ("", None) for cell in row)]
            filled = [row for _, row in numbered]
            cells = [[_as_text(row[place]) if place < len(row) else None for row in filled] for place in places]
            frame = pl.DataFrame([pl.Series(name, values, pl.String) for name, values in zip(columns, cells, strict=True)])
            yield from self._placed(frame, [number for number, _ in numbered], batch_rows)

    def _rows(self) -> Iterator[list[Any]]:
        return iter(self._sheet.iter_rows())

    def _open(self) -> Any:
        import python_calamine

        try:
            book = python_calamine.CalamineWorkbook.from_path(self.path)
            return book.get_sheet_by_name(self._wanted(book.sheet_names))
        except (BadSource, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the library's own errors have no common class, and its panics are no Exception
            raise self._bad(f"It cannot be read as a spreadsheet: {error}.") from error

    def _wanted(self, names: Sequence[str]) -> str:
        wanted = self.location.table or next(iter(names), "")
        if wanted not in names:
            shown = ", ".join(names[:20])
            raise BadSource(f"There is no sheet {wanted!r}.", where=str(self.path), way_out=f"There are: {shown}.")
        return wanted

    def _check_size(self) -> None:
        """Raise TooLarge or BadFile for a workbook that unpacks to more than it may, whatever its members say of their sizes."""
        if not zipfile.is_zipfile(self.path):
            return
        try:
            with zipfile.ZipFile(self.path) as archive:
                if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                    message = f"It unpacks to more than {MOST_BYTES >> 20} MB."
                    raise TooLarge(message, where=str(self.path), way_out="Export the sheet as CSV.")
                for member in archive.infolist():
                    with archive.open(member) as file:
                        while file.read(_CHUNK):
                            pass
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
            raise self._bad(f"It is damaged or encrypted: {error}.") from error

    def _bad(self, message: str) -> BadFile:
        return BadFile(message, where=str(self.path), way_out=_WAY_OUT)


def _names(header: Sequence[Any]) -> list[str]:
    """Return the columns' names without the empty cells after the last; an empty one in between is named by its place."""
    texts = [(_as_text(cell) or "").strip() for cell in header[:MOST_COLUMNS]]
    while texts and not texts[-1]:
        texts.pop()
    return [text or f"column {place}" for place, text in enumerate(texts, 1)]


def _as_text(value: Any) -> str | None:
    match value:
        case "" | None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case datetime() | date() | time():
            return value.isoformat().removesuffix("T00:00:00")
        case _:
            return str(value)
