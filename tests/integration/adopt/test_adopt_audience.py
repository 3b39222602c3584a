"""An Audience API's tables are taken over in place: listed first, then done, then there is nothing left to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from audience_tables import IDS, RESULT_ROWS, RESULTS_21
from labelmill.db.bulk.location import parse_location
from labelmill.labeltasks.result_tables import RESULT_COLUMNS, STATE_COLUMNS, ResultTables
from labelmill.labeltasks.state_table import StateTable

OLD_STATE = ("task_id", "stat", "prod_stat", "model_type", "length_receive_table", "result", "uniq_source_author", "run_time")


def test_without_apply_nothing_is_changed_and_every_change_is_listed(place: Any, v21: Callable[..., None]) -> None:
    v21(place)
    before = place.shape()
    report = place.adopt()
    assert place.shape() == before
    assert not report.applied
    assert [plan.name for plan in report.plans] == ["state", "fbfans", "wh_panel_mapping_fbfans"]
    assert not report.refused
    says = "; ".join(change.says for change in report.plans[0].changes)
    for word in ("rate_of_label: INT", "add error_message", "add revision", "key on task_id"):
        assert word in says
    says = "; ".join(change.says for change in report.plans[1].changes)
    for word in ("add match_meta", "number the rows: key row_id", "index on task_id, row_id", "create_time may be NULL"):
        assert word in says
    assert "dump" in report.left_alone


@pytest.mark.parametrize("version", ["v21", "v24"])
def test_applied_once_there_is_nothing_left_to_do(place: Any, version: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(version)(place)
    first = place.adopt(apply=True)
    assert not first.refused, [plan.refused for plan in first.plans]
    assert all(plan.done and plan.rows_after == plan.found.rows for plan in first.plans)
    after = place.shape()
    second = place.adopt(apply=True)
    assert [plan.changes for plan in second.plans] == [[]] * len(first.plans)
    assert place.shape() == after


def test_old_rows_are_as_they_were(place: Any, v21: Callable[..., None]) -> None:
    """Each column keeps each value; only the rate is now text, of the same digits."""
    v21(place)
    tables = {name: place.rows(name) for name in ("fbfans", "wh_panel_mapping_fbfans", "dump")}
    states = place.rows("state", *OLD_STATE)
    assert place.rows("state", "task_id", "rate_of_label")[0] == (IDS[0], 14)
    place.adopt(apply=True)
    columns = RESULT_COLUMNS[:-1]
    assert {name: place.rows(name, *columns) for name in ("fbfans", "wh_panel_mapping_fbfans")} == {
        name: rows for name, rows in tables.items() if name != "dump"
    }
    assert place.rows("dump") == tables["dump"]
    assert place.rows("state", *OLD_STATE) == states
    assert place.rows("state", "task_id", "rate_of_label")[0] == (IDS[0], "14")


def test_the_state_table_is_then_read_as_labelmill_reads_its_own(place: Any, v21: Callable[..., None]) -> None:
    v21(place)
    place.adopt(apply=True)
    with StateTable(parse_location(place.url), "state") as table:
        assert [row["task_id"] for row in table.recent(10)] == [IDS[2], IDS[1], IDS[0]]
        row = table.get(IDS[0])
        assert row is not None
        assert (row["rate_of_label"], row["target_table"], row["create_time"]) == ("14", "wh_fb_ex", datetime(2021, 11, 1, 8))
        assert set(STATE_COLUMNS) <= set(row)
        table.write(row | {"rate_of_label": "14.10", "revision": 5, "length_prod_table": 7})
        renewed = table.get(IDS[0])
        assert renewed is not None
        assert (renewed["rate_of_label"], renewed["revision"]) == ("14.10", 5)


def test_the_later_name_of_the_target_is_copied_and_kept(place: Any, v24: Callable[..., None]) -> None:
    v24(place)
    place.adopt(apply=True)
    assert place.rows("state", "task_id", "target_table", "target_schema") == [
        (IDS[0], "wh_fb_ex", "wh_fb_ex"), (IDS[1], "wh_bbs_01", "wh_bbs_01"),
    ]  # fmt: skip
    assert place.rows("state", "length_prod_table", "rate_of_label")[0] == ("3,1", "14.15,21.36")
    with StateTable(parse_location(place.url), "state") as table:
        table.announce(
            {"task_id": IDS[4], "stat": "PENDING", "target_table": "new", "create_time": datetime(2022, 1, 1), "revision": -1}
        )
        assert [row["task_id"] for row in table.recent(1)] == [IDS[4]]
        table.write({"task_id": IDS[4], "stat": "SUCCESS", "length_prod_table": 12, "revision": 3})
    assert all(not plan.changes for plan in place.adopt().plans)


def test_columns_are_as_wide_as_labelmill_s_own(place: Any, v21: Callable[..., None]) -> None:
    v21(place)
    place.adopt(apply=True)
    long = "x" * 70_000
    values: dict[str, Any] = dict.fromkeys(("source_author", "field_content", "match_content", "match_meta"), long)
    values |= {"id": "i" * 255, "task_id": IDS[4], "panel": "p" * 200}
    state = {
        "uniq_source_author": "1," * 100,
        "rate_of_label": "14.15," * 50,
        "model_type": "m" * 255,
        "predict_type": "p" * 255,
    }
    with place.engine.begin() as connection:
        connection.execute(sa.insert(sa.table("fbfans", *map(sa.column, values))).values(values))
        connection.execute(sa.insert(sa.table("state", *map(sa.column, ["task_id", *state]))).values(task_id=IDS[4], **state))
    assert place.rows("state", "task_id", *state)[-1] == (IDS[4], *state.values())
    assert max(len(row[0]) for row in place.rows("fbfans", "match_content")) == len(long)


def test_rows_are_numbered_and_tasks_are_keys(place: Any, v21: Callable[..., None]) -> None:
    v21(place)
    place.adopt(apply=True)
    inspector = sa.inspect(place.engine)
    assert inspector.get_pk_constraint("state")["constrained_columns"] == ["task_id"]
    assert inspector.get_pk_constraint("fbfans")["constrained_columns"] == ["row_id"]
    assert ["task_id", "row_id"] in [index["column_names"] for index in inspector.get_indexes("fbfans")]
    assert [row[0] for row in place.rows("fbfans", "row_id")] == [1, 2, 3]


def test_a_table_that_labelmill_made_needs_nothing(place: Any, v21: Callable[..., None]) -> None:
    """So a schema in which label tasks have run already can be looked at as well."""
    tables = ResultTables(None)
    with place.engine.connect() as connection:
        tables.make(connection, [tables.state("state"), tables.results("forum"), tables.ledger], "here")
    report = place.adopt()
    assert [(plan.name, plan.changes, plan.refused) for plan in report.plans] == [("state", [], []), ("forum", [], [])]
    assert "labelmill_steps" in report.left_alone


def test_pending_tasks_are_listed_and_ended_only_when_asked(place: Any, v21: Callable[..., None]) -> None:
    v21(place)
    place.run(f"INSERT INTO state (task_id, stat) VALUES ('{IDS[3]}', 'PENDING')")
    assert place.adopt(apply=True).pending == [IDS[2], IDS[3]]
    with StateTable(parse_location(place.url), "state") as table:
        table.announce({"task_id": IDS[4], "stat": "PENDING", "revision": -1})
    assert place.adopt(mark_failed=True).pending == [IDS[2], IDS[3]]  # and not labelmill's own
    assert [row[1] for row in place.rows("state", "task_id", "stat")].count("FAILURE") == 1
    place.adopt(apply=True, mark_failed=True)
    ended = {row[0]: row[1:] for row in place.rows("state", "task_id", "stat", "error_message")}
    assert {task for task, row in ended.items() if row[0] == "FAILURE"} == {IDS[1], IDS[2], IDS[3]}
    assert "Audience API" in ended[IDS[2]][1]
    assert ended[IDS[1]][1] is None
    assert ended[IDS[4]] == ("PENDING", None)
    assert place.adopt(mark_failed=True).pending == []


def test_pending_tasks_may_be_ended_in_the_same_go(place: Any, v21: Callable[..., None]) -> None:
    v21(place)
    place.adopt(apply=True, mark_failed=True)
    assert dict(place.rows("state", "task_id", "stat"))[IDS[2]] == "FAILURE"
    assert all(not plan.changes for plan in place.adopt(mark_failed=True).plans)


def test_another_name_of_the_state_table(place: Any, v21: Callable[..., None]) -> None:
    v21(place)
    place.run("ALTER TABLE state RENAME TO old_state")
    report = place.adopt(state_table="old_state", apply=True)
    assert [plan.name for plan in report.plans if plan.done] == ["old_state", "fbfans", "wh_panel_mapping_fbfans"]
    assert "old_state" in place.adopt().left_alone


def test_further_columns_and_indexes_of_somebody_stay(place: Any) -> None:
    """With their values; rows of label tasks leave them empty."""
    place.make("fbfans", RESULTS_21 + ", note VARCHAR(20) DEFAULT 'x', checked INT", [(*row, "n", 1) for row in RESULT_ROWS])
    place.run("CREATE INDEX by_panel ON fbfans (panel)")
    place.adopt(apply=True)
    assert place.rows("fbfans", "note", "checked") == [("n", 1)] * 3
    assert "by_panel" in {index["name"] for index in sa.inspect(place.engine).get_indexes("fbfans")}
    place.run("INSERT INTO fbfans (id, task_id, panel, field_content) VALUES ('a', 'b', 'c', 'd')")
    assert place.rows("fbfans", "id", "note", "checked")[-1] == ("a", "x", None)
