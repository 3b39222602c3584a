"""The verb of exports: what somebody asks for, as a file that is made while it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelmill.exports.formats import KINDS, Request, file_name
from labelmill.exports.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelmill.blobs import Blobs
    from labelmill.db.database import Database

__all__ = ["Export", "Request", "export"]


@dataclass(frozen=True, kw_only=True)
class Export:
    #: What the file is called.
    name: str
    media_type: str
    #: Its bytes, made as they are taken; whoever is slow holds no transaction and little memory.
    chunks: Iterator[bytes]
    #: The newest annotation that is in it.
    number: int


def export(database: Database, blobs: Blobs, dataset_id: int, request: Request) -> Export:
    """Begin an export of a dataset as it is now. Raises NotFound, and BadInput for what the format cannot hold."""
    from labelmill.exports.writers import WRITERS

    reading = Reading(database, blobs, dataset_id, request)
    return Export(
        name=file_name(reading.dataset.name, request), media_type=KINDS[request.format].media_type,
        chunks=WRITERS[request.format](reading, request, blobs), number=reading.number,
    )  # fmt: skip
