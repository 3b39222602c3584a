"""The files below the data folder's ``files``: listed, read and received."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Self

from labelmill.connections import below_data_dir, files_folder
from labelmill.db.bulk.location import FILE_FORMATS
from labelmill.errors import BadFile, BadSource, Conflict, NotFound, Unavailable
from labelmill.ids import new_id

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from labelmill.settings import Settings

LONGEST_PART = 200  # bytes; file systems allow 255, and temporary names are longer
#: Rows, and the images of a catalogue.
_TAKEN = (*FILE_FORMATS, ".zip")
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10))})
_STRANGE = frozenset('<>:"|?*')


@dataclass(frozen=True, kw_only=True)
class Item:
    """A file or folder. ``path`` is below the data folder's files; ``size`` in bytes, None for a folder."""

    path: str
    is_folder: bool
    size: int | None
    modified_at: datetime


def list_folder(settings: Settings, folder: str = "", *, after: str = "", limit: int = 200) -> list[Item]:
    """Return what lies in a folder by name, beginning after the name ``after``; what is hidden or leads out is left out.

    Raises NotFound where there is no such folder. The outermost one is empty before the first file comes.
    """
    base = files_folder(settings).resolve()
    place = below_data_dir(settings, folder) if folder else base
    if not place.is_dir():
        if not folder:
            return []
        raise NotFound("There is no such folder.", where=folder[:200], way_out="Leave `folder` out to see what there is.")
    try:
        names = sorted(
            each.name for each in place.iterdir() if each.name > after and each.name[0] != "." and each.name.isprintable()
        )
    except OSError as error:
        raise Unavailable(f"The folder cannot be read: {error.strerror}.", where=folder) from error
    found = (_item(base, place / name, f"{folder}/{name}".lstrip("/")) for name in names)
    return [item for _, item in zip(range(limit), (item for item in found if item), strict=False)]


def open_path(settings: Settings, path: str) -> Path:
    """Return a file's path; raises NotFound where there is none, and for what is hidden."""
    found = below_data_dir(settings, path)
    if not found.is_file() or any(part.startswith(".") for part in path.split("/")):
        raise NotFound("There is no such file.", where=path[:200], way_out="GET /v1/files lists what there is.")
    return found


def describe(settings: Settings, path: str) -> Item:
    """Return a file that is there."""
    found = open_path(settings, path)
    item = _item(files_folder(settings).resolve(), found, path)
    if item is None:
        raise NotFound("There is no such file.", where=path[:200])
    return item


class Arrival:
    """A file on its way in: written under a hidden name, and complete or absent under its own.

    ``finish`` puts it in its place and raises Conflict when that is taken: what is there is never replaced.
    """

    def __init__(self, settings: Settings, path: str) -> None:
        self._target = _checked_target(settings, path)
        self.path = path
        self._size = 0
        if self._target.exists():
            raise self._taken()
        with _storing(path):
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._temporary = self._target.with_name(f".upload-{new_id()}")
            self._file: BinaryIO = self._temporary.open("xb")

    def write(self, chunk: bytes) -> None:
        with _storing(self.path):
            self._file.write(chunk)
        self._size += len(chunk)

    def finish(self) -> None:
        if not self._size:
            raise BadFile("The file is empty.", where=self.path, way_out="Send the file as the body.")
        with _storing(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._place()

    def _place(self) -> None:
        try:
            os.link(self._temporary, self._target)  # unlike a rename it never replaces
        except FileExistsError as error:
            raise self._taken() from error
        except OSError:  # a file system without hard links
            if self._target.exists():
                raise self._taken() from None
            self._temporary.rename(self._target)

    def _taken(self) -> Conflict:
        return Conflict("There is a file of this name already.", where=self.path, way_out="Take another name.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)


class _storing:  # noqa: N801 - reads like a verb
    """Turns what the operating system refuses into an error of ours."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, (FileExistsError, NotADirectoryError)):
            raise Conflict("A file is in the way of a folder.", where=self._path, way_out="Take another name.") from error
        if isinstance(error, OSError):
            message = f"The file cannot be stored: {error.strerror or error}."
            raise Unavailable(message, where=self._path, way_out="Ask an administrator to look at the disk.") from error


def _checked_target(settings: Settings, path: str) -> Path:
    path = unicodedata.normalize("NFC", path)
    target = below_data_dir(settings, path)
    for part in path.split("/"):
        stem = part.partition(".")[0].lower()
        if not part or part[0] == "." or part[-1] in ". " or part != part.strip() or stem in _RESERVED or _STRANGE & set(part):
            raise BadSource(
                "This is no name for a file everywhere.", where=path[:200], way_out="Use letters, digits, `_`, `.` and `-`."
            )
        if len(part.encode()) > LONGEST_PART:
            raise BadSource("A part of the path is too long.", where=path[:200], way_out=f"At most {LONGEST_PART} bytes.")
    name = target.name.lower().removesuffix(".gz")
    if not any(name.endswith(ending) for ending in _TAKEN):
        endings = ", ".join(sorted(_TAKEN))
        raise BadSource("Files of this kind are not taken.", where=path[:200], way_out=f"The name ends in {endings}.")
    return target


def _item(base: Path, place: Path, path: str) -> Item | None:
    """Return what is at ``place``, or None for what leads out of the folder, went away meanwhile, or is neither file nor folder."""
    try:
        about, is_folder = place.stat(), place.is_dir()
        if not place.resolve().is_relative_to(base) or not (is_folder or place.is_file()):
            return None
    except OSError:
        return None
    size = None if is_folder else about.st_size
    return Item(path=path, is_folder=is_folder, size=size, modified_at=datetime.fromtimestamp(about.st_mtime, UTC))
