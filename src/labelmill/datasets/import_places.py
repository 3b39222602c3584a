"""Which file, upload, table or query an import means: a job keeps a reference, what is opened is a source of rows."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmill.connections import below_data_dir, files_folder
from labelmill.datasets import uploads
from labelmill.datasets.readers import Rows, open_rows
from labelmill.datasets.readers.opening import locate, own_format
from labelmill.errors import BadSource, LabelmillError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelmill.db.bulk.files import FileOptions
    from labelmill.labeltasks.places import Places
    from labelmill.settings import Settings


def reference(places: Places, text: str, *, query: str | None = None) -> dict[str, Any]:
    """Return the reference for what somebody wrote on the command line: a path, a URL, or ``@connection::schema.table``.

    Raises BadSource for what is none of them.
    """
    place, _, sheet = text.partition("::")
    # Nothing is no path, though it would be this folder.
    if place and "://" not in place and not place.startswith("@") and own_format(Path(place)):
        return {"file": str(Path(place).absolute())} | ({"sheet": sheet} if sheet else {})
    if not place.startswith("@"):
        locate(text)  # what a label task can read, which the places would name, is less than what can be imported
    return places.reference(text) | ({"query": query} if query else {})


def name_of(found: dict[str, Any]) -> str:
    """Return a short name of a reference for people, without any folder of this machine."""
    text = str(found.get("name") or found.get("file") or found.get("path") or found.get("table") or found.get("text") or "")
    place, separator, table = text.partition("::")
    return table if separator and table else place.rpartition("/")[2] or place


@contextmanager
def hiding(settings: Settings) -> Iterator[None]:
    """Let errors name files as people know them, and no folder of this machine."""
    try:
        yield
    except LabelmillError as error:
        for name in ("message", "where", "way_out"):
            setattr(error, name, without_folders(settings, getattr(error, name)))
        raise


def without_folders(settings: Settings, text: str) -> str:
    """Return a text with files as people know them: without the folders of this machine that hold them."""
    for folder in {files_folder(settings), files_folder(settings).resolve(), settings.blob_dir, settings.blob_dir.resolve()}:
        text = re.sub(rf"{re.escape(str(folder))}/(uploads/[0-9a-f]{{32}}/)?", "", text)
    return text


def open_reference(places: Places, settings: Settings, found: dict[str, Any], options: FileOptions | None = None) -> Rows:
    """Return the opened source; raises NotFound, Forbidden, BadSource, BadFile, TooLarge or Unavailable."""
    sheet = f"::{found['sheet']}" if found.get("sheet") else ""
    if "file" in found:
        return open_rows(f"{found['file']}{sheet}", options)
    if "upload" in found:
        return open_rows(f"{uploads.path_of(settings, found['upload'])}{sheet}", options)
    if "path" in found:
        path = below_data_dir(settings, str(found["path"]).partition("::")[0])
        if own_format(path):
            return open_rows(f"{path}{sheet}", options)
    if not {"path", "connection", "text"} & found.keys():
        raise BadSource("This names no place.", way_out="Give a path, an upload, or a connection and a table.")
    location = places.locate({name: value for name, value in found.items() if name != "query"}, write=False)
    return open_rows(location, options, query=found.get("query"))
