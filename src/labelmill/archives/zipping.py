"""The ZIP: members that are joined of compressed fragments, and others as they are, each with its SHA-256 in the manifest."""

from __future__ import annotations

import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self

import orjson
from isal import isal_zlib as zlib

from labelmill.archives.parts import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from labelmill.archives.parts import Fragment

MANIFEST: Final = "manifest.json"
#: A member of at least so many bytes has sizes of 64 bits in front of it.
_LARGE: Final = 1 << 31
#: The end of a deflated stream: a last block without content.
_END: Final = b"\x03\x00"
#: Members that are counted at the same time.
_THREADS: Final = 2


class ArchiveFile:
    """A ZIP that is being written; with the same members it has the same bytes."""

    def __init__(self, path: Path, about: dict[str, Any], moment: datetime) -> None:
        self._path = path
        self._about = about
        self._date = moment.timetuple()[:6]
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._members: dict[str, dict[str, Any]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The members so far."""
        return tuple(self._members)

    def add(self, name: str, content: bytes, *, rows: int | None = None) -> None:
        """Add a small member."""
        self._zip.writestr(self._info(name, zipfile.ZIP_DEFLATED), content)
        self._note(name, hashlib.sha256(content).hexdigest(), len(content), rows)

    def add_stored(self, name: str, chunks: Iterable[bytes], rows: int, size: int) -> None:
        """Add a member that is compressed in itself, of about ``size`` bytes."""
        digest, written = hashlib.sha256(), 0
        info = self._info(name, zipfile.ZIP_STORED)
        with self._zip.open(info, "w", force_zip64=size >= _LARGE) as member:
            for chunk in chunks:
                member.write(chunk)
                digest.update(chunk)
                written += len(chunk)
        self._note(name, digest.hexdigest(), written, rows)

    def add_joined(self, member: Joined) -> None:
        """Add a member whose fragments are compressed already."""
        info, out = self._info(member.name, zipfile.ZIP_DEFLATED), self._zip.fp
        assert out is not None  # noqa: S101 - it is open
        info.header_offset = out.tell()
        info.CRC, info.file_size, info.compress_size = member.crc, member.size, member.compressed
        out.write(info.FileHeader(max(member.size, member.compressed) >= _LARGE))
        for chunk in member.chunks():
            out.write(chunk)
        # What the library does once it has compressed a member itself.
        self._zip.filelist.append(info)
        self._zip.NameToInfo[member.name] = info
        self._zip.start_dir = out.tell()
        self._note(member.name, member.sha256, member.size, member.rows)

    def end(self) -> None:
        """Write the manifest, and everything to the disk."""
        manifest = self._about | {"members": self._members}
        self._zip.writestr(self._info(MANIFEST, zipfile.ZIP_DEFLATED), orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        self._zip.close()

    def _info(self, name: str, how: int) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, self._date)
        info.compress_type = how
        info.external_attr = 0o644 << 16
        return info

    def _note(self, name: str, digest: str, size: int, rows: int | None) -> None:
        self._members[name] = {"sha256": digest, "bytes": size} | ({} if rows is None else {"rows": rows})


class Joined:
    """A member that is joined of compressed fragments: a JSON object of columns, each an object whose inside is in fragments."""

    def __init__(
        self, name: str, columns: Iterable[str], found: Mapping[str, Sequence[tuple[Path, Fragment]]], rows: int
    ) -> None:
        self.name, self.rows = name, rows
        self._pieces = list(_pieces(columns, found))
        #: Bytes and sums of its content, and bytes as it is written; known once it was counted.
        self.size = self.crc = 0
        self.sha256 = ""
        self.compressed = len(_END) + sum(
            len(_literal(piece)) if isinstance(piece, bytes) else piece[1].size for piece in self._pieces
        )

    def count(self) -> Self:
        """Look at the whole content."""
        digest = hashlib.sha256()
        for piece in self._pieces:
            for content in [piece] if isinstance(piece, bytes) else _unpacked(*piece):
                digest.update(content)
                self.crc = zlib.crc32(content, self.crc)
                self.size += len(content)
        self.sha256 = digest.hexdigest()
        return self

    def chunks(self) -> Iterator[bytes]:
        """Yield what is written."""
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield _literal(piece)
            else:
                yield from _packed(*piece)
        yield _END


def counted(members: Sequence[Joined]) -> Iterator[Joined]:
    """Yield members that were counted, several at a time: to unpack them again takes most of the time of the last step."""
    with ThreadPoolExecutor(_THREADS) as threads:
        yield from threads.map(Joined.count, members)


def _pieces(
    columns: Iterable[str], found: Mapping[str, Sequence[tuple[Path, Fragment]]]
) -> Iterator[bytes | tuple[Path, Fragment]]:
    """Yield what a member is joined of: short contents, and fragments."""
    before = b"{"
    for column in columns:
        yield before + orjson.dumps(column) + b":{"
        for number, each in enumerate(found.get(column, ())):
            if number:
                yield b","
            yield each
        before = b"},"
    yield b"}}"


def _literal(content: bytes) -> bytes:
    """Return a block that is not compressed: fragments end with a byte, so it can stand anywhere between them."""
    size = len(content)
    return b"\x00" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + content


def _packed(path: Path, fragment: Fragment) -> Iterator[bytes]:
    left = fragment.size
    with path.open("rb") as file:
        file.seek(fragment.place)
        while left:
            chunk = file.read(min(CHUNK // 4, left))
            if not chunk:
                raise EOFError(f"{path.name} is too short")
            left -= len(chunk)
            yield chunk


def _unpacked(path: Path, fragment: Fragment) -> Iterator[bytes]:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    return map(inflate.decompress, _packed(path, fragment))
