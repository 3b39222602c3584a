"""A day after a dataset was removed its blobs go too, and nobody else's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl
import pytest

from labelmill import clock
from labelmill.blobs import LocalBlobs
from labelmill.datasets import NewLabel, RecordKind, blob_sweep, record_key, service
from labelmill.jobs import service as jobs

if TYPE_CHECKING:
    from pathlib import Path

    from labelmill.db.database import Database


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "kept")


def image(number: int) -> str:
    return f"images/0{number}/0{number}.png"


def put(blobs: LocalBlobs, name: str, *, days: float = 3.0) -> None:
    """Keep a blob that was put so long ago."""
    blobs.put(name, b"x")
    moment = clock.now().timestamp() - days * 86_400
    os.utime(blobs.path(name), (moment, moment))


def dataset(database: Database, name: str, *numbers: int, init: bool = False) -> service.Dataset:
    made = database.transact(service.create, name=name, kind=RecordKind.IMAGE, labels=[NewLabel(name="a")])
    contents = [orjson.dumps({"blob": image(number), "width": 1, "height": 1}).decode() for number in numbers]
    if init:
        frame = pl.DataFrame({"content": contents, "label_id": [made.labels[0].id] * len(contents)})
        database.transact(service.add_init_records, made.id, frame)
    else:
        empty = pl.Series([None] * len(contents), dtype=pl.String)
        keys = [record_key(None, content) for content in contents]
        frame = pl.DataFrame({"record_key": keys, "given_id": empty, "content": contents})
        database.transact(service.add_records, made.id, frame)
    return made


def remove(database: Database, gone: service.Dataset) -> dict[str, Any]:
    """Remove a dataset and return what the job that sweeps after it is told."""
    database.transact(service.archive, gone.id)
    assert database.transact(service.remove, gone.id) is None
    with database.read() as connection:
        [job] = [each for each in jobs.list_jobs(connection) if each.kind == blob_sweep.KIND]
        [step] = jobs.list_steps(connection, job.id)
    assert step["state"] != "succeeded"
    return dict(job.params)


def sweep(database: Database, blobs: LocalBlobs, params: dict[str, Any]) -> int:
    return blob_sweep.sweep(database, blobs, params, lambda _: None)


def test_images_go_that_no_record_refers_to(database: Database, blobs: LocalBlobs) -> None:
    for number in range(6):
        put(blobs, image(number))
    put(blobs, image(6), days=0.5)  # somebody is importing it
    gone = dataset(database, "gone", 0, 1, 2, 3)
    dataset(database, "other", 2)
    dataset(database, "taught", 3, init=True)
    archived = dataset(database, "archived", 4)
    database.transact(service.archive, archived.id)
    params = remove(database, gone)
    assert sweep(database, blobs, params) == 3
    assert list(blobs.names("images/")) == [image(number) for number in (2, 3, 4, 6)]
    assert sweep(database, blobs, params) == 0


def test_what_classifiers_left_goes_and_not_that_of_a_dataset_with_the_same_number(
    database: Database, blobs: LocalBlobs
) -> None:
    gone = dataset(database, "gone")
    for folder in blob_sweep.OWN:
        put(blobs, f"{folder}/{gone.id}/old.bin")
        put(blobs, f"{folder}/{gone.id}0/other.bin")
    params = remove(database, gone)
    put(blobs, f"predictions/{gone.id}/new.bin", days=-0.01)
    assert sweep(database, blobs, params) == len(blob_sweep.OWN)
    left = [f"{folder}/{gone.id}0/other.bin" for folder in blob_sweep.OWN] + [f"predictions/{gone.id}/new.bin"]
    assert list(blobs.names()) == sorted(left)


def test_a_sweep_that_is_killed_is_ended_by_the_next(
    database: Database, blobs: LocalBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(name: str) -> None:
        raise Killed(name)

    for number in range(4):
        put(blobs, image(number))
    gone = dataset(database, "gone", 0, 1, 2)
    dataset(database, "other", 2)
    params = remove(database, gone)
    for left in (3, 2):
        with monkeypatch.context() as patch:
            patch.setattr(blob_sweep, "passing", die)
            with pytest.raises(Killed, match=r"blobs\.removed"):
                sweep(database, blobs, params)
        assert len(list(blobs.names())) == left
    assert sweep(database, blobs, params) == 1
    assert list(blobs.names()) == [image(2)]


def test_an_image_that_is_put_again_is_kept_for_who_puts_it(database: Database, blobs: LocalBlobs) -> None:
    put(blobs, image(0))
    params = remove(database, dataset(database, "gone", 0))
    blobs.put(image(0), b"x")  # the import adds its record next
    assert sweep(database, blobs, params) == 0
    assert blobs.get(image(0)) == b"x"
