"""What only MariaDB has: character sets of three bytes, engines without transactions, texts that no index takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from audience_tables import IDS, RESULT_ROWS, RESULTS_21, STATE_21, STATE_ROWS_21, UTF8MB3


def collations(place: Any, table: str) -> set[str]:
    query = "SELECT collation_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = :name AND collation_name IS NOT NULL"
    with place.engine.connect() as connection:
        return set(connection.scalars(sa.text(query), {"name": table}))


def test_three_byte_tables_take_emoji_afterwards_and_keep_what_they_hold(mariadb_place: Any, v21: Callable[..., None]) -> None:
    v21(mariadb_place, UTF8MB3)
    before = mariadb_place.rows("fbfans")
    assert any("utf8mb3 becomes utf8mb4" in change.says for change in mariadb_place.plan("fbfans").changes)
    mariadb_place.adopt(apply=True)
    for table in ("fbfans", "state"):
        assert collations(mariadb_place, table) == {"utf8mb4_bin"}
    assert [row[:7] for row in mariadb_place.rows("fbfans")] == before
    mariadb_place.run(
        f"INSERT INTO fbfans (id, task_id, panel, field_content, source_author) VALUES ('i', '{IDS[4]}', '/f', 'f', '林🌸')"
    )
    assert ("林🌸",) in mariadb_place.rows("fbfans", "source_author")


def test_a_single_column_of_another_character_set_is_enough(mariadb_place: Any) -> None:
    mariadb_place.make("fbfans", RESULTS_21.replace("VARCHAR(200)", "VARCHAR(200) CHARACTER SET latin1"), RESULT_ROWS)
    mariadb_place.adopt(apply=True)
    assert collations(mariadb_place, "fbfans") == {"utf8mb4_bin"}
    assert not mariadb_place.plan("fbfans").changes


def test_another_collation_of_utf8mb4_is_somebody_s_choice(mariadb_place: Any, v21: Callable[..., None]) -> None:
    v21(mariadb_place, "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci")
    mariadb_place.adopt(apply=True)
    assert collations(mariadb_place, "fbfans") == {"utf8mb4_general_ci"}
    assert not mariadb_place.plan("fbfans").changes


@pytest.mark.parametrize("engine", ["MyISAM", "Aria"])
def test_an_engine_without_transactions_is_replaced(mariadb_place: Any, v21: Callable[..., None], engine: str) -> None:
    """Else a step of a label task that is killed would leave half of its rows."""
    v21(mariadb_place, f"ENGINE={engine} DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin")
    before = mariadb_place.rows("fbfans")
    mariadb_place.adopt(apply=True)
    assert sa.inspect(mariadb_place.engine).get_table_options("fbfans")["mysql_engine"] == "InnoDB"
    assert [row[:7] for row in mariadb_place.rows("fbfans")] == before


def test_task_ids_of_text_become_such_as_an_index_takes(mariadb_place: Any) -> None:
    as_text = "task_id TEXT"
    mariadb_place.make("state", STATE_21.replace("task_id VARCHAR(32)", as_text), STATE_ROWS_21)
    mariadb_place.make("fbfans", RESULTS_21.replace("task_id VARCHAR(32)", as_text), RESULT_ROWS)
    mariadb_place.make("Ptt", RESULTS_21.replace("task_id VARCHAR(32)", as_text), [("a", "x" * 40, *RESULT_ROWS[0][2:])])
    report = mariadb_place.adopt(apply=True)
    assert report.refused == ["Ptt"]
    assert report.plans[1].refused == ["a task_id has 40 characters, 32 fit"]
    assert [str(mariadb_place.columns(table)["task_id"]["type"]).split(" ")[0] for table in ("state", "fbfans")] == [
        "VARCHAR(32)"
    ] * 2
    assert {row[0] for row in mariadb_place.rows("state", "task_id")} == set(IDS[:3])


def test_a_table_s_changes_are_one_statement(mariadb_place: Any, v21: Callable[..., None]) -> None:
    """So each table is copied once, and a crash leaves it as it was or as it shall be."""
    v21(mariadb_place, UTF8MB3)
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith(("ALTER", "UPDATE", "CREATE", "INSERT", "DELETE", "DROP")):
            seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        mariadb_place.adopt(apply=True)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert [statement.partition(" (")[0].split(" ")[:3] for statement in seen] == [
        ["ALTER", "TABLE", name] for name in ("state", "fbfans", "wh_panel_mapping_fbfans")
    ]


def test_days_that_are_none_become_null_and_hold_nothing_up(mariadb_place: Any, v21: Callable[..., None]) -> None:
    """A server that is not strict keeps 0000-00-00 for what is no time; a column that labelmill does not know keeps it."""
    v21(mariadb_place)
    with mariadb_place.engine.begin() as connection:
        for statement in (
            "SET SESSION sql_mode = ''",
            f"UPDATE state SET create_time = 0, check_point = '2021-00-07 06:00:00' WHERE task_id = '{IDS[1]}'",
            "UPDATE fbfans SET create_time = '0000-00-00 00:00:00' WHERE match_content = '陳志明'",
            "ALTER TABLE fbfans ADD COLUMN seen DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00', ADD COLUMN check_point DATETIME DEFAULT 0",
        ):
            connection.exec_driver_sql(statement)
    says = {
        plan.name: [change.says for change in plan.changes if "0000" in change.says] for plan in mariadb_place.adopt().plans
    }
    none = "NULL instead of a day that is none, such as 0000-00-00, in 1 rows"
    assert says == {
        "state": [f"create_time: {none}", f"check_point: {none}"], "fbfans": [f"create_time: {none}"], "wh_panel_mapping_fbfans": [],
    }  # fmt: skip
    report = mariadb_place.adopt(apply=True)
    assert (report.refused, mariadb_place.adopt().plans[0].changes) == ([], [])
    assert (IDS[1], None, None) in mariadb_place.rows("state", "task_id", "create_time", "check_point")
    times = dict(mariadb_place.rows("fbfans", "match_content", "create_time"))
    assert (times["陳志明"], times["O'Neil 100%"] is None) == (None, False)
    assert {str(row[0]) for row in mariadb_place.rows("fbfans", "seen")} == {"0000-00-00 00:00:00"}
