"""Excel workbooks: one sheet, everything as it is, formulas never."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from labelmill.errors import BadInput
from labelmill.exports.columns import Columns
from labelmill.exports.writers.tables import defused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelmill.blobs import Blobs
    from labelmill.exports.formats import Request
    from labelmill.exports.reading import Reading

#: What a sheet can hold, by the program's own limits.
MOST_ROWS: Final = 1_048_575
LONGEST_CELL: Final = 32_767
_CHUNK: Final = 1 << 18


def write_workbook(reading: Reading, request: Request, blobs: Blobs) -> Iterator[bytes]:  # noqa: ARG001 - as every writer
    """Write a workbook. It is made in a file first, since its parts come in another order than its rows. Raises BadInput."""
    import xlsxwriter

    columns = Columns(reading, request.rows)
    with tempfile.TemporaryDirectory(prefix="labelmill-") as folder:
        path = Path(folder) / "export.xlsx"
        options = {"constant_memory": True, "tmpdir": folder, "strings_to_formulas": False, "strings_to_urls": False}
        with xlsxwriter.Workbook(path, options) as book:
            _fill(book.add_worksheet("records"), columns, reading)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk


def _fill(sheet: Any, columns: Columns, reading: Reading) -> None:
    sheet.write_row(0, 0, list(columns.schema))
    place = 0
    for piece in reading.slices():
        for row in defused(columns.frame(piece)).iter_rows():
            place += 1
            _require_fits(row, place)
            sheet.write_row(place, 0, row)


def _require_fits(row: tuple[object, ...], place: int) -> None:
    if place > MOST_ROWS:
        raise BadInput(
            f"A sheet holds {MOST_ROWS:,} rows.", where="format", way_out="Export CSV or Parquet, or narrow the filter."
        )
    if any(isinstance(cell, str) and len(cell) > LONGEST_CELL for cell in row):
        raise BadInput(
            f"A cell holds {LONGEST_CELL:,} characters.", where=f"row {place}", way_out="Export CSV, JSONL or Parquet."
        )
