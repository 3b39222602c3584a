"""The ZIP: members that are joined of compressed fragments, and others as they are, each with its SHA-256 in the manifest."""

from __future__ import annotations

import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import orjson
from isal import isal_zlib as zlib

from labelmill.archives.parts import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from labelmill.archives.parts import Fragment

MANIFEST: Final = "manifest.json"
#: A member of at least so many bytes has sizes of 64 bits in front of it.
_LARGE: Final = 1 << 31
#: The end of a deflated stream: a last block without content.
_END: Final = b"\x03\x00"


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

    def add_columns(self, name: str, columns: Iterable[str], found: dict[str, list[tuple[Path, Fragment]]], rows: int) -> None:
        """Add a JSON object of columns, each an object whose inside is joined of fragments that are compressed already."""
        info, out = self._info(name, zipfile.ZIP_DEFLATED), self._zip.fp
        assert out is not None  # noqa: S101 - it is open
        info.header_offset = out.tell()
        # They follow once they are known: the header has the same length then.
        info.CRC = info.compress_size = info.file_size = 0
        is_large = sum(fragment.content + 100 for each in found.values() for _, fragment in each) >= _LARGE
        out.write(info.FileHeader(is_large))
        begin = out.tell()
        info.CRC, info.file_size, digest = _join(out, columns, found)
        end = out.tell()
        info.compress_size = end - begin
        out.seek(info.header_offset)
        out.write(info.FileHeader(is_large))
        out.seek(end)
        # What the library does once it has compressed a member itself.
        self._zip.filelist.append(info)
        self._zip.NameToInfo[name] = info
        self._zip.start_dir = end
        self._note(name, digest, info.file_size, rows)

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


def _join(out: Any, columns: Iterable[str], found: dict[str, list[tuple[Path, Fragment]]]) -> tuple[int, int, str]:
    """Write the columns of a JSON member; return CRC, bytes and SHA-256 of what they are without compression."""
    sums = _Sums()
    with ThreadPoolExecutor(1) as beside:
        pending = beside.submit(sums.add, b"")
        for compressed, content in _stream(columns, found):
            out.write(compressed)
            pending.result()
            pending = beside.submit(sums.add, content)
    return sums.crc, sums.size, sums.digest.hexdigest()


class _Sums:
    """What is counted of a member while the next piece of it is unpacked."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.crc = self.size = 0

    def add(self, content: bytes) -> None:
        self.digest.update(content)
        self.crc = zlib.crc32(content, self.crc)
        self.size += len(content)


def _stream(columns: Iterable[str], found: dict[str, list[tuple[Path, Fragment]]]) -> Iterator[tuple[bytes, bytes]]:
    """Yield what is written, and what it is without compression."""
    before = b"{"
    for column in columns:
        yield _literal(before + orjson.dumps(column) + b":{")
        for number, (path, fragment) in enumerate(found.get(column, ())):
            if number:
                yield _literal(b",")
            yield from _fragment(path, fragment)
        before = b"},"
    yield _literal(b"}}")
    yield _END, b""


def _literal(content: bytes) -> tuple[bytes, bytes]:
    """Return a block that is not compressed: fragments end with a byte, so it can stand anywhere between them."""
    size = len(content)
    return b"\x00" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + content, content


def _fragment(path: Path, fragment: Fragment) -> Iterator[tuple[bytes, bytes]]:
    inflate, left = zlib.decompressobj(-zlib.MAX_WBITS), fragment.size
    with path.open("rb") as file:
        file.seek(fragment.place)
        while left:
            chunk = file.read(min(CHUNK // 4, left))
            left -= len(chunk)
            yield chunk, inflate.decompress(chunk)
