"""Every store of blobs behaves the same."""

from __future__ import annotations

import errno
import os

import pytest

from labelmill import clock
from labelmill.blobs import LocalBlobs, MemoryBlobs
from labelmill.errors import BadInput, NotFound, Unavailable


@pytest.fixture(params=["local", "memory"])
def blobs(request, tmp_path):
    return LocalBlobs(tmp_path / "blobs") if request.param == "local" else MemoryBlobs()


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


def test_a_name_never_gets_other_bytes(blobs):
    blobs.put("a", b"first")
    blobs.put("a", b"second")
    assert blobs.get("a") == b"first"


def test_what_is_missing_is_not_found(blobs):
    assert not blobs.exists("a")
    for ask in (blobs.get, blobs.size, blobs.path):
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
    for name in ("b/2", "a/1", "b/1"):
        blobs.put(name, b"")
    assert list(blobs.names("b/")) == ["b/1", "b/2"]
    assert list(blobs.names()) == ["a/1", "b/1", "b/2"]


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
