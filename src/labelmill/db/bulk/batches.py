"""Small frames gathered into larger ones, bounded in rows and in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

#: A frame is given on when it holds this much, however few rows that are.
BATCH_BYTES = 32 << 20
#: Rows that are Python objects at one time: few enough for long texts, enough that a call per chunk costs nothing.
FIRST_ROWS = 256
MOST_ROWS = 8_192
CHUNK_BYTES = 4 << 20


class Cursor(Protocol):
    """What is used of a driver's cursor."""

    def fetchmany(self, size: int, /) -> Sequence[Sequence[Any]]: ...


def gather(frames: Iterable[pl.DataFrame], batch_rows: int, batch_bytes: int = BATCH_BYTES) -> Iterator[pl.DataFrame]:
    """Yield frames of at most ``batch_rows`` rows, the rows of ``frames`` in their order; none of them empty."""
    held: list[pl.DataFrame] = []
    rows = size = 0
    for frame in frames:
        for piece in frame.iter_slices(batch_rows) if frame.height else ():
            if held and (rows + piece.height > batch_rows or size >= batch_bytes):
                yield pl.concat(held)
                held, rows, size = [], 0, 0
            held.append(piece)
            rows += piece.height
            size += int(piece.estimated_size())
    if held:
        yield pl.concat(held)


def fetch_frames(cursor: Cursor, build: Callable[[list[tuple[Any, ...]]], pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield what ``build`` makes of the columns of each chunk of rows; the chunks shrink where rows are long."""
    rows = FIRST_ROWS
    while taken := cursor.fetchmany(rows):
        frame = build(list(zip(*taken, strict=False)))
        yield frame
        rows = max(1, min(MOST_ROWS, CHUNK_BYTES * max(1, frame.height) // max(1, int(frame.estimated_size()))))
