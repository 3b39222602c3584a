"""Many answers at once: imports of annotations, and records that are derived anew."""

from __future__ import annotations

import hashlib
from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import polars as pl
import sqlalchemy as sa

from labelmill import clock
from labelmill.annotation.answering import APPEND, COUNT, LABEL, RECOUNT, require_in_use
from labelmill.annotation.model import Tally
from labelmill.annotation.tables import annotation_labels, annotation_rows, current_annotations
from labelmill.annotation.tallying import COUNTED, write_tallies
from labelmill.datasets import Tie, dataset_rows, label_rows, record_rows
from labelmill.errors import BadInput
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from labelmill.datasets import Dataset

T = TypeVar("T")
#: Rows that one statement names.
SLICE: Final = 500
_NEEDED: Final = ("record_id", "annotator_id", "label_id", "answered_at")


class _Vote(NamedTuple):
    """An answer that was given elsewhere, with a key that it always has."""

    record_id: int
    annotator_id: str
    label_id: int
    answered_at: datetime | None
    shown_at: datetime | None
    key: str


def add_answers(connection: Connection, dataset: Dataset, frame: pl.DataFrame) -> int:
    """Append annotations that were made elsewhere and return how many are new; the same ones again add nothing.

    ``frame`` has record_id, annotator_id, label_id and answered_at (with its zone, or null for now), and perhaps shown_at. Who answered a
    record several times changed their answer: the latest counts. The labels that a record gets at most do not hold here. Raises BadInput
    for records and labels that are not the dataset's; give slices of some thousand rows, for it is one transaction.
    """
    require_in_use(dataset)
    votes = _votes(frame)
    record_ids = sorted({each.record_id for each in votes})
    _lock_records(connection, dataset, record_ids)
    _require_labels(dataset, votes)
    connection.execute(sa.select(dataset_rows.c.id).where(dataset_rows.c.id == dataset.id).with_for_update(key_share=True))
    known = _known(connection, votes)
    new = [each for each in votes if (each.annotator_id, each.key) not in known]
    if not new:
        return 0
    _point(connection, dataset, _append(connection, dataset, new))
    derive(connection, dataset, record_ids)
    learning.after_answer(connection, dataset)
    return len(new)


def rederive(connection: Connection, dataset: Dataset, *, after: int = 0, limit: int = 5_000) -> int | None:
    """Derive records with answers anew, after the settings or labels changed; at most ``limit`` of those after the record ``after``.

    Returns the last one, to go on after, and None at the end.
    """
    rows = current_annotations.c
    query = sa.select(rows.record_id).distinct().where(rows.dataset_id == dataset.id, rows.record_id > after)
    found = list(connection.scalars(query.order_by(rows.record_id).limit(limit)))
    if not found:
        return None
    _lock_records(connection, dataset, found)
    derive(connection, dataset, found)
    return int(found[-1])


def derive(connection: Connection, dataset: Dataset, record_ids: Sequence[int]) -> None:
    """Write what the answers to these records, which are locked, come to."""
    from labelmill.annotation.majority import majorities_of

    settings, wanted = dataset.settings, dataset.settings.labels_per_record
    for some in _slices(record_ids):
        # Once: labels that one answer has twice since one was merged into the other are one vote.
        votes = list(dict.fromkeys(map(tuple, connection.execute(_COUNTING, {"these": some}))))
        if votes:
            frame = pl.DataFrame(dict(zip(_OF_VOTES, zip(*votes, strict=True), strict=True)))
            found = majorities_of(frame, min_label_count=settings.min_label_count, first_wins=settings.tie == Tie.FIRST)
            tallies = {
                id_: Tally(answers=answers, is_open=wanted == 0 or answers < wanted, majority_id=majority, is_tied=tied)
                for id_, answers, majority, tied in found.iter_rows()
            }
            write_tallies(connection, tallies)


def _votes(frame: pl.DataFrame) -> list[_Vote]:
    """Return the answers from the oldest to the newest.

    Slices are small, and each step of polars costs as much as a hundred rows: they are dealt with one by one.
    """
    missing = [name for name in _NEEDED if name not in frame.columns]
    if missing:
        raise BadInput(f"The annotations have no column {missing[0]!r}.", where=missing[0])
    if any(frame[name].null_count() for name in _NEEDED[:3]):
        raise BadInput("An annotation lacks its record, annotator or label.")
    shown = frame["shown_at"].to_list() if "shown_at" in frame.columns else [None] * frame.height
    seen: Counter[tuple[Any, ...]] = Counter()
    votes = []
    for *facts, shown_at in zip(*[frame[name].to_list() for name in _NEEDED], shown, strict=True):
        record_id, annotator_id, label_id, at = facts
        # What is repeated exactly is told apart by its count, so that each is one row and is known at the next import.
        nth = seen[*facts]
        seen[*facts] += 1
        told = f"{record_id}|{label_id}|{f'{at:%Y%m%d%H%M%S%f}' if at else ''}|{nth}"
        key = "import-" + hashlib.sha256(told.encode()).hexdigest()[:48]
        votes.append(_Vote(record_id, annotator_id, label_id, at, shown_at, key))
    dated = sorted((each for each in votes if each.answered_at), key=attrgetter("answered_at"))
    return dated + [each for each in votes if not each.answered_at]


def _lock_records(connection: Connection, dataset: Dataset, record_ids: Sequence[int]) -> None:
    for some in _slices(record_ids):
        found = {row.id for row in connection.execute(_LOCK, {"these": some}) if row.dataset_id == dataset.id}
        strange = next((each for each in some if each not in found), None)
        if strange is not None:
            raise BadInput(f"The dataset has no record {strange}.", where="record_id")


def _require_labels(dataset: Dataset, votes: Sequence[_Vote]) -> None:
    strange = {each.label_id for each in votes} - {each.id for each in dataset.labels}
    if strange:
        raise BadInput(f"The dataset has no label {min(strange)}.", where="label_id")


def _known(connection: Connection, votes: Sequence[_Vote]) -> set[tuple[str, str]]:
    """Return annotator and key of those that came before."""
    found: set[tuple[str, str]] = set()
    for some in _slices(votes):
        values = {"keys": [each.key for each in some], "who": sorted({each.annotator_id for each in some})}
        found |= {(row.annotator_id, row.key) for row in connection.execute(_KNOWN, values)}
    return found


def _append(connection: Connection, dataset: Dataset, new: Sequence[_Vote]) -> dict[tuple[int, str], int]:
    """Append annotations with their labels; return the number of the newest by its record and annotator."""
    # Nobody else appends to this dataset now, but others do to theirs: numbers are the database's to give.
    before = connection.scalar(sa.select(sa.func.max(annotation_rows.c.id))) or 0
    now = clock.now()
    fixed = {"dataset_id": dataset.id, "is_withdrawal": False, "is_settling": False}
    APPEND.many(
        connection,
        [
            fixed
            | {
                "record_id": each.record_id,
                "annotator_id": each.annotator_id,
                "key": each.key,
                "shown_at": each.shown_at,
                "answered_at": each.answered_at or now,
            }
            for each in new
        ],
    )
    found = connection.execute(_NUMBERS, {"here": dataset.id, "before": before})
    numbers = {(row.annotator_id, row.key): row.id for row in found}
    in_order = [numbers[each.annotator_id, each.key] for each in new]
    LABEL.many(
        connection,
        [{"annotation_id": id_, "label_id": each.label_id} for id_, each in zip(in_order, new, strict=True)],
    )
    newest: dict[tuple[int, str], int] = {}
    for id_, each in zip(in_order, new, strict=True):
        pair = (each.record_id, each.annotator_id)
        newest[pair] = max(id_, newest.get(pair, 0))
    return newest


def _point(connection: Connection, dataset: Dataset, newest: dict[tuple[int, str], int]) -> None:
    """Let the newest annotation of each annotator and record be the one that counts."""
    there: set[tuple[int, str]] = set()
    for some in _slices(sorted({record_id for record_id, _ in newest})):
        there |= {(row.record_id, row.annotator_id) for row in connection.execute(_COUNTED, {"these": some})}
    pairs = sorted(newest)
    RECOUNT.many(connection, [{"this": each[0], "who": each[1], "newest": newest[each]} for each in pairs if each in there])
    fixed = {"dataset_id": dataset.id}
    COUNT.many(
        connection,
        [
            fixed | {"record_id": each[0], "annotator_id": each[1], "annotation_id": newest[each]}
            for each in pairs
            if each not in there
        ],
    )


def _slices(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), SLICE):
        yield values[start : start + SLICE]


_ROWS, _NOTED = record_rows.c, annotation_rows.c
_THESE: sa.BindParameter[Any] = sa.bindparam("these", expanding=True)
# By their ids alone: SQLite's planner would rather look at all records of the dataset.
_LOCK = sa.select(_ROWS.id, _ROWS.dataset_id).where(_ROWS.id.in_(_THESE)).order_by(_ROWS.id).with_for_update(key_share=True)
_OF_VOTES = ("number", "record_id", "label_id", "is_settling")
_COUNTING = (
    sa.select(_NOTED.id, _NOTED.record_id, COUNTED, _NOTED.is_settling)
    .join(current_annotations, current_annotations.c.annotation_id == _NOTED.id)
    .join(annotation_labels, annotation_labels.c.annotation_id == _NOTED.id)
    .join(label_rows, label_rows.c.id == annotation_labels.c.label_id)
    .where(current_annotations.c.record_id.in_(_THESE))
    .order_by(_NOTED.id, annotation_labels.c.label_id)
)
_COUNTED = sa.select(current_annotations.c.record_id, current_annotations.c.annotator_id).where(
    current_annotations.c.record_id.in_(_THESE)
)
_KNOWN = sa.select(_NOTED.annotator_id, _NOTED.key).where(
    _NOTED.key.in_(sa.bindparam("keys", expanding=True)), _NOTED.annotator_id.in_(sa.bindparam("who", expanding=True))
)
_NUMBERS = sa.select(_NOTED.id, _NOTED.annotator_id, _NOTED.key).where(
    _NOTED.dataset_id == sa.bindparam("here"), _NOTED.id > sa.bindparam("before")
)
