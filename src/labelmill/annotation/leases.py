"""Records that lie before somebody. Answers and live leases together never exceed the labels that a record gets."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill.annotation.tables import cursors, record_leases
from labelmill.datasets import Record, record_rows
from labelmill.db.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from labelmill.datasets import Dataset

#: Records that one annotator can have before them at once.
MOST_HELD = 200


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One annotator at work in one dataset, at one moment. ``leapt`` is by how much the clock has leapt forward lately."""

    connection: Connection
    dataset: Dataset
    annotator_id: str
    now: datetime
    leapt: timedelta = field(default=timedelta())

    @property
    def wanted(self) -> int:
        """How many annotators a record gets, 0 for every one."""
        return self.dataset.settings.labels_per_record

    @property
    def live_from(self) -> datetime:
        """Leases that expire after this moment are live."""
        return self.now - self.leapt

    @property
    def expires_at(self) -> datetime:
        return self.now + timedelta(seconds=self.dataset.settings.lease_seconds)

    def mine(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Return the condition for this annotator's rows in this dataset."""
        return sa.and_(table.c.annotator_id == self.annotator_id, table.c.dataset_id == self.dataset.id)


@dataclass(frozen=True, kw_only=True)
class Lease:
    record_id: int
    shown_at: datetime
    is_live: bool


def own_leases(desk: Desk) -> list[Lease]:
    """Return the records that lie before an annotator, the first shown first."""
    rows = _OWN.rows(desk.connection, {"who": desk.annotator_id, "here": desk.dataset.id})
    return [Lease(record_id=row.record_id, shown_at=row.shown_at, is_live=row.expires_at > desk.live_from) for row in rows]


def renew(desk: Desk, record_ids: Collection[int]) -> None:
    """Let live leases last from now on."""
    if record_ids:
        values = {"who": desk.annotator_id, "ids": list(record_ids), "until": desk.expires_at}
        _RENEW.run(desk.connection, values)


def grant(desk: Desk, record_ids: Sequence[int], *, again: bool = False) -> list[tuple[Record, datetime]]:
    """Lease those of the records that can be had, and return each with the moment at which it was first shown, in the given order.

    What lies before the annotator already is left out, or with ``again`` leased once more.

    A record that somebody else is being given this moment is left out, where a record is for few: who waited would find it taken.
    """
    # Who goes on with what they have waits for its row; who wants a new record takes another one.
    rows = _locked(desk, record_ids, wait=again or desk.wanted == 0)
    leases = _leases_on(desk, list(rows))
    granted, gone = [], []
    for record_id in (each for each in record_ids if each in rows):
        own = [each.shown_at for each in leases[record_id] if each.annotator_id == desk.annotator_id]
        if (again or not own) and has_room(desk, rows[record_id].answers, leases[record_id]):
            granted.append((_record(rows[record_id]), own[0] if own else desk.now))
            gone += [record_id] if leases[record_id] else []
    taken = _cleared(desk, rows, gone)
    granted = [(record, shown_at) for record, shown_at in granted if record.id not in taken]
    for record, shown_at in granted:
        _LEASE.run(desk.connection, _row(desk, record.id, shown_at))
    return granted


def has_room(desk: Desk, answers: int, leases: Sequence[Any]) -> bool:
    """Tell whether an annotator may have a record (one more): those of others that are answered or live leave room."""
    others = [each for each in leases if each.annotator_id != desk.annotator_id and each.expires_at > desk.live_from]
    return desk.wanted == 0 or answers + len(others) < desk.wanted


def leases_on(desk: Desk, record_id: int) -> Sequence[Any]:
    """Return all leases of a record, dead ones too."""
    return _leases_on(desk, [record_id])[record_id]


def release(desk: Desk, record_ids: Collection[int] | None = None) -> int:
    """Give records back, all by default; returns how many. They come again where the annotator goes on."""
    these = desk.mine(record_leases)
    these = these if record_ids is None else sa.and_(these, record_leases.c.record_id.in_(record_ids))
    given_back = list(desk.connection.scalars(sa.select(record_leases.c.record_id).where(these)))
    if given_back:
        desk.connection.execute(sa.delete(record_leases).where(these))
        go_back(desk, given_back)
    return len(given_back)


def drop(desk: Desk, record_id: int) -> None:
    """End an annotator's lease of a record, which was answered or put off."""
    _DROP.run(desk.connection, {"this": record_id, "who": desk.annotator_id})


def put_before(desk: Desk, record_id: int) -> None:
    """Lease a record to an annotator whatever its room: they had answered it and took that back."""
    drop(desk, record_id)
    _LEASE.run(desk.connection, _row(desk, record_id, desk.now))


def go_back(desk: Desk, record_ids: Collection[int]) -> None:
    """Set an annotator's cursors before these records, so that they come again."""
    mine = desk.mine(cursors)
    first = desk.connection.execute(
        sa.select(sa.func.min(record_rows.c.id), sa.func.min(record_rows.c.shuffle)).where(record_rows.c.id.in_(record_ids))
    ).one()
    if first[0] is None:
        return
    by_id = sa.and_(mine, cursors.c.order_name == "sequential", cursors.c.record_id >= first[0])
    desk.connection.execute(sa.update(cursors).where(by_id).values(record_id=first[0] - 1))
    by_shuffle = sa.and_(mine, cursors.c.order_name.in_(("random", "share")), cursors.c.shuffle >= first[1])
    desk.connection.execute(sa.update(cursors).where(by_shuffle).values(shuffle=first[1], record_id=0))
    desk.connection.execute(sa.delete(cursors).where(mine, cursors.c.order_name == "queue"))


def _locked(desk: Desk, record_ids: Sequence[int], *, wait: bool) -> dict[int, Any]:
    rows = (_LOCK if wait else _LOCK_FREE).rows(desk.connection, {"ids": list(record_ids)})
    return {row.id: row for row in rows}


def _leases_on(desk: Desk, record_ids: Sequence[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    # Where every annotator gets a record only one's own lease tells anything.
    statement = _OWN_ON if desk.wanted == 0 else _ON
    for row in statement.rows(desk.connection, {"ids": list(record_ids), "who": desk.annotator_id}) if record_ids else ():
        found[row.record_id].append(row)
    return found


def _cleared(desk: Desk, rows: Mapping[int, Any], gone: Sequence[int]) -> set[int]:
    """Remove the leases of records in ``gone``, one's own and dead ones of others; return the records that cannot be had after all."""
    if not gone:
        return set()
    _CLEAR.run(desk.connection, {"ids": list(gone), "who": desk.annotator_id, "now": desk.live_from})
    # A lease that seemed dead may have been renewed at this very moment: the removal has waited for that and left it.
    left = _leases_on(desk, gone)
    return {each for each in gone if not has_room(desk, rows[each].answers, left[each])}


def _row(desk: Desk, record_id: int, shown_at: datetime) -> dict[str, Any]:
    return {
        "record_id": record_id, "annotator_id": desk.annotator_id, "dataset_id": desk.dataset.id, "shown_at": shown_at,
        "expires_at": desk.expires_at,
    }  # fmt: skip


def _record(row: Any) -> Record:
    return Record(**dict(zip(_FIELDS, row, strict=True)))


_FIELDS = ("id", "dataset_id", "given_id", "content", "in_share", "answers", "is_open", "majority_id", "is_tied")
_LEASED = record_leases.c
_WHO = _LEASED.annotator_id == sa.bindparam("who")
_IDS = _LEASED.record_id.in_(sa.bindparam("ids", expanding=True))
_OWN = Prepared(
    sa.select(_LEASED.record_id, _LEASED.shown_at, _LEASED.expires_at)
    .where(_WHO, _LEASED.dataset_id == sa.bindparam("here"))
    .order_by(_LEASED.shown_at, _LEASED.record_id)
)
_HOLDERS = sa.select(_LEASED.record_id, _LEASED.annotator_id, _LEASED.shown_at, _LEASED.expires_at).where(_IDS)
_ON = Prepared(_HOLDERS)
_OWN_ON = Prepared(_HOLDERS.where(_WHO))
_RENEW = Prepared(sa.update(record_leases).where(_WHO, _IDS).values(expires_at=sa.bindparam("until")))
_DROP = Prepared(sa.delete(record_leases).where(_WHO, _LEASED.record_id == sa.bindparam("this")))
_CLEAR = Prepared(
    sa.delete(record_leases).where(_IDS, sa.or_(_WHO, _LEASED.expires_at <= sa.bindparam("now", type_=_LEASED.expires_at.type)))
)
_LEASE = Prepared(sa.insert(record_leases), ["record_id", "annotator_id", "dataset_id", "shown_at", "expires_at"])
# In one order, so that two who lock several wait for each other and never in a circle.
_OPEN = sa.select(*[record_rows.c[name] for name in _FIELDS]).where(
    record_rows.c.id.in_(sa.bindparam("ids", expanding=True)), record_rows.c.is_open == sa.literal_column("1")
)
_LOCK = Prepared(_OPEN.order_by(record_rows.c.id).with_for_update(key_share=True))
_LOCK_FREE = Prepared(_OPEN.order_by(record_rows.c.id).with_for_update(skip_locked=True, key_share=True))
