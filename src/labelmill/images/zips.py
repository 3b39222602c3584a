"""A ZIP in pieces: each step packs its own, and the last one puts them behind each other without unpacking or holding the list of members."""

from __future__ import annotations

import struct
import zipfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final, Self

from labelmill.db.bulk.sink import writing
from labelmill.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK: Final = 1 << 20
#: The fixed part of an entry of the list at the end of a ZIP: lengths of name, extra and comment at 28, the offset at 42.
_ENTRY_BYTES: Final = 46
_MOST_32: Final = 0xFFFFFFFF
_MOST_16: Final = 0xFFFF
_OFFSET_64: Final = struct.Struct("<HHQ")
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64: Final = struct.Struct("<4sLQL")
_END: Final = struct.Struct("<4s4H2LH")


class ZipPiece:
    """A ZIP of a few members, complete when the block ends or not there at all. Images are packed already: they go as they are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{new_id()}.tmp")

    def __enter__(self) -> Self:
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._zip = zipfile.ZipFile(self._part, "w", zipfile.ZIP_STORED)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            with writing(self._path):
                self._zip.close()
                if error is None:
                    self._part.replace(self._path)
        finally:
            with suppress(OSError):
                self._part.unlink(missing_ok=True)

    def write(self, name: str, content: bytes, _row: object = None) -> None:
        with writing(self._path):
            self._zip.writestr(zipfile.ZipInfo(name), content)

    def pack(self, path: Path) -> None:
        """Add a text file, compressed."""
        with writing(self._path):
            self._zip.write(path, path.name, zipfile.ZIP_DEFLATED)


class JoinedZip:
    """Pieces behind each other, as one ZIP of any size; the list of members waits in a file of its own."""

    def __init__(self, out: IO[bytes], entries: IO[bytes]) -> None:
        self._out = out
        self._entries = entries
        self._count = 0

    def add(self, path: Path) -> None:
        """Append the members of a piece."""
        base = self._out.tell()
        with zipfile.ZipFile(path) as piece, path.open("rb") as file:
            start, number = piece.start_dir, len(piece.infolist())
            for block in _blocks(file, start):
                self._out.write(block)
            for _ in range(number):
                self._entries.write(_moved(file, base))
        self._count += number

    def end(self) -> None:
        """Append the list of members."""
        start, size = self._out.tell(), self._entries.tell()
        self._entries.seek(0)
        for block in _blocks(self._entries, size):
            self._out.write(block)
        if self._count >= _MOST_16 or start >= _MOST_32 or size >= _MOST_32:
            after = self._out.tell()
            self._out.write(_END_64.pack(b"PK\6\6", _END_64.size - 12, 45, 45, 0, 0, self._count, self._count, size, start))
            self._out.write(_LOCATOR_64.pack(b"PK\6\7", 0, after, 1))
        count = min(self._count, _MOST_16)
        self._out.write(_END.pack(b"PK\5\6", 0, 0, count, count, min(size, _MOST_32), min(start, _MOST_32), 0))


def _moved(file: IO[bytes], base: int) -> bytes:
    """Return the next entry of a piece's list, with its offset ``base`` bytes further on."""
    fixed = bytearray(file.read(_ENTRY_BYTES))
    name_bytes, extra_bytes, comment_bytes = struct.unpack_from("<3H", fixed, 28)
    name, extra, comment = (file.read(each) for each in (name_bytes, extra_bytes, comment_bytes))
    offset = base + int(struct.unpack_from("<L", fixed, 42)[0])
    struct.pack_into("<L", fixed, 42, min(offset, _MOST_32))
    if offset >= _MOST_32:
        extra += _OFFSET_64.pack(1, 8, offset)
        struct.pack_into("<H", fixed, 30, len(extra))
        struct.pack_into("<H", fixed, 6, 45)  # the version of ZIP that knows such offsets
    return bytes(fixed) + name + extra + comment


def _blocks(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        block = file.read(min(_BLOCK, size))
        if not block:
            raise EOFError("a piece of the ZIP is too short")
        size -= len(block)
        yield block
