"""Promise 3 where a lease ends just as its holder renews it: nobody is given the place as well, and no answer too many is stored."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from annotation_lab import Lab, person
from labelmill import clock
from labelmill.annotation import leases, service
from labelmill.annotation.model import State
from labelmill.annotation.tables import record_leases
from labelmill.errors import RecordFull


def _end(lab: Lab) -> None:
    """Let every lease end now."""
    with lab.database.write() as connection:
        connection.execute(sa.update(record_leases).values(expires_at=clock.now() - timedelta(seconds=1)))


def test_p03_who_renews_a_lease_that_ends_this_moment_keeps_the_place_alone(lab: Lab):
    """The one asked before the lease ended and is slow; the other asks after it ended and waits for the first."""
    dataset = lab.dataset(1)
    (record_id,) = lab.ids(dataset)
    lab.next(dataset, 1)
    _end(lab)
    early = clock.now() - timedelta(seconds=2)
    served: list[service.Served] = []
    other = threading.Thread(target=lambda: served.append(lab.next(dataset, 2)))
    with lab.database.write() as connection:
        desk = leases.Desk(connection=connection, dataset=dataset, annotator_id=person(1), now=early)
        assert [each.is_live for each in leases.own_leases(desk)] == [True]
        leases.renew(desk, [record_id])
        other.start()
        other.join(1)
    other.join(30)
    assert served[0].state is State.WAITING
    assert lab.leases(dataset) == [(record_id, person(1))]


@pytest.mark.parametrize("wanted", [1, 2])
def test_p03_an_answer_beyond_the_wanted_number_is_refused_whoever_holds_the_record(lab: Lab, wanted: int):
    dataset = lab.dataset(1, labels_per_record=wanted)
    (record_id,) = lab.ids(dataset)
    until = clock.now() + timedelta(hours=1)
    for who in range(wanted + 1):
        row = {"record_id": record_id, "annotator_id": person(who), "dataset_id": dataset.id, "shown_at": clock.now()}
        with lab.database.write() as connection:
            connection.execute(sa.insert(record_leases).values(**row, expires_at=until))
    for who in range(wanted):
        lab.answer(dataset, record_id, who)
    with pytest.raises(RecordFull):
        lab.answer(dataset, record_id, wanted)
    assert lab.answers(record_id) == wanted


def test_who_took_an_answer_back_may_give_another_though_a_manager_has_settled_the_record(lab: Lab):
    dataset = lab.dataset(1, labels_per_record=1)
    (record_id,) = lab.ids(dataset)
    lab.answer(dataset, record_id, 1, "a")
    lab.settle(dataset, record_id, 2, "b")
    lab.withdraw(dataset, record_id, 1)
    lab.answer(dataset, record_id, 1, "c")
    assert lab.answers(record_id) == 2
