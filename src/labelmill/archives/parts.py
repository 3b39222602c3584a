"""What one step makes of its records: pieces of all members in one file, compressed, so that in the end they are only joined.

A JSON member has its columns one after the other, but records come row by row: each step keeps its share of every column.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Self

# Deflate as zlib has it, four times as quick; anything opens what it makes.
from isal import isal_zlib as zlib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

#: Of deflate and of zstd. Quick, and half as large as nothing: more takes up to five times as long for a tenth less.
LEVEL: Final = 1
#: Bytes that are copied at once.
CHUNK: Final = 1 << 20
#: Threads that encode and compress: the libraries let others run meanwhile.
_THREADS: Final = 2


class Piece(NamedTuple):
    """The content of some rows of a member's column; it is made where it is compressed."""

    member: str
    column: str
    rows: int
    content: Callable[[], bytes]


@dataclass(frozen=True)
class Fragment:
    """Where a part has its share of a member's column, deflated, or of a Parquet member a file of one row group, as it is."""

    member: str
    #: "" in Parquet.
    column: str
    place: int
    size: int
    #: Bytes before they were compressed.
    content: int
    rows: int

    def as_list(self) -> list[object]:
        return list(astuple(self))

    @classmethod
    def from_list(cls, stored: Sequence[object]) -> Self:
        return cls(*stored)  # type: ignore[arg-type]


class _Spool:
    """One column's share, compressed as it comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self.content = self.rows = 0

    def add(self, piece: Piece) -> None:
        if self.rows:
            self._write(b",")
        self._write(piece.content())
        self.rows += piece.rows

    def _write(self, content: bytes) -> None:
        self._file.write(self._deflate.compress(content))
        self.content += len(content)

    def end(self) -> None:
        """Come to the end of a byte, without one of the stream: other parts follow."""
        self._file.write(self._deflate.flush(zlib.Z_FULL_FLUSH))
        self.close()

    def close(self) -> None:
        self._file.close()


class Part:
    """Takes pieces while it is open, and writes them as one file. The files in ``folder`` are its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spools: dict[tuple[str, str], _Spool] = {}
        self._files: list[tuple[str, int]] = []
        self._threads = ThreadPoolExecutor(_THREADS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._threads.shutdown()
        for spool in self._spools.values():
            spool.close()

    def add(self, pieces: Iterable[Piece]) -> None:
        """Add what follows in each column; no two pieces are of the same one."""
        waiting = []
        for piece in pieces:
            key = piece.member, piece.column
            if key not in self._spools:
                self._spools[key] = _Spool(self._folder / f"column-{len(self._spools)}")
            waiting.append(self._threads.submit(self._spools[key].add, piece))
        for each in waiting:
            each.result()

    def add_file(self, member: str, content: bytes | memoryview, rows: int) -> None:
        """Add a Parquet file of one row group."""
        if rows:
            path = self._folder / f"file-{len(self._files)}"
            path.write_bytes(content)
            self._files.append((member, rows))

    def end(self, target: Path) -> list[Fragment]:
        """Write everything to ``target`` and say what is where in it."""
        found: list[Fragment] = []
        with target.open("wb") as out:
            for (member, column), spool in self._spools.items():
                spool.end()
                size = _copy(spool.path, out)
                found.append(Fragment(member, column, out.tell() - size, size, spool.content, spool.rows))
            for number, (member, rows) in enumerate(self._files):
                size = _copy(self._folder / f"file-{number}", out)
                found.append(Fragment(member, "", out.tell() - size, size, size, rows))
        return found


def _copy(path: Path, out: BinaryIO) -> int:
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            out.write(chunk)
            size += len(chunk)
    path.unlink()
    return size
