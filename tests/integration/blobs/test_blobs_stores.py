"""Every store of blobs behaves the same."""

from __future__ import annotations

import errno
import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from labelmill import clock
from labelmill.blobs import LocalBlobs
from labelmill.errors import BadInput, NotFound, Unavailable


def test_what_was_put_is_got(blobs):
    blobs.put("images/0a/0a1b.jpg", b"\0\1")
    assert blobs.exists("images/0a/0a1b.jpg")
    assert blobs.get("images/0a/0a1b.jpg") == b"\0\1"
    assert blobs.size("images/0a/0a1b.jpg") == 2
    assert blobs.path("images/0a/0a1b.jpg").read_bytes() == b"\0\1"


def test_a_file_is_put_as_its_bytes(blobs, tmp_path):
    (tmp_path / "model").write_bytes(b"model")
    blobs.put_file("models/1", tmp_path / "model")
    assert blobs.get("models/1") == b"model"


def test_a_large_file_comes_back_whole_and_in_parts(blobs, tmp_path):
    """Larger than a chunk of the database and a part of S3, and no multiple of either."""
    content = random.Random(0).randbytes((16 << 20) + 12_345)
    (tmp_path / "large").write_bytes(content)
    blobs.put_file("archives/large.zip", tmp_path / "large")
    assert blobs.size("archives/large.zip") == len(content)
    assert blobs.get("archives/large.zip") == content
    assert blobs.path("archives/large.zip").read_bytes() == content
    for start, size in ((0, 10), (1 << 20, 1), ((1 << 20) - 5, 10), (len(content) - 3, 10), (5, (3 << 20) + 1)):
        assert b"".join(blobs.stream("archives/large.zip", start, size)) == content[start : start + size]
    assert b"".join(blobs.stream("archives/large.zip", len(content) - 7)) == content[-7:]
    assert b"".join(blobs.stream("archives/large.zip", len(content) + 1)) == b""


def test_an_empty_file_is_there(blobs):
    blobs.put("empty", b"")
    assert (blobs.exists("empty"), blobs.size("empty"), blobs.get("empty")) == (True, 0, b"")
    assert blobs.path("empty").read_bytes() == b""
    assert list(blobs.names()) == ["empty"]


def test_of_many_that_put_one_name_at_once_all_are_served(blobs):
    """They make the same bytes, as workers do that were given the same step."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _number: blobs.put("models/1", b"model" * 1000), range(16)))
    assert blobs.get("models/1") == b"model" * 1000
    assert list(blobs.names()) == ["models/1"]


def test_what_is_put_while_it_is_swept_is_there_afterwards(blobs):
    """Whoever puts it counts on it from then on: the one that removes what is old must not take it away after that."""
    names = [f"images/{number}" for number in range(12)]
    for name in (*names, "images/last"):
        blobs.put(name, b"image")
    while not blobs.remove_older("images/last", clock.now().timestamp()):
        clock.sleep(0.05)
    moment = clock.now().timestamp()
    with ThreadPoolExecutor(4) as pool:
        for name in names:
            pool.submit(blobs.remove_older, name, moment)
            pool.submit(blobs.put, name, b"image")
            pool.submit(blobs.remove_older, name, moment)
    assert list(blobs.names()) == sorted(names)
    assert {blobs.get(name) for name in names} == {b"image"}


def test_a_name_never_gets_other_bytes(blobs):
    blobs.put("a", b"first")
    blobs.put("a", b"second")
    assert blobs.get("a") == b"first"


def test_what_is_missing_is_not_found(blobs):
    assert not blobs.exists("a")
    for ask in (blobs.get, blobs.size, blobs.path, lambda name: list(blobs.stream(name))):
        with pytest.raises(NotFound):
            ask("a")
    blobs.remove("a")


def test_what_is_older_than_a_moment_goes_and_what_was_put_again_since_stays(blobs):
    before = clock.now().timestamp() - 100
    after = clock.now().timestamp() + 100
    for name in ("a", "b"):
        blobs.put(name, b"first")
    assert not blobs.remove_older("a", before)
    assert blobs.get("a") == b"first"
    assert blobs.remove_older("a", after)
    assert not blobs.exists("a")
    assert not blobs.remove_older("a", after)
    blobs.put("a", b"second")
    assert blobs.get("a") == b"second"
    assert list(blobs.names()) == ["a", "b"]


def test_what_was_removed_is_gone(blobs):
    blobs.put("a", b"first")
    blobs.remove("a")
    assert not blobs.exists("a")
    blobs.put("a", b"second")
    assert blobs.get("a") == b"second"


def test_names_are_listed_by_prefix_in_order(blobs):
    for name in ("b/2", "a/1", "b/1", "b-c", "b_c/1", "b/1-0", "zz/z"):
        blobs.put(name, b"")
    assert list(blobs.names("b/")) == ["b/1", "b/1-0", "b/2"]
    assert list(blobs.names("b_")) == ["b_c/1"]
    assert list(blobs.names()) == ["a/1", "b-c", "b/1", "b/1-0", "b/2", "b_c/1", "zz/z"]


@pytest.mark.parametrize(
    "name",
    ["", "/a", "a/", "../a", "a/../b", "a//b", ".a", "a/.b", "A", "a b", "a\\b", "a\0", "ä", "a..b", "a\n", "a" * 201, "c:a"],
)
def test_a_name_that_could_lead_elsewhere_is_refused(blobs, name):
    for ask in (blobs.get, blobs.exists, blobs.remove, lambda wrong: blobs.put(wrong, b"")):
        with pytest.raises(BadInput):
            ask(name)


def test_p12_a_full_disk_leaves_no_part_of_a_blob(tmp_path, monkeypatch):
    blobs = LocalBlobs(tmp_path)

    def fail(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Unavailable, match="No space left"):
        blobs.put("images/a", b"bytes")
    monkeypatch.undo()
    assert list(blobs.names()) == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    blobs.put("images/a", b"bytes")
    assert blobs.get("images/a") == b"bytes"


def test_a_blob_is_seen_only_when_it_is_whole(tmp_path, monkeypatch):
    blobs, seen = LocalBlobs(tmp_path), []
    real = os.fsync

    def look(descriptor):
        seen.append((blobs.exists("a"), list(blobs.names())))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    blobs.put("a", b"bytes")
    assert seen[0] == (False, [])
