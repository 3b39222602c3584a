"""Where blobs may be kept, as people write it; and the copies on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labelmill import clock
from labelmill.blobs.cache import IN_USE, FileCache
from labelmill.blobs.places import BlobPlace, Store, parse_place
from labelmill.errors import BadSettings, Unavailable
from labelmill.settings import load_settings


def test_a_folder_a_bucket_and_the_database_are_told_apart():
    assert parse_place("file:///srv/my%20files") == BlobPlace(store=Store.FOLDER, folder=Path("/srv/my files"))
    assert parse_place("database:") == BlobPlace(store=Store.DATABASE)
    assert parse_place("s3://bucket") == BlobPlace(store=Store.S3, bucket="bucket")
    assert parse_place("s3://bucket/a/b/?endpoint=http://10.0.0.7:9000/&region=eu-1") == BlobPlace(
        store=Store.S3, bucket="bucket", prefix="a/b/", endpoint="http://10.0.0.7:9000", region="eu-1"
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/a", "it must be file:///folder"),
        ("/srv/files", "it must be file:///folder"),
        ("database://x", "it must be file:///folder"),
        ("file://srv/files", "folder in full"),
        ("s3:///prefix", "name a bucket"),
        ("s3://Bucket", "name a bucket"),
        ("s3://key:supersecretkey@bucket", "hold no key"),
        ("s3://bucket/../x", "prefix"),
        ("s3://bucket?endpont=http://h", "'endpont'"),
        ("s3://bucket?endpoint=h:9000", "endpoint must be"),
        ("s3://bucket?endpoint=http://h:port", "endpoint must be"),
        ("s3://bucket?endpoint=http://key:supersecretkey@h", "endpoint must be"),
    ],
)
def test_what_names_no_place_is_refused_as_a_setting(url, message, tmp_path):
    (tmp_path / ".env").touch()
    with pytest.raises(BadSettings) as caught:
        load_settings({}, {"LABELMILL_BLOBS_URL": url}, tmp_path / ".env")
    assert message in str(caught.value)
    assert "supersecretkey" not in str(caught.value)


def test_the_oldest_copies_go_and_those_in_use_stay(tmp_path):
    cache = FileCache(tmp_path, 25)
    long_ago = clock.now().timestamp() - 10 * IN_USE
    copies = [cache.keep(f"blob-{number}", "1", [b"0123456789"], size=10, digest=None) for number in range(4)]
    assert all(copy.is_file() for copy in copies), "each may be about to be opened"
    for age, copy in enumerate(copies):
        os.utime(copy, (long_ago + age, long_ago + age))
    assert cache.find("blob-0", "1", 10) == copies[0]
    cache.keep("blob-4", "1", [b"0123456789"], size=10, digest=None)
    assert [copy.is_file() for copy in copies] == [True, False, False, False]


def test_a_copy_that_breaks_off_leaves_nothing(tmp_path):
    cache = FileCache(tmp_path, 100)

    def breaking():
        yield b"01234"
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        cache.keep("a", "1", breaking(), size=10, digest=None)
    with pytest.raises(Unavailable, match="other bytes"):
        cache.keep("a", "1", [b"01234"], size=10, digest=None)
    assert list(tmp_path.iterdir()) == []
    assert cache.find("a", "1", 10) is None
