"""Which records come next, put off and given back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from labelmill import clock
from labelmill.annotation import leases, orders
from labelmill.annotation.answering import require_in_use
from labelmill.annotation.leases import MOST_HELD, Desk
from labelmill.annotation.model import State
from labelmill.annotation.orders import QUEUE, RANDOM, SEQUENTIAL, SHARE, SKIPPED, Place
from labelmill.annotation.tables import annotation_rows, skips
from labelmill.annotation.tallying import locked_record
from labelmill.datasets import Order, Record, init_record_rows, record_rows
from labelmill.db.prepared import Prepared
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy.engine import Connection

    from labelmill.datasets import Dataset

#: Records beyond those wanted that one look brings: some may be taken before they are leased.
SPARE: Final = 8
#: Seconds after which somebody who waits asks again.
RETRY_SECONDS: Final = 5


@dataclass(frozen=True, kw_only=True)
class ServedRecord:
    record: Record
    #: When it was first laid before the annotator.
    shown_at: datetime
    #: What a classifier says, with its confidence; None too where the answer could have been learnt from, or is to test with.
    suggestion: tuple[int, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Served:
    state: State
    records: list[ServedRecord]
    #: When to ask again; None unless the annotator waits.
    retry_seconds: int | None = None


def next_records(
    connection: Connection,
    dataset: Dataset,
    annotator_id: str,
    *,
    count: int = 1,
    held: Sequence[int] = (),
    leapt: timedelta | None = None,
) -> Served:
    """Return up to ``count`` records beside those that the annotator has in hand (``held``), and lease them.

    What lies before the annotator and is not in hand comes first, with the moment at which it was first shown: a page that is loaded
    again goes on where it was. Leases of all are renewed.
    """
    require_in_use(dataset)
    more = {} if leapt is None else {"leapt": leapt}
    desk = Desk(connection=connection, dataset=dataset, annotator_id=annotator_id, now=clock.now(), **more)
    mine = leases.own_leases(desk)
    leases.renew(desk, [each.record_id for each in mine if each.is_live])
    served = _again(desk, mine, held, count)
    served += _fresh(desk, len(mine), min(count - len(served), MOST_HELD - len(mine)))
    if served:
        return Served(state=State.RECORD, records=served)
    if orders.any_left(desk):
        return Served(state=State.WAITING, records=[], retry_seconds=RETRY_SECONDS)
    return Served(state=State.DONE, records=[])


def skip(connection: Connection, dataset: Dataset, record_id: int, annotator_id: str) -> None:
    """Put a record off: it comes again after all others, and others may have it meanwhile. Raises NotFound."""
    desk = Desk(connection=connection, dataset=dataset, annotator_id=annotator_id, now=clock.now())
    locked_record(connection, dataset.id, record_id)
    leases.drop(desk, record_id)
    connection.execute(sa.delete(skips).where(skips.c.record_id == record_id, skips.c.annotator_id == annotator_id))
    row = {"record_id": record_id, "annotator_id": annotator_id, "dataset_id": dataset.id, "skipped_at": desk.now}
    connection.execute(sa.insert(skips).values(row))


def release(connection: Connection, dataset: Dataset, annotator_id: str, record_ids: Sequence[int] | None = None) -> int:
    """Give records back that the annotator has before them, all by default; returns how many."""
    desk = Desk(connection=connection, dataset=dataset, annotator_id=annotator_id, now=clock.now())
    return leases.release(desk, record_ids)


def is_share_turn(annotator_id: str, newest: int, before: int, share: float) -> bool:
    """Tell whether the next record comes from the standing random share.

    Drawn from who asks, their newest annotation's number and how many records lie before them: the same question has one answer,
    and over many the part ``share`` says yes.
    """
    digest = hashlib.sha256(f"{annotator_id}:{newest}:{before}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2.0**64


def _again(desk: Desk, mine: Sequence[leases.Lease], held: Sequence[int], count: int) -> list[ServedRecord]:
    """Return what lies before the annotator and is not in hand; what others have taken since its lease ended is given up."""
    in_hand = set(held)
    again = [each.record_id for each in mine if each.record_id not in in_hand][:count]
    dead = [each.record_id for each in mine if each.record_id in in_hand and not each.is_live]
    if not again and not dead:
        return []
    granted = leases.grant(desk, again + dead, again=True)
    had = {record.id for record, _ in granted}
    for record_id in {*again, *dead} - had:
        leases.drop(desk, record_id)
    said = learning.suggested(desk.connection, desk.dataset.id, again) if again else {}
    return [_served(record, shown_at, said.get(record.id)) for record, shown_at in granted if record.id not in in_hand]


def _fresh(desk: Desk, before: int, wanted: int) -> list[ServedRecord]:
    """Return up to ``wanted`` records that did not lie before the annotator, ``before`` of which do; each is leased."""
    served: list[ServedRecord] = []
    for plan, turns in _plans(desk, before, wanted) if wanted > 0 else ():
        missing = turns
        for order in plan if turns else ():
            found = _from_order(desk, order, missing)
            served += found
            missing -= len(found)
            if not missing:
                break
    return served


def _from_order(desk: Desk, order: str, wanted: int) -> list[ServedRecord]:
    place = orders.start(desk, order)
    served = _from_place(desk, order, place, wanted)
    # What others gave back lies behind: once more from the beginning. The queue is made anew soon.
    if len(served) < wanted and place != Place() and order not in {QUEUE, SKIPPED}:
        served += _from_place(desk, order, Place(), wanted - len(served))
    return served


def _from_place(desk: Desk, order: str, place: Place, wanted: int) -> list[ServedRecord]:
    served: list[ServedRecord] = []
    while len(served) < wanted:
        candidates = orders.page(desk, order, place, wanted - len(served) + SPARE)
        if not candidates:
            break
        while candidates and len(served) < wanted:
            some = {each.record_id: each for each in candidates[: wanted - len(served)]}
            candidates = candidates[len(some) :]
            place = list(some.values())[-1].place
            granted = leases.grant(desk, list(some))
            served += [_served(record, shown_at, some[record.id].suggestion) for record, shown_at in granted]
    if served:
        orders.move(desk, order, place)
    return served


def _plans(desk: Desk, before: int, wanted: int) -> list[tuple[list[str], int]]:
    """Return which orders are asked, one after the other, and for how many of the ``wanted`` records."""
    order = desk.dataset.settings.order
    if order in {Order.SEQUENTIAL, Order.RANDOM}:
        return [([SEQUENTIAL if order == Order.SEQUENTIAL else RANDOM, SKIPPED], max(0, wanted))]
    if learning.queue(desk.connection, desk.dataset.id) is None or _is_warming_up(desk):
        return [([RANDOM, SKIPPED], max(0, wanted))]
    newest = _NEWEST.scalar(desk.connection, {"who": desk.annotator_id, "here": desk.dataset.id}) or 0
    share = desk.dataset.settings.random_share
    of_share = sum(is_share_turn(desk.annotator_id, newest, before + nth, share) for nth in range(wanted))
    return [([SHARE, QUEUE, RANDOM, SKIPPED], of_share), ([QUEUE, RANDOM, SKIPPED], max(0, wanted) - of_share)]


def _is_warming_up(desk: Desk) -> bool:
    """Tell whether fewer records than the warm start have a label; counting ends there."""
    wanted = desk.dataset.settings.warm_start
    if wanted == 0:
        return False
    total = 0
    for counted in _LABELLED:
        total += counted.scalar(desk.connection, {"here": desk.dataset.id, "most": wanted}) or 0
        if total >= wanted:
            return False
    return True


def _served(record: Record, shown_at: datetime, suggestion: tuple[int, float] | None) -> ServedRecord:
    # A suggestion could give away what somebody else answered, and would lead those who make the test's answers.
    may_suggest = record.answers == 0 and not record.in_share
    return ServedRecord(record=record, shown_at=shown_at, suggestion=suggestion if may_suggest else None)


def _counted(query: sa.Select[Any]) -> Prepared:
    return Prepared(sa.select(sa.func.count()).select_from(query.limit(sa.bindparam("most")).subquery()))


_HERE: sa.BindParameter[int] = sa.bindparam("here")
_NEWEST = Prepared(
    sa.select(sa.func.max(annotation_rows.c.id)).where(
        annotation_rows.c.annotator_id == sa.bindparam("who"), annotation_rows.c.dataset_id == _HERE
    )
)
#: Init records, and records with a majority.
_LABELLED = (
    _counted(sa.select(init_record_rows.c.id).where(init_record_rows.c.dataset_id == _HERE)),
    _counted(sa.select(record_rows.c.id).where(record_rows.c.dataset_id == _HERE, record_rows.c.majority_id > 0)),
)
