"""The door to files of rows: whatever the format, one way to open them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.db.bulk.delimited import DelimitedFile, FileOptions
from labelmill.db.bulk.file_source import check_file
from labelmill.db.bulk.jsonl import JsonLinesFile
from labelmill.db.bulk.parquet import ParquetFile
from labelmill.errors import BadInput, BadSource

if TYPE_CHECKING:
    from labelmill.db.bulk.file_source import FileSource
    from labelmill.db.bulk.location import Location

__all__ = ["FileOptions", "open_file"]
_DETECT = FileOptions()


def open_file(location: Location, *, options: FileOptions = _DETECT) -> FileSource:
    """Return the file as a source of rows; raise BadSource where there is none, BadFile where it is not what it claims to be."""
    if location.path is None or not location.is_file:
        raise BadSource("This is not a file.", where=str(location), way_out="Name a file of rows.")
    check_file(location.path)
    _check_options(location, options)
    match location.format:
        case "csv" | "tsv":
            return DelimitedFile(location, options)
        case "jsonl":
            return JsonLinesFile(location)
        case "parquet":
            return ParquetFile(location)
    raise BadSource(
        f"Files of the format {location.format!r} cannot be read.",
        where=str(location),
        way_out="Use CSV, TSV, JSONL or Parquet.",
    )


def _check_options(location: Location, options: FileOptions) -> None:
    separator = options.separator
    if separator is not None and (len(separator) != 1 or separator in '\r\n"\0 ' or not separator.isascii()):
        raise BadInput(
            f"{separator!r} cannot separate fields.", where="--separator", way_out="Give one character, such as , ; | or a tab."
        )
    if options != _DETECT and location.format not in ("csv", "tsv"):
        raise BadInput(
            f"Encoding, separator and quoting mean nothing for {location.format}.",
            where=str(location),
            way_out="Leave these options out.",
        )
