"""A file that a browser's form sends, taken from its stream without being kept anywhere on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.to_thread
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from labelmill.errors import BadInput
from labelmill.labeltasks.shelf import Arrival

if TYPE_CHECKING:
    from fastapi import Request

    from labelmill.settings import Settings

LONGEST_HEADER = 8192


async def receive(request: Request, settings: Settings) -> str:
    """Store the file of a form's field ``file`` under its own name and return its path below the data folder's files.

    Raises BadInput where the form has none, and what ``Arrival`` raises.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise BadInput("This is no form with a file.", where="Content-Type")
    form = _Form(settings)
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


class _Form:
    """Follows the parser; only the first part called ``file`` is kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._arrival: Arrival | None = None
        self._path = ""
        self._field = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._writing = False

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin, "on_header_field": self._on_field, "on_header_value": self._on_value, "on_header_end": self._on_header,
            "on_headers_finished": self._open, "on_part_data": self._data, "on_part_end": self._end,
        }  # fmt: skip

    def finish(self) -> str:
        if self._arrival is None or not self._path:
            raise BadInput("No file was chosen.", where="file", way_out="Choose a file first.")
        self._arrival.finish()
        return self._path

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
        self._path = options[b"filename"].decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
        self._arrival = Arrival(self._settings, self._path)
        self._writing = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._writing and self._arrival is not None:
            self._arrival.write(data[start:end])

    def _end(self) -> None:
        self._writing = False
