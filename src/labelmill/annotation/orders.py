"""The orders in which records come, each read from where an annotator is in it: as dear for a million records as for a thousand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from labelmill.annotation.tables import current_annotations, cursors, record_leases, skips
from labelmill.datasets import record_rows
from labelmill.db.prepared import Prepared
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelmill.annotation.leases import Desk

SEQUENTIAL = "sequential"
RANDOM = "random"
#: The standing random share, in random order.
SHARE = "share"
#: The learner's queue.
QUEUE = "queue"
#: What an annotator put off, the longest ago first.
SKIPPED = "skipped"
#: As it stands in a statement: an index of some rows serves a statement that says so, not one with a mark.
_YES: sa.ColumnClause[Any] = sa.literal_column("1")
_INDEXES = {
    SEQUENTIAL: "ix_records_dataset_id_open",
    RANDOM: "ix_records_dataset_id_is_open_shuffle_id",
    SHARE: "ix_records_dataset_id_share",
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place in an order: ``major`` is the shuffle number, or the queue's generation; ``minor`` the record, or its place."""

    major: int = -1
    minor: int = -1


@dataclass(frozen=True, kw_only=True)
class Candidate:
    record_id: int
    place: Place
    #: What a classifier says, with its confidence.
    suggestion: tuple[int, float] | None = None


def page(desk: Desk, order: str, after: Place, limit: int) -> list[Candidate]:
    """Return the next records of an order that seem to be had; whether they can be is seen when they are leased."""
    return _READERS[order](desk, order, after, limit)


def start(desk: Desk, order: str) -> Place:
    """Return where the annotator is in an order: at its beginning, or after what was served last."""
    if order == SKIPPED:
        return Place()
    row = _WHERE_IT_IS.first(desk.connection, {**_who(desk), "this_order": order})
    place = Place(major=row.shuffle, minor=row.record_id) if row else Place()
    if order == QUEUE:
        generation = learning.queue(desk.connection, desk.dataset.id) or -1
        return place if place.major == generation else Place(major=generation)
    return place


def move(desk: Desk, order: str, place: Place) -> None:
    """Remember where the annotator is in an order."""
    if order == SKIPPED:
        return
    values = {**_who(desk), "this_order": order, "major": place.major, "minor": place.minor}
    if _MOVE.run(desk.connection, values):
        return
    try:
        with desk.connection.begin_nested():
            _BEGIN.run(desk.connection, values)
    except IntegrityError:  # the annotator asked twice at once
        pass


def any_left(desk: Desk) -> bool:
    """Tell whether there is an open record that the annotator neither answered nor has before them: others hold it."""
    return _any_left().first(desk.connection, _who(desk)) is not None


def values_of(desk: Desk, after: Place, limit: int) -> dict[str, Any]:
    """Return the values that ``next_query`` leaves open."""
    return {**_who(desk), **_room(desk), "after_major": after.major, "after_minor": after.minor, "size": limit}


@cache
def next_query(order: str, *, is_limited: bool) -> Prepared:
    """Return the query for the next records of an order that is an index; ``is_limited``: not every annotator gets every record."""
    rows = record_rows.c
    major: sa.BindParameter[int] = sa.bindparam("after_major")
    minor: sa.BindParameter[int] = sa.bindparam("after_minor")
    query = _open(order).where(_none(skips))
    query = query.where(_has_room()) if is_limited else query
    if order == SEQUENTIAL:
        return Prepared(query.where(rows.id > minor).order_by(rows.id).limit(sa.bindparam("size")))
    # The first half is a range of the index on every database, which a comparison of pairs is not.
    later = sa.and_(rows.shuffle >= major, sa.or_(rows.shuffle > major, rows.id > minor))
    return Prepared(query.where(later).order_by(rows.shuffle, rows.id).limit(sa.bindparam("size")))


@cache
def _any_left() -> Prepared:
    return Prepared(_open(SEQUENTIAL).order_by(record_rows.c.id).limit(1))


@cache
def _put_off(*, is_limited: bool) -> Prepared:
    query = sa.select(skips.c.record_id).join(record_rows, record_rows.c.id == skips.c.record_id)
    query = query.where(_own(skips), record_rows.c.is_open == _YES, _none(record_leases), _none(current_annotations))
    query = query.where(_has_room()) if is_limited else query
    return Prepared(query.order_by(skips.c.skipped_at, skips.c.record_id).limit(sa.bindparam("size")))


def _open(order: str) -> sa.Select[Any]:
    """Return a query for open records without those that the annotator answered or has before them."""
    rows = record_rows.c
    query = sa.select(rows.id, rows.shuffle).where(rows.dataset_id == sa.bindparam("this_dataset"), rows.is_open == _YES)
    query = query.with_hint(record_rows, f"FORCE INDEX ({_INDEXES[order]})", "mysql")
    query = query.where(rows.in_share == _YES) if order == SHARE else query
    return query.where(_none(current_annotations), _none(record_leases))


def _none(table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that the annotator has no row for the record in ``table``.

    One look for each record that is read: "not exists" would let a planner join the records with all that was ever answered, and
    "is null" would have it think that hardly a record fits.
    """
    mine = sa.and_(table.c.record_id == record_rows.c.id, table.c.annotator_id == sa.bindparam("this_annotator"))
    found = sa.select(table.c.record_id).where(mine).correlate(record_rows).scalar_subquery()
    return sa.func.coalesce(found, 0) < 1


def _has_room() -> sa.ColumnElement[bool]:
    """Return the condition that answers and the live leases of others leave room."""
    rows = record_leases.c
    live = sa.and_(rows.record_id == record_rows.c.id, rows.expires_at > sa.bindparam("live_from", type_=rows.expires_at.type))
    held = sa.select(sa.func.count()).select_from(record_leases).where(live).correlate(record_rows).scalar_subquery()
    return record_rows.c.answers + held < sa.bindparam("wanted")


def _own(table: sa.Table) -> sa.ColumnElement[bool]:
    mine = table.c.annotator_id == sa.bindparam("this_annotator")
    return sa.and_(mine, table.c.dataset_id == sa.bindparam("this_dataset"))


def _who(desk: Desk) -> dict[str, Any]:
    return {"this_annotator": desk.annotator_id, "this_dataset": desk.dataset.id}


def _room(desk: Desk) -> dict[str, Any]:
    return {"live_from": desk.live_from, "wanted": desk.wanted} if desk.wanted > 0 else {}


def _indexed(desk: Desk, order: str, after: Place, limit: int) -> list[Candidate]:
    rows = next_query(order, is_limited=desk.wanted > 0).rows(desk.connection, values_of(desk, after, limit))
    return [Candidate(record_id=row.id, place=Place(major=row.shuffle, minor=row.id)) for row in rows]


def _queued(desk: Desk, _order: str, after: Place, limit: int) -> list[Candidate]:
    found = learning.queue_page(desk.connection, desk.dataset.id, desk.annotator_id, limit, after=after.minor)
    return [
        Candidate(
            record_id=each.record_id, place=Place(major=after.major, minor=each.place),
            suggestion=None if each.label_id is None or each.confidence is None else (each.label_id, each.confidence),
        )
        for each in found
    ]  # fmt: skip


def _skipped(desk: Desk, _order: str, after: Place, limit: int) -> list[Candidate]:
    if after != Place():
        return []
    values = {**_who(desk), **_room(desk), "size": limit}
    rows = _put_off(is_limited=desk.wanted > 0).rows(desk.connection, values)
    return [Candidate(record_id=row.record_id, place=Place(major=0, minor=0)) for row in rows]


_THIS = sa.and_(_own(cursors), cursors.c.order_name == sa.bindparam("this_order"))
_WHERE_IT_IS = Prepared(sa.select(cursors.c.shuffle, cursors.c.record_id).where(_THIS))
_MOVE = Prepared(sa.update(cursors).where(_THIS).values(shuffle=sa.bindparam("major"), record_id=sa.bindparam("minor")))
_BEGIN = Prepared(
    sa.insert(cursors).values(
        annotator_id=sa.bindparam("this_annotator"),
        dataset_id=sa.bindparam("this_dataset"),
        order_name=sa.bindparam("this_order"),
        shuffle=sa.bindparam("major"),
        record_id=sa.bindparam("minor"),
    )
)
_READERS: dict[str, Callable[[Desk, str, Place, int], list[Candidate]]] = {
    SEQUENTIAL: _indexed, RANDOM: _indexed, SHARE: _indexed, QUEUE: _queued, SKIPPED: _skipped,
}  # fmt: skip
