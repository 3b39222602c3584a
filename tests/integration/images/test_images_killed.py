"""Promise 5: loads of catalogues and image tasks that are killed at every place, with SIGKILL, end as if they were not."""

from __future__ import annotations

import hashlib
import json
import signal
import zipfile
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import catalogue_lab
from labelmill.images import service
from labelmill.jobs.inline import run_or_watch
from task_lab import TaskLab

if TYPE_CHECKING:
    from pathlib import Path

ROWS, CHUNK = 30, "16"
#: Two places in each of two chunks, the end, and what is tidied.
PLACES, MOST = 6, 12
LOAD = ("catalogue", "load", "shop/styles.csv", "--images", "shop/images", "--name", "shop", "--json")
FIGURES = ("delivered", "skipped", "bytes", "skipped_images")
WAYS = {
    "transformed": ("found", "--transform", "--size", "16x16"),
    "linked": ("found", "--link"),
    "zip": ("found.zip",),
    "shards": ("found.tar", "--transform", "--size", "16x16"),
}


def installation(folder: Path) -> TaskLab:
    lab = TaskLab(folder)
    catalogue_lab.make(folder / "shop", ROWS)
    (folder / "shop" / "images" / "7.jpg").write_bytes(b"no image")
    return lab


def delivered(folder: Path, task: str) -> dict[str, str]:
    """Return the check sum of everything in a folder, hidden files too, without what no two tasks have in common."""
    contents = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if "found.zip" in contents:
        assert len(contents) == 1
        with zipfile.ZipFile(folder / "found.zip") as archive:
            assert archive.testzip() is None
            contents = {name: archive.read(name) for name in archive.namelist()}
    own = (task.encode(), str(folder).encode())
    return {name: hashlib.sha256(_without(content, own)).hexdigest() for name, content in contents.items()}


def _without(content: bytes, parts: tuple[bytes, ...]) -> bytes:
    for part in parts:
        content = content.replace(part, b"")
    return content


def left(lab: TaskLab, task: str) -> list[str]:
    """Return what a task that has ended keeps of its work."""
    work = lab.folder / "data" / "blobs" / "image-tasks" / task
    return [path.name for path in work.rglob("*") if path.is_file()]


def go_on(lab: TaskLab, job_id: str) -> dict[str, Any]:
    with lab.app() as application:
        ended = run_or_watch(application.runtime, job_id)
    assert ended.state == "succeeded", ended.error
    return ended.result or {}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", WAYS)
def test_p05_an_image_task_killed_at_any_place_ends_with_the_same_files(tmp_path: Path, way: str) -> None:
    place, *options = WAYS[way]
    lab = installation(tmp_path)
    assert lab.run(*LOAD).returncode == 0
    found: list[tuple[dict[str, str], dict[str, Any]]] = []
    kept = 0
    for number in range(1, MOST):
        out = tmp_path / f"try-{number}-"
        command = ("images", "query", "shop", "--out", str(out / place), *options, "--chunk", CHUNK, "--json")
        first = lab.run(*command, trigger=f"*:kill:{number}")
        assert first.returncode in (0, -signal.SIGKILL), first.stderr
        task = lab.jobs()[0].id
        kept += len(left(lab, task))
        report = json.loads(first.stdout) if first.returncode == 0 else go_on(lab, task)
        assert left(lab, task) == []
        found.append((delivered(out, task), {name: report[name] for name in FIGURES}))
        if first.returncode == 0:
            break
    undisturbed = found.pop()
    assert undisturbed[1]["delivered"] == ROWS - 1
    assert (len(found), kept > 0) == (PLACES, True)
    for number, after in enumerate(found, 1):
        assert after == undisturbed, f"killed at place {number}"


def test_p05_a_load_that_is_killed_ends_with_one_version_of_the_same_rows(tmp_path: Path) -> None:
    lab = installation(tmp_path / "lab")
    assert lab.run(*LOAD, trigger="catalogue.kept:kill:1").returncode == -signal.SIGKILL
    (job,) = lab.jobs()
    assert go_on(lab, job.id)["rows"] == ROWS
    (listed,) = json.loads(lab.run("catalogue", "list", "--json").stdout)
    assert (listed["version"], listed["rows"]) == (1, ROWS)
    with lab.app() as application:
        with application.database.read() as connection:
            version = service.get_version(connection, job.id)
        ids = pl.read_parquet(application.blobs.path(version.blob))["id"].to_list()
        assert list(application.blobs.names("catalogues/")) == [version.blob]
    assert ids == [str(number) for number in range(1, ROWS + 1)]
    assert not list((lab.folder / "data" / "blobs").glob("catalogues/*/"))
