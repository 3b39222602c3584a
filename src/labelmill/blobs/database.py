"""Blobs in labelmill's own database, in chunks: nothing but the database needs to be shared, or backed up."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from labelmill import clock
from labelmill.blobs.model import PIECE, check_name, missing
from labelmill.blobs.tables import blob_chunks, blobs
from labelmill.errors import Unavailable
from labelmill.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from labelmill.blobs.cache import FileCache
    from labelmill.db.database import Database

#: Bytes of one chunk: below what every server takes as one packet, and written in a short transaction.
CHUNK: Final = PIECE
#: After this time chunks without a name are those of a process that was killed.
LEFT_BEHIND: Final = timedelta(days=1)
#: Names that are listed, and chunks that are removed, in one go.
SLICE: Final = 1_000
REMOVED_AT_ONCE: Final = 16


class _Found(NamedTuple):
    id: str
    size: int
    sha256: str


class DatabaseBlobs:
    def __init__(self, database: Database, cache: FileCache) -> None:
        self._database = database
        self._cache = cache

    def put(self, name: str, content: bytes) -> None:
        self._place(name, BytesIO(content))

    def put_file(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self._place(name, file)

    def get(self, name: str) -> bytes:
        return b"".join(self.stream(name))

    def stream(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        found = self._require(name)
        end = found.size if size is None else min(found.size, start + size)
        for number in range(start // CHUNK, -(-end // CHUNK) if start < end else 0):
            first = number * CHUNK
            yield self._chunk(name, found.id, number)[max(0, start - first) : end - first]

    def exists(self, name: str) -> bool:
        return self._find(name) is not None

    def size(self, name: str) -> int:
        return self._require(name).size

    def path(self, name: str) -> Path:
        found = self._require(name)
        held = self._cache.find(name, found.sha256, found.size)
        digest = ("sha256", found.sha256)
        return held or self._cache.keep(name, found.sha256, self.stream(name), size=found.size, digest=digest)

    def names(self, prefix: str = "") -> Iterator[str]:
        after = ""
        while True:
            # By comparison: every database can then look it up in the index, and none takes % or _ for more than they are.
            wanted = sa.select(blobs.c.name).where(blobs.c.name > after, blobs.c.name >= prefix, blobs.c.name < prefix + "~")
            with self._database.read() as connection:
                found = connection.scalars(wanted.order_by(blobs.c.name).limit(SLICE)).all()
            if not found:
                return
            yield from found
            after = found[-1]

    def remove(self, name: str) -> None:
        self._unname(blobs.c.name == check_name(name))

    def remove_older(self, name: str, moment: float) -> bool:
        # Whoever puts it again touches the same row: either that is seen here, or the name is gone for them.
        return self._unname(blobs.c.name == check_name(name), blobs.c.put_at < datetime.fromtimestamp(moment, UTC))

    def close(self) -> None:
        self._database.close()

    def _place(self, name: str, file: BinaryIO) -> None:
        if self._database.transact(_touch, check_name(name)):
            return
        first, second = file.read(CHUNK), file.read(CHUNK)
        identity = new_id()
        try:
            if second:
                self._write(identity, name, chain((first, second), iter(lambda: file.read(CHUNK), b"")))
            else:
                self._database.transact(_put_small, identity, name, first)
        except IntegrityError:
            # Somebody has put it meanwhile.
            self._forget(identity)
            self._database.transact(_touch, name)

    def _write(self, identity: str, name: str, pieces: Iterable[bytes]) -> None:
        """Write a blob chunk by chunk, and give it its name at the end; raises IntegrityError where somebody else had it first."""
        seen, size = hashlib.sha256(), 0
        self._clear_left_behind()
        self._database.transact(_begin, identity)
        for number, piece in enumerate(pieces):
            seen.update(piece)
            size += len(piece)
            self._database.transact(_add_chunk, identity, number, piece)
        self._database.transact(_give_name, identity, name, size, seen.hexdigest())

    def _chunk(self, name: str, identity: str, number: int) -> bytes:
        wanted = sa.select(blob_chunks.c.content).where(blob_chunks.c.blob_id == identity, blob_chunks.c.number == number)
        with self._database.read() as connection:
            content: bytes | None = connection.scalar(wanted)
        if content is not None:
            return content
        found = self._find(name)
        if found is None or found.id != identity:
            raise missing(name)
        raise Unavailable(
            "A part of the file is missing in the database.", where=name, way_out="Ask an administrator for a backup."
        )

    def _find(self, name: str) -> _Found | None:
        wanted = sa.select(blobs.c.id, blobs.c.size, blobs.c.sha256).where(blobs.c.name == check_name(name))
        with self._database.read() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else _Found(*row)

    def _require(self, name: str) -> _Found:
        found = self._find(name)
        if found is None:
            raise missing(name)
        return found

    def _unname(self, *conditions: sa.ColumnElement[bool]) -> bool:
        identity = self._database.transact(_take_name, conditions)
        if identity is not None:
            self._forget(identity)
        return identity is not None

    def _forget(self, identity: str) -> None:
        """Remove chunks a few at a time, then the row that leads to them: what breaks off is found by ``_clear_left_behind``."""
        while self._database.transact(_remove_chunks, identity):
            pass
        self._database.transact(_remove_row, identity)

    def _clear_left_behind(self) -> None:
        old = sa.select(blobs.c.id).where(blobs.c.name.is_(None), blobs.c.put_at < clock.now() - LEFT_BEHIND)
        with self._database.read() as connection:
            found = connection.scalars(old).all()
        for identity in found:
            self._forget(identity)


def _touch(connection: Connection, name: str) -> bool:
    return connection.execute(sa.update(blobs).where(blobs.c.name == name).values(put_at=clock.now())).rowcount > 0


def _begin(connection: Connection, identity: str) -> None:
    connection.execute(sa.insert(blobs).values(id=identity, name=None, size=0, sha256="", put_at=clock.now()))


def _add_chunk(connection: Connection, identity: str, number: int, content: bytes) -> None:
    # A try that was cut off may have stored it.
    connection.execute(sa.delete(blob_chunks).where(blob_chunks.c.blob_id == identity, blob_chunks.c.number == number))
    connection.execute(sa.insert(blob_chunks).values(blob_id=identity, number=number, content=content))


def _give_name(connection: Connection, identity: str, name: str, size: int, sha256: str) -> None:
    values = {"name": name, "size": size, "sha256": sha256, "put_at": clock.now()}
    connection.execute(sa.update(blobs).where(blobs.c.id == identity).values(values))


def _put_small(connection: Connection, identity: str, name: str, content: bytes) -> None:
    values = {
        "id": identity,
        "name": name,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "put_at": clock.now(),
    }
    connection.execute(sa.insert(blobs).values(values))
    if content:
        connection.execute(sa.insert(blob_chunks).values(blob_id=identity, number=0, content=content))


def _take_name(connection: Connection, conditions: tuple[sa.ColumnElement[bool], ...]) -> str | None:
    identity: str | None = connection.scalar(sa.select(blobs.c.id).where(*conditions).with_for_update())
    if identity is not None:
        connection.execute(sa.update(blobs).where(blobs.c.id == identity).values(name=None))
    return identity


def _remove_chunks(connection: Connection, identity: str) -> int:
    mine = blob_chunks.c.blob_id == identity
    numbers = connection.scalars(sa.select(blob_chunks.c.number).where(mine).limit(REMOVED_AT_ONCE)).all()
    connection.execute(sa.delete(blob_chunks).where(mine, blob_chunks.c.number.in_(numbers)))
    return len(numbers)


def _remove_row(connection: Connection, identity: str) -> None:
    connection.execute(sa.delete(blobs).where(blobs.c.id == identity))
