"""The Audience API's contract: every field, its type, its order and its nulls, and every documented error."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.engine import make_url

import audience
from labelmill.accounts import Role
from labelmill.labeltasks import service
from labelmill.labeltasks.result_tables import STATE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from webapp import Site

CONFIG = {
    "model_type": "keyword_model", "predict_type": "author", "start_time": "2020-01-01T00:00:00", "end_time": "2021-01-01T00:00:00",
    "target_schema": "in.db", "target_table": "ts_page_content", "output_schema": "out.db", "countdown": 5, "queue": "queue1",
    "date_range": "2020-01-01 00:00:00 - 2021-01-01 00:00:00",
}  # fmt: skip
ROW = {
    "stat": "SUCCESS", "prod_stat": "finish", "model_type": "keyword_model", "predict_type": "author",
    "date_range": "2020-01-01 00:00:00 - 2021-01-01 00:00:00", "target_table": "in.db", "length_receive_table": 3,
    "length_output_table": 2, "length_prod_table": 2, "result": "fbfans", "uniq_source_author": "3", "rate_of_label": "66.67",
    "check_point": None,
}  # fmt: skip
FBFANS = "sample/?table_name=wh_panel_mapping_fbfans"
NOBODYS = "0" * 32


def test_t01_a_task_is_made_of_the_documented_defaults_and_told_in_the_documented_order(old_site: Site) -> None:
    answer = audience.ask(old_site, "POST", json={})
    body = answer.json()
    assert list(body) == ["error_code", "error_message"]
    assert list(body["error_message"]) == [*CONFIG, "task_id"]
    assert re.fullmatch("[0-9a-f]{32}", body["error_message"].pop("task_id"))
    assert body == {"error_code": 200, "error_message": CONFIG}
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


def test_t01_t03_every_field_that_is_given_is_honoured(old_site: Site, tmp_path: Path) -> None:
    asked = {
        "model_type": "rule_model", "predict_type": "title", "start_time": "2020-01-01T08:00:00+08:00", "end_time": "2020-03-01",
        "target_schema": "in", "target_table": "older", "output_schema": "out", "countdown": 0, "queue": "default",
        "a_field_of_another_version": [1],
    }  # fmt: skip
    moment = "2020-01-01 00:00:00"
    from datetime import datetime

    posts = [{"title": "Mr. Lee", "post_time": datetime.fromisoformat(moment)}, {"title": "none", "post_time": None}]
    audience.write_posts(f"sqlite:///{tmp_path}/in.db", posts, "older")
    told = audience.ask(old_site, "POST", json=asked).json()["error_message"]
    task_id = told.pop("task_id")
    assert told == {name: value for name, value in asked.items() if name in CONFIG} | {
        "start_time": "2020-01-01T00:00:00", "end_time": "2020-03-01T00:00:00", "date_range": f"{moment} - 2020-03-01 00:00:00",
    }  # fmt: skip
    audience.work(old_site, task_id)
    row = audience.row_of(old_site, task_id)
    assert (row["model_type"], row["predict_type"], row["length_output_table"]) == ("rule_model", "title", 1)
    [found] = audience.rows(f"sqlite:///{tmp_path}/out.db", "fbfans")
    assert (found["panel"], found["match_content"]) == ("/male", "Mr. Lee")


def test_t04_the_state_stands_in_the_output_before_any_worker_looks(old_site: Site, tmp_path: Path) -> None:
    task_id = audience.create(old_site)
    [row] = audience.rows(f"sqlite:///{tmp_path}/out.db", "state")
    assert (row["task_id"], row["stat"], row["prod_stat"], row["result"]) == (task_id, "PENDING", None, "")
    assert set(row) == set(STATE_COLUMNS)


def test_t13_t15_a_finished_task_in_the_list_and_by_its_id(old_site: Site) -> None:
    task_id = audience.run(old_site)
    answer = audience.ask(old_site)
    body = answer.json()
    assert list(body) == ["error_code", "error_message", "content"]
    assert (body["error_code"], body["error_message"], answer.status_code) == (200, "OK", 200)
    [row] = body["content"]
    assert list(row) == list(STATE_COLUMNS[:17])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", row.pop("create_time"))
    assert row.pop("task_id") == task_id
    assert isinstance(row.pop("peak_memory"), float)
    assert isinstance(row.pop("run_time"), float)
    assert row == ROW
    status = audience.ask(old_site, path=task_id).json()
    assert status == {
        "error_code": 200,
        "error_message": "OK",
        "status": "SUCCESS",
        "prod_status": "finish",
        "result": "fbfans",
    }
    assert list(status) == ["error_code", "error_message", "status", "prod_status", "result"]


def test_t13_a_task_that_nobody_has_begun_has_nulls_where_the_contract_has_them(old_site: Site) -> None:
    task_id = audience.create(old_site)
    row = audience.row_of(old_site, task_id)
    unknown = (
        "prod_stat", "peak_memory", "length_receive_table", "length_output_table", "length_prod_table", "uniq_source_author",
        "rate_of_label", "run_time", "check_point",
    )  # fmt: skip
    assert {name: row[name] for name in unknown} == dict.fromkeys(unknown)
    assert (row["stat"], row["result"]) == ("PENDING", "")
    status = audience.ask(old_site, path=task_id).json()
    assert (status["status"], status["prod_status"], status["result"]) == ("PENDING", None, "")


def test_t13_a_failed_and_a_stopped_task_say_so(old_site: Site, tmp_path: Path) -> None:
    stopped, failed = audience.create(old_site), audience.create(old_site)
    old_site.ask("POST", f"/v1/label-tasks/{stopped}/cancel", role=Role.MANAGER)
    (tmp_path / "in.db").unlink()
    audience.work(old_site, failed)
    audience.level(old_site, stopped)
    assert audience.ask(old_site, path=failed).json()["status"] == "FAILURE"
    assert audience.ask(old_site, path=stopped).json()["status"] == "BREAK"


def test_t15_the_list_has_the_five_newest_first(old_site: Site) -> None:
    made = [audience.create(old_site) for _ in range(7)]
    found = [row["task_id"] for row in audience.ask(old_site).json()["content"]]
    assert len(found) == 5
    assert sorted(found, reverse=True) == found
    assert set(found) <= set(made)


def test_t15_before_the_first_task_the_list_is_empty(old_site: Site) -> None:
    assert audience.ask(old_site).json() == {"error_code": 200, "error_message": "OK", "content": []}


def test_t15_tasks_that_others_wrote_into_the_state_table_are_listed_too(old_site: Site, tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    audience.run(old_site)
    with closing(sqlite3.connect(tmp_path / "out.db")) as connection, connection:
        connection.execute(
            "INSERT INTO state (task_id, stat, prod_stat, create_time, result, rate_of_label, uniq_source_author, check_point, length_prod_table) "
            "VALUES (?, 'SUCCESS', 'finish', '2029-11-09 15:13:39.000000', 'fbfans', 14, 1672893, '2020-03-01 06:00:00.000000', '24,7')",
            (NOBODYS,),
        )
        connection.execute(f"UPDATE {audience.PREFIX}fbfans SET task_id = ? WHERE panel = '/female'", (NOBODYS,))
    row = audience.ask(old_site).json()["content"][0]
    assert (row["task_id"], row["create_time"], row["check_point"]) == (NOBODYS, "2029-11-09T15:13:39", "2020-03-01T06:00:00")
    assert (row["rate_of_label"], row["uniq_source_author"], row["model_type"]) == ("14", "1672893", None)
    assert audience.ask(old_site, path=NOBODYS).json()["status"] == "SUCCESS"
    assert (row["length_prod_table"], row["length_receive_table"]) == ("24,7", None)
    [drawn] = audience.ask(old_site, path=f"{NOBODYS}/{FBFANS}").json()["error_message"]
    assert drawn["panel"] == "/female"


def test_t16_a_sample_has_the_documented_fields(old_site: Site) -> None:
    task_id = audience.run(old_site)
    body = audience.ask(old_site, path=f"{task_id}/{FBFANS}").json()
    assert list(body) == ["error_code", "error_message"]
    amy, tom = sorted(body["error_message"], key=lambda row: row["panel"])
    assert list(amy) == ["id", "task_id", "source_author", "panel", "create_time", "field_content", "match_content"]
    assert amy == {
        "id": "1577818324916_FBEXUB", "task_id": task_id, "source_author": "WH_F0045_AMY", "panel": "/female",
        "create_time": "2020-01-01T00:00:01", "field_content": "WH_F0045", "match_content": "AMY",
    }  # fmt: skip
    assert tom["panel"] == "/male"


def test_addresses_are_answered_with_and_without_the_last_slash_and_bodies_without_a_type(old_site: Site) -> None:
    made = old_site.ask("POST", "/api/tasks", role=Role.MANAGER, content=b'{"countdown": 0}')
    task_id = made.json()["error_message"]["task_id"]
    assert made.json()["error_message"]["countdown"] == 0
    audience.work(old_site, task_id)
    for path in ("", "/", f"/{task_id}", f"/{task_id}/", f"/{task_id}/{FBFANS}", f"/{task_id}/{FBFANS.replace('/?', '?')}"):
        assert old_site.ask("GET", f"/api/tasks{path}", role=Role.VIEWER).json()["error_code"] == 200, path


#: What is asked, with the documented code and the documented beginning of the text.
REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "the start is the end": ({"start_time": "2021-01-01 00:00:00"}, 400, "start_time must be earlier than end_time"),
    "the start is later": ({"end_time": "2019-01-01 00:00:00"}, 400, "start_time must be earlier than end_time"),
    "no such queue": ({"queue": "queue7"}, 400, "queue 'queue7' is unknown. There are: default, learner, predictor, archiver, queue1."),
    "no such model": ({"model_type": "RANDOM_FOREST_MODEL"}, 501, "Cannot read pattern file, model_type: 'RANDOM_FOREST_MODEL'"),
    "no such predict type": ({"predict_type": "../../etc"}, 501, "Cannot read pattern file, predict_type: '../../etc'"),
    "no such table": ({"target_table": "nothing"}, 500, "failed to start a labeling task, additional error message: There is no table"),
    "a table without the columns": (
        {"target_table": "bare"}, 500, "failed to start a labeling task, additional error message: There is no column 'author'.",
    ),
    "no such input schema": ({"target_schema": "nothing"}, 500, "failed to start a labeling task, additional error message: "),
    "no such output schema": ({"output_schema": "nothing"}, 503, "Cannot connect to output schema, "),
}  # fmt: skip


@pytest.mark.parametrize("setting", ["honest", "200"])
@pytest.mark.parametrize("case", REFUSED)
def test_t02_what_cannot_be_done_is_refused_at_once(
    case: str, setting: str, old_site: Site, open_site: Callable[..., Site], tmp_path: Path
) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(tmp_path / "in.db")) as connection, connection:
        connection.execute("CREATE TABLE bare (id TEXT, s_id TEXT, post_time TEXT)")
    site = old_site if setting == "honest" else open_site(compat_status=setting)
    asked, code, beginning = REFUSED[case]
    answer = audience.ask(site, "POST", json=asked)
    body = answer.json()
    assert list(body) == ["error_code", "error_message"]
    assert body["error_code"] == code
    assert body["error_message"].startswith(beginning)
    assert answer.status_code == (code if setting == "honest" else 200)
    assert str(tmp_path) not in answer.text.replace(str(tmp_path / "rules"), "")
    with site.app.database.read() as connection:
        assert service.list_tasks(connection) == []
    assert audience.ask(site).json()["content"] == []


def test_t02_missing_and_broken_rules_are_named_by_their_path(old_site: Site, tmp_path: Path) -> None:
    file = tmp_path / "rules/keyword_model/male/author_name.txt"
    file.write_text("tom\tsomewhere\n")
    broken = audience.ask(old_site, "POST", json={})
    assert (broken.status_code, broken.json()["error_code"]) == (501, 501)
    assert broken.json()["error_message"].startswith(f"Cannot read pattern file, {file}:1: ")
    missing = audience.ask(old_site, "POST", json={"model_type": "rule_model", "predict_type": "content"}).json()
    assert missing["error_code"] == 501
    assert str(tmp_path / "rules/rule_model") in missing["error_message"]
    (tmp_path / "rules/rule_model/male/title.txt").write_text("(unclosed\n")
    regex = audience.ask(old_site, "POST", json={"model_type": "rule_model", "predict_type": "title"}).json()
    assert (regex["error_code"], "title.txt:1" in regex["error_message"]) == (501, True)


def test_t02_without_a_folder_of_rules_the_setting_is_named(open_site: Callable[..., Site]) -> None:
    body = audience.ask(open_site(rules_dir=None), "POST", json={}).json()
    assert body["error_message"].startswith("Cannot read pattern file, LABELMILL_RULES_DIR: ")


WRONG_TYPES = [
    ({"start_time": "yesterday"}, ["body", "start_time"]),
    ({"countdown": "soon"}, ["body", "countdown"]),
    ({"countdown": -1}, ["body", "countdown"]),
    ({"model_type": 7}, ["body", "model_type"]),
    ({"target_table": ["ts_page_content"]}, ["body", "target_table"]),
    ({"queue": ""}, ["body", "queue"]),
    ([], ["body"]),
]


@pytest.mark.parametrize("setting", ["honest", "200"])
@pytest.mark.parametrize(("body", "place"), WRONG_TYPES)
def test_t02_a_wrong_type_is_422_in_the_documented_shape(
    body: Any, place: list[str], setting: str, open_site: Callable[..., Site]
) -> None:
    answer = audience.ask(open_site(compat_status=setting), "POST", json=body)
    assert answer.status_code == 422
    [mistake] = answer.json()["detail"]
    assert set(answer.json()) == {"detail"}
    assert set(mistake) == {"loc", "msg", "type"}
    assert mistake["loc"] == place


def test_t02_a_body_that_is_no_json_is_422_too(open_site: Callable[..., Site]) -> None:
    for body in (b"{", b'{"countdown": 1, "countdown": 2}', b'{"target_table": "\\u0000"}'):
        answer = audience.ask(open_site(), "POST", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, list(answer.json()["detail"][0])) == (422, ["loc", "msg", "type"])


#: What is asked of a site whose output database is gone, or of an id that is none: the code, the beginning, the status of old.
READING = [
    ("", "gone", 500, "cannot connect to state table", 200),
    (NOBODYS, "gone", 500, "cannot connect to state table", 200),
    (f"{NOBODYS}/{FBFANS}", "gone", 500, "Cannot scrape data from result tables. ", 400),
    (NOBODYS, "", 400, "task id is not exist, ", 200),
    ("nothing", "", 400, "task id is not exist, ", 200),
    (f"123/{FBFANS}", "", 400, "123 is not in proper format, expect 32 digits get 3 digits", 200),
    (f"{'9' * 33}/{FBFANS}", "gone", 400, f"{'9' * 33} is not in proper format, expect 32 digits get 33 digits", 200),
    (f"{NOBODYS}/{FBFANS}", "", 404, "empty result, ", 200),
]


@pytest.mark.parametrize("setting", ["honest", "200"])
@pytest.mark.parametrize(("path", "output", "code", "beginning", "status"), READING)
def test_t13_t15_t16_errors_of_reading_are_the_documented_ones(
    path: str, output: str, code: int, beginning: str, status: int, setting: str, open_site: Callable[..., Site]
) -> None:
    gone = {"output_url": "mariadb://ann:hunter2@127.0.0.1:1/audience_result"} if output else {}
    answer = audience.ask(open_site(compat_status=setting, **gone), path=path)
    body = answer.json()
    assert (body["error_code"], answer.status_code) == (code, code if setting == "honest" else status)
    assert body["error_message"].startswith(beginning)
    nulls = {"status": None, "prod_status": None, "result": None} if path and "/" not in path else {}
    assert {name: value for name, value in body.items() if not name.startswith("error_")} == nulls
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("tables", ["", "?table_name=", "?table_name=fbfans", "?table_name=wh_panel_mapping_nothing",
                                    "?table_name=wh_panel_mapping_fbfans&table_name=state"])  # fmt: skip
def test_t16_a_table_that_is_none_of_the_seventeen_is_422(tables: str, open_site: Callable[..., Site]) -> None:
    answer = audience.ask(open_site(), path=f"{NOBODYS}/sample/{tables}")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["query", "table_name"]


def test_t16_the_names_are_those_of_the_map_that_is_set(open_site: Callable[..., Site], tmp_path: Path) -> None:
    own = tmp_path / "map.json"
    own.write_text(json.dumps({"mine": ["WH_F0045"]}))
    audience.write_posts(f"sqlite:///{tmp_path}/in.db", [{"author": "Tom", "post_time": None}])
    site = open_site(source_map=own)
    assert audience.ask(site, path=f"{NOBODYS}/sample/?table_name=wh_panel_mapping_mine").status_code == 404
    assert audience.ask(site, path=f"{NOBODYS}/{FBFANS}").status_code == 422
    own.write_text("{")
    assert audience.ask(site, path=f"{NOBODYS}/{FBFANS}").json()["error_code"] == 500
    assert audience.ask(site, "POST", json={}).json()["error_message"].startswith("failed to start a labeling task")


def test_t02_t03_settings_that_name_no_databases_are_told(open_site: Callable[..., Site]) -> None:
    site = open_site(input_url=None, output_url=None)
    assert (
        audience.ask(site, "POST", json={}).json()["error_message"].startswith("Cannot connect to output schema, The settings")
    )
    assert audience.ask(site).json()["error_message"].startswith("cannot connect to state table")
    only_output = audience.ask(open_site(input_url=None), "POST", json={}).json()
    assert (only_output["error_code"], "no database to read from" in only_output["error_message"]) == (500, True)


def test_t02_t03_a_server_without_a_schema_is_told_in_all_four_calls(
    open_site: Callable[..., Site], tmp_path: Path, mariadb_database: str
) -> None:
    """As with OUTPUT_HOST alone: what a request names itself still works."""
    audience.write_posts(f"sqlite:///{tmp_path}/in.db", [{"author": "Tom", "post_time": None}])
    server = make_url(mariadb_database)
    site = open_site(output_url=None, **audience.without_schema("output", server))
    unset = "The output schema is not set. Set LABELMILL_OUTPUT_SCHEMA"
    for method, path, code, beginning in (
        ("POST", "", 503, "Cannot connect to output schema, "), ("GET", "", 500, "cannot connect to state table. "),
        ("GET", NOBODYS, 500, "cannot connect to state table. "), ("GET", f"{NOBODYS}/{FBFANS}", 500, "Cannot scrape data from result tables. "),
    ):  # fmt: skip
        told = audience.ask(site, method, path, **({"json": {}} if method == "POST" else {})).json()
        assert (told["error_code"], told["error_message"][: len(beginning + unset)]) == (code, beginning + unset)
    named = audience.create(site, output_schema=server.database)
    assert audience.ask(site, path=named).json()["status"] == "PENDING"
    reading = open_site(input_url=None, output_url=mariadb_database, **audience.without_schema("input", server))
    told = audience.ask(reading, "POST", json={}).json()
    assert (told["error_code"], "The input schema is not set." in told["error_message"]) == (500, True)


@pytest.mark.parametrize("schema", ["mysql", "MYSQL", "information_schema", "sys"])
def test_t02_the_servers_own_tables_are_neither_read_nor_told_of(
    open_site: Callable[..., Site], mariadb_database: str, schema: str
) -> None:
    site = open_site(input_url=mariadb_database, output_url=mariadb_database)
    told = audience.ask(site, "POST", json={"target_schema": schema, "target_table": "user"}).json()
    assert (told["error_code"], "belongs to the server itself" in told["error_message"]) == (500, True)
    assert "authentication_string" not in str(told).lower()
    told = audience.ask(site, "POST", json={"output_schema": schema}).json()
    assert (told["error_code"], "belongs to the server itself" in told["error_message"]) == (503, True)


def test_the_id_of_an_error_is_in_the_header(open_site: Callable[..., Site]) -> None:
    assert re.fullmatch("[0-9a-f]{32}", audience.ask(open_site(), path="123").headers["x-error-id"])


def test_t18_every_call_is_described_with_examples_and_its_errors(site: Site) -> None:
    document = site.ask("GET", "/openapi.json").json()
    calls = {
        (path, method): call
        for path, calls in document["paths"].items()
        for method, call in calls.items()
        if path.startswith("/api/tasks")
    }
    assert set(calls) == {
        ("/api/tasks/", "get"), ("/api/tasks/", "post"), ("/api/tasks/{task_id}", "get"), ("/api/tasks/{task_id}/sample/", "get"),
    }  # fmt: skip
    assert {call["tags"][0] for call in calls.values()} == {"Audience API 2.1"}
    assert all(call["description"] and call["security"] for call in calls.values())
    body = calls["/api/tasks/", "post"]["requestBody"]["content"]["application/json"]
    assert body["examples"]["everything said"]["value"]["countdown"] == 5
    assert {"400", "401", "403", "422", "500", "501", "503"} <= set(calls["/api/tasks/", "post"]["responses"])
    page = site.page("/docs").text
    assert "/api/tasks/{task_id}/sample/" in page
