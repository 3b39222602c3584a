"""Blobs of removed datasets: images that no record refers to any more, and what classifiers left. A day later, for imports may run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
import sqlalchemy as sa

from labelmill import clock
from labelmill.datasets.model import RecordKind
from labelmill.datasets.tables import datasets, init_records, records
from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from labelmill.blobs import Blobs
    from labelmill.db.database import Database

KIND: Final = "sweep-blobs"
#: Seconds after which the blobs of a removed dataset go; an image that was put since then is somebody's.
GRACE: Final = 86_400.0
#: Records that are read at once.
SLICE: Final = 10_000
IMAGES: Final = "images/"
#: Folders of one dataset's blobs that lie beside those of others.
OWN: Final = ("predictions", "training", "features", "classifiers", "archives", "exports")


def begin(connection: Connection, dataset_id: int, name: str) -> str:
    """Submit the sweep after a dataset was removed, in the transaction that removes it."""
    moment = clock.now().timestamp()
    return jobs.submit(
        connection, kind=KIND, steps=[NewStep(key="all", name="sweep", phase=0, delay=GRACE)], unit="files",
        params={"dataset": dataset_id, "removed_at": moment}, title=f"Free the space of {name}", key=f"{KIND}:{dataset_id}:{moment}",
    ).id  # fmt: skip


def sweep(database: Database, blobs: Blobs, params: dict[str, Any], going_on: Callable[[int], None]) -> int:
    """Remove what a removed dataset leaves, and every image that nobody refers to; return how many files that were.

    A sweep that breaks off has removed only what it may; the next one goes on.
    """
    removed = 0
    for name in _left(database, blobs, params["dataset"], going_on):
        # An id may come again: what was put since the dataset was removed belongs to the next one that has it.
        before = clock.now().timestamp() - GRACE if name.startswith(IMAGES) else params["removed_at"]
        removed += blobs.remove_older(name, before)
        passing("blobs.removed")
        going_on(removed)
    return removed


def _left(database: Database, blobs: Blobs, dataset_id: int, going_on: Callable[[int], None]) -> Iterator[str]:
    for folder in OWN:
        yield from list(blobs.names(f"{folder}/{dataset_id}/"))
    images = set(blobs.names(IMAGES))
    if not images:
        return
    for contents in _image_contents(database):
        images.difference_update(_blob(content) for content in contents)
        going_on(0)
    yield from sorted(images)


def _image_contents(database: Database) -> Iterator[list[str]]:
    """Yield the contents of all image records, init data too, of every dataset whose rows are there still."""
    for table in (records, init_records):
        after = 0
        while True:
            mine = sa.select(table.c.id, table.c.content).join(datasets, datasets.c.id == table.c.dataset_id)
            query = mine.where(datasets.c.kind == RecordKind.IMAGE, table.c.id > after).order_by(table.c.id).limit(SLICE)
            with database.read() as connection:
                rows = connection.execute(query).all()
            if not rows:
                break
            after = rows[-1].id
            yield [row.content for row in rows]


def _blob(content: str) -> str:
    return str(orjson.loads(content)["blob"])
