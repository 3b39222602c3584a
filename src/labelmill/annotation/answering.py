"""An answer, its change, its withdrawal, and the settling of a tie: each appends a row and derives the record anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from labelmill import clock
from labelmill.annotation import leases
from labelmill.annotation.leases import Desk
from labelmill.annotation.model import Annotation, Tally, require_several
from labelmill.annotation.tables import annotation_labels, annotation_rows, current_annotations
from labelmill.annotation.tallying import annotations_of, answers_of, labelled, locked_record, stored_tally, write_tally
from labelmill.datasets import dataset_rows, label_rows
from labelmill.db.prepared import Prepared
from labelmill.errors import BadInput, Conflict, NotFound, RecordFull
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy.engine import Connection

    from labelmill.datasets import Dataset

LONGEST_KEY: Final = 64


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What was stored, and what the record's answers come to now."""

    annotation: Annotation
    tally: Tally
    #: The same was stored before: nothing changed.
    repeated: bool
    #: A training that this answer made due: its workers are woken after the commit.
    job_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class _New:
    """A row to append."""

    desk: Desk
    record: Any
    key: str
    label_ids: tuple[int, ...] = ()
    shown_at: datetime | None = None
    is_settling: bool = False

    @property
    def is_withdrawal(self) -> bool:
        return not self.label_ids


def answer(
    connection: Connection,
    dataset: Dataset,
    record_id: int,
    annotator_id: str,
    *,
    label_ids: Sequence[int],
    key: str,
    shown_at: datetime | None = None,
    leapt: timedelta | None = None,
) -> Answered:
    """Store an annotator's answer to a record; who has answered it changes their answer.

    The same ``key`` with the same answer is done once. ``shown_at`` counts where the record was not served by ``next_records``.
    Raises NotFound, BadInput, Conflict for a key that came with another answer, and RecordFull for somebody who does not hold a
    record that has, with those who hold it, all the annotators it wants.
    """
    desk = _desk(connection, dataset, annotator_id, leapt)
    labels = _checked_labels(connection, dataset, label_ids)
    record = locked_record(connection, dataset.id, record_id)
    known = _repeated(desk, record, key, labels)
    if known is not None:
        return known
    answers = answers_of(connection, record_id)
    held = leases.leases_on(desk, record_id)
    own = [each.shown_at for each in held if each.annotator_id == annotator_id]
    if all(each.annotator_id != annotator_id for each in answers):
        _require_place(desk, record_id, len(answers), held)
    shown = own[0] if own else shown_at
    if own:
        leases.drop(desk, record_id)
    # A clock that was set back must not make an answer older than the question.
    new = _New(desk=desk, record=record, key=key, label_ids=labels, shown_at=min(shown, desk.now) if shown else None)
    return _appended(new, answers)


def settle(connection: Connection, dataset: Dataset, record_id: int, annotator_id: str, *, label_id: int, key: str) -> Answered:
    """Decide a record's majority alone, whatever its answers; it counts until its annotator answers or withdraws it."""
    desk = _desk(connection, dataset, annotator_id)
    labels = _checked_labels(connection, dataset, [label_id])
    record = locked_record(connection, dataset.id, record_id)
    known = _repeated(desk, record, key, labels, is_settling=True)
    if known is not None:
        return known
    new = _New(desk=desk, record=record, key=key, label_ids=labels, is_settling=True)
    leases.drop(desk, record_id)
    return _appended(new, answers_of(connection, record_id))


def withdraw(connection: Connection, dataset: Dataset, record_id: int, annotator_id: str, *, key: str) -> Answered:
    """Take an annotator's answer back; the record lies before them again. Raises NotFound where there is none."""
    desk = _desk(connection, dataset, annotator_id)
    record = locked_record(connection, dataset.id, record_id)
    known = _repeated(desk, record, key, ())
    if known is not None:
        return known
    answers = answers_of(connection, record_id)
    if all(each.annotator_id != annotator_id for each in answers):
        raise NotFound("You have no answer to this record that could be withdrawn.", where="record")
    done = _appended(_New(desk=desk, record=record, key=key), answers)
    leases.put_before(desk, record_id)
    return done


def undo(connection: Connection, dataset: Dataset, annotator_id: str, *, key: str) -> Answered:
    """Take back the annotator's newest answer in a dataset. Raises NotFound where there is none."""
    _require_key(key)
    rows, current = annotation_rows, current_annotations
    mine = sa.and_(rows.c.annotator_id == annotator_id, rows.c.key == key, rows.c.dataset_id == dataset.id)
    record_id = connection.scalar(sa.select(rows.c.record_id).where(mine))
    if record_id is None:
        newest = sa.select(current.c.record_id).where(
            current.c.annotator_id == annotator_id, current.c.dataset_id == dataset.id
        )
        record_id = connection.scalar(newest.order_by(current.c.annotation_id.desc()).limit(1))
    if record_id is None:
        raise NotFound("You have no answer that could be taken back.")
    return withdraw(connection, dataset, record_id, annotator_id, key=key)


def _desk(connection: Connection, dataset: Dataset, annotator_id: str, leapt: timedelta | None = None) -> Desk:
    require_in_use(dataset)
    more = {} if leapt is None else {"leapt": leapt}
    return Desk(connection=connection, dataset=dataset, annotator_id=annotator_id, now=clock.now(), **more)


def require_in_use(dataset: Dataset) -> None:
    """Raise Conflict for a dataset that is archived."""
    if dataset.archived_at is not None:
        raise Conflict(f"The dataset {dataset.name!r} is archived.", where="dataset", way_out="Its manager can bring it back.")


def _checked_labels(connection: Connection, dataset: Dataset, label_ids: Sequence[int]) -> tuple[int, ...]:
    """Return the labels of an answer, a merged one replaced by what it was merged into: an answer may have waited since."""
    known = {each.id for each in dataset.labels}
    labels = tuple(dict.fromkeys(each if each in known else _merged(connection, dataset, each) for each in label_ids))
    if not labels:
        raise BadInput("An answer has a label.", where="labels", way_out="Withdraw the answer to have none.")
    require_several(labels, allowed=dataset.settings.several_labels)
    return labels


def _merged(connection: Connection, dataset: Dataset, label_id: int) -> int:
    query = sa.select(label_rows.c.merged_into, label_rows.c.removed_at)
    row = connection.execute(query.where(label_rows.c.id == label_id, label_rows.c.dataset_id == dataset.id)).one_or_none()
    if row is None:
        raise BadInput(f"The dataset has no label {label_id}.", where="labels", way_out="See its labels.")
    if row.merged_into is None:
        raise Conflict(
            f"The label {label_id} was removed.",
            where="labels",
            way_out="Nothing was changed. Load the labels anew and choose again.",
        )
    return int(row.merged_into)


def _require_place(desk: Desk, record_id: int, answers: int, held: Sequence[Any]) -> None:
    """Raise RecordFull for somebody new to a record that has all its annotators: with those who hold it, unless one is who answers."""
    if any(each.annotator_id == desk.annotator_id and each.expires_at > desk.live_from for each in held):
        # Who took an answer back has kept the place, even where others and a settling fill the record.
        if desk.wanted == 0 or answers < desk.wanted or _has_answered(desk, record_id):
            return
    elif leases.has_room(desk, answers, held):
        return
    raise RecordFull(
        f"This record has the {desk.wanted} annotators it wants, and you hold it no longer.",
        where="record", way_out="Nothing that is stored was changed or lost. Go on with the next record.",
    )  # fmt: skip


def _has_answered(desk: Desk, record_id: int) -> bool:
    mine = desk.mine(annotation_rows) & (annotation_rows.c.record_id == record_id)
    return desk.connection.scalar(sa.select(annotation_rows.c.id).where(mine).limit(1)) is not None


def _repeated(desk: Desk, record: Any, key: str, labels: tuple[int, ...], *, is_settling: bool = False) -> Answered | None:
    """Return what came before with this key, None where nothing did; raises Conflict where it was something else."""
    _require_key(key)
    found = annotations_of(_BY_KEY.rows(desk.connection, {"who": desk.annotator_id, "this_key": key}))
    if not found:
        return None
    before = found[0]
    same = before.record_id == record.id and set(before.label_ids) == set(labels) and before.is_settling == is_settling
    if not same:
        raise _used(key)
    return Answered(annotation=before, tally=stored_tally(record), repeated=True)


def _require_key(key: str) -> None:
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise BadInput(f"A key has 1 to {LONGEST_KEY} printable ASCII characters.", where="key")


def _used(key: str) -> Conflict:
    way_out = "Take a new key for a new answer; repeat the same answer to have it stored once."
    return Conflict(f"The key {key!r} came before with another answer.", where="key", way_out=way_out)


def _appended(new: _New, answers: Sequence[Annotation]) -> Answered:
    """Append a row and derive the record from it and the answers that counted so far."""
    annotation = _inserted(new)
    others = [each for each in answers if each.annotator_id != new.desk.annotator_id]
    _point_to(new, annotation, changed=len(others) < len(answers))
    counting = others if annotation.is_withdrawal else [*others, annotation]
    result = write_tally(new.desk.connection, new.desk.dataset, new.record, counting)
    job_id = learning.after_answer(new.desk.connection, new.desk.dataset)
    return Answered(annotation=annotation, tally=result, repeated=False, job_id=job_id)


def _inserted(new: _New) -> Annotation:
    connection, dataset_id = new.desk.connection, new.desk.dataset.id
    # Numbers rise in the order in which they become visible: "all up to n" must never gain a row below n.
    if connection.dialect.name != "sqlite":  # which has one writer at a time
        _LOCK_DATASET.rows(connection, {"this": dataset_id})
    values: dict[str, Any] = {
        "record_id": new.record.id, "annotator_id": new.desk.annotator_id, "is_withdrawal": new.is_withdrawal,
        "is_settling": new.is_settling, "shown_at": new.shown_at, "answered_at": new.desk.now,
    }  # fmt: skip
    row = values | {"dataset_id": dataset_id, "key": new.key}
    try:
        number = int(_APPEND_ONE.scalar(connection, row))
    except IntegrityError as error:  # the same key at the same time, for another record
        raise _used(new.key) from error
    for label_id in new.label_ids:
        LABEL.run(connection, {"annotation_id": number, "label_id": label_id})
    return Annotation(id=number, label_ids=new.label_ids, **values)


def _point_to(new: _New, annotation: Annotation, *, changed: bool) -> None:
    """Let the annotator's row of answers that count name the new one."""
    connection, annotator_id = new.desk.connection, new.desk.annotator_id
    record_id = annotation.record_id
    if annotation.is_withdrawal:
        _DISCOUNT.run(connection, {"this": record_id, "who": annotator_id})
    elif changed:
        RECOUNT.run(connection, {"this": record_id, "who": annotator_id, "newest": annotation.id})
    else:
        row = {"record_id": record_id, "annotator_id": annotator_id, "dataset_id": new.desk.dataset.id}
        COUNT.run(connection, row | {"annotation_id": annotation.id})


_CURRENT = current_annotations.c
_THIS = sa.and_(_CURRENT.record_id == sa.bindparam("this"), _CURRENT.annotator_id == sa.bindparam("who"))
_LOCK_DATASET = Prepared(
    sa.select(dataset_rows.c.id).where(dataset_rows.c.id == sa.bindparam("this")).with_for_update(key_share=True)
)
_APPENDED = [each.name for each in annotation_rows.c if each.name != "id"]
APPEND = Prepared(sa.insert(annotation_rows), _APPENDED)
_APPEND_ONE = Prepared(sa.insert(annotation_rows).returning(annotation_rows.c.id), _APPENDED)
LABEL = Prepared(sa.insert(annotation_labels), ["annotation_id", "label_id"])
COUNT = Prepared(sa.insert(current_annotations), [each.name for each in current_annotations.c])
RECOUNT = Prepared(sa.update(current_annotations).where(_THIS).values(annotation_id=sa.bindparam("newest")))
_DISCOUNT = Prepared(sa.delete(current_annotations).where(_THIS))
_BY_KEY = Prepared(
    labelled(annotation_rows.c.annotator_id == sa.bindparam("who"), annotation_rows.c.key == sa.bindparam("this_key"))
)
