"""Files that people send to be imported: kept under an id until their import has ended."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from typing import TYPE_CHECKING, Self

from labelmill import clock
from labelmill.datasets.readers.opening import ENDINGS, is_readable
from labelmill.errors import BadFile, BadSource, NotFound, Unavailable
from labelmill.ids import new_id

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from labelmill.settings import Settings

_ID = re.compile(r"[0-9a-f]{32}")
LONGEST_NAME = 200  # bytes
#: Seconds after which an upload that nobody imported is removed.
KEPT_SECONDS = 3 * 86_400


class Upload:
    """A file on its way in: complete or absent under its ``id`` once ``finish`` was called."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.name = checked_name(name)
        self.id = new_id()
        self._size = 0
        self._root = _root(settings)
        self._temporary = self._root / f".{self.id}"
        try:
            self._temporary.mkdir(parents=True)
            self._file = (self._temporary / self.name).open("xb")
        except OSError as error:
            raise self._unstored(error) from error
        _sweep(self._root)

    def write(self, chunk: bytes) -> None:
        """Add bytes; raises Unavailable where they cannot be stored."""
        try:
            self._file.write(chunk)
        except OSError as error:
            raise self._unstored(error) from error
        self._size += len(chunk)

    def finish(self) -> str:
        """Put the file in its place and return its id; raises BadFile for an empty one."""
        if not self._size:
            raise BadFile("The file is empty.", where=self.name, way_out="Choose a file with rows.")
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.rename(self._root / self.id)
        except OSError as error:
            raise self._unstored(error) from error
        return self.id

    def _unstored(self, error: OSError) -> Unavailable:
        message = f"The file cannot be stored: {error.strerror or error}."
        return Unavailable(message, where=self.name, way_out="Ask an administrator to look at the disk.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        shutil.rmtree(self._temporary, ignore_errors=True)


def path_of(settings: Settings, upload_id: str) -> Path:
    """Return the file of an upload; raises NotFound."""
    folder = _root(settings) / upload_id
    found = list(folder.iterdir()) if _ID.fullmatch(upload_id) and folder.is_dir() else []
    if not found:
        raise NotFound("There is no such upload, or its import has ended.", where="upload", way_out="Send the file again.")
    return found[0]


def remove(settings: Settings, upload_id: str) -> None:
    """Remove an upload that is not needed any more."""
    if _ID.fullmatch(upload_id):
        shutil.rmtree(_root(settings) / upload_id, ignore_errors=True)


def checked_name(name: str) -> str:
    """Return the last part of a file's name, safe to write; raises BadSource where its ending is not known."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2].strip()
    plain = "".join(char if char.isprintable() and char not in '<>:"|?*' else "_" for char in last).lstrip(".")
    while len(plain.encode("utf-8", "replace")) > LONGEST_NAME:
        plain = plain[1:]
    if not is_readable(plain):
        raise BadSource(
            "Files of this kind are not read.", where=plain[:200], way_out=f"The name ends in {', '.join(ENDINGS)}."
        )
    return plain.encode("utf-8", "replace").decode()


def _root(settings: Settings) -> Path:
    return settings.blob_dir / "uploads"


def _sweep(root: Path) -> None:
    """Remove what was left: uploads that were never imported or broke off."""
    oldest = clock.now().timestamp() - KEPT_SECONDS
    for folder in root.iterdir():
        try:
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
