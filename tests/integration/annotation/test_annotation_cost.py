"""Which record comes next costs the same for a thousand records and for many: every look is a range of an index, read in its order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from annotation_lab import person
from labelmill import clock
from labelmill.annotation import orders
from labelmill.annotation.leases import Desk

if TYPE_CHECKING:
    from annotation_lab import Lab
    from labelmill.datasets.model import Dataset

#: What a plan says when it looks at more than it returns, or sorts.
DEAR = {
    "sqlite": r"SCAN|TEMP B-TREE",
    "postgresql": r"Seq Scan on records |Bitmap Heap Scan on records |Sort|Hash|Merge",
    "mysql": r"filesort|temporary|'ALL'|'index'",
}
#: Enough for a database's planner not to take a short way that it would not take with a million.
MANY = 3_000


def _statements(lab: Lab, dataset: Dataset, who: int) -> list[tuple[str, Any]]:
    """Return the statements, with their values, that laying the next record before an annotator takes."""
    seen: list[tuple[str, Any]] = []

    def remember(_connection, _cursor, statement, parameters, _context, _many):
        if statement.lstrip().startswith("SELECT"):
            seen.append((statement, parameters))

    sa.event.listen(lab.database.engine, "before_cursor_execute", remember)
    try:
        assert lab.next(dataset, who).records
    finally:
        sa.event.remove(lab.database.engine, "before_cursor_execute", remember)
    return seen


def _plan(lab: Lab, statement: str, parameters: Any) -> str:
    explain = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN", "mysql": "EXPLAIN"}[lab.database.dialect]
    with lab.database.read() as connection:
        return "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters))


@pytest.mark.parametrize("order", ["sequential", "random", "uncertainty"])
@pytest.mark.parametrize("wanted", [0, 1])
def test_no_statement_looks_at_all_records_or_sorts_them(lab: Lab, order: str, wanted: int):
    dataset = _large(lab, order=order, labels_per_record=wanted, warm_start=0, random_share=0.0)
    if order == "uncertainty":
        lab.queue(dataset, [str(number) for number in range(100)])
    served = lab.next(dataset, 1).records[0]
    lab.answer(dataset, served.record.id, 1)
    of_records = [each for each in _statements(lab, dataset, 1) if re.search(r"FROM records|JOIN records", each[0])]
    assert of_records
    for statement, parameters in of_records:
        plan = _plan(lab, statement, parameters)
        if "queue_records" in statement or "records.id IN (" in statement:
            continue  # the queue's few thousand, and records by their ids
        assert not re.search(DEAR[lab.database.dialect], plan), f"{statement}\n{plan}"


@pytest.mark.parametrize("order", [orders.SEQUENTIAL, orders.RANDOM, orders.SHARE])
@pytest.mark.parametrize("is_limited", [False, True])
def test_each_order_is_a_range_of_its_index(lab: Lab, order: str, is_limited: bool):
    dataset = _large(lab, labels_per_record=1 if is_limited else 0, random_share=0.5)
    with lab.database.read() as connection:
        desk = Desk(connection=connection, dataset=dataset, annotator_id=person(1), now=clock.now())
        seen: list[tuple[str, Any]] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *each: seen.append((each[2], each[3])))
        found = orders.page(desk, order, orders.Place(major=1_000, minor=5), 3)
    assert len(found) == 3
    plan = _plan(lab, *seen[-1])
    # PostgreSQL may take the index of all ids where nearly all records are this dataset's and open.
    assert orders._INDEXES[order] in plan or (order == orders.SEQUENTIAL and "records_pkey" in plan), plan
    assert "JIT" not in plan
    assert not re.search(DEAR[lab.database.dialect], plan), plan


def test_what_is_read_does_not_grow_with_what_was_answered(small_lab: Lab):
    """A thousand answers later as many steps of SQLite's machine are taken as at the beginning."""
    lab = small_lab
    dataset = _large(lab, order="random", labels_per_record=0)
    costs = []
    for number in range(1_000):
        (served,) = lab.next(dataset, 1).records
        lab.answer(dataset, served.record.id, 1)
        if number in {10, 999}:
            costs.append(_steps(lab, dataset))
    assert costs[1] <= costs[0] * 1.5 + 50


def _steps(lab: Lab, dataset: Dataset) -> int:
    """Return how many hundreds of steps of SQLite's machine the next candidates take."""
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    with lab.database.read() as connection:
        driver = connection.connection.driver_connection
        desk = Desk(connection=connection, dataset=dataset, annotator_id=person(1), now=clock.now())
        place = orders.start(desk, orders.RANDOM)
        driver.set_progress_handler(step, 10)
        orders.page(desk, orders.RANDOM, place, 9)
        driver.set_progress_handler(None, 0)
    return steps[0]


def _large(lab: Lab, **settings: Any) -> Dataset:
    dataset = lab.dataset(MANY, **settings)
    if lab.database.dialect != "sqlite":
        with lab.database.write() as connection:
            connection.exec_driver_sql(
                "ANALYZE records" if lab.database.dialect == "postgresql" else "ANALYZE TABLE records"
            ).close()
    return dataset
