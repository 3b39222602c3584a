"""Files of several frames, each of which is read without the others.

The frames stand one behind the other as Arrow lays them out: such files live for as long as a task runs, and to pack them costs more
than the disk that it saves. Behind the last frame stand the places where each begins and where the last one ends.
"""

from __future__ import annotations

import io
import os
import struct
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PLACE_BYTES = 8


def write_segments(path: Path, frames: Iterable[pl.DataFrame]) -> None:
    """Write a file of frames."""
    with path.open("wb") as file:
        places = [0]
        for frame in frames:
            # The older layout of texts: a part of a frame shares memory with the whole, all of which would be written.
            frame.write_ipc_stream(file, compat_level=pl.CompatLevel.oldest())
            places.append(file.tell())
        file.write(struct.pack(f"<{len(places)}Q", *places))


def read_segment(path: Path, number: int, count: int) -> pl.DataFrame:
    """Return one of the ``count`` frames of a file."""
    with path.open("rb") as file:
        file.seek(-_PLACE_BYTES * (count + 1 - number), os.SEEK_END)
        first, end = struct.unpack("<2Q", file.read(2 * _PLACE_BYTES))
        file.seek(first)
        return pl.read_ipc_stream(io.BytesIO(file.read(end - first)))
