"""Parquet, row group by row group: sent while it is read, whatever its size.

polars writes whole files only, at the speed at which they are taken, and would let one slow reader hold its threads. So each slice is
written as a small file, and their row groups are put behind each other under one footer, with the places in it moved.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from labelmill.exports.columns import Columns
from labelmill.exports.writers.thrift import BINARY, I64, LIST, STRUCT, Reader, Struct, write_struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labelmill.blobs import Blobs
    from labelmill.exports.formats import Request
    from labelmill.exports.reading import Reading

MAGIC: Final = b"PAR1"
#: Fields of the footer, by the names and numbers of parquet.thrift.
_NUM_ROWS, _ROW_GROUPS, _KEY_VALUES = 3, 4, 5
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7
_META_DATA = 3
_CHUNK_OFFSETS = (2, 4, 6)
_PAGE_OFFSETS = (9, 10, 11, 14)


def write_parquet(reading: Reading, request: Request, blobs: Blobs) -> Iterator[bytes]:  # noqa: ARG001 - as every writer
    columns = Columns(reading, request.rows)
    file = Stitched(columns.schema)
    for piece in reading.slices():
        yield file.add(columns.frame(piece))
    yield file.end()


class Stitched:
    """One Parquet file of frames with the same columns."""

    def __init__(self, schema: Mapping[str, Any], *, notes: Mapping[str, str] | None = None) -> None:
        self._empty = pl.DataFrame(schema=dict(schema))
        self._notes = dict(notes or {})
        self._size = 0
        self._footer: Struct | None = None

    def add(self, frame: pl.DataFrame) -> bytes:
        """Return the bytes that come next for the rows of ``frame``."""
        return self.add_file(as_file(frame))

    def add_file(self, whole: bytes | memoryview) -> bytes:
        """Return the bytes that come next for the rows of a frame that ``as_file`` made a file of."""
        content, footer = _taken_apart(memoryview(whole))
        head = MAGIC if self._footer is None else b""
        self._size += len(head)
        _move(footer, self._size - len(MAGIC))
        self._size += len(content)
        if self._footer is None:
            self._footer = footer
        else:
            groups = self._footer[_ROW_GROUPS][1][1]
            for group in footer[_ROW_GROUPS][1][1]:
                if _ORDINAL in group:
                    group[_ORDINAL] = (group[_ORDINAL][0], len(groups))
                groups.append(group)
            self._footer[_NUM_ROWS] = (I64, self._footer[_NUM_ROWS][1] + footer[_NUM_ROWS][1])
        return head + content

    def end(self) -> bytes:
        """Return the last bytes."""
        first = b"" if self._footer is not None else self.add(self._empty)
        footer = self._footer or {}
        if self._notes:
            _, notes = footer.get(_KEY_VALUES, (LIST, (STRUCT, [])))[1]
            notes += [{1: (BINARY, name.encode()), 2: (BINARY, value.encode())} for name, value in self._notes.items()]
            footer[_KEY_VALUES] = (LIST, (STRUCT, notes))
        written = write_struct(dict(sorted(footer.items())))
        return first + written + len(written).to_bytes(4, "little") + MAGIC


def as_file(frame: pl.DataFrame, *, level: int | None = None) -> memoryview:
    """Return a frame as a file of one row group, compressed by zstd at ``level``, else at polars' own."""
    file = io.BytesIO()
    frame.write_parquet(file, row_group_size=max(1, frame.height), compression_level=level)
    return file.getbuffer()


def _taken_apart(whole: memoryview) -> tuple[bytes, Struct]:
    """Return the row groups of a file and its footer."""
    size = int.from_bytes(whole[-8:-4], "little")
    return bytes(whole[len(MAGIC) : -8 - size]), Reader(bytes(whole[-8 - size : -8])).struct()


def _move(footer: Struct, by: int) -> None:
    """Say of everything in the footer that it stands ``by`` bytes later."""
    for group in footer[_ROW_GROUPS][1][1]:
        _add(group, (_GROUP_OFFSET,), by)
        for chunk in group[_COLUMNS][1][1]:
            # Zero where a writer says nothing of it.
            _add(chunk, [number for number in _CHUNK_OFFSETS if number in chunk and chunk[number][1]], by)
            _add(chunk[_META_DATA][1], _PAGE_OFFSETS, by)


def _add(struct: Struct, numbers: Any, by: int) -> None:
    for number in numbers:
        if number in struct:
            kind, value = struct[number]
            struct[number] = (kind, value + by)
