"""A file that a browser's form sends, taken from its stream without being kept anywhere on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import anyio.to_thread
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from labelmill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from fastapi import Request

LONGEST_HEADER = 8192


class Arrival(Protocol):
    """A file on its way in: complete once ``finish`` was called, gone when it is left without."""

    def write(self, chunk: bytes) -> None: ...
    def finish(self) -> object: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


Made = TypeVar("Made", bound=Arrival)


async def receive_file(request: Request, begin: Callable[[str], Made]) -> Made:
    """Return the finished arrival of the file in a form's field ``file``; ``begin`` makes it from the file's own name.

    Raises BadInput where the form has none, and what ``begin`` and the arrival raise.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise BadInput("This is no form with a file.", where="Content-Type")
    form = _Form(begin)
    parser = MultipartParser(boundary, form.callbacks(), max_header_size=LONGEST_HEADER)
    try:
        async for chunk in request.stream():
            await anyio.to_thread.run_sync(parser.write, chunk)
        parser.finalize()
        return await anyio.to_thread.run_sync(form.finish)
    except MultipartParseError as error:
        raise BadInput(f"The form cannot be read: {error}.", where="body") from error
    finally:
        form.close()


class _Form(Generic[Made]):
    """Follows the parser; only the first part called ``file`` is kept."""

    def __init__(self, begin: Callable[[str], Made]) -> None:
        self._begin_file = begin
        self._arrival: Made | None = None
        self._field = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._writing = False

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin, "on_header_field": self._on_field, "on_header_value": self._on_value, "on_header_end": self._on_header,
            "on_headers_finished": self._open, "on_part_data": self._data, "on_part_end": self._end,
        }  # fmt: skip

    def finish(self) -> Made:
        if self._arrival is None:
            raise BadInput("No file was chosen.", where="file", way_out="Choose a file first.")
        self._arrival.finish()
        return self._arrival

    def close(self) -> None:
        if self._arrival is not None:
            self._arrival.__exit__(None, None, None)

    def _begin(self) -> None:
        self._headers = {}

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if options.get(b"name") != b"file" or not options.get(b"filename") or self._arrival is not None:
            return
        # Some browsers send the whole path; only its last part is a name.
        self._arrival = self._begin_file(options[b"filename"].decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2])
        self._writing = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._writing and self._arrival is not None:
            self._arrival.write(data[start:end])

    def _end(self) -> None:
        self._writing = False
