"""One way to open whatever holds records: the reader is chosen by the name's ending, and for JSON by how it begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from labelmill.datasets.readers.column_json import ColumnJsonFile
from labelmill.datasets.readers.images import ImageFolder, Images, ImageZip
from labelmill.datasets.readers.json_array import JsonArrayFile, elements
from labelmill.datasets.readers.label_studio import LabelStudioFile, is_task
from labelmill.datasets.readers.query import SqlQuery
from labelmill.datasets.readers.spreadsheet import SUFFIXES, Spreadsheet
from labelmill.db.bulk.file_source import check_file
from labelmill.db.bulk.files import FileOptions
from labelmill.db.bulk.jsonl import JsonLinesFile
from labelmill.db.bulk.location import FILE_FORMATS, SQLITE_SUFFIXES, Location, parse_location
from labelmill.db.bulk.open import open_source
from labelmill.db.bulk.text_blocks import byte_chunks
from labelmill.errors import BadFile, BadInput, BadSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelmill.db.bulk.model import Source

ENDINGS = (*sorted(FILE_FORMATS), ".json", *sorted(SUFFIXES), ".zip")
#: Keys that doccano writes beside the text.
_DOCCANO = frozenset({"id", "text", "label", "labels", "Comments", "annotations", "meta", "cats"})
_HEAD = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Rows:
    """An opened source of rows, with the name of its format and how its text is written where that was found out."""

    format: str
    source: Source
    #: Whether cells may hold lists of labels as JSON.
    is_json: bool = False

    @property
    def is_images(self) -> bool:
        return isinstance(self.source, Images)

    @property
    def dialect(self) -> str:
        """Encoding, separator, quotes and line ends of a text file, or a sheet's name; empty for the rest."""
        found: Any = getattr(self.source, "dialect", "")
        return str(found)

    @property
    def encoding(self) -> str | None:
        """The encoding of a text file, None where it is not known or means nothing."""
        return getattr(getattr(self.source, "dialect", None), "encoding", None)


def is_readable(name: str) -> bool:
    """Tell whether a file of this name is of a kind that can be read."""
    lower = name.lower()
    return lower.removesuffix(".gz").endswith((*FILE_FORMATS, ".json")) or lower.endswith((*SUFFIXES, ".zip"))


def open_rows(place: Location | Path | str, options: FileOptions | None = None, *, query: str | None = None) -> Rows:
    """Return the opened source; raises BadSource, BadFile, TooLarge or Unavailable where it is none.

    ``place`` is a path or a location; ``book.xlsx::sheet`` names a sheet. ``query`` is SQL for a database at ``place``.
    """
    location = place if isinstance(place, Location) else locate(str(place))
    if query is not None:
        return Rows(format="sql", source=SqlQuery(location, query))
    path, plain = location.path, options is None or options == FileOptions()
    suffix = _suffix(path) if path and location.is_file else ""
    if path is not None and location.is_file and (path.is_dir() and not _has_rows(path)):
        return Rows(format="images", source=ImageFolder(replace(location, format="images")))
    if suffix in ("zip", "json", "spreadsheet") and path is not None:
        if not plain:
            raise BadInput("Encoding and separator mean nothing for this format.", where=str(path), way_out="Leave them out.")
        check_file(path)
        return _open_own(replace(location, format=suffix), path, suffix)
    source = open_source(location, options=options or FileOptions())
    if location.format == "jsonl":
        return Rows(format=_jsonl_format(source), source=source, is_json=True)
    return Rows(format=location.format or "files", source=source)


def own_format(path: Path) -> str:
    """Return the name of a format that only this package reads, or nothing: by the name's ending, or for a folder of images."""
    return _suffix(path) or ("images" if path.is_dir() and not _has_rows(path) else "")


def locate(text: str) -> Location:
    """Return the location of a path or URL with what stands after `::`; raises BadSource, which names what can be imported."""
    place, separator, sheet = text.partition("::")
    path = Path(place)
    if place and "://" not in place and (_suffix(path) or (path.is_dir() and not _has_rows(path))):
        return Location(format=_suffix(path) or "images", path=path, table=sheet or None)
    try:
        return parse_location(text)
    except BadSource as error:
        known = ", ".join((*ENDINGS, *sorted(SQLITE_SUFFIXES)))
        way_out = f"Name a folder of images, a database URL with ::table, or a file ending in {known}."
        raise BadSource(error.message, where=place if separator else text, way_out=way_out) from error


def _suffix(path: Path | None) -> str:
    """Return the format of a file that only this package reads, by its name's ending."""
    name = path.name.lower() if path else ""
    if name.endswith((".json", ".json.gz")):
        return "json"
    return "spreadsheet" if name.endswith(tuple(SUFFIXES)) else ("zip" if name.endswith(".zip") else "")


def _has_rows(folder: Path) -> bool:
    """Tell whether a folder holds files of rows, which are read as one source, and not images."""
    return any(each.name.lower().removesuffix(".gz").endswith(tuple(FILE_FORMATS)) for each in folder.iterdir())


def _open_own(location: Location, path: Path, suffix: str) -> Rows:
    if suffix == "zip":
        return Rows(format="images", source=ImageZip(location))
    if suffix == "spreadsheet":
        return Rows(format=path.suffix.lower()[1:], source=Spreadsheet(location))
    head = _head(path)
    if head.startswith(b"["):
        first = next(elements(path), b"null")
        labelled = is_task(_loaded(first))
        source = LabelStudioFile(location) if labelled else JsonArrayFile(location)
        return Rows(format="label-studio" if labelled else "json", source=source, is_json=True)
    first_line, separator, rest = head.partition(b"\n")
    if separator and rest.strip() and isinstance(_loaded(first_line), dict):
        return Rows(format="jsonl", source=JsonLinesFile(replace(location, format="jsonl")), is_json=True)
    if head.startswith(b"{"):
        return Rows(format="column-json", source=ColumnJsonFile(location), is_json=True)
    raise BadFile(
        "This is no JSON of rows: it begins neither with [ nor with {.",
        where=str(path),
        way_out="Write an array of objects, one object a line, or columns.",
    )


def _head(path: Path) -> bytes:
    head = next(byte_chunks(path), b"")[:_HEAD]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadFile("JSON is UTF-8; this file is UTF-16.", where=str(path), way_out="Write it again as UTF-8.")
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()


def _loaded(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _jsonl_format(source: Source) -> str:
    names: Sequence[str] = [column.name for column in source.table.columns]
    return "doccano" if "text" in names and {"label", "labels"} & set(names) and set(names) <= _DOCCANO else "jsonl"
