"""A dataset of a few records, and its annotators at work through the service."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from labelmill import clock
from labelmill.annotation import service
from labelmill.annotation.tables import current_annotations, record_leases
from labelmill.datasets import service as datasets
from labelmill.datasets.model import DatasetSettings, NewLabel, Order, RecordKind, record_key
from labelmill.datasets.tables import records
from labelmill.learning.tables import current_generations, generations, queue_records

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.db.database import Database

_NUMBERS = count(1)


def person(number: int) -> str:
    """Return the id of an annotator."""
    return f"{number:032x}"


class Lab:
    """Makes datasets and does what annotators do, each verb in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def dataset(self, size: int = 10, labels: tuple[str, ...] = ("a", "b", "c"), **settings: Any) -> datasets.Dataset:
        """Return a dataset with texts ``0``, ``1``, ...; sequential unless ``order`` says else."""
        chosen = DatasetSettings(**{"order": Order.SEQUENTIAL, **settings})
        named = [NewLabel(name=each) for each in labels]
        made = self.database.transact(
            datasets.create, name=f"set {next(_NUMBERS)}", kind=RecordKind.TEXT, labels=named, settings=chosen
        )
        self.add(made, [str(number) for number in range(size)])
        return self.again(made)

    def add(self, dataset: datasets.Dataset, texts: list[str]) -> None:
        """Add records."""
        keys = [record_key(None, text) for text in texts]
        frame = pl.DataFrame(
            {"record_key": keys, "given_id": pl.Series([None] * len(texts), dtype=pl.String), "content": texts}
        )
        if texts:
            self.database.transact(datasets.add_records, dataset.id, frame)

    def again(self, dataset: datasets.Dataset) -> datasets.Dataset:
        """Return the dataset as it is now."""
        with self.database.read() as connection:
            return datasets.get(connection, dataset.id)

    def next(self, dataset: datasets.Dataset, who: int, **more: Any) -> service.Served:
        """Return what an annotator gets next."""
        return self.database.transact(service.next_records, dataset, person(who), **more)

    def served(self, dataset: datasets.Dataset, who: int, **more: Any) -> list[str]:
        """Return the contents of what an annotator gets next."""
        return [each.record.content for each in self.next(dataset, who, **more).records]

    def answer(
        self, dataset: datasets.Dataset, record_id: int, who: int, label: str = "a", key: str | None = None, **more: Any
    ) -> service.Answered:
        """Answer by a label's name, with a new key unless one is given."""
        ids = [self.label(dataset, each) for each in label.split("+")]
        key = key or f"key-{next(_NUMBERS)}"
        return self.database.transact(service.answer, dataset, record_id, person(who), label_ids=ids, key=key, **more)

    def withdraw(self, dataset: datasets.Dataset, record_id: int, who: int, key: str | None = None) -> service.Answered:
        return self.database.transact(service.withdraw, dataset, record_id, person(who), key=key or f"key-{next(_NUMBERS)}")

    def undo(self, dataset: datasets.Dataset, who: int, key: str | None = None) -> service.Answered:
        return self.database.transact(service.undo, dataset, person(who), key=key or f"key-{next(_NUMBERS)}")

    def settle(self, dataset: datasets.Dataset, record_id: int, who: int, label: str) -> service.Answered:
        label_id = self.label(dataset, label)
        return self.database.transact(
            service.settle, dataset, record_id, person(who), label_id=label_id, key=f"key-{next(_NUMBERS)}"
        )

    def label(self, dataset: datasets.Dataset, name: str) -> int:
        """Return a label's id."""
        return next(each.id for each in dataset.labels if each.name == name)

    def ids(self, dataset: datasets.Dataset) -> list[int]:
        """Return the records' ids."""
        return self.column(sa.select(records.c.id).where(records.c.dataset_id == dataset.id).order_by(records.c.id))

    def row(self, record_id: int) -> dict[str, Any]:
        """Return a record's row."""
        with self.database.read() as connection:
            return dict(connection.execute(sa.select(records).where(records.c.id == record_id)).mappings().one())

    def answers(self, record_id: int) -> int:
        """Return how many answers to a record count."""
        return len(
            self.column(sa.select(current_annotations.c.annotator_id).where(current_annotations.c.record_id == record_id))
        )

    def leases(self, dataset: datasets.Dataset) -> list[tuple[int, str]]:
        """Return who holds what."""
        query = sa.select(record_leases.c.record_id, record_leases.c.annotator_id).where(
            record_leases.c.dataset_id == dataset.id
        )
        with self.database.read() as connection:
            return sorted((row.record_id, row.annotator_id) for row in connection.execute(query))

    def held(self, dataset: datasets.Dataset, who: int) -> list[int]:
        """Return what lies before an annotator."""
        return [record_id for record_id, annotator_id in self.leases(dataset) if annotator_id == person(who)]

    def queue(self, dataset: datasets.Dataset, texts: list[str]) -> None:
        """Let a new generation ask for the records with these texts, in this order, suggesting the first label for each."""
        self.database.transact(self._queue, dataset, texts)

    def _queue(self, connection: Connection, dataset: datasets.Dataset, texts: list[str]) -> None:
        found = connection.execute(sa.select(records.c.content, records.c.id).where(records.c.dataset_id == dataset.id)).all()
        ids = {row.content: row.id for row in found}
        row = {"dataset_id": dataset.id, "created_at": clock.now(), "records_to": max(ids.values()), "records": len(ids)}
        number = connection.execute(sa.insert(generations).values(row)).inserted_primary_key[0]
        connection.execute(sa.delete(current_generations).where(current_generations.c.dataset_id == dataset.id))
        connection.execute(sa.insert(current_generations).values(dataset_id=dataset.id, generation_id=number))
        fixed = {"generation_id": number, "label_id": dataset.labels[0].id, "confidence": 0.5}
        rows = [fixed | {"place": place, "record_id": ids[text]} for place, text in enumerate(texts)]
        connection.execute(sa.insert(queue_records), rows)

    def column(self, query: sa.Select[Any]) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.scalars(query))
