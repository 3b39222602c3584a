"""A dataset as of one annotation, read slice by slice: however many answers arrive meanwhile, all slices are of that moment."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Self

import polars as pl
import sqlalchemy as sa

from labelmill import clock
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import label_rows
from labelmill.datasets import service as datasets
from labelmill.exports.formats import Naming
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from labelmill.blobs import Blobs
    from labelmill.datasets.service import Dataset
    from labelmill.db.database import Database
    from labelmill.exports.formats import Request

#: Records of the least slice; and of the first and the largest, which all that are read at the same time share: two hundred who
#: read slowly, and have a slice each waiting for them, fit into memory.
LEAST, FIRST, LARGEST = 100, 2000, 16_000
#: A slice that was taken sooner than this is followed by one twice as large, another by one half as large.
PROMPT_SECONDS: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Records and their answers."""

    #: record_id, given_id, content, answers, label (the majority's name or null), is_tied, agreement (the share of answers with the
    #: most frequent label, or null), votes (label and how often it was given), predicted, confidence.
    records: pl.DataFrame
    #: number, record_id, annotator, labels, is_settling, shown_at, answered_at; in the order in which they were given.
    answers: pl.DataFrame


class _Readers:
    """How many exports are being read in this process."""

    def __init__(self) -> None:
        self.number = 0
        self._lock = threading.Lock()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        with self._lock:
            self.number += 1
        try:
            yield
        finally:
            with self._lock:
                self.number -= 1


_READERS: Final = _Readers()


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What does not change while a dataset is read, whatever people do meanwhile."""

    dataset: Dataset
    #: The newest annotation that counts.
    number: int
    #: The least and the greatest id of the records.
    first: int
    last: int
    #: Names of all labels that the dataset has or had, by their ids; and of those that were merged, into which.
    labels: dict[int, str]
    merged: dict[int, int]
    #: What annotators are called, by their ids.
    people: dict[str, str]

    @classmethod
    def now(
        cls, connection: Connection, dataset_id: int, naming: Naming, *, number: int | None = None, to: int | None = None
    ) -> Self:
        """Return this moment, or the one when the annotation ``number`` and the record ``to`` were the newest. Raises NotFound."""
        dataset = datasets.get(connection, dataset_id)
        first, last = datasets.extent(connection, dataset_id)
        return cls(
            dataset=dataset, number=annotation.newest_number(connection, dataset_id) if number is None else number, first=first,
            last=last if to is None else to,
            labels=_label_names(connection, dataset_id), merged=datasets.merged_labels(connection, dataset_id),
            people=_people(connection, dataset_id, naming),
        )  # fmt: skip


class Reading:
    """What an export reads, fixed at the moment it begins, or at one before."""

    def __init__(
        self,
        database: Database,
        moment: Moment,
        where: datasets.RecordFilter | None = None,
        predictions: pl.DataFrame | None = None,
    ) -> None:
        self._database = database
        self._where = where or datasets.RecordFilter()
        self._predictions = predictions
        self.dataset = moment.dataset
        self.number = moment.number
        self._first, self._last = moment.first, moment.last
        self.labels = moment.labels
        self._merged = moment.merged
        self._people = moment.people

    @classmethod
    def begin(cls, database: Database, blobs: Blobs, dataset_id: int, request: Request) -> Self:
        """Return what an export reads that begins now. Raises NotFound, and BadInput for what the format cannot hold."""
        with database.read() as connection:
            moment = Moment.now(connection, dataset_id, request.naming)
            request.check(moment.dataset.kind)
            predictions = learning.shown_predictions(connection, blobs, dataset_id)
        return cls(database, moment, request.where, predictions)

    @cached_property
    def has_ids(self) -> bool:
        """Whether records have ids of their own."""
        with self._database.read() as connection:
            found = datasets.record_slice(connection, self.dataset.id, after=self._first - 1, to=self._last, limit=LEAST)
        return bool(found["given_id"].is_not_null().any())

    def contents(self) -> Iterator[pl.Series]:
        """Yield the contents of all records that are asked for."""
        after = self._first - 1
        while True:
            with self._database.read() as connection:
                found = self._records(connection, after, LARGEST)
            if found.is_empty():
                return
            yield found["content"]
            after = found["record_id"][-1]

    def slices(self) -> Iterator[Labelled]:
        """Yield all records that are asked for with their answers, in the order in which they were added."""
        with _READERS.one_more():
            yield from self._slices()

    def _slices(self) -> Iterator[Labelled]:
        after, size = self._first - 1, max(LEAST, FIRST // _READERS.number)
        while True:
            with self._database.read() as connection:
                found = self._records(connection, after, size)
                if found.is_empty():
                    return
                labelled = self._labelled(found, self._answers(connection, found))
            after = found["record_id"][-1]
            before = clock.monotonic()
            if labelled.records.height:
                yield labelled
            size = 2 * size if clock.monotonic() - before < PROMPT_SECONDS else size // 2
            size = max(LEAST, min(size, LARGEST // _READERS.number))

    def after(self, record_id: int, limit: int) -> Labelled | None:
        """Return the next ``limit`` records after an id with their answers, None where there are none."""
        found = self.page(record_id, limit)
        return None if found is None else found[1]

    def page(self, record_id: int, limit: int) -> tuple[int, Labelled] | None:
        """Return what ``after`` returns, of which a filter may leave nothing, with the id after which to look for the next."""
        with self._database.read() as connection:
            found = self._records(connection, record_id, limit)
            if found.is_empty():
                return None
            answers = self._answers(connection, found)
        return int(found["record_id"][-1]), self._labelled(found, answers)

    def _answers(self, connection: Connection, found: pl.DataFrame) -> pl.DataFrame:
        """Return the answers to records that lie together."""
        first, last = found["record_id"][0], found["record_id"][-1]
        answers = annotation.answers_between(
            connection, self.dataset.id, first, last, to_number=self.number, merged=self._merged
        )
        return answers.join(found, on="record_id", how="semi", maintain_order="left")

    def _records(self, connection: Connection, after: int, limit: int) -> pl.DataFrame:
        where = self._where
        # What follows from answers is looked at as of the export's moment, once they are counted.
        narrow = datasets.RecordFilter(text=where.text, is_open=where.is_open, given_ids=where.given_ids)
        wanted = None if narrow == datasets.RecordFilter() else narrow
        return datasets.record_slice(connection, self.dataset.id, after=after, to=self._last, limit=limit, where=wanted)

    def _labelled(self, found: pl.DataFrame, answers: pl.DataFrame) -> Labelled:
        names = pl.DataFrame(list(self.labels.items()), schema={"label_id": pl.Int64, "label": pl.String}, orient="row")
        majorities = annotation.majorities_among(answers, self.dataset.settings).rename({"majority_id": "label_id"})
        records = (
            found.join(majorities, on="record_id", how="left", maintain_order="left")
            .join(_votes(answers, names), on="record_id", how="left", maintain_order="left")
            .join(names, on="label_id", how="left", maintain_order="left")
            .join(self._predicted(found), on="record_id", how="left", maintain_order="left")
            .with_columns(pl.col("answers").fill_null(0), pl.col("is_tied").fill_null(value=False))
        )
        records = records.filter(*self._conditions()).drop("label_id")
        given = answers.join(records, on="record_id", how="semi", maintain_order="left")
        return Labelled(records=records, answers=self._named(given, names))

    def _predicted(self, found: pl.DataFrame) -> pl.DataFrame:
        """Return record_id, predicted and confidence of records that lie together."""
        if self._predictions is None:
            return pl.DataFrame(schema={"record_id": pl.Int64, "predicted": pl.String, "confidence": pl.Float64})
        here = pl.col("record_id").is_between(found["record_id"][0], found["record_id"][-1])
        names = pl.col("label_id").replace_strict(self.labels, default=None, return_dtype=pl.String)
        confidence = pl.col("confidence").cast(pl.Float64).round(4)
        return self._predictions.filter(here).select("record_id", predicted=names, confidence=confidence)

    def _conditions(self) -> list[pl.Expr]:
        where, label = self._where, pl.col("label_id")
        found = [] if where.label_id is None else [(label == where.label_id).fill_null(value=False)]
        if where.is_tied is not None:
            found.append(pl.col("is_tied") == where.is_tied)
        if where.is_answered is not None:
            found.append(label.is_not_null() if where.is_answered else label.is_null())
        return found

    def _named(self, answers: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
        """Return answers with the names of annotators and labels in place of their ids."""
        lists = (
            answers.select("number", label_id="label_ids").explode("label_id")
            .join(names, on="label_id", how="left", maintain_order="left")
            .group_by("number", maintain_order=True).agg(labels=pl.col("label").drop_nulls())
        )  # fmt: skip
        people = pl.DataFrame(
            list(self._people.items()), schema={"annotator_id": pl.String, "annotator": pl.String}, orient="row"
        )
        found = answers.join(people, on="annotator_id", how="left", maintain_order="left")
        found = found.join(lists, on="number", how="left", maintain_order="left")
        return found.select("number", "record_id", "annotator", "labels", "is_settling", "shown_at", "answered_at")


def _votes(answers: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Return votes and agreement of each record: how often each label was given, without those answers that settle a tie."""
    counts = (
        answers.filter(~pl.col("is_settling")).select("record_id", label_id="label_ids").explode("label_id").drop_nulls()
        .group_by("record_id", "label_id").agg(votes=pl.len())
        .join(names, on="label_id").sort("record_id", "votes", "label", descending=[False, True, False])
    )  # fmt: skip
    given = answers.filter(~pl.col("is_settling")).group_by("record_id").agg(voters=pl.len())
    return (
        counts.group_by("record_id", maintain_order=True)
        .agg(most=pl.col("votes").max(), votes=pl.struct("label", "votes"))
        .join(given, on="record_id")
        .select("record_id", "votes", agreement=(pl.col("most") / pl.col("voters")).round(4))
    )


def _label_names(connection: Connection, dataset_id: int) -> dict[int, str]:
    """Return the names of all labels that a dataset has or had: an answer may still have a removed one."""
    rows = sa.select(label_rows.c.id, label_rows.c.name).where(label_rows.c.dataset_id == dataset_id)
    return {row.id: row.name for row in connection.execute(rows.order_by(label_rows.c.id))}


def _people(connection: Connection, dataset_id: int, naming: Naming) -> dict[str, str]:
    """Return what the annotators of a dataset are called; pseudonyms are numbered by the first answer, so that they stay the same."""
    ids = annotation.annotators_of(connection, dataset_id)
    numbers = {each: f"annotator-{number}" for number, each in enumerate(ids, 1)}
    if naming is Naming.PSEUDONYM:
        return numbers
    known = accounts.get_annotators(connection, ids)
    if naming is Naming.EMAIL:
        return numbers | {each: found.email for each, found in known.items()}
    return numbers | {each: found.name or found.email for each, found in known.items()}
