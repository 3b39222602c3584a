"""What exports and archives read of annotations, and imports write of them."""

from __future__ import annotations

import polars as pl
import pytest
import sqlalchemy as sa

from annotation_lab import person
from labelmill.annotation import service
from labelmill.errors import BadInput


def test_annotators_come_in_the_order_of_their_first_answers_in_the_dataset(lab):
    other, dataset = lab.dataset(3, labels_per_record=0), lab.dataset(3, labels_per_record=0)
    lab.answer(other, lab.ids(other)[0], 4, "a")
    lab.answer(other, lab.ids(other)[0], 2, "a")
    first, second, _third = lab.ids(dataset)
    for record_id, who in ((first, 3), (first, 1), (second, 2), (second, 3), (second, 1)):
        lab.answer(dataset, record_id, who, "a")
    lab.withdraw(dataset, first, 1)
    with lab.database.read() as connection:
        assert service.annotators_of(connection, dataset.id) == [person(3), person(1), person(2)]
        assert service.annotators_of(connection, other.id) == [person(4), person(2)]
        assert service.annotators_of(connection, lab.dataset(0).id) == []


def test_answers_to_some_records_are_found_without_looking_at_those_to_others(small_lab):
    dataset = small_lab.dataset(3)
    seen = []

    def remember(_connection, _cursor, statement, parameters, _context, _many):
        seen.append((statement, parameters))

    sa.event.listen(small_lab.database.engine, "before_cursor_execute", remember)
    with small_lab.database.read() as connection:
        service.answers_between(connection, dataset.id, 1, 2, to_number=9, merged={})
        sa.event.remove(small_lab.database.engine, "before_cursor_execute", remember)
        statement, parameters = next(each for each in seen if "FROM annotations" in each[0])
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())
    assert "SEARCH annotations USING INDEX ix_annotations_record_id" in plan


def _answers(dataset, record_ids):
    count = len(record_ids)
    return pl.DataFrame(
        {
            "record_id": record_ids,
            "annotator_id": [person(1)] * count,
            "label_id": [dataset.labels[0].id] * count,
            "answered_at": pl.Series([None] * count, dtype=pl.Datetime("us", "UTC")),
        }
    )


def test_records_of_imported_answers_are_found_by_their_ids_alone(small_lab):
    """Whoever labels waits meanwhile: SQLite walked along the records of the whole dataset for each slice of an import."""
    dataset = small_lab.dataset(50)
    seen = []

    def remember(_connection, _cursor, statement, parameters, _context, _many):
        seen.append((statement, parameters))

    sa.event.listen(small_lab.database.engine, "before_cursor_execute", remember)
    frame = _answers(dataset, small_lab.ids(dataset)[:9])
    assert small_lab.database.transact(service.add_answers, dataset, frame) == 9
    sa.event.remove(small_lab.database.engine, "before_cursor_execute", remember)
    asked = [each for each in seen if "records.id IN" in each[0] and each[0].startswith("SELECT")]
    assert asked
    with small_lab.database.read() as connection:
        for statement, parameters in asked:
            plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())
            assert "SEARCH records USING INTEGER PRIMARY KEY (rowid=?)" in plan, f"{statement}\n{plan}"


def test_imported_answers_to_records_of_another_dataset_are_refused(lab):
    other, dataset = lab.dataset(1), lab.dataset(1)
    strange = lab.ids(other)
    with pytest.raises(BadInput, match=f"no record {strange[0]}"):
        lab.database.transact(service.add_answers, dataset, _answers(dataset, lab.ids(dataset) + strange))
    assert lab.answers(strange[0]) == lab.answers(lab.ids(dataset)[0]) == 0
