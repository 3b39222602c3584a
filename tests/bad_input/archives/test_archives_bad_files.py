"""`labelmill archive verify` on files that are no archive, or one that was damaged: each fault is named."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from archive_lab import ArchiveLab
from labelmill.archives.verify import verify
from labelmill.errors import BadFile

if TYPE_CHECKING:
    from pathlib import Path

    import webapp


@pytest.fixture(scope="module")
def content(kept_site: webapp.Site) -> bytes:
    lab = ArchiveLab(kept_site.app)
    dataset = lab.dataset(50)
    lab.answer_right(dataset, 20)
    made = lab.make(dataset)
    return lab.app.blobs.get(made.blob or "")


def rewritten(content: bytes, **changes: bytes | None) -> bytes:
    """Return the archive with other members; None leaves one out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        members = {name: old.read(name) for name in old.namelist()} | changes
        for name, member in members.items():
            if member is not None:
                new.writestr(name, member)
    return out.getvalue()


def refused(tmp_path: Path, content: bytes) -> BadFile:
    path = tmp_path / "archive.zip"
    path.write_bytes(content)
    with pytest.raises(BadFile) as found:
        verify(path)
    return found.value


def test_an_archive_that_is_whole_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "archive.zip").write_bytes(content)
    assert verify(tmp_path / "archive.zip").members == 6


@pytest.mark.parametrize("member", ["records.parquet", "human_labeled_data.json", "README.md"])
def test_each_damaged_member_is_named(content: bytes, tmp_path: Path, member: str) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        info = file.getinfo(member)
    place = info.header_offset + 30 + len(member) + info.compress_size // 2
    damaged = content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]
    assert refused(tmp_path, damaged).details["damaged"] == [member]


def test_each_bit_of_a_small_member_counts(content: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        info = file.getinfo("sample_timestamps.json")
    start = info.header_offset + 30 + len(info.filename)
    for place in range(start, start + info.compress_size, max(1, info.compress_size // 20)):
        damaged = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        assert refused(tmp_path, damaged).details["damaged"] == ["sample_timestamps.json"]


@pytest.mark.parametrize(
    ("changes", "damaged", "told"),
    [
        ({"README.md": b"other"}, ["README.md"], "bytes"), ({"records.parquet": None}, ["records.parquet"], "missing"),
        ({"evil.py": b"x"}, ["evil.py"], "not in the manifest"),
        ({"README.md": b"x", "human_labeled_data.json": None}, ["README.md", "human_labeled_data.json"], "missing"),
    ],
)  # fmt: skip
def test_members_that_were_changed_left_out_or_added_are_named(
    content: bytes, tmp_path: Path, changes: dict[str, bytes | None], damaged: list[str], told: str
) -> None:
    error = refused(tmp_path, rewritten(content, **changes))
    assert error.details["damaged"] == damaged
    assert told in error.message


def test_a_member_that_grows_without_end_is_not_unpacked(content: bytes, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("README.md", bytes(200 << 20))
        for name in set(old.namelist()) - {"README.md"}:
            new.writestr(name, old.read(name))
    assert refused(tmp_path, out.getvalue()).details["damaged"] == ["README.md"]


@pytest.mark.parametrize(
    "bad",
    [b"", b"no zip", b"PK\x05\x06" + bytes(18), json.dumps({"members": {}}).encode()],
    ids=["empty", "text", "bare", "json"],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, bad: bytes) -> None:
    assert "ZIP" in refused(tmp_path, bad).message or "manifest" in refused(tmp_path, bad).message


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_download_that_broke_off_is_told(content: bytes, tmp_path: Path, share: float) -> None:
    assert "its end is missing" in refused(tmp_path, content[: int(len(content) * share)]).message


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b'{"members": []}',
        b'{"members": {"a": 1}, "as_of": 1}',
        b'{"members": {"a": {"bytes": "1", "sha256": ""}}}',
    ],
)
def test_a_manifest_that_tells_nothing_is_refused(content: bytes, tmp_path: Path, manifest: bytes) -> None:
    assert "manifest.json" in refused(tmp_path, rewritten(content, **{"manifest.json": manifest})).message
