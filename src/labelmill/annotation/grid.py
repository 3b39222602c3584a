"""Many records answered at once, and that taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from labelmill.annotation import answering, history, serving, showing
from labelmill.annotation.similar import most_similar
from labelmill.annotation.storing import wake
from labelmill.annotation.tables import annotation_rows
from labelmill.datasets import RecordKind
from labelmill.datasets import service as datasets
from labelmill.errors import BadInput, LabelmillError
from labelmill.ids import new_id
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

    from labelmill.annotation.showing import Shown
    from labelmill.blobs import Blobs
    from labelmill.bootstrap import App
    from labelmill.datasets import Dataset

#: Records on one page of the grid, and answers of one transaction: others label meanwhile.
PAGE: Final = 60
SLICE: Final = 10
#: Records among which similar ones, and those that the model is sure of, are looked for.
LOOKED_AT: Final = 2_000
#: From and below which confidence.
SURE: Final = {"": (0.0, 2.0), "90": (0.9, 2.0), "70": (0.7, 2.0), "unsure": (0.0, 0.6)}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which records the grid shows."""

    text: str = ""
    label_id: int | None = None
    #: open, answered, tied, or all.
    which: str = "open"
    #: Those that are like this one.
    like: int | None = None
    #: Those that the model would give this label; and how sure it is, a name of SURE.
    says: int | None = None
    sure: str = ""
    after: int = 0

    def as_filter(self) -> datasets.RecordFilter:
        flags = {name: True if self.which == name else None for name in ("open", "answered", "tied")}
        return datasets.RecordFilter(
            text=self.text, label_id=self.label_id, is_open=flags["open"], is_answered=flags["answered"], is_tied=flags["tied"]
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Seen:
    records: list[Shown]
    #: The id after which the next page begins; None at the end.
    following: int | None
    #: The record that the others are like.
    like: Shown | None = None
    #: In how much of the dataset a text was looked for.
    share: float = 1.0


def look(connection: Connection, blobs: Blobs, dataset: Dataset, annotator_id: str, wanted: Wanted) -> Seen:
    """Return a page of the grid, each record with the answer of who looks. Raises NotFound for a record to be like that is not there."""
    said: dict[int, showing.Suggestion] = {}
    like, following, share = None, None, 1.0
    if wanted.says is not None or wanted.sure:
        found, said = _said(connection, blobs, dataset, wanted)
    elif wanted.like is not None:
        like = datasets.get_record(connection, dataset.id, wanted.like)
        found = _similar(connection, dataset, like, wanted)
    else:
        listed = datasets.search_records(connection, dataset.id, where=wanted.as_filter(), after=wanted.after, limit=PAGE)
        found, following, share = listed.records, listed.following, listed.share
    mine = showing.answers_by(connection, dataset.id, annotator_id, [each.id for each in found])
    records = [
        showing.shown(dataset, each, answer=mine[each.id].label_ids if each.id in mine else None, suggestion=said.get(each.id))
        for each in found
    ]
    return Seen(records=records, following=following, like=showing.shown(dataset, like) if like else None, share=share)


def _said(
    connection: Connection, blobs: Blobs, dataset: Dataset, wanted: Wanted
) -> tuple[list[datasets.Record], dict[int, showing.Suggestion]]:
    """Return records by what the model says of them, the surest first; of unsure ones the least sure first.

    As on the label page it says nothing where somebody answered already, nor of the random share that it is tested with.
    """
    listed = datasets.search_records(connection, dataset.id, where=wanted.as_filter(), limit=LOOKED_AT).records
    fresh = _never_answered(connection, [each for each in listed if not each.in_share]) if dataset.settings.suggest else []
    said = learning.predictions(connection, blobs, dataset.id, [each.id for each in fresh])
    low, high = SURE[wanted.sure]
    fits = {
        record_id: showing.Suggestion(label_id=label_id, confidence=confidence)
        for record_id, (label_id, confidence) in said.items()
        if low <= confidence < high and wanted.says in {None, label_id}
    }
    sign = 1 if wanted.sure == "unsure" else -1
    found = sorted((each for each in fresh if each.id in fits), key=lambda each: (sign * fits[each.id].confidence, each.id))
    return found[:PAGE], fits


def _never_answered(connection: Connection, listed: list[datasets.Record]) -> list[datasets.Record]:
    """Return the records that nobody answered: an answer that was taken back since may have been learnt from, too."""
    open_ones = [each for each in listed if each.answers == 0]
    rows = annotation_rows.c.record_id
    answered = set(connection.scalars(sa.select(rows).where(rows.in_([each.id for each in open_ones])).distinct()))
    return [each for each in open_ones if each.id not in answered]


def _similar(connection: Connection, dataset: Dataset, like: datasets.Record, wanted: Wanted) -> list[datasets.Record]:
    if dataset.kind == RecordKind.IMAGE:
        raise BadInput("Images are not compared here.", where="like", way_out="Filter by state instead.")
    listed = datasets.search_records(connection, dataset.id, where=wanted.as_filter(), limit=LOOKED_AT).records
    others = [each for each in listed if each.id != like.id]
    places = most_similar(like.content, [each.content for each in others], PAGE - 1)
    return [like, *(others[place] for place in places)]


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of many answers."""

    batch: str
    answered: int
    refused: list[tuple[int, LabelmillError]]


def answer_many(app: App, dataset: Dataset, annotator_id: str, record_ids: Sequence[int], *, label_id: int, batch: str) -> Done:
    """Give many records the same answer, in slices that let others label; the same ``batch`` again changes nothing."""
    refused: list[tuple[int, LabelmillError]] = []
    for part in _slices(sorted(set(record_ids))):
        more, job_id = app.database.transact(_answer_slice, dataset, annotator_id, part, label_id=label_id, batch=batch)
        refused += more
        wake(app, job_id)
    return Done(batch=batch, answered=len(set(record_ids)) - len(refused), refused=refused)


def _answer_slice(
    connection: Connection, dataset: Dataset, annotator_id: str, record_ids: Sequence[int], *, label_id: int, batch: str
) -> tuple[list[tuple[int, LabelmillError]], str | None]:
    """Return what was refused, and the job that is due now."""
    refused: list[tuple[int, LabelmillError]] = []
    job_id = None
    for record_id in record_ids:
        key = f"{batch}-{record_id}"
        try:
            done = answering.answer(connection, dataset, record_id, annotator_id, label_ids=[label_id], key=key)
        except LabelmillError as error:  # it is raised before anything is written
            refused.append((record_id, error))
        else:
            job_id = done.job_id or job_id
    return refused, job_id


def undo_many(app: App, dataset: Dataset, annotator_id: str, batch: str) -> int:
    """Take a batch back: what was answered before it counts again. Answers that were changed since stay; returns how many did not."""
    rows = annotation_rows.c
    mine = sa.and_(rows.annotator_id == annotator_id, rows.dataset_id == dataset.id)
    query = sa.select(rows.record_id, rows.id).where(mine, rows.key.startswith(f"{batch}-", autoescape=True))
    with app.database.read() as connection:
        found = {row.record_id: row.id for row in connection.execute(query)}
    taken_back = 0
    for part in _slices(sorted(found)):
        taken_back += app.database.transact(_undo_slice, dataset, annotator_id, {each: found[each] for each in part})
    return taken_back


def _undo_slice(connection: Connection, dataset: Dataset, annotator_id: str, numbers: dict[int, int]) -> int:
    newest = showing.answers_by(connection, dataset.id, annotator_id, list(numbers))
    still = [each for each, number in numbers.items() if each in newest and newest[each].id == number]
    for record_id in still:
        before = [
            each
            for each in history.history(connection, dataset.id, record_id)
            if each.annotator_id == annotator_id and each.id < numbers[record_id]
        ]
        if before and not before[-1].is_withdrawal:
            answering.answer(connection, dataset, record_id, annotator_id, label_ids=before[-1].label_ids, key=new_id())
        else:
            answering.withdraw(connection, dataset, record_id, annotator_id, key=new_id())
            # Nobody sits before sixty records at once: others may have them.
            serving.release(connection, dataset, annotator_id, [record_id])
    return len(still)


def _slices(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[place : place + SLICE] for place in range(0, len(ids), SLICE))
