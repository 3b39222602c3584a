"""From the place that the settings name to the store of blobs there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.blobs.local import LocalBlobs
from labelmill.blobs.places import BlobPlace, Store
from labelmill.errors import BadSettings, Unavailable

if TYPE_CHECKING:
    from labelmill.blobs.cache import FileCache
    from labelmill.blobs.model import Blobs
    from labelmill.db.database import Database


def open_blobs(
    place: BlobPlace, cache: FileCache, database: Database, keys: tuple[str | None, str | None] = (None, None)
) -> Blobs:
    """Return the store at a place; nothing is asked of it yet.

    ``keys`` are the access key and the secret key for S3; without them the usual places are asked. Raises BadSettings, and Unavailable
    where the library is not installed.
    """
    if place.store is Store.FOLDER:
        return LocalBlobs(place.folder)
    if place.store is Store.S3:
        return _open_bucket(place, cache, *keys)
    from labelmill.blobs.database import DatabaseBlobs

    return DatabaseBlobs(_own_connections(database), cache)


def _own_connections(database: Database) -> Database:
    """Return the database with connections of its own: who asks for a blob may hold one of the others, and all of them may be held."""
    from labelmill.db.database import Database
    from labelmill.db.engine import make_engine

    return Database(make_engine(database.engine.url))


def _open_bucket(place: BlobPlace, cache: FileCache, access_key: str | None, secret_key: str | None) -> Blobs:
    if (access_key is None) != (secret_key is None):
        raise BadSettings(
            "Only one of LABELMILL_S3_ACCESS_KEY and LABELMILL_S3_SECRET_KEY is set.",
            where="LABELMILL_S3_SECRET_KEY", way_out="Set both, or none to have the usual places asked.",
        )  # fmt: skip
    try:
        from labelmill.blobs.s3 import S3Blobs, connect
    except ModuleNotFoundError as error:
        raise Unavailable("The library for S3 is not installed.", way_out="pip install 'labelmill[s3]'") from error
    client = connect(endpoint=place.endpoint, region=place.region, access_key=access_key, secret_key=secret_key)
    return S3Blobs(client, place.bucket, place.prefix, cache)
