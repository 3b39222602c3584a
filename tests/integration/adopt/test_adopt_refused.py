"""What cannot be taken over is named with its reason and left exactly as it was; the rest is taken over nevertheless."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audience_tables import IDS, RESULT_ROWS, RESULTS_21, STATE_21, STATE_ROWS_21, Predecessor
from labelmill.db.bulk.location import parse_location
from labelmill.errors import BadFile, BadSource, Conflict, LabelmillError, NotFound, Unavailable
from labelmill.labeltasks.adopt.service import adopt, require_all

VIEW = "CREATE VIEW {} AS SELECT * FROM {}"


def refused(place: Any, table: str, words: str) -> None:
    """The table is refused with these words, before and with --apply, and not touched."""
    before = place.shape()
    reasons = place.plan(table).refused
    assert any(words in reason for reason in reasons), reasons
    assert place.shape() == before
    report = place.adopt(apply=True)
    assert table in report.refused
    assert place.shape().get(table) == before.get(table)
    with pytest.raises(Conflict, match=table):
        require_all(report)


def test_a_state_table_that_is_somebody_else_s(place: Any) -> None:
    place.make("state", "id INT, name VARCHAR(20)", [(1, "Texas")])
    place.make("fbfans", RESULTS_21, RESULT_ROWS)
    refused(place, "state", "it has no task_id, stat")
    assert not place.plan("fbfans").changes  # this one was taken over


def test_a_state_table_without_any_target(place: Any) -> None:
    place.make("state", STATE_21.replace("target_table VARCHAR(32),", ""))
    refused(place, "state", "it has no target_table")


def test_a_result_table_that_lacks_columns(place: Any, v21: Callable[..., None]) -> None:
    v21(place)
    place.make("forum", "task_id VARCHAR(32), source_author {text}, panel VARCHAR(200)")
    refused(place, "forum", "it has no id, create_time, field_content, match_content")
    assert place.adopt().refused == ["forum"]
    assert not place.plan("state").changes


def test_views(place: Any, v21: Callable[..., None]) -> None:
    v21(place)
    place.run(VIEW.format("all_fans", "fbfans"))
    assert place.plan("all_fans").refused == ["it is a view: take over the table behind it"]
    place.run(VIEW.format("old_state", "state"))
    assert "view" in place.plan("old_state", state_table="old_state").refused[0]


def test_a_view_on_a_table_still_shows_it_afterwards(place: Any, v21: Callable[..., None]) -> None:
    """PostgreSQL does not change the type of a column that a view shows: that table is refused, and whole."""
    v21(place)
    place.run(VIEW.format("all_fans", "fbfans"))
    before = place.rows("all_fans", "id", "panel")
    assert place.adopt(apply=True).refused == ["all_fans"] + (["fbfans"] if place.kind == "postgresql" else [])
    assert place.rows("all_fans", "id", "panel") == before


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_a_view_of_something_that_is_gone_is_in_nobody_s_way(
    request: pytest.FixtureRequest, kind: str, v21: Callable[..., None]
) -> None:
    """PostgreSQL has no such views."""
    place = Predecessor(request.getfixturevalue(f"{kind}_database"))
    v21(place)
    place.run(VIEW.format("broken", "dump"))
    place.run("DROP TABLE dump")
    report = place.adopt(apply=True)
    assert report.refused == []
    assert "broken" in report.left_alone
    place.engine.dispose()


@pytest.mark.parametrize("column", ["task_id", "stat"])
def test_a_state_table_of_numbers(place: Any, column: str) -> None:
    """Its rows are not asked for what they cannot answer."""
    place.make("state", STATE_21.replace(f"{column} VARCHAR(32)", f"{column} INT"))
    refused(place, "state", f"its column {column} is of another kind (whole, not text)")


def test_repeated_task_ids_are_named(place: Any) -> None:
    """Nobody but the owner knows which of the rows is the right one."""
    place.make("state", STATE_21, [*STATE_ROWS_21, STATE_ROWS_21[0], STATE_ROWS_21[1]])
    refused(place, "state", f"several rows have the task_id {IDS[0]}, {IDS[1]}: keep one")


def test_a_row_without_a_task_id(place: Any) -> None:
    place.make("state", STATE_21, [*STATE_ROWS_21, (None, *STATE_ROWS_21[0][1:])])
    refused(place, "state", "1 rows have no task_id")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("id VARCHAR(32) NOT NULL", "id VARCHAR(32) NOT NULL UNIQUE"), "unique key on id"),
        (("panel VARCHAR(200)", "must_have INT NOT NULL, panel VARCHAR(200)"), "does not know its column must_have"),
        (("panel VARCHAR(200)", "panel INT"), "panel is of another kind (whole, not text)"),
        (("create_time {time}", "create_time INT"), "create_time is of another kind (whole, not time)"),
    ],
)
def test_results_that_label_tasks_could_not_add_to(place: Any, changes: tuple[str, str], words: str) -> None:
    place.make("fbfans", RESULTS_21.replace(*changes))
    refused(place, "fbfans", words)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (", own INTEGER PRIMARY KEY", "primary key of its own, on own"),
        (", own INTEGER UNIQUE", "constraints of its own: unique"),
        (", own INTEGER CHECK (own > 0)", "constraints of its own: check"),
        (", own INTEGER REFERENCES unrelated (number)", "constraints of its own: foreign key"),
        (", long INT GENERATED ALWAYS AS (length(panel)) VIRTUAL", "long is computed"),
    ],
)
def test_what_sqlite_would_lose(sqlite_database: str, more: str, words: str) -> None:
    place = Predecessor(sqlite_database)
    place.make("fbfans", RESULTS_21 + more)
    refused(place, "fbfans", words)


def test_a_table_with_a_counting_key_of_its_own_keeps_it(mariadb_place: Any) -> None:
    mariadb_place.make("fbfans", RESULTS_21 + ", nr INT NOT NULL AUTO_INCREMENT PRIMARY KEY", [(*RESULT_ROWS[0], 7)])
    mariadb_place.adopt(apply=True)
    assert mariadb_place.rows("fbfans", "nr") == [(7,)]
    assert "row_id" not in mariadb_place.columns("fbfans")
    assert not mariadb_place.plan("fbfans").changes


GRANTS = {"mysql": "SELECT, INSERT ON {}.*", "postgresql": "SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public"}


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_no_right_to_alter_is_found_out_before_anything_is_tried(
    request: pytest.FixtureRequest, kind: str, v21: Callable[..., None], server_user: Callable[..., str]
) -> None:
    place = Predecessor(request.getfixturevalue(f"{kind}_database"))
    v21(place)
    user = Predecessor(server_user(place, GRANTS[place.kind].format(place.engine.url.database)))
    before = place.shape()
    plans = user.adopt().plans
    assert [len(plan.refused) for plan in plans] == [1, 1, 1]
    assert all("lacks the right" in plan.refused[0] for plan in plans)
    assert user.adopt(apply=True).refused == ["state", "fbfans", "wh_panel_mapping_fbfans"]
    assert place.shape() == before
    user.engine.dispose()
    place.engine.dispose()


def test_the_rights_that_mariadb_wants_are_enough(
    mariadb_place: Any, v21: Callable[..., None], server_user: Callable[..., str]
) -> None:
    """For a whole schema whose name has an underscore, or for each table."""
    v21(mariadb_place)
    schema = mariadb_place.engine.url.database
    rights = "SELECT, INSERT, UPDATE, CREATE, ALTER"
    tables = [f"{rights} ON {schema}.{table}" for table in ("state", "fbfans")]
    some = Predecessor(server_user(mariadb_place, *tables, f"SELECT ON {schema}.wh_panel_mapping_fbfans"))
    assert some.adopt().refused == ["wh_panel_mapping_fbfans"]
    escaped = schema.replace("_", "\\_")
    whole = Predecessor(server_user(mariadb_place, f"{rights} ON `{escaped}`.*"))
    assert whole.adopt(apply=True).refused == []
    assert not mariadb_place.plan("fbfans").changes
    for user in (some, whole):
        user.engine.dispose()


def test_a_table_that_somebody_holds_is_left_and_told(
    place: Any, v21: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than waiting without end; the others are done, and the next time this one is."""
    from labelmill.db import engine
    from labelmill.labeltasks.adopt import service

    v21(place)
    monkeypatch.setattr(engine, "LOCK_SECONDS", 1)
    monkeypatch.setattr(service, "LOCK_SECONDS", 1)
    with place.engine.connect() as holder:
        holder.exec_driver_sql("DELETE FROM fbfans")
        report = place.adopt(apply=True)
        holder.rollback()
    assert "fbfans" in report.refused
    assert place.adopt(apply=True).refused == []
    assert len(place.rows("fbfans")) == len(RESULT_ROWS)


HOSTILE = ['a"; DROP TABLE state; --', "select", "二 words", "x'y", "`b`", "100%s", "a:b", "%(x)s"]


def test_p20_a_table_s_name_is_only_a_name(place: Any) -> None:
    place.make("state", STATE_21, STATE_ROWS_21)
    for name in HOSTILE:
        place.make(name, RESULTS_21, RESULT_ROWS[:1])
    report = place.adopt(apply=True)
    assert report.refused == [], [plan.refused for plan in report.plans]
    assert {plan.name for plan in report.plans if plan.done} == {*HOSTILE, "state"}
    assert all(not plan.changes and plan.found.rows for plan in place.adopt().plans)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("missing.db", BadSource, "no such file"),
        ("posts.csv", BadSource, "not a database"),
        ("mariadb://root@127.0.0.1", BadSource, "No database is named"),
        ("sqlite:///text.db", BadFile, "not a SQLite database"),
        ("empty.db", NotFound, "no tables of an Audience API"),
        ("empty.db::state", BadSource, "names a table"),
        ("mariadb://ann:hunter2@127.0.0.1:1/x", Unavailable, "cannot be read"),
    ],
)
def test_a_place_that_is_none(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, text: str, kind: type[LabelmillError], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.db").write_text("this is a text and no database", encoding="utf-8")
    (tmp_path / "empty.db").touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(kind, match=words) as caught:
        adopt(parse_location(text), "state", apply=True)
    assert caught.value.way_out
    assert "hunter2" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before
