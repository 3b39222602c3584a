"""Datasets that are exported, and what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import annotation_lab
import import_samples
from labelmill.blobs import MemoryBlobs
from labelmill.datasets import NewLabel, RecordFilter, RecordKind, record_key
from labelmill.datasets import service as datasets
from labelmill.exports import Format, Naming, Request, Rows
from labelmill.exports.service import export

if TYPE_CHECKING:
    from labelmill.datasets.service import Dataset
    from labelmill.db.database import Database


class Lab(annotation_lab.Lab):
    """Annotates, and exports."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.blobs = MemoryBlobs()

    def export(self, dataset: Dataset, form: str, rows: str = "records", naming: str = "pseudonym", **where: Any) -> bytes:
        """Return the whole file."""
        asked = Request(format=Format(form), rows=Rows(rows), naming=Naming(naming), where=RecordFilter(**where))
        return b"".join(export(self.database, self.blobs, dataset.id, asked).chunks)

    def filled(self, kind: str, contents: dict[str, str | None], labels: tuple[str, ...] = ("x",)) -> Dataset:
        """Return a dataset of contents, each with its given id or None."""
        named = [NewLabel(name=each) for each in labels]
        made = self.database.transact(datasets.create, name=f"{kind} set", kind=RecordKind(kind), labels=named)
        keys = [record_key(given, content) for content, given in contents.items()]
        given = pl.Series(list(contents.values()), dtype=pl.String)
        frame = pl.DataFrame({"record_key": keys, "given_id": given, "content": list(contents)})
        self.database.transact(datasets.add_records, made.id, frame)
        return self.again(made)

    def with_answers(self, **settings: Any) -> Dataset:
        """Return a dataset whose records 0 to 3 have a majority, a tie, one answer, and none; 2 was answered by the second person only."""
        dataset = self.dataset(4, labels=("spam", "ham"), labels_per_record=3, **settings)
        ids = self.ids(dataset)
        for place, who, label in ((0, 1, "spam"), (0, 2, "spam"), (0, 3, "ham"), (1, 1, "ham"), (1, 2, "spam"), (2, 2, "ham")):
            self.answer(dataset, ids[place], who, label)
        return dataset


@pytest.fixture
def lab(database: Database) -> Lab:
    return Lab(database)


@pytest.fixture
def small_lab(embedded: Database) -> Lab:
    return Lab(embedded)


@pytest.fixture
def picture() -> Any:
    return import_samples.picture
