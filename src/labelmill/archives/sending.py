"""Sending an archive's file: whole or a part of it, as often as somebody asks, a little at a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from fastapi.responses import Response, StreamingResponse

from labelmill.archives.model import MEDIA_TYPE
from labelmill.archives.service import require_file
from labelmill.errors import BadRange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import Request

    from labelmill.archives.model import Archive
    from labelmill.blobs import Blobs

#: Bytes that are held for one reader: two hundred slow ones fit into memory.
_CHUNK: Final = 1 << 16
_RANGE: Final = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The ZIP, as an attachment.", "content": {MEDIA_TYPE: {}}},
    206: {"description": "The part that `Range` asks for.", "content": {MEDIA_TYPE: {}}},
    304: {"description": "The client has it: `If-None-Match` names its `ETag`."},
}


def sent(request: Request, blobs: Blobs, archive: Archive, name: str) -> Response:
    """Return the answer that sends an archive called ``name``. Raises what ``require_file`` raises, and BadRange."""
    path = blobs.path(require_file(archive))
    size = path.stat().st_size
    # A file that was made never changes, and what is made anew has another id.
    tag = f'"{archive.id}"'
    headers = {
        "ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
    }  # fmt: skip
    if tag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    asked = request.headers.get("range", "")
    if request.headers.get("if-range", tag) != tag:
        asked = ""
    start, stop = range_of(asked, size) or (0, size)
    status = 200
    if asked and (start, stop) != (0, size):
        status, headers["Content-Range"] = 206, f"bytes {start}-{stop - 1}/{size}"
    headers["Content-Length"] = str(stop - start)
    return StreamingResponse(_chunks(path, start, stop), status_code=status, headers=headers, media_type=MEDIA_TYPE)


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
