"""Batches of an Arrow stream, each fetched while other threads of Python run.

nanoarrow holds the interpreter's lock for as long as it waits for the next batch: nothing else would run while a server makes one. Here
the stream's own function is called through ctypes, which lets the lock go; what it gives stays nanoarrow's.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

_GET_NEXT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_GET_LAST_ERROR = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)


class _Functions(ctypes.Structure):
    """The head of the C struct ArrowArrayStream (https://arrow.apache.org/docs/format/CStreamInterface.html)."""

    _fields_ = (
        ("get_schema", ctypes.c_void_p),
        ("get_next", _GET_NEXT),
        ("get_last_error", _GET_LAST_ERROR),
    )


class StreamFailed(Exception):
    """The source of an Arrow stream could not give its next batch; the message is the source's own."""


def read_stream(source: Any) -> Iterator[pl.DataFrame]:
    """Yield a frame for each batch of ``source``, which has ``__arrow_c_stream__``; raises StreamFailed.

    The stream is released when the iterator is exhausted or closed.
    """
    from nanoarrow import c_array_stream  # type: ignore[import-untyped]
    from nanoarrow._array import CArray  # type: ignore[import-untyped]

    stream = c_array_stream(source)
    try:
        schema = stream.get_schema()
        functions = _Functions.from_address(stream._addr())  # noqa: SLF001 - nanoarrow's way to the struct
        while True:
            batch = CArray.allocate(schema)
            if functions.get_next(stream._addr(), batch._addr()):  # noqa: SLF001
                reason = functions.get_last_error(stream._addr())  # noqa: SLF001
                raise StreamFailed((reason or b"no reason is known").decode(errors="replace"))
            if not batch.is_valid():
                return
            yield pl.DataFrame(batch)
    finally:
        stream.release()
