"""Small frames gathered into larger ones, bounded in rows and in bytes, and fetched while the last one is worked on."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

#: A frame is given on when it holds this much, however few rows that are.
BATCH_BYTES = 32 << 20
#: Rows that are Python objects at one time: few enough for long texts, enough that a call per chunk costs nothing.
FIRST_ROWS = 256
MOST_ROWS = 8_192
CHUNK_BYTES = 4 << 20
#: Rows that a driver makes at one time: below 700 new tuples Python does not start to look for garbage among all its objects.
FETCHED_ROWS = 600


_END = object()
T = TypeVar("T")


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


def fetch_frames(cursor: Cursor, build: Callable[[list[list[Any]]], pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield what ``build`` makes of the columns of each chunk of rows; the chunks shrink where rows are long."""
    rows = FIRST_ROWS
    while columns := _fetch_columns(cursor, rows):
        frame = build(columns)
        yield frame
        rows = max(1, min(MOST_ROWS, CHUNK_BYTES * max(1, frame.height) // max(1, int(frame.estimated_size()))))


def _fetch_columns(cursor: Cursor, rows: int) -> list[list[Any]]:
    """Return the values of the next ``rows`` rows column by column; nothing where there are no more."""
    columns: list[list[Any]] = []
    while rows > 0 and (taken := cursor.fetchmany(min(rows, FETCHED_ROWS))):
        rows -= len(taken)
        pieces = zip(*taken, strict=True)
        if columns:
            for column, piece in zip(columns, pieces, strict=True):
                column.extend(piece)
        else:
            columns = [list(piece) for piece in pieces]
    return columns


def ahead(items: Iterator[T], count: int = 1) -> Iterator[T]:
    """Yield ``items`` while a thread of its own makes at most ``count`` of those that are next.

    What the making raises is raised here. The thread has ended, and ``items`` is closed, when this has.
    """
    made: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    room = threading.Semaphore(count)
    left = threading.Event()
    maker = threading.Thread(target=_make, args=(items, made, room, left), name="ahead", daemon=True)
    maker.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            room.release()
            yield item
    finally:
        left.set()
        room.release()
        if maker is not threading.current_thread():  # where garbage is collected over there
            maker.join()


def _make(items: Iterator[Any], made: SimpleQueue[Any], room: threading.Semaphore, left: threading.Event) -> None:
    try:
        while room.acquire() and not left.is_set():
            made.put((next(items, _END), None))
    except BaseException as error:  # noqa: BLE001 - whoever reads raises it
        made.put((None, error))
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
