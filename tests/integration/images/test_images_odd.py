"""Catalogues of odd tables and odd places, and a disk without room: what can be delivered is, the rest is told."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

import catalogue_lab
from labelmill.bootstrap import build
from labelmill.errors import Unavailable
from labelmill.images import places, service, zips
from labelmill.images.delivering import Folder, Shard
from labelmill.images.task import Delivery, Pack
from labelmill.jobs.inline import run_or_watch
from labelmill.settings import Settings
from small_disk import little_room

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labelmill.bootstrap import App

    Table = list[list[str]]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    built = build(Settings(data_dir=tmp_path / "data"))
    yield built
    built.close()


def load(app: App, folder: Path, table: Table, images: Path, ids: str) -> dict[str, Any]:
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(table)
    places_of = {"table": app.places.reference(str(folder / "table.csv")), "images": places.reference(str(images))}
    job = app.database.transact(service.load, "odd", id_column=ids, **places_of)
    ended = run_or_watch(app.runtime, job.id)
    assert ended.state == "succeeded", ended.error
    return ended.result or {}


def submit(app: App, delivery: Delivery) -> str:
    with app.database.read() as connection:
        catalogue = service.find(connection, "odd")
    return app.database.transact(service.query, catalogue, (), delivery).id


def deliver(app: App, delivery: Delivery) -> dict[str, Any]:
    ended = run_or_watch(app.runtime, submit(app, delivery))
    assert ended.state == "succeeded", ended.error
    return ended.result or {}


def pictures(folder: Path, *names: str) -> Path:
    (folder / "images").mkdir()
    for number, name in enumerate(names):
        (folder / "images" / f"{name}.jpg").write_bytes(catalogue_lab.picture(number))
    return folder / "images"


def table_of(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


NAMES = ["url", "id", "c0", "^.*$", "file", "skipped", "delivered", "row", "fault", "bytes"]


@pytest.mark.parametrize("ids", NAMES)
def test_columns_may_be_called_as_ours_are_and_each_may_hold_the_ids(app: App, tmp_path: Path, ids: str) -> None:
    images = pictures(tmp_path, "a", "b")
    rows = [[key if name == ids else f"{key} {name}" for name in NAMES] for key in ("a", "b", "none")]
    assert load(app, tmp_path, [NAMES, *rows], images, ids)["rows"] == 3
    report = deliver(app, Delivery(out=str(tmp_path / "out")))
    folder = tmp_path / "out" / report["task"]
    header, *delivered = table_of(folder / "metadata.csv")
    others = [name if name != "url" else "url of the catalogue" for name in NAMES]
    assert sorted(header) == sorted([*others, "url"])
    assert [[row[header.index(name)] for name in others] for row in delivered] == rows[:2]
    assert [row[header.index("url")] for row in delivered] == ["a.jpg", "b.jpg"]
    assert table_of(folder / "skipped.csv") == [["id", "file", "skipped"], ["none", "", "there is no image of this id"]]


@pytest.mark.parametrize("pack", list(Pack))
@pytest.mark.parametrize("table", [[["id", "name"]], [["id"], ["a"]]], ids=["no row", "one column"])
def test_a_table_without_rows_and_one_of_ids_alone_are_catalogues(app: App, tmp_path: Path, table: Table, pack: Pack) -> None:
    images = pictures(tmp_path, "a")
    rows = len(table) - 1
    assert load(app, tmp_path, table, images, "id")["rows"] == rows
    assert deliver(app, Delivery(pack=pack, out=str(tmp_path / "out" / "x.zip")))["delivered"] == rows


HOSTILE = ["../a", "/etc/a", "a/b", ".a", "a\\b", "a:b", "a*", "nul\x07", "x" * 151, " a", "a."]
GOOD = ["a.b", "衣服", "-rf", "$(id)", "x" * 150, "%2e%2e", "=1+1"]


@pytest.mark.parametrize("pack", list(Pack))
def test_ids_that_lead_elsewhere_are_refused_and_odd_ones_delivered(app: App, tmp_path: Path, pack: Pack) -> None:
    images = pictures(tmp_path, *GOOD)
    loaded = load(app, tmp_path, [["id", "name"], *([each, "x"] for each in [*HOSTILE, *GOOD])], images, "id")
    assert (loaded["rows"], loaded["rejected"]) == (len(GOOD), len(HOSTILE))
    out = tmp_path / "out" / "x.zip"
    report = deliver(app, Delivery(pack=pack, out=str(out)))
    assert report["delivered"] == len(GOOD)
    wanted = {f"{each}.jpg": (images / f"{each}.jpg").read_bytes() for each in GOOD}
    if pack is Pack.FOLDER:
        found = {path.name: path.read_bytes() for path in (out / report["task"]).glob("*.jpg")}
    elif pack is Pack.ZIP:
        with zipfile.ZipFile(out) as archive:
            found = {name: archive.read(name) for name in archive.namelist() if name.endswith(".jpg")}
    else:
        with tarfile.open(tmp_path / "out" / "x-000000.tar") as shard:
            found = {name: shard.extractfile(name).read() for name in shard.getnames() if name.endswith(".jpg")}  # type: ignore[union-attr]
    assert found == wanted


def test_junk_in_a_zip_of_images_costs_nothing_but_itself(app: App, tmp_path: Path) -> None:
    good = catalogue_lab.picture(1)
    with zipfile.ZipFile(tmp_path / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("photos/a.jpg", "__MACOSX/photos/._a.jpg", "../b.jpg", "photos/.c.jpg", "Thumbs.db", "other/a.jpg"):
            archive.writestr(name, good if name == "photos/a.jpg" else catalogue_lab.picture(2))
        archive.writestr("photos/d.jpg", b"<svg/>")
        archive.writestr("photos/e.jpg", good)
        archive.writestr("readme.txt", "hello")
    whole = bytearray((tmp_path / "images.zip").read_bytes())
    whole[whole.index(b"photos/e.jpg") + 200] ^= 0xFF  # its check sum is wrong now
    (tmp_path / "images.zip").write_bytes(whole)
    load(app, tmp_path, [["id"], *([each] for each in "abcde")], tmp_path / "images.zip", "id")
    report = deliver(app, Delivery(out=str(tmp_path / "out")))
    reasons = {each["id"]: each["reason"] for each in report["skipped_images"]}
    assert (report["delivered"], sorted(reasons)) == (1, ["b", "c", "d", "e"])
    assert reasons["e"].startswith("it cannot be unpacked")
    made = tmp_path / "out" / report["task"]
    assert {path.name for path in made.iterdir()} == {"a.jpg", "metadata.csv", "skipped.csv", "report.json"}


def written(kind: str, folder: Path, content: bytes) -> None:
    """Write one image as a task does that delivers into a folder, a ZIP or shards."""
    row: dict[str, object] = {"id": "a", "file": "a.jpg"}
    if kind == "folder":
        Folder(folder).write("a.jpg", content, row)
        return
    with zips.ZipPiece(folder / "a.zip") if kind == "zip" else Shard(folder / "a.tar", {}) as target:
        target.write("a.jpg", content, row)


@pytest.mark.parametrize("kind", list(Pack))
def test_p12_a_full_disk_is_told_and_keeps_nothing_that_is_not_whole(tmp_path: Path, kind: str) -> None:
    content = b"x" * 200_000
    with little_room(100_000), pytest.raises(Unavailable, match=r"File too large|no room") as caught:
        written(kind, tmp_path / "out", content)
    assert "Free some space" in (caught.value.way_out or "")
    assert list((tmp_path / "out").iterdir()) == []
    written(kind, tmp_path / "out", content)
    (made,) = (tmp_path / "out").iterdir()
    assert made.stat().st_size >= len(content)


def test_a_zip_of_many_members_and_beyond_four_gigabytes_is_listed_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offsets of 64 bits are written where 32 do not reach: here from the first member on."""
    for number in range(2):
        with zips.ZipPiece(tmp_path / f"{number}.zip") as piece:
            piece.write(f"{number}.jpg", b"x" * (100 + number))
    monkeypatch.setattr(zips, "_MOST_16", 1)
    with (tmp_path / "all.zip").open("wb") as out:
        out.seek(1 << 33)  # a hole: nothing of it is on the disk
        joined = zips.JoinedZip(out, io.BytesIO())
        for number in range(2):
            joined.add(tmp_path / f"{number}.zip")
        joined.end()
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert [len(archive.read(name)) for name in archive.namelist()] == [100, 101]


def test_a_row_in_a_shard_says_what_the_table_does(app: App, tmp_path: Path) -> None:
    images = pictures(tmp_path, "a")
    load(app, tmp_path, [["sku", "url"], ["a", "theirs"]], images, "sku")
    deliver(app, Delivery(pack=Pack.TAR, out=str(tmp_path / "x.tar")))
    with tarfile.open(tmp_path / "x-000000.tar") as shard:
        held = shard.extractfile("a.json")
        assert held is not None
        assert json.load(held) == {"sku": "a", "url of the catalogue": "theirs"}
