"""Copies of blobs that are kept elsewhere, as files on this machine: what is mapped into memory has to be a file."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from labelmill import clock
from labelmill.errors import Unavailable
from labelmill.ids import new_id

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path

#: Seconds for which a copy is left alone after it was asked for, whatever room it takes: somebody is about to open it.
IN_USE = 600.0


class FileCache:
    """A folder of copies, at most ``limit`` bytes of them but for those in use; processes of one machine share it."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit

    def find(self, name: str, mark: str, size: int) -> Path | None:
        """Return the copy of a blob with ``size`` bytes; ``mark`` tells its bytes from those of another blob of this name."""
        place = self._place(name, mark)
        try:
            if place.stat().st_size != size:
                return None
            place.touch()
        except FileNotFoundError:
            return None
        return place

    def keep(self, name: str, mark: str, pieces: Iterable[bytes], *, size: int, digest: tuple[str, str] | None) -> Path:
        """Keep a copy and return it.

        ``digest`` is the name of a hash and what the bytes come to, as hexadecimal digits. Raises Unavailable where the bytes are
        others than that, and where there is no room for them.
        """
        place = self._place(name, mark)
        temporary = place.with_name(f".{new_id()}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not _is_written(temporary, pieces, size, digest):
                raise Unavailable(
                    "The store gave other bytes than it was given.", where=name, way_out="Try again; else it is damaged."
                )
            temporary.replace(place)
        except OSError as error:
            way_out = "Free some space, or lower LABELMILL_BLOB_CACHE_MB."
            raise Unavailable(
                f"The file cannot be copied to this machine: {error.strerror}.", where=name, way_out=way_out
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        self._make_room()
        return place

    def _place(self, name: str, mark: str) -> Path:
        return self._folder / hashlib.sha256(f"{mark}\n{name}".encode()).hexdigest()

    def _make_room(self) -> None:
        found = sorted(
            ((place, stat) for place in self._folder.iterdir() if (stat := _stat(place))), key=lambda one: one[1].st_mtime
        )
        held = sum(stat.st_size for _, stat in found)
        unused_since = clock.now().timestamp() - IN_USE
        for place, stat in found:
            if held <= self._limit or stat.st_mtime > unused_since:
                return
            place.unlink(missing_ok=True)
            held -= stat.st_size


def _is_written(path: Path, pieces: Iterable[bytes], size: int, digest: tuple[str, str] | None) -> bool:
    """Write a file and tell whether it is what it should be."""
    name, expected = digest or ("sha256", "")
    seen, written = hashlib.new(name, usedforsecurity=False), 0
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
            seen.update(piece)
            written += len(piece)
    return written == size and expected in {"", seen.hexdigest()}


def _stat(path: Path) -> os.stat_result | None:
    with suppress(FileNotFoundError):  # another process makes room too
        return path.stat()
    return None
