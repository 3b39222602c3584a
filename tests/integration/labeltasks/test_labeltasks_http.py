"""Label tasks over HTTP, from the request to the results."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import http_tasks
import webapp
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


STUDENTS = {
    "name": "study",
    "labels": [{"name": "/student", "group": "role"}],
    "rules": [{"label": "/student", "kind": "regex", "content": "exam"}],
}
ADVERTISING = {"rules": [{"kind": "keyword", "match": "partially", "content": "buy now"}]}


def several(**changes: Any) -> dict[str, Any]:
    """A task with two labellers of two columns, and two filters of one of them."""
    filters = [
        {"action": "delete", "column": "content", "rules": ADVERTISING},
        {"action": "alter", "column": "content", "rules": {"rules": [{"kind": "regex", "content": "not exam"}]}},
    ]
    return http_tasks.body(also=[{"rules": STUDENTS, "text": "content"}], filters=filters) | changes


def with_content(count: int = 50) -> pl.DataFrame:
    """The usual rows; every second one writes of an exam, of which some advertise and some write of no exam."""
    texts = ["my exam", "x", "exam: buy now", "x", "not exam", "x", "exam", "x", "X", "x"]
    return http_tasks.rows(count).with_columns(content=pl.Series([texts[number % 10] for number in range(count)]))


def test_several_labellers_and_filters_label_one_table_in_one_task(site: Site) -> None:
    http_tasks.write(site, "posts.csv", with_content())
    task_id = http_tasks.labelled(site, several())
    found = http_tasks.get(site, task_id)
    assert found["labels"] == {"/male": 10, "/female": 15, "/student": 10}
    assert (found["rows_filtered"], found["rows_read"]) == (5, 50)
    assert {"rows": 5, "reason": "a filter left them out"} in found["left_out"]
    assert found["also"] == [{"rule_set": "study", "text": "content"}]
    assert [(one["action"], one["column"], one["rules"]) for one in found["filters"]] == [
        ("delete", "content", 1), ("alter", "content", 1),
    ]  # fmt: skip
    assert found["title"] == "Label author of posts.csv with people and study into labels.csv"


def test_the_rules_of_each_part_can_be_read_and_used_again(site: Site) -> None:
    http_tasks.write(site, "posts.csv", with_content())
    task_id = http_tasks.labelled(site, several())
    path = f"/v1/label-tasks/{task_id}/rules"
    assert site.ask("GET", path, role=Role.VIEWER).json()["name"] == "people"
    assert site.ask("GET", path, role=Role.VIEWER, params={"part": "also.0"}).json()["name"] == "study"
    assert site.ask("GET", path, role=Role.VIEWER, params={"part": "filters.0"}).json() == ADVERTISING
    for missing in ("also.1", "filters.2", "filters.x", "also", "also.-1"):
        answer = site.ask("GET", path, role=Role.VIEWER, params={"part": missing})
        assert (answer.status_code, answer.json()["way_out"]) == (404, "It has: rules, also.0, filters.0, filters.1.")
    named = {
        "rules": {"task": task_id, "part": "rules"}, "also": [{"rules": {"task": task_id, "part": "also.0"}, "text": "content"}],
        "filters": [{"action": "delete", "column": "content", "rules": {"task": task_id, "part": "filters.0"}}],
    }  # fmt: skip
    again = http_tasks.labelled(site, several(**named, sink={"path": "again.csv"}))
    assert http_tasks.get(site, again)["labels"] == {"/male": 10, "/female": 15, "/student": 15}


def test_filters_and_labellers_take_stored_rule_sets_and_the_first_column_when_they_name_none(site: Site) -> None:
    http_tasks.write(site, "posts.csv", with_content())
    site.app.database.transact(rule_sets.save, "study", pack(from_dict(STUDENTS)))
    filters = [{"action": "delete", "rules": {"name": "study"}}]
    asked = http_tasks.body(columns={}, rules=STUDENTS, also=[{"rules": http_tasks.RULES}], filters=filters)
    found = http_tasks.get(site, http_tasks.labelled(site, asked))
    assert found["columns"]["text"] == "content"
    assert (found["also"][0]["text"], found["filters"][0]["column"]) == ("content", "content")
    assert (found["rows_filtered"], found["rows_labelled"]) == (20, 0)


def test_where_the_source_has_no_usual_text_the_column_must_be_named(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    problem = http_tasks.start(site, http_tasks.body(columns={})).json()
    assert (problem["status"], problem["errors"][0]["where"]) == (422, "body.columns.text")
    assert "`columns.text`" in problem["way_out"]


@pytest.mark.parametrize(
    ("change", "field", "status"),
    [
        ({"also": [{"rules": {"labels": ["/a"], "rules": [{"label": "/a", "kind": "regex", "content": "("}]}}]}, "also[0].rules", 422),
        ({"also": [{"rules": STUDENTS}, {"rules": {"labels": ["/a"], "rules": []}}]}, "also[1].rules", 422),
        ({"also": [{"rules": {"name": "nothing"}}]}, "also[0].rules", 404),
        ({"also": [{"rules": STUDENTS, "text": "nothing"}]}, "also[0].text", 422),
        ({"also": [{"rules": STUDENTS, "columns": "x"}]}, "also[0].columns", 422),
        ({"also": [{"rules": STUDENTS}] * 21}, "also", 422),
        ({"filters": [{"action": "burn", "rules": ADVERTISING}]}, "filters[0].action", 422),
        ({"filters": [{"action": "delete", "rules": ADVERTISING}, {"action": "alter", "column": "no", "rules": ADVERTISING}]}, "filters[1].column", 422),
        ({"filters": [{"action": "delete", "rules": ADVERTISING}, {"action": "alter", "rules": {"rules": []}}]}, "filters[1].rules", 422),
        ({"filters": [{"action": "delete", "rules": {"rules": [{"kind": "regex", "content": "(?<=a)b"}]}}]}, "filters[0].rules", 422),
        ({"filters": [{"action": "delete", "rules": {"task": "nothing", "part": "filters.0"}}]}, "filters[0].rules", 404),
        ({"filters": [{"action": "delete", "rules": {}}]}, "filters[0].rules", 422),
        ({"unmapped": "lose"}, "unmapped", 422),
        ({"production_prefix": ""}, "production_prefix", 422),
        ({"production_prefix": "x" * 64}, "production_prefix", 422),
        ({"production_after": -1}, "production_after", 422),
        ({"production_after": 1e9}, "production_after", 422),
        ({"batch_rows": 1}, "batch_rows", 422),
    ],
)  # fmt: skip
def test_a_mistake_in_a_part_names_the_part(site: Site, change: dict[str, Any], field: str, status: int) -> None:
    http_tasks.write(site, "posts.csv")
    answer = http_tasks.start(site, http_tasks.body() | change)
    assert (answer.status_code, answer.json()["errors"][0]["where"]) == (status, f"body.{field}")
    assert site.ask("GET", "/v1/label-tasks", role=Role.VIEWER).json()["items"] == []


def rows_of(site: Site, table: str, database: str = "labels.db") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(http_tasks.folder(site) / database)) as connection:
        return connection.execute(f'SELECT * FROM "{table}" ORDER BY 1').fetchall()


def test_unmapped_sources_can_be_left_out_and_production_be_named_otherwise(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    asked = http_tasks.body(sink="labels.db", source_map={"forum": ["F1"]}, unmapped="leave-out", production_prefix="clean_")
    found = http_tasks.get(site, http_tasks.labelled(site, asked))
    assert found["written"] == ["forum", "clean_forum"]
    assert (found["unmapped"], found["production_prefix"], found["production_tie"]) == ("leave-out", "clean_", "drop")
    assert {"rows": 25, "reason": "source 'B1' is not in the source map: its rows are only counted"} in found["left_out"]
    assert len(rows_of(site, "forum")) == 15


def test_production_waits_as_long_as_it_was_told_to(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    task_id = http_tasks.start(site, http_tasks.body(sink="labels.db", production_after=3600)).json()["id"]
    http_tasks.work(site, task_id)
    found = http_tasks.get(site, task_id)
    assert (found["production_after"], found["state"], found["check_point"]) == (3600, "running", "settle-00000")
    assert len(rows_of(site, "posts_labels")) == 30


def test_the_state_table_is_named_and_follows_the_setting(tmp_path: Path) -> None:
    with webapp.site(tmp_path, state_table="task_states") as site:
        http_tasks.write(site, "posts.csv")
        task_id = http_tasks.labelled(site, http_tasks.body(sink="labels.db"))
        assert http_tasks.get(site, task_id)["state_table"] == {"path": "labels.db", "table": "task_states"}
        assert [row[0] for row in rows_of(site, "task_states")] == [task_id]
        assert http_tasks.start(site, http_tasks.body()).json()["state_table"] is None


def test_an_ended_task_is_run_again_in_place_and_removed_with_its_rows_only(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    first, other = (http_tasks.labelled(site, http_tasks.body(sink="labels.db", name="posts")) for _ in range(2))
    table = "wh_panel_mapping_posts"
    before = rows_of(site, table)
    again = site.ask("POST", f"/v1/label-tasks/{first}/rerun", role=Role.MANAGER)
    assert (again.status_code, again.json()["state"]) == (200, "queued")
    http_tasks.work(site, first)
    assert len(rows_of(site, table)) == len(before)
    assert site.ask("DELETE", f"/v1/label-tasks/{first}", role=Role.MANAGER, params={"results": True}).status_code == 204
    assert {row[2] for row in rows_of(site, table)} == {other}
    assert [row[0] for row in rows_of(site, "state")] == [other]
    assert site.ask("DELETE", f"/v1/label-tasks/{other}", role=Role.MANAGER).status_code == 204
    assert {row[2] for row in rows_of(site, table)} == {other}
    assert rows_of(site, "state") == []


def test_the_statements_and_columns_of_the_how_to_page_are_those_of_the_tables(site: Site) -> None:
    http_tasks.write(site, "posts.csv")
    task_id = http_tasks.labelled(site, http_tasks.body(sink="labels.db", source_map={"forum": ["F1", "B1"]}))
    text = (Path(__file__).parents[3] / "docs" / "how-to" / "label-a-table.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    with closing(sqlite3.connect(http_tasks.folder(site) / "labels.db")) as connection:
        for statement in block.replace("'...'", f"'{task_id}'").strip().split(";\n"):
            assert connection.execute(statement).fetchall(), statement
            plan = str(connection.execute(f"EXPLAIN QUERY PLAN {statement.splitlines()[-1]}").fetchall())
            assert "USING INDEX" in plan or "USING COVERING INDEX" in plan, plan
        described = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)))
        columns = [row[1] for table in ("forum", "state") for row in connection.execute(f"PRAGMA table_info({table})")]
    assert set(columns) <= set(described)


def test_rows_without_a_time_are_listed_where_a_range_was_asked_for(site: Site) -> None:
    frame = http_tasks.rows().with_columns(post_time=pl.when(pl.col("id") == "p3").then(pl.lit("soon")).otherwise("post_time"))
    http_tasks.write(site, "posts.csv", frame)
    task_id = http_tasks.labelled(site, http_tasks.body(where={"start": "2020-01-01"}))
    found = site.ask("GET", f"/v1/label-tasks/{task_id}/rejects", role=Role.VIEWER).json()
    assert (found["rejected"], [(row["place"], row["text"]) for row in found["items"]]) == (1, [(4, "p3")])
    without = http_tasks.labelled(site, http_tasks.body(sink="all.csv"))
    assert site.ask("GET", f"/v1/label-tasks/{without}/rejects", role=Role.VIEWER).json() == {"rejected": 0, "items": []}


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
    "POST /label-tasks/form": (401, 403, 403, 422, 422),
    "POST /label-tasks/{task_id}/rerun": (401, 403, 403, 409, 409),
    "POST /label-tasks/{task_id}/remove": (401, 403, 403, 409, 409),
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
def test_p29_each_route_answers_each_role_as_the_table_says(kept_site: Site, call: str) -> None:
    http_tasks.write(kept_site, "posts.csv")
    method, _, path = call.partition(" ")
    found = []
    for role in PEOPLE:
        task_id = http_tasks.start(kept_site).json()["id"] if "{task_id}" in path else ""
        asked = {"json": http_tasks.body()} if call == "POST /v1/label-tasks" else {}
        found.append(kept_site.ask(method, path.replace("{task_id}", task_id), role=role, **asked).status_code)
    assert tuple(found) == TABLE[call]


def test_p29_every_route_has_a_row(site: Site) -> None:
    from labelmill.web.rendering import routes_of

    own = [route for route in routes_of(site.web.routes) if route.path.startswith(("/v1/label-tasks", "/label-tasks"))]
    assert {f"{method} {route.path}" for route in own for method in route.methods - {"HEAD"}} == set(TABLE)
