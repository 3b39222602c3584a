"""Label tasks over HTTP, from the request to the results."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import polars as pl
import pytest

import http_tasks
from labelmill.accounts import Role
from labelmill.connections import service as connections
from labelmill.jobs import service as jobs
from labelmill.rules import from_dict
from labelmill.rules import service as rule_sets
from labelmill.rules.stored import pack

if TYPE_CHECKING:
    from webapp import Site


@pytest.mark.parametrize("source", ["posts.csv", "posts.jsonl", "posts.parquet", "posts.db"])
def test_every_form_of_source_is_labelled_from_a_request(site: Site, source: str) -> None:
    task_id = http_tasks.labelled(site, http_tasks.body(http_tasks.write(site, source)))
    found = http_tasks.get(site, task_id)
    assert (found["rows_read"], found["rows_labelled"], found["labels"]) == (50, 30, {"/male": 10, "/female": 20})
    assert (found["check_point"], found["progress"]["share"], found["coverage"]) == (None, 1.0, 60.0)
    assert {"rows": 10, "reason": "text is NULL or empty"} in found["left_out"]
    written = pl.read_csv(http_tasks.folder(site) / "labels.csv", infer_schema=False)
    assert written["panel"].value_counts(sort=True).rows() == [("/female", 20), ("/male", 10)]


def test_the_answer_says_where_the_task_is_and_what_it_reads(site: Site) -> None:
    http_tasks.write(site, "posts.db")
    answer = http_tasks.start(site, http_tasks.body(source={"path": "posts.db", "table": "posts"}))
    found = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/label-tasks/{found['id']}"
    assert found["source"] == {"path": "posts.db", "table": "posts"}
    assert found["columns"] == {"text": "author", "id": "id", "source": "s_id", "author": "author", "time": "post_time"}
    assert (found["state"], found["created_by"]) == ("queued", site.person(Role.MANAGER))


def test_the_report_grows_while_the_task_runs(site: Site) -> None:
    http_tasks.write(site, "posts.parquet", http_tasks.rows(3000))
    task_id = http_tasks.start(site, http_tasks.body("posts.parquet", step_rows=1000)).json()["id"]
    before = http_tasks.get(site, task_id)
    assert (before["check_point"], before["rows_read"], before["written"]) == ("plan", 0, [])
    worker = _worker(site)
    for _ in range(2):
        worker.run_next(job_id=task_id)
    running = http_tasks.get(site, task_id)
    assert (running["state"], running["rows_read"] > 0, running["check_point"] != "plan") == ("running", True, True)
    sample = site.ask("GET", f"/v1/label-tasks/{task_id}/sample", role=Role.VIEWER).json()["items"]
    assert sample
    http_tasks.work(site, task_id)
    assert http_tasks.get(site, task_id)["written"] == ["labels.csv", "labels.production.csv"]


def _worker(site: Site):  # type: ignore[no-untyped-def]
    from labelmill.jobs.worker import WorkerProcess

    return WorkerProcess(site.app.runtime, worker_id="w1", queues=["default"])


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_a_sample_is_never_empty_when_there_are_results_and_the_same_seed_draws_the_same(site: Site, rows: int) -> None:
    http_tasks.write(site, "posts.csv")
    task_id = http_tasks.labelled(site)
    draws = [
        site.ask("GET", f"/v1/label-tasks/{task_id}/sample", role=Role.VIEWER, params={"rows": rows, "seed": seed}).json()[
            "items"
        ]
        for seed in (3, 3, *range(10))
    ]
    assert {len(draw) for draw in draws} == {min(rows, 30)}
    assert draws[0] == draws[1]
    assert all(row["match_meta"].startswith("[") and row["task_id"] == task_id for draw in draws for row in draw)
    if rows == 1:
        assert len({draw[0]["id"] for draw in draws}) > 1


def test_a_sample_can_be_of_one_name(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    asked = http_tasks.body(sink="labels.db", source_map={"forum": ["F1"], "board": ["B1"]})
    task_id = http_tasks.labelled(site, asked)
    assert {row["name"] for row in http_tasks.get(site, task_id)["names"]} == {"forum", "board"}
    drawn = site.ask("GET", f"/v1/label-tasks/{task_id}/sample", role=Role.VIEWER, params={"name": "forum"}).json()["items"]
    assert drawn
    assert {row["field_content"] for row in drawn} == {"F1"}


def test_a_repeated_request_starts_one_task_even_after_its_file_was_written(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    first = http_tasks.start(site, **{"Idempotency-Key": "k1"})
    http_tasks.work(site, first.json()["id"])
    again = http_tasks.start(site, **{"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    without = http_tasks.start(site)
    assert without.status_code == 409
    other = http_tasks.start(site, http_tasks.body(sink="other.csv"), **{"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["where"]) == (409, "Idempotency-Key")


def test_a_refused_request_leaves_its_key_free(site: Site) -> None:
    assert http_tasks.start(site, **{"Idempotency-Key": "k1"}).status_code == 422
    http_tasks.write(site, "posts.csv")
    assert http_tasks.start(site, **{"Idempotency-Key": "k1"}).status_code == 202


def test_requests_at_once_with_one_key_start_one_task(stored_site: Site) -> None:
    http_tasks.write(stored_site, "posts.csv")
    stored_site.token(Role.MANAGER)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: http_tasks.start(stored_site, **{"Idempotency-Key": "k1"}), range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(stored_site.ask("GET", "/v1/label-tasks", role=Role.VIEWER).json()["items"]) == 1


def test_tasks_come_in_pages_newest_first_without_other_jobs(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    site.job()
    made = [http_tasks.start(site, http_tasks.body(sink=f"out{number}.csv")).json()["id"] for number in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(5):
        page = site.ask("GET", "/v1/label-tasks", role=Role.VIEWER, params={"limit": 2, **cursor}).json()
        seen += [task["id"] for task in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == made[::-1]
    site.ask("POST", f"/v1/label-tasks/{made[0]}/cancel", role=Role.MANAGER)
    stopped = site.ask("GET", "/v1/label-tasks", role=Role.VIEWER, params={"state": "cancelled"}).json()["items"]
    assert [task["id"] for task in stopped] == made[:1]


def test_a_cancelled_task_goes_on_where_it_stopped(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    task_id = http_tasks.start(site).json()["id"]
    _worker(site).run_next(job_id=task_id)
    stopped = site.ask("POST", f"/v1/label-tasks/{task_id}/cancel", role=Role.MANAGER)
    assert (stopped.status_code, stopped.json()["state"]) == (200, "cancelled")
    assert site.ask("POST", f"/v1/label-tasks/{task_id}/cancel", role=Role.MANAGER).status_code == 409
    again = site.ask("POST", f"/v1/label-tasks/{task_id}/retry", role=Role.MANAGER)
    assert (again.status_code, again.json()["state"]) == (200, "queued")
    http_tasks.work(site, task_id)
    assert http_tasks.get(site, task_id)["rows_labelled"] == 30


def test_a_task_that_failed_tells_why_without_a_folder_of_this_machine(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    task_id = http_tasks.start(site).json()["id"]
    (http_tasks.folder(site) / "posts.csv").unlink()
    http_tasks.work(site, task_id)
    found = http_tasks.get(site, task_id)
    assert (found["state"], found["error"]["code"], found["error"]["where"]) == ("failed", "bad-source", "posts.csv")
    assert str(site.app.settings.data_dir) not in site.ask("GET", f"/v1/label-tasks/{task_id}", role=Role.VIEWER).text


def test_rejected_rows_come_as_json_or_as_csv_without_formulas(site: Site) -> None:
    (http_tasks.folder(site) / "posts.csv").write_text('id,author\n1,Tom\n2,"=cmd|calc",extra\n3,@SUM(A1),x,y\n4,Amy\n')
    task_id = http_tasks.labelled(site)
    path = f"/v1/label-tasks/{task_id}/rejects"
    found = site.ask("GET", path, role=Role.VIEWER).json()
    assert (found["rejected"], [row["place"] for row in found["items"]]) == (2, [3, 4])
    for options in ({"params": {"format": "csv"}}, {"headers": {"Accept": "text/csv"}}):
        answer = site.ask("GET", path, role=Role.VIEWER, **options)
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"].startswith("attachment")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row["place"] for row in rows] == ["3", "4"]
        assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


def test_rules_can_be_stored_ones_or_those_of_another_task(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    packed = pack(from_dict(http_tasks.RULES))
    site.app.database.transact(rule_sets.save, "people", packed)
    for number, rules in enumerate(({"name": "people"}, {"name": "people", "version": 1})):
        task_id = http_tasks.labelled(site, http_tasks.body(sink=f"{number}.csv", rules=rules))
        assert http_tasks.get(site, task_id)["rows_labelled"] == 30
    again = http_tasks.labelled(site, http_tasks.body(sink="again.csv", rules={"task": task_id}))
    kept = site.ask("GET", f"/v1/label-tasks/{again}/rules", role=Role.VIEWER).json()
    assert kept["rules"] == site.ask("GET", f"/v1/label-tasks/{task_id}/rules", role=Role.VIEWER).json()["rules"]
    assert len(kept["rules"]) == 3


def test_a_named_connection_is_source_and_sink_in_the_schemas_that_it_allows(site: Site) -> None:
    http_tasks.write(site, "shop.db")
    add = {"name": "shop", "url": "sqlite:///shop.db", "readable": ["main"], "writable": []}
    site.app.database.transact(lambda connection: connections.add(connection, site.app, **add))
    out = {"name": "out", "url": "sqlite:///out.db", "readable": [], "writable": ["main"]}
    site.app.database.transact(lambda connection: connections.add(connection, site.app, **out))
    source = {"connection": "shop", "schema": "main", "table": "posts"}
    refused = http_tasks.start(site, http_tasks.body(source=source, sink={"connection": "shop"}))
    assert (refused.status_code, refused.json()["errors"][0]["where"]) == (422, "body.sink")
    forbidden = http_tasks.start(site, http_tasks.body(source=source, sink={"connection": "shop", "schema": "main"}))
    assert (forbidden.status_code, forbidden.json()["errors"][0]["where"]) == (403, "body.sink")
    task_id = http_tasks.labelled(site, http_tasks.body(source=source, sink={"connection": "out"}))
    found = http_tasks.get(site, task_id)
    assert (found["source"], found["written"]) == (source, ["posts_labels", "wh_panel_mapping_posts_labels"])


def test_a_task_waits_as_long_as_it_was_told_to_and_keeps_its_limits(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    asked = http_tasks.body(countdown=3600, limits={"seconds": 5, "memory_mb": 512, "tries": 1})
    task_id = http_tasks.start(site, asked).json()["id"]
    http_tasks.work(site, task_id)
    assert http_tasks.get(site, task_id)["state"] == "queued"
    with site.app.database.read() as connection:
        limits = jobs.get(connection, task_id).limits
    assert (limits.seconds, limits.memory_mb, limits.tries) == (5, 512, 1)


def test_a_task_of_the_command_line_shows_no_password_however_locked(site: Site) -> None:
    from labelmill.labeltasks import service

    http_tasks.write(site, "posts.csv")
    task_id = http_tasks.start(site).json()["id"]
    locked = {"text": "postgresql://ann:***@db.example.org/shop::posts", "locked": "gAAAAsecret"}
    with site.app.database.read() as connection:
        params = service.get(connection, task_id).params
    made = site.app.database.transact(
        jobs.submit, kind="label-task", steps=[service.PLAN], params=params | {"source": locked}, title="Label it", unit="rows"
    )
    answer = site.ask("GET", f"/v1/label-tasks/{made.id}", role=Role.VIEWER)
    assert answer.json()["source"] == {"text": "postgresql://ann:***@db.example.org/shop", "table": "posts"}
    assert "gAAAA" not in answer.text


PEOPLE = (None, Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN)
#: Route -> the status for nobody, viewer, annotator, manager, admin.
TABLE = {
    "POST /v1/label-tasks": (401, 403, 403, 202, 202),
    "GET /v1/label-tasks": (401, 200, 200, 200, 200),
    "GET /v1/label-tasks/{task_id}": (401, 200, 200, 200, 200),
    "GET /v1/label-tasks/{task_id}/rules": (401, 200, 200, 200, 200),
    "GET /v1/label-tasks/{task_id}/sample": (401, 200, 200, 200, 200),
    "GET /v1/label-tasks/{task_id}/rejects": (401, 200, 200, 200, 200),
    "POST /v1/label-tasks/{task_id}/cancel": (401, 403, 403, 200, 200),
    "POST /v1/label-tasks/{task_id}/retry": (401, 403, 403, 409, 409),
    "POST /v1/label-tasks/{task_id}/rerun": (401, 403, 403, 409, 409),
    "DELETE /v1/label-tasks/{task_id}": (401, 403, 403, 409, 409),
    "GET /label-tasks": (401, 200, 200, 200, 200),
    "POST /label-tasks": (401, 403, 403, 422, 422),
    "GET /label-tasks/new": (401, 403, 403, 200, 200),
    "POST /label-tasks/files": (401, 403, 403, 422, 422),
    "POST /label-tasks/commands": (401, 403, 403, 422, 422),
    "GET /label-tasks/{task_id}": (401, 200, 200, 200, 200),
    "POST /label-tasks/{task_id}/cancel": (401, 403, 403, 303, 303),
    "POST /label-tasks/{task_id}/retry": (401, 403, 403, 409, 409),
}


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_answers_each_role_as_the_table_says(site: Site, call: str) -> None:
    http_tasks.write(site, "posts.csv")
    method, _, path = call.partition(" ")
    found = []
    for role in PEOPLE:
        task_id = http_tasks.start(site).json()["id"]
        asked = {"json": http_tasks.body()} if call == "POST /v1/label-tasks" else {}
        found.append(site.ask(method, path.replace("{task_id}", task_id), role=role, **asked).status_code)
    assert tuple(found) == TABLE[call]


def test_p29_every_route_has_a_row(site: Site) -> None:
    from labelmill.web.rendering import routes_of

    own = [route for route in routes_of(site.web.routes) if route.path.startswith(("/v1/label-tasks", "/label-tasks"))]
    assert {f"{method} {route.path}" for route in own for method in route.methods - {"HEAD"}} == set(TABLE)
