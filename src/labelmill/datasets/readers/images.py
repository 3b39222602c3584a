"""A folder or a ZIP of images as a source of rows: one row a file, with its path and the name of the folder that it lies in."""

from __future__ import annotations

import lzma
import os
import stat
import struct
import zipfile
import zlib
from abc import abstractmethod
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import polars as pl

from labelmill.datasets.readers import pixels
from labelmill.db.bulk.file_source import FileSource, cannot_read
from labelmill.db.bulk.model import Column, Kind, Reject, TableInfo
from labelmill.errors import BadFile, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import Part

FILE, LABEL = "file", "label"
MOST_FILES = 1_000_000
LONGEST_NAME = 500
#: A ZIP's list of members is read as a whole.
MOST_LIST_BYTES = 64 << 20
#: Images hardly shrink: an archive that unpacks to more than so many times its size, and this much, is a trap.
MOST_RATIO, FREE_BYTES = 20, 100 << 20
#: What reading a damaged, encrypted or strangely packed member raises.
_DAMAGES = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, KeyError, RuntimeError, NotImplementedError, OSError, EOFError, ValueError,
)  # fmt: skip
_SYSTEM = ("__MACOSX/", "Thumbs.db", "desktop.ini")


class Images(FileSource):
    """The rows are listed by name; ``contents`` gives the bytes. What is no image by its name is refused."""

    @cached_property
    def table(self) -> TableInfo:
        names = (FILE, LABEL)
        columns = tuple(Column(name=name, kind=Kind.TEXT, declared="text") for name in names)
        return TableInfo(name=self.location.name, schema=None, columns=columns)

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072) -> Iterator[pl.DataFrame]:
        self._begin(columns, part)
        files = []
        for place, (name, fault) in enumerate(sorted(self._names()), 1):
            reason = fault or _fault(name)
            if reason:
                self._refuse([Reject(place=place, reason=reason, text=_shown(name))])
            else:
                files.append(name)
        frame = pl.DataFrame({FILE: files, LABEL: [PurePosixPath(name).parent.name or None for name in files]}, _SCHEMA)
        yield from frame.select(columns).iter_slices(batch_rows) if files else ()

    @abstractmethod
    def contents(self, names: Sequence[str]) -> Iterator[bytes | BadFile]:
        """Yield the bytes of each of these files that ``read`` listed, or what is wrong with it."""

    @abstractmethod
    def _names(self) -> Iterator[tuple[str, str]]:
        """Yield the path of each file, with what is wrong with it if anything is."""

    def _too_many(self) -> TooLarge:
        return TooLarge(f"It holds more than {MOST_FILES:,} files.", where=str(self.path), way_out="Import it in parts.")


class ImageFolder(Images):
    def contents(self, names: Sequence[str]) -> Iterator[bytes | BadFile]:
        for name in names:
            try:
                # A link that was put in the place of a file since it was listed is not followed.
                with os.fdopen(os.open(self.path / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
                    content = file.read(pixels.MOST_BYTES + 1)
            except OSError as error:
                yield BadFile(f"it cannot be read: {error.strerror}")
            else:
                yield content

    def _names(self) -> Iterator[tuple[str, str]]:
        def fail(error: OSError) -> None:
            raise cannot_read(self.path, error) from error

        count = 0
        for folder, folders, files in os.walk(self.path, onerror=fail):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(each for each in files if not each.startswith(".") and each not in _SYSTEM):
                count += 1
                if count > MOST_FILES:
                    raise self._too_many()
                place = Path(folder, name)
                usable = stat.S_ISREG(place.lstat().st_mode)
                yield place.relative_to(self.path).as_posix(), "" if usable else "it is a link or no file"


class ImageZip(Images):
    def __init__(self, location: Location) -> None:
        super().__init__(location)
        self._check_list()
        with self._archive() as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        size = self.path.stat().st_size
        if unpacked > MOST_RATIO * size + FREE_BYTES:
            raise TooLarge(
                f"The archive has {size:,} bytes and would unpack to {unpacked:,}: that is no collection of images.",
                where=str(self.path),
            )

    def contents(self, names: Sequence[str]) -> Iterator[bytes | BadFile]:
        with self._archive() as archive:
            for name in names:
                try:
                    with archive.open(name) as file:
                        # A member that lies about its size gives no more than it said, and then a wrong check sum.
                        content = file.read(pixels.MOST_BYTES + 1)
                except _DAMAGES as error:
                    yield BadFile(f"it cannot be unpacked: {error}")
                else:
                    yield content

    def _names(self) -> Iterator[tuple[str, str]]:
        seen: set[str] = set()
        with self._archive() as archive:
            for member in archive.infolist():
                name = member.filename
                if member.is_dir() or name.startswith(_SYSTEM) or PurePosixPath(name).name.startswith("."):
                    continue
                yield name, "another file has the same name" if name in seen else _member_fault(member)
                seen.add(name)
                if len(seen) > MOST_FILES:
                    raise self._too_many()

    def _archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error) as error:
            raise BadFile(f"This is no ZIP archive, or a damaged one: {error}.", where=str(self.path)) from error

    def _check_list(self) -> None:
        """Raise TooLarge for an archive whose list of members alone would fill the memory."""
        with self.path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 70_000))
            tail = file.read()
        at, at64 = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")
        size = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
        if at64 >= 0:
            size = max(size if size != 2**32 - 1 else 0, int.from_bytes(tail[at64 + 40 : at64 + 48], "little"))
        if size > MOST_LIST_BYTES:
            raise TooLarge("The archive's list of files is too long.", where=str(self.path), way_out="Import it in parts.")


_SCHEMA = pl.Schema({FILE: pl.String(), LABEL: pl.String()})


def _member_fault(member: zipfile.ZipInfo) -> str:
    if member.flag_bits & 1:
        return "it is encrypted"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "it is a link"
    return f"it is larger than {pixels.MOST_BYTES >> 20} MB" if member.file_size > pixels.MOST_BYTES else ""


def _fault(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        return "its name leads out of the folder"
    if len(name) > LONGEST_NAME:
        return f"its name is longer than {LONGEST_NAME} characters"
    if not name.isprintable() or (not name.isascii() and "\ufffd" in name):
        return "its name holds characters that cannot be shown"
    return "" if path.suffix.lower() in pixels.SUFFIXES else "it is no JPEG, PNG, WebP, GIF or BMP image by its name"


def _shown(name: str) -> str:
    return name[:LONGEST_NAME].encode("utf-8", "backslashreplace").decode()
