"""Blobs as files below one folder. Workers on several machines share it."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labelmill.blobs.model import PIECE, check_name, missing
from labelmill.errors import Unavailable
from labelmill.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class LocalBlobs:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> None:
        self._place(name, lambda path: path.write_bytes(content))

    def put_file(self, name: str, path: Path) -> None:
        self._place(name, lambda target: shutil.copyfile(path, target))

    def get(self, name: str) -> bytes:
        place = self._path(name)
        with _reading(name):
            return place.read_bytes()

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        place = self._path(name)
        with _reading(name), place.open("rb") as file:
            file.seek(start)
            left = place.stat().st_size - start if size is None else size
            while left > 0 and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece

    def exists(self, name: str) -> bool:
        return self._path(name).is_file()

    def size(self, name: str) -> int:
        place = self._path(name)
        with _reading(name):
            return place.stat().st_size

    def path(self, name: str) -> Path:
        place = self._path(name)
        if not place.is_file():
            raise missing(name)
        return place

    def names(self, prefix: str = "") -> Iterator[str]:
        found = (place.relative_to(self._folder).as_posix() for place in self._folder.rglob("*") if place.is_file())
        yield from sorted(name for name in found if name.startswith(prefix) and not name.rpartition("/")[2].startswith("."))

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def remove_older(self, name: str, moment: float) -> bool:
        place = self._path(name)
        aside = place.with_name(f".{new_id()}")
        try:
            if place.stat().st_mtime >= moment:
                return False
            place.rename(aside)
            # Whoever put it again meanwhile has touched it, and counts on it.
            if aside.stat().st_mtime >= moment:
                aside.rename(place)
                return False
            aside.unlink()
        except FileNotFoundError:
            return False
        return True

    def _path(self, name: str) -> Path:
        return self._folder / check_name(name)

    def _place(self, name: str, write: Callable[[Path], object]) -> None:
        target = self._path(name)
        if _is_touched(target):
            return
        # A name of its own for each try: two that make the same blob must not meet in one file.
        temporary = target.with_name(f".{new_id()}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            _flush(temporary)
            temporary.replace(target)
            _flush(target.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            way_out = "Free some space, or ask an administrator to look at the disk."
            raise Unavailable(f"The file cannot be stored: {error.strerror or error}.", where=name, way_out=way_out) from error


def _is_touched(path: Path) -> bool:
    """Tell whether a file is there, and let it look new: somebody is about to refer to it."""
    try:
        os.utime(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return path.is_file()


def _flush(path: Path) -> None:
    """Bring a file, or the entries of a folder, to the disk: who asked is about to record that the blob is there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise missing(name) from error
    except OSError as error:
        raise Unavailable(f"The file cannot be read: {error.strerror or error}.", where=name) from error
