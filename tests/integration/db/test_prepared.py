"""Statements that go straight to the driver: they bind, read, count and fail as SQLAlchemy's do, on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, ProgrammingError

from annotation_lab import Lab, person
from labelmill.annotation.tables import record_leases
from labelmill.db.prepared import Prepared, execute

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.datasets.model import Dataset
    from labelmill.db.database import Database

NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
COLUMNS = ["record_id", "annotator_id", "dataset_id", "shown_at", "expires_at"]
LEASE = Prepared(sa.insert(record_leases), COLUMNS)
AMONG = Prepared(
    sa.select(record_leases.c.record_id, record_leases.c.shown_at, sa.func.count().over())
    .where(
        record_leases.c.record_id.in_(sa.bindparam("ids", expanding=True)), record_leases.c.expires_at > sa.bindparam("after")
    )
    .order_by(record_leases.c.record_id)
    .limit(sa.bindparam("most"))
)
RENEW = Prepared(
    sa.update(record_leases).where(record_leases.c.record_id == sa.bindparam("this")).values(expires_at=sa.bindparam("until"))
)


@pytest.fixture(name="leased")
def _leased(database: Database) -> tuple[Dataset, list[int]]:
    lab = Lab(database)
    dataset = lab.dataset(3)
    ids = lab.ids(dataset)
    with database.write() as connection:
        for record_id in ids:
            LEASE.run(connection, _row(dataset, record_id))
    return dataset, ids


def _row(dataset: Dataset, record_id: int) -> dict[str, object]:
    values = (record_id, person(1), dataset.id, NOON, NOON.replace(hour=13))
    return dict(zip(COLUMNS, values, strict=True))


def test_rows_are_bound_and_read_by_their_types(database: Database, leased: tuple[Dataset, list[int]]):
    _, ids = leased
    with database.read() as connection:
        found = AMONG.rows(connection, {"ids": ids[1:], "after": NOON, "most": 5})
        assert [(row.record_id, row.shown_at, row[2]) for row in found] == [(ids[1], NOON, 2), (ids[2], NOON, 2)]
        # Another number of elements is another statement; values of the first call are not kept.
        assert [row.record_id for row in AMONG.rows(connection, {"ids": ids[:1], "after": NOON, "most": 5})] == ids[:1]
        assert [row.record_id for row in AMONG.rows(connection, {"ids": ids, "after": NOON, "most": 1})] == ids[:1]
        assert AMONG.scalar(connection, {"ids": ids, "after": NOON, "most": 1}) == ids[0]
        assert AMONG.first(connection, {"ids": ids, "after": NOON.replace(hour=14), "most": 5}) is None
        assert AMONG.scalar(connection, {"ids": [], "after": NOON, "most": 5}) is None
        with pytest.raises(KeyError):
            AMONG.rows(connection, {"ids": ids, "after": NOON})


def test_what_is_changed_is_counted(database: Database, leased: tuple[Dataset, list[int]]):
    _, ids = leased
    with database.write() as connection:
        assert RENEW.run(connection, {"this": ids[0], "until": NOON}) == 1
        assert RENEW.run(connection, {"this": ids[0], "until": NOON}) == 1
        assert RENEW.run(connection, {"this": -1, "until": NOON}) == 0


def test_the_first_statement_begins_the_transaction_and_a_failure_takes_it_back(
    database: Database, leased: tuple[Dataset, list[int]]
):
    dataset, ids = leased

    def twice(connection: Connection) -> None:
        RENEW.run(connection, {"this": ids[0], "until": NOON})
        assert connection.in_transaction()
        LEASE.run(connection, _row(dataset, ids[0]))

    with pytest.raises(IntegrityError) as refused:
        database.transact(twice)
    assert refused.value.orig is not None
    # What stood in the row is in no message: the log must not have it.
    assert person(1) not in str(refused.value.statement)
    with database.read() as connection:
        assert len(AMONG.rows(connection, {"ids": ids, "after": NOON, "most": 5})) == 3


def test_a_wrong_statement_is_a_fault_and_not_an_outage(database: Database):
    with pytest.raises((ProgrammingError, sa.exc.OperationalError)), database.engine.connect() as connection:
        execute(connection, "SELECT nothing FROM nowhere")


def test_who_listens_to_statements_hears_of_it(database: Database, leased: tuple[Dataset, list[int]]):
    heard: list[str] = []
    with database.read() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *told: heard.append(told[2]))
        AMONG.rows(connection, {"ids": leased[1], "after": NOON, "most": 5})
    assert sum("record_leases" in each for each in heard) == 1
