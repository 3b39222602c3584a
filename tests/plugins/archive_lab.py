"""Datasets of which archives are made in the test's process, and what is in those."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

import learning_lab
from labelmill.annotation import service as annotation
from labelmill.archives import Choices
from labelmill.archives import service as archives
from labelmill.datasets import service as datasets
from labelmill.jobs.tables import job_steps

if TYPE_CHECKING:
    from labelmill.archives import Archive

QUEUES = ("archiver",)


class ArchiveLab(learning_lab.Lab):
    def request(
        self, dataset: Any, *, step_records: int | None = None, classifier_id: int | None = None, **choices: Any
    ) -> Archive:
        return self.app.database.transact(
            archives.request, dataset.id, Choices(**choices), classifier_id=classifier_id, step_records=step_records
        )

    def make(self, dataset: Any, **wanted: Any) -> Archive:
        """Return an archive that is made already, or has failed."""
        found = self.request(dataset, **wanted)
        self.work(QUEUES)
        return self.found(found.id)

    def found(self, archive_id: str) -> Archive:
        return self.read(archives.get, archive_id)

    def opened(self, archive: Archive) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.app.blobs.get(archives.require_file(archive))))

    def members(self, archive: Archive) -> dict[str, bytes]:
        with self.opened(archive) as file:
            return {name: file.read(name) for name in file.namelist()}

    def trained(self, size: int = 60, answers: int = 30, **settings: Any) -> Any:
        """Return a dataset with answers and a classifier that has predicted all records."""
        dataset = self.dataset(size, **{"batch_size": 1000, **settings})
        self.answer_right(dataset, answers)
        self.train(dataset)
        return dataset


def sums(members: dict[str, bytes]) -> dict[str, str]:
    """Return the sums of the members that hold records and answers, and the rows of each."""
    known = json.loads(members["manifest.json"])["members"]
    return {name: about for name, about in known.items() if name not in ("README.md", "classifier.skops", "metrics.json")}


def free_now(lab: ArchiveLab, archive_id: str | None = None) -> None:
    """Let the steps of this archive's job, or of all, wait for their time no longer."""
    waiting = sa.update(job_steps).values(not_before=None, put_off_at=None)
    waiting = waiting if archive_id is None else waiting.where(job_steps.c.job_id == archive_id)
    lab.app.database.transact(lambda connection: connection.execute(waiting))


@dataclass(frozen=True)
class Rich:
    lab: ArchiveLab
    dataset: Any
    archive: Archive
    members: dict[str, bytes]
    #: Ids of its records in their order; the first 20 have a majority, the 21st is tied, of the 22nd the only answer was taken back.
    ids: list[int]

    def json(self, name: str) -> dict[str, dict[str, Any]]:
        return json.loads(self.members[name])

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return a column-oriented member as rows."""
        columns = self.json(name)
        keys = list(columns["text_id"])
        assert keys == [str(place) for place in range(len(keys))]
        return [{column: values[key] for column, values in columns.items()} for key in keys]

    def frame(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(io.BytesIO(self.members[name]))


def rich(lab: ArchiveLab) -> Rich:
    dataset = lab.dataset(40, batch_size=1000, labels_per_record=3)
    dataset = lab.app.database.transact(datasets.change, dataset.id, guidelines="Read *all* of it.")
    lab.answer_right(dataset, 20)
    ids = list(lab.ids(dataset))
    lab.answer(dataset, ids[20], "sport", who=1)
    lab.answer(dataset, ids[20], "food", who=2)
    lab.answer(dataset, ids[0], "sport", who=2)
    lab.answer(dataset, ids[21], "sport", who=3)
    lab.app.database.transact(annotation.withdraw, dataset, ids[21], learning_lab.person(3), key="taken-back")
    lab.train(dataset)
    archive = lab.make(dataset, pickle=True, step_records=15)
    return Rich(lab, lab.again(dataset), archive, lab.members(archive), ids)
