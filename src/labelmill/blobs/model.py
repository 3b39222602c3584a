"""What a store of blobs is, and which names its blobs may have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from labelmill.errors import BadInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST_NAME = 200
#: Bytes of one piece of a stream.
PIECE = 1 << 20
#: Parts of lower-case letters and digits, with ``.``, ``_`` and ``-`` inside: the same on every file system and in every address.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)*")


class Blobs(Protocol):
    """Bytes by name. A name never gets other bytes: what is made of something new gets a new name."""

    def put(self, name: str, content: bytes) -> None:
        """Keep ``content``, durably, before this returns; a name that is there stays as it is. Raises Unavailable."""
        ...

    def put_file(self, name: str, path: Path) -> None:
        """Keep a copy of the file at ``path``, as ``put`` does."""
        ...

    def get(self, name: str) -> bytes:
        """Return the bytes; raises NotFound, or Unavailable where they cannot be read."""
        ...

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Yield the bytes in pieces, from ``start`` and at most ``size`` of them; raises NotFound, or Unavailable, with the first piece."""
        ...

    def exists(self, name: str) -> bool: ...

    def size(self, name: str) -> int:
        """Return the number of bytes; raises NotFound."""
        ...

    def path(self, name: str) -> Path:
        """Return a file with the bytes, for those who map it into memory and only read it; raises NotFound."""
        ...

    def names(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that begin with ``prefix``, in order."""
        ...

    def remove(self, name: str) -> None:
        """Forget a blob; one that is not there is no error."""
        ...

    def remove_older(self, name: str, moment: float) -> bool:
        """Forget a blob that nobody has put, again or at first, since ``moment`` (seconds since 1970); return whether it was so old."""
        ...


def check_name(name: str) -> str:
    """Return a name that a blob may have; raises BadInput for every other, whatever path it would lead to."""
    if not is_name(name):
        shown = name[:LONGEST_NAME].encode("unicode_escape", "replace").decode()
        raise BadInput("This is no name of a blob.", where=shown, way_out="Names are like images/0a/0a1b2c.jpg, in lower case.")
    return name


def is_name(text: str) -> bool:
    """Tell whether a blob may have this name."""
    return len(text) <= LONGEST_NAME and _NAME.fullmatch(text) is not None and ".." not in text


def missing(name: str) -> NotFound:
    """Return the error that every store raises for a blob that is not there."""
    return NotFound("There is no such blob.", where=name)
