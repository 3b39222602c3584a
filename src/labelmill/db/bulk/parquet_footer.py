"""What a Parquet file says of itself, read before any of it is decoded: rows, row groups, and how large its pages become.

polars does not show these sizes, and it decodes a page in one piece: 150 kB on disk may be 240 MB in memory. So the footer and the
page headers (Thrift's compact protocol, of which only reading is needed) are read here first and held against limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from labelmill.errors import BadFile, TooLarge

if TYPE_CHECKING:
    from pathlib import Path

FOOTER_LIMIT = 16 << 20  # bytes
PAGE_LIMIT = 64 << 20  # bytes of one page, unpacked
_VALUE_LIMIT = 2_000_000  # values in the footer
_DEPTH_LIMIT = 16
_HEADER_BYTES = 1 << 10
_HEADER_LIMIT = 1 << 20
_WAY_OUT = "Write or copy the file again; what made it may have been interrupted."


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One column of one row group; ``name`` is that of the top-level column. Sizes in bytes."""

    name: str
    start: int
    packed: int
    unpacked: int


@dataclass(frozen=True, kw_only=True)
class RowGroup:
    first: int
    rows: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, kw_only=True)
class Footer:
    rows: int
    groups: tuple[RowGroup, ...]


def read_footer(path: Path) -> Footer:
    """Return what the footer says; raise BadFile where it is damaged or contradicts itself, TooLarge beyond the limits."""
    with path.open("rb") as file:
        data = _footer_bytes(file, path)
    try:
        fields = _Thrift(data).struct()
        footer = _footer(fields)
    except _Damaged as error:
        raise _bad(path, f"the footer is damaged ({error})") from error
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise _bad(path, "the footer lacks what every footer has") from error
    _check(footer, path)
    return footer


def check_pages(path: Path, group: RowGroup, columns: frozenset[str]) -> None:
    """Raise TooLarge where a page of these columns unpacks to more than the limit, BadFile where a page header cannot be read."""
    with path.open("rb", buffering=0) as file:
        for chunk in group.chunks:
            if chunk.name in columns and chunk.unpacked > PAGE_LIMIT // 64:
                _check_chunk(file, chunk, path)


def _check_chunk(file: IO[bytes], chunk: Chunk, path: Path) -> None:
    place, end = chunk.start, chunk.start + chunk.packed
    while place < end:
        length, unpacked, packed = _page_header(file, place, path)
        if unpacked > PAGE_LIMIT:
            raise TooLarge(
                f"A page of column {chunk.name!r} unpacks to {unpacked:,} bytes; {PAGE_LIMIT:,} are allowed.",
                where=str(path),
                way_out="Write the file again with smaller pages.",
            )
        place += length + packed


def _page_header(file: IO[bytes], place: int, path: Path) -> tuple[int, int, int]:
    """Return the header's length and the page's size, unpacked and packed."""
    size = _HEADER_BYTES
    while size <= _HEADER_LIMIT:
        file.seek(place)
        reader = _Thrift(file.read(size))
        try:
            fields = reader.struct()
            unpacked, packed = int(fields[2]), int(fields[3])
        except (_Damaged, KeyError, TypeError):
            size *= 32
        else:
            if min(unpacked, packed) >= 0:
                return reader.place, unpacked, packed
            break
    raise _bad(path, f"the page header at byte {place:,} is damaged")


def _footer_bytes(file: IO[bytes], path: Path) -> bytes:
    size = file.seek(0, 2)
    file.seek(max(size - 8, 0))
    tail = file.read(8)
    file.seek(0)
    if file.read(4) not in (b"PAR1", b"PARE"):
        raise BadFile(
            "This is not a Parquet file: it does not begin with PAR1.",
            where=str(path),
            way_out="Give the file the ending of what it is.",
        )
    if tail[4:] == b"PARE":
        raise BadFile("The Parquet file is encrypted.", where=str(path), way_out="Write it again without encryption.")
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1":
        raise _bad(path, "it does not end with PAR1: it is cut off")
    if length > size - 12:
        raise _bad(path, f"its footer claims {length:,} bytes of a file of {size:,}")
    if length > FOOTER_LIMIT:
        raise TooLarge(
            f"The footer has {length:,} bytes; {FOOTER_LIMIT:,} are allowed.",
            where=str(path),
            way_out="Write fewer columns or row groups.",
        )
    file.seek(size - 8 - length)
    return file.read(length)


def _footer(fields: dict[int, Any]) -> Footer:
    groups, first = [], 0
    for group in fields.get(4, []):
        chunks = tuple(_chunk(column[3]) for column in group[1])
        groups.append(RowGroup(first=first, rows=int(group[3]), chunks=chunks))
        first += groups[-1].rows
    return Footer(rows=int(fields[3]), groups=tuple(groups))


def _chunk(fields: dict[int, Any]) -> Chunk:
    dictionary = fields.get(11) or 0
    start = dictionary if 0 < dictionary < fields[9] else fields[9]
    return Chunk(name=fields[3][0].decode(), start=start, packed=fields[7], unpacked=fields[6])


def _check(footer: Footer, path: Path) -> None:
    size = path.stat().st_size
    if any(group.rows < 0 for group in footer.groups) or footer.rows != sum(group.rows for group in footer.groups):
        raise _bad(path, f"its footer claims {footer.rows:,} rows, its row groups hold another number")
    for group in footer.groups:
        for chunk in group.chunks:
            if chunk.start < 4 or chunk.packed < 0 or chunk.unpacked < 0 or chunk.start + chunk.packed > size:  # noqa: PLR2004 (after PAR1)
                raise _bad(path, f"its footer places column {chunk.name!r} outside of the file")


def _bad(path: Path, reason: str) -> BadFile:
    return BadFile(f"The Parquet file cannot be read: {reason}.", where=str(path), way_out=_WAY_OUT)


class _Damaged(Exception):
    """The bytes are not what they should be."""


class _Thrift:
    """A reader of the compact protocol: a struct becomes a dict by field number, a list a list."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0
        self._values = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > _DEPTH_LIMIT:
            raise _Damaged("nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        self._values += 1
        if self._values > _VALUE_LIMIT:
            raise _Damaged("too many values")
        match kind:
            case 1 | 2 | 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._integer()
            case 7:
                return self._take(8)
            case 8:
                return self._take(self._varint())
            case 9 | 10:
                return self._list(depth)
            case 12:
                return self.struct(depth + 1)
        raise _Damaged(f"a value of unknown kind {kind}")

    def _list(self, depth: int) -> list[Any]:
        if depth > _DEPTH_LIMIT:
            raise _Damaged("nested too deeply")
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._varint()  # noqa: PLR2004 (15: the size follows)
        if size > len(self._data):
            raise _Damaged("a list longer than the footer")
        return [self._value(head & 15, depth + 1) for _ in range(size)]

    def _byte(self) -> int:
        if self.place >= len(self._data):
            raise _Damaged("it ends too early")
        self.place += 1
        return self._data[self.place - 1]

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self.place:
            raise _Damaged("a value goes beyond its end")
        self.place += size
        return self._data[self.place - size : self.place]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:  # noqa: PLR2004 (the high bit says that more follows)
                return value
            if shift > 63:  # noqa: PLR2004 (bits of the largest integer)
                raise _Damaged("an integer beyond 64 bits")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
