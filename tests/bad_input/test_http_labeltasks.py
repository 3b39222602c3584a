"""What nobody should send to the routes of label tasks and files: refused at once, with the field, and nothing is done."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import http_tasks
from labelmill.accounts import Role

if TYPE_CHECKING:
    from pathlib import Path

    from webapp import Site


def refused(site: Site, asked: dict[str, Any]) -> tuple[int, str]:
    """Send a request that must be refused; return its status and the first field at fault. No task exists afterwards."""
    answer = http_tasks.start(site, asked)
    assert 400 <= answer.status_code < 500, answer.text
    assert site.ask("GET", "/v1/label-tasks", role=Role.VIEWER).json()["items"] == []
    assert str(site.app.settings.data_dir) not in answer.text
    problem = answer.json()
    assert problem["detail"]
    named = problem.get("errors", [problem])
    return answer.status_code, named[0]["where"]


@pytest.mark.parametrize(
    "place",
    [
        {"text": "/etc/passwd"},
        {"text": "posts.csv", "path": "posts.csv"},
        {"url": "sqlite:///posts.db"},
        {"locked": "gAAAA", "path": "posts.csv"},
        {},
        {"path": None},
        {"path": "posts.csv", "connection": "shop"},
        {"path": "posts.csv", "schema": "main"},
        {"path": ["posts.csv"]},
        {"connection": {"name": "shop"}},
        "posts.csv",
        7,
        None,
    ],
)
@pytest.mark.parametrize("side", ["source", "sink"])
def test_p20_a_place_is_one_path_or_one_connection_and_nothing_else(site: Site, side: str, place: Any) -> None:
    http_tasks.write(site, "posts.csv")
    status, field = refused(site, http_tasks.body() | {side: place})
    assert (status, field.startswith(f"body.{side}")) == (422, True)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../labelmill.db",
        "a/../../labelmill.db",
        "..\\labelmill.db",
        "C:\\posts.csv",
        "~/posts.csv",
        "posts.csv\0.db",
        "po\nsts.csv",
        "posts\u202evsc.db",
        ".",
        "./",
        "sqlite:///posts.db",
        "postgresql://ann:secret@127.0.0.1/shop",
        "http://169.254.169.254/latest.csv",
        "file:posts.db?mode=rwc",
        "posts.db::posts",
        "posts.exe",
        "posts",
        "x" * 301,
        "x" * 290 + ".csv",
        "",
    ],
)
@pytest.mark.parametrize("side", ["source", "sink"])
def test_p20_a_path_leads_to_a_file_of_rows_below_the_folder_and_nowhere_else(site: Site, side: str, path: str) -> None:
    http_tasks.write(site, "posts.csv")
    before = {place.relative_to(site.app.settings.data_dir) for place in site.app.settings.data_dir.rglob("*")}
    status, field = refused(site, http_tasks.body() | {side: {"path": path}})
    assert (status, field.startswith(("body.source", "body.sink", "body"))) == (422, True)
    assert {place.relative_to(site.app.settings.data_dir) for place in site.app.settings.data_dir.rglob("*")} == before


@pytest.mark.parametrize("name", ["out.db", "out.csv"])
@pytest.mark.parametrize("table", [{}, {"table": "posts"}])
def test_p20_a_link_that_leads_out_is_not_followed(site: Site, tmp_path: Path, name: str, table: dict[str, str]) -> None:
    outside = tmp_path / name
    with closing(sqlite3.connect(outside)) as connection, connection:
        connection.execute("CREATE TABLE posts (author TEXT)")
    (http_tasks.folder(site) / name).symlink_to(outside)
    assert refused(site, http_tasks.body() | {"source": {"path": name, **table}}) == (422, "body.source")
    http_tasks.write(site, "posts.csv")
    assert refused(site, http_tasks.body(sink=name)) == (422, "body.sink")


HOSTILE = 'author"; DROP TABLE posts; --'


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"columns": {"text": HOSTILE}}, "body.columns.text"),
        ({"columns": {"text": "author", "time": "1) OR (1=1"}}, "body.columns.time"),
        ({"columns": {"text": "author", "id": "nothing"}}, "body.columns.id"),
        ({"columns": {}}, "body.columns.text"),
        ({"columns": {"text": None}}, "body.columns.text"),
        ({"columns": {"text": "author", "txet": "x"}}, "body.columns.txet"),
        ({"source": {"path": "posts.db", "table": 'posts"; DROP TABLE posts; --'}}, "body.source"),
        ({"source": {"path": "posts.db", "table": "sqlite_master"}}, "body.source"),
        ({"source": {"path": "missing.db"}}, "body.source"),
        ({"source": {"connection": "nothing", "table": "posts"}}, "body.source"),
        ({"sink": {"connection": "nothing"}}, "body.sink"),
        ({"sink": {"path": "no/such/labels.csv"}}, "body.sink"),
        ({"sink": {"path": ".labels.csv"}}, "body.sink"),
        ({"where": {"start": "2021-01-01", "end": "2020-01-01"}}, "body.where"),
        ({"where": {"start": "2021-01-01", "end": "2021-01-01"}}, "body.where"),
        ({"where": {"start": "yesterday"}}, "body.where.start"),
        ({"where": {"until": "2020-01-01"}}, "body.where.until"),
        ({"source_map": {"forum": "F1"}}, "body.source_map.forum"),
        ({"source_map": {"": ["F1"]}}, "body.source_map..[key]"),
        ({"source_map": {"x" * 80: ["F1"]}, "sink": {"path": "labels.db"}}, "body.source_map"),
        ({"name": ""}, "body.name"),
        ({"name": "x" * 64}, "body.name"),
        ({"production_tie": "toss"}, "body.production_tie"),
        ({"step_rows": 0}, "body.step_rows"),
        ({"step_rows": 10**30}, "body.step_rows"),
        ({"queue": "nowhere"}, "body.queue"),
        ({"countdown": -1}, "body.countdown"),
        ({"limits": {"seconds": 0}}, "body.limits.seconds"),
        ({"limits": {"tries": 21}}, "body.limits.tries"),
        ({"file": {"encoding": "klingon"}, "source": {"path": "posts.csv"}}, "body.source"),
        ({"file": {"separator": ",,"}}, "body.file.separator"),
        ({"rulez": {}}, "body.rulez"),
        ({"rules": []}, "body.rules"),
        ({"rules": {}}, "body.rules"),
        ({"rules": {"name": "nothing"}}, "body.rules"),
        ({"rules": {"name": 7}}, "body.rules"),
        ({"rules": {"name": "people", "version": "1; DROP"}}, "body.rules"),
        ({"rules": {"task": "nothing"}}, "body.rules"),
        (
            {"rules": {"labels": ["/a"], "rules": [{"label": "/b", "kind": "keyword", "match": "start", "content": "x"}]}},
            "body.rules",
        ),
        ({"rules": {"labels": ["/a"], "rules": [{"label": "/a", "kind": "regex", "content": "(?<=a)b"}]}}, "body.rules"),
        ({"rules": {"labels": ["/a"], "rules": [{"label": "/a", "kind": "regex", "content": "(a"}]}}, "body.rules"),
        (
            {"rules": {"labels": ["/a"], "rules": [{"label": "/a", "kind": "keyword", "match": "start", "content": ""}]}},
            "body.rules",
        ),
    ],
)
def test_each_bad_field_is_named(site: Site, change: dict[str, Any], field: str) -> None:
    http_tasks.write(site, "posts.csv")
    path = http_tasks.write(site, "posts.db")
    status, found = refused(site, http_tasks.body(path) | change)
    assert found == field
    assert status in (404, 422)
    with closing(sqlite3.connect(http_tasks.folder(site) / "posts.db")) as connection:
        assert connection.execute("SELECT count(*) FROM posts").fetchone() == (50,)


def test_options_of_the_command_line_are_not_what_a_caller_over_http_is_told(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    http_tasks.write(site, "labels.csv")
    problem = http_tasks.start(site).json()
    assert (problem["status"], problem["where"], problem["errors"][0]["where"]) == (409, "labels.csv", "body.sink")
    assert "`overwrite`" in problem["way_out"]
    assert "--" not in problem["way_out"]


def test_a_source_is_never_its_own_sink(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    assert refused(site, http_tasks.body(sink="posts.csv", overwrite=True))[0] == 422
    assert (http_tasks.folder(site) / "posts.csv").stat().st_size > 0


@pytest.mark.parametrize(
    "query", ["rows=0", "rows=1001", "rows=many", "seed=-1", "seed=9223372036854775808", f"name={'x' * 301}"]
)
def test_a_sample_without_sense_is_refused(site: Site, query: str) -> None:
    http_tasks.write(site, "posts.csv")
    task_id = http_tasks.start(site).json()["id"]
    answer = site.ask("GET", f"/v1/label-tasks/{task_id}/sample?{query}", role=Role.VIEWER)
    assert (answer.status_code, answer.json()["where"]) == (422, f"query.{query.partition('=')[0]}")


@pytest.mark.parametrize("task_id", ["0" * 32, "nothing", "..", "%2e%2e%2fsecret", "a'--"])
@pytest.mark.parametrize("part", ["", "/sample", "/rejects", "/rules"])
def test_a_task_that_is_not_there_is_not_there(site: Site, task_id: str, part: str) -> None:
    assert site.ask("GET", f"/v1/label-tasks/{task_id}{part}", role=Role.ADMIN).status_code in (404, 422)


def test_a_job_of_another_kind_is_no_label_task(site: Site) -> None:
    job = site.job()
    for method, part in (("GET", ""), ("GET", "/sample"), ("POST", "/cancel"), ("POST", "/retry")):
        assert site.ask(method, f"/v1/label-tasks/{job.id}{part}", role=Role.ADMIN).status_code == 404
