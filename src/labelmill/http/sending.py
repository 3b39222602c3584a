"""Sending a file that never changes: whole or a part of it, as often as somebody asks, a little at a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from fastapi.responses import Response, StreamingResponse

from labelmill.errors import BadRange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import Request

#: Bytes that are held for one reader: two hundred slow ones fit into memory.
_CHUNK: Final = 1 << 16
_RANGE: Final = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")


def documented_file(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Return the entries for the OpenAPI document of an answer by ``send_file``."""
    return {
        200: {"description": "The file, as an attachment.", "content": {media_type: {}}},
        206: {"description": "The part that `Range` asks for.", "content": {media_type: {}}},
        304: {"description": "The client has it: `If-None-Match` names its `ETag`."},
    }


def send_file(request: Request, path: Path, *, tag: str, name: str, media_type: str) -> Response:
    """Return the answer that sends a file as ``name``, or to HEAD tells of it; ``tag`` names its content, for ever. Raises BadRange."""
    size = path.stat().st_size
    tag = f'"{tag}"'
    headers = {
        "ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
    }  # fmt: skip
    if {tag, "*"} & set(re.split(r"\s*,\s*", request.headers.get("if-none-match", ""))):
        return Response(status_code=304, headers=headers)
    asked = request.headers.get("range", "")
    if request.method == "HEAD" or request.headers.get("if-range", tag) != tag:
        asked = ""
    found = range_of(asked, size)
    start, stop = found or (0, size)
    if found is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["Content-Length"] = str(stop - start)
    if request.method == "HEAD":
        return Response(status_code=200, headers=headers, media_type=media_type)
    chunks = _chunks(path, start, stop)
    return StreamingResponse(chunks, status_code=200 if found is None else 206, headers=headers, media_type=media_type)


def range_of(header: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last that a ``Range`` asks for; None where it is to be ignored, as several are.

    Raises BadRange for one that the file does not have.
    """
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if found is None or not any(found.groups()):
        return None
    first, last = (None if each is None else int(each) for each in found.groups())
    if first is None:
        start, stop = max(0, size - (last or 0)), size
    else:
        start, stop = first, size if last is None else min(size, last + 1)
        if last is not None and last < first:
            return None
    if start >= size or stop <= start:
        raise BadRange(f"The file has {size} bytes.", where="Range", way_out="Ask for bytes that it has.", size=size)
    return start, stop


def _chunks(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < stop and (chunk := file.read(min(_CHUNK, stop - start))):
            start += len(chunk)
            yield chunk
