"""`labelmill adopt audience`, as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from audience_tables import IDS, RESULTS_21, Predecessor
from labelmill import cli


@pytest.fixture(autouse=True)
def _data(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELMILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("LABELMILL_DATABASE_URL", raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def labelmill(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(["adopt", "audience", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return labelmill


def test_listed_then_done_then_nothing_to_do(place: Any, v21: Callable[..., None], run: Callable[..., Any]) -> None:
    v21(place)
    code, out, err = run(place.url)
    assert code == 0
    assert out.splitlines()[1].startswith("state")
    assert "rate_of_label: INT" in out
    assert "done" not in out
    assert "Nothing has been changed. Do it with --apply" in err
    assert "left alone, not the predecessor's: dump" in err
    assert f"{IDS[2]}; --mark-failed ends them" in err
    code, out, err = run(place.url, "--apply")
    assert code == 0
    assert "done: rate_of_label: INT" in out
    assert "Nothing has been changed" not in err
    assert run(place.url, "--apply")[1].count("nothing to do") == 3


def test_json_has_all_of_it(place: Any, v21: Callable[..., None], run: Callable[..., Any]) -> None:
    v21(place)
    listed = json.loads(run(place.url, "--json")[1])
    assert (listed["applied"], listed["pending"], "dump" in listed["left_alone"]) == (False, [IDS[2]], True)
    assert [(table["table"], table["what"], table["rows"], table["rows_after"], table["done"]) for table in listed["tables"]] == [
        ("state", "state", 3, None, False), ("fbfans", "results", 3, None, False), ("wh_panel_mapping_fbfans", "results", 2, None, False),
    ]  # fmt: skip
    done = json.loads(run(place.url, "--json", "--apply", "--mark-failed")[1])
    assert [(table["rows"], table["rows_after"], table["done"]) for table in done["tables"]] == [
        (3, 3, True),
        (3, 3, True),
        (2, 2, True),
    ]
    assert [table["changes"] for table in done["tables"]][1:] == [table["changes"] for table in listed["tables"]][1:]
    assert done["tables"][0]["changes"][-1] == "1 pending tasks become FAILURE"
    assert json.loads(run(place.url, "--json")[1])["pending"] == []


def test_refusals_are_told_and_exit_with_4(place: Any, v21: Callable[..., None], run: Callable[..., Any]) -> None:
    v21(place)
    place.make("forum", RESULTS_21.replace("id VARCHAR(32) NOT NULL,", "", 1))
    for more in ([], ["--apply"]):
        code, out, err = run(place.url, *more)
        assert code == 4
        assert "refused: it is not a result table of an Audience API: it has no id" in out
        assert "error[conflict]" in err
        assert "1 of 4 tables cannot be taken over: forum." in err


def test_the_settings_name_the_state_table_unless_the_option_does(
    place: Any, v21: Callable[..., None], run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    v21(place)
    place.run("ALTER TABLE state RENAME TO tasks")
    monkeypatch.setenv("LABELMILL_STATE_TABLE", "tasks")
    assert json.loads(run(place.url, "--json")[1])["tables"][0]["table"] == "tasks"
    place.make("state", "task_id VARCHAR(32)")
    other = json.loads(run(place.url, "--json", "--state-table", "state")[1])
    assert (other["state_table"], "tasks" in other["left_alone"]) == ("state", True)


def test_a_state_table_that_is_named_and_is_not_there_is_refused(
    place: Any, v21: Callable[..., None], run: Callable[..., Any]
) -> None:
    """Else results would be taken over without the tasks that they belong to."""
    v21(place)
    before = place.shape()
    for more in ([], ["--apply"], ["--apply", "--mark-failed", "--json"]):
        code, out, err = run(place.url, "--state-table", "stat", *more)
        assert (code, out) == (3, "")
        assert "There is no table 'stat' with the state of tasks" in err
        assert "There are also:" in err
        assert "state" in err.partition("There are also:")[2]
    assert place.shape() == before


def test_results_alone_are_taken_over_with_a_warning(place: Any, run: Callable[..., Any]) -> None:
    place.make("forum", RESULTS_21)
    for more in ([], ["--json"], ["--apply"]):
        code, _, err = run(place.url, *more)
        assert (code, "warning: there is no table 'state'" in err, "local time" in err) == (0, True, False)
    assert json.loads(run(place.url, "--json")[1])["state_table"] is None


def test_old_times_are_told_to_be_local(place: Any, v21: Callable[..., None], run: Callable[..., Any]) -> None:
    v21(place)
    before = place.rows("state", "task_id", "create_time")
    code, out, err = run(place.url, "--apply", "--json")
    assert (code, json.loads(out)["state_table"]) == (0, "state")
    assert "old rows of state keep the local time" in err
    assert "warning" not in err
    assert place.rows("state", "task_id", "create_time") == before


def test_a_schema_of_postgresql(postgresql_database: str, run: Callable[..., Any]) -> None:
    """It is named after the database, and what lies beside it is not looked at."""
    place = Predecessor(postgresql_database)
    place.make("forum", RESULTS_21)
    place.run("CREATE SCHEMA audience_result")
    place.run("CREATE TABLE audience_result.fbfans AS SELECT * FROM forum")
    code, out, err = run(f"{place.url}::audience_result", "--apply")
    assert (code, "fbfans" in out, "forum" in out + err) == (0, True, False)
    place.run("INSERT INTO audience_result.fbfans (id, task_id, panel, field_content) VALUES ('a', 'b', 'c', 'd')")
    with place.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT row_id FROM audience_result.fbfans").scalar() == 1
    assert "row_id" not in place.columns("forum")
    place.engine.dispose()


def test_passwords_are_printed_nowhere(
    mariadb_place: Any, v21: Callable[..., None], server_user: Callable[..., str], run: Callable[..., Any]
) -> None:
    v21(mariadb_place)
    url = server_user(mariadb_place, f"SELECT ON {mariadb_place.engine.url.database}.*")
    password = make_url(url).password
    assert password
    wrong = make_url(url).set(password="hunter2-wrong").render_as_string(hide_password=False)
    told = [run(url), run(url, "--json", "--apply"), run(wrong), run(url + "::state.x")]
    assert [code for code, _, _ in told] == [4, 4, 2, 2]
    assert "hunter2" not in "".join(out + err for _, out, err in told)
    assert "***" in told[1][1]


def test_the_group_names_its_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["adopt", "--help"]) == 0
    assert "audience" in capsys.readouterr().out
