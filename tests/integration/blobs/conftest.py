"""Every store of blobs: folder, memory, S3 and database."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import s3_server
from labelmill.blobs import LocalBlobs, MemoryBlobs
from labelmill.blobs.cache import FileCache
from labelmill.blobs.database import DatabaseBlobs
from labelmill.blobs.s3 import S3Blobs
from labelmill.db.database import Database
from labelmill.db.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("local", "memory", "s3", "sqlite", "postgresql", "mariadb")


@pytest.fixture(scope="session")
def s3(tmp_path_factory) -> Iterator[s3_server.S3Server]:
    with s3_server.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def cache(tmp_path) -> FileCache:
    return FileCache(tmp_path / "copies", 1 << 20)


@pytest.fixture
def s3_blobs(s3, cache) -> S3Blobs:
    return S3Blobs(s3.usual, s3.bucket(), "labelmill/kept/", cache)


@pytest.fixture
def database_blobs(migrated_url, cache) -> Iterator[DatabaseBlobs]:
    """Give the store in the database, once on each kind."""
    with closing(DatabaseBlobs(Database(make_engine(migrated_url)), cache)) as made:
        yield made


@pytest.fixture(params=KINDS)
def blobs(request, tmp_path, cache):
    if request.param == "local":
        yield LocalBlobs(tmp_path / "blobs")
    elif request.param == "memory":
        yield MemoryBlobs()
    elif request.param == "s3":
        yield request.getfixturevalue("s3_blobs")
    else:
        url = request.getfixturevalue(f"{request.param}_migrated")
        with closing(DatabaseBlobs(Database(make_engine(url)), cache)) as made:
            yield made
