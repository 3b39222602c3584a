"""Exports over HTTP and the page that asks for them; every route answers every caller as the table says (promise 29)."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import dataset_callers
import learning_lab
import webapp
from labelmill.accounts import Role
from labelmill.connections import service as connections

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Route -> the status for nobody; for viewer, annotator, manager and admin of the whole; for manager, annotator and viewer of this
#: dataset only, and for the manager of another dataset only.
TABLE = {
    "GET /v1/datasets/{dataset_id}/export": (401, 404, 404, 200, 200, 200, 403, 200, 404),
    "GET /v1/datasets/{dataset_id}/export?annotators=email": (401, 404, 404, 200, 200, 200, 403, 403, 404),
    "GET /datasets/{dataset_id}/export": (401, 404, 404, 200, 200, 200, 403, 200, 404),
    "GET /datasets/{dataset_id}/export/file": (401, 404, 404, 200, 200, 200, 403, 200, 404),
    "GET /datasets/{dataset_id}/export/file?annotators=name": (401, 404, 404, 200, 200, 200, 403, 403, 404),
}
#: With a body, the status is that of the check that comes first: there is no such connection.
WRITES = {
    "POST /v1/datasets/{dataset_id}/export/table": (401, 404, 404, 404, 404, 403, 403, 403, 404),
    "POST /datasets/{dataset_id}/export/table": (401, 404, 404, 404, 404, 403, 403, 403, 404),
}


class Site:
    def __init__(self, site: webapp.Site) -> None:
        self.site, self.lab = site, learning_lab.Lab(site.app)
        self.here, self.there = self.lab.dataset(12), self.lab.dataset(0)
        self.lab.answer_right(self.here, 6)
        self.lab.train(self.here)
        self.callers = dataset_callers.tokens(site, self.here, self.there)

    def ask(self, call: str, token: str) -> int:
        method, _, path = call.partition(" ")
        return self.site.ask(method, path.replace("{dataset_id}", str(self.here.id)), token=token).status_code

    def get(self, query: str = "") -> webapp.httpx.Response:
        return self.site.ask("GET", f"/v1/datasets/{self.here.id}/export{query}", role=Role.MANAGER)


@pytest.fixture(scope="module")
def lab_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with webapp.site(tmp_path_factory.mktemp("exports"), login_attempts_per_minute=10_000) as site:
        yield Site(site)


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_of_exports_answers_each_caller_as_the_table_says(lab_site: Site, call: str) -> None:
    assert tuple(lab_site.ask(call, token) for token in lab_site.callers) == TABLE[call]


@pytest.mark.parametrize("call", WRITES)
def test_p29_each_route_that_writes_answers_each_caller_as_the_table_says(lab_site: Site, call: str) -> None:
    method, _, path = call.partition(" ")
    path = path.replace("{dataset_id}", str(lab_site.here.id))
    body = {"json" if path.startswith("/v1") else "data": {"connection": "nowhere", "table": "labels"}}
    answers = [lab_site.site.ask(method, path, token=token, **body).status_code for token in lab_site.callers]
    assert tuple(answers) == WRITES[call]


def test_a_table_of_a_named_connection_is_written_by_a_job(lab_site: Site, tmp_path: Path) -> None:
    app = lab_site.site.app
    for name, schemas in (("theirs", {"writable": ["main"]}), ("readonly", {"readable": ["main"]})):
        url = f"sqlite:///{tmp_path}/theirs.db"
        app.database.transact(connections.add, app, name=name, url=url, confined=False, **schemas)
    path = f"/v1/datasets/{lab_site.here.id}/export/table"

    def ask(key: str = "", **body: Any) -> webapp.httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return lab_site.site.ask(
            "POST", path, role=Role.MANAGER, json={"connection": "theirs", "table": "labels", **body}, headers=headers
        )

    assert ask(connection="readonly", schema="main").status_code == 403
    assert ask(url="sqlite:///x.db").status_code == 422
    assert ask(table="sqlite_labels").status_code == 422
    made = ask("once", answered=True)
    assert (made.status_code, made.headers["location"]) == (202, f"/v1/jobs/{made.json()['id']}")
    assert ask("once", answered=True).json() == made.json()
    lab_site.lab.work(("default",))
    job = lab_site.site.ask("GET", made.headers["location"], role=Role.MANAGER).json()
    assert (job["state"], job["result"]["added"], job["result"]["changed"]) == ("succeeded", 6, 0), job
    again = ask()
    lab_site.lab.work(("default",))
    result = lab_site.lab.job(again.json()["id"]).result
    assert (result["added"], result["changed"], result["same"]) == (6, 0, 6)
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as connection:
        found = connection.execute(
            "SELECT label IS NULL, predicted IS NULL, count(*) FROM labels GROUP BY 1, 2 ORDER BY 1"
        ).fetchall()
        connection.execute("DROP TABLE labels")
        connection.execute("CREATE TABLE labels (record_key TEXT PRIMARY KEY)")
    assert found == [(0, 0, 6), (1, 0, 6)]
    refused = ask()
    assert (refused.status_code, "has no column" in refused.json()["detail"]) == (409, True)


def test_the_page_writes_a_table_of_what_its_form_leaves(lab_site: Site, tmp_path: Path) -> None:
    app, place = lab_site.site.app, f"/datasets/{lab_site.here.id}/export"
    for each in app.database.transact(connections.list_connections):
        app.database.transact(connections.remove, each.name)
    assert "An administrator names a connection" in lab_site.site.page(place).text
    url = f"sqlite:///{tmp_path}/paged.db"
    app.database.transact(connections.add, app, name="paged", url=url, confined=False, writable=["main"])
    page = lab_site.site.page(place).text
    assert '<option value="paged">' in page
    assert f'formaction="{place}/table?' in page
    assert "formaction" not in lab_site.site.page(place, role=Role.VIEWER).text
    values = {
        "connection": "paged",
        "table": " labels ",
        "schema": "",
        "text": "",
        "label": "",
        "state": "labelled",
        "format": "csv",
    }
    sent = lab_site.site.form(f"{place}/table", values)
    assert sent.status_code == 303, sent.text
    lab_site.lab.work(("default",))
    job = lab_site.lab.job(sent.headers["location"].rpartition("/")[2])
    assert (job.state, job.result["added"]) == ("succeeded", 6), job
    with closing(sqlite3.connect(tmp_path / "paged.db")) as connection:
        assert connection.execute("SELECT count(*), count(label) FROM labels").fetchone() == (6, 6)
    for wrong in ({"table": ""}, {"connection": ""}):
        assert lab_site.site.form(f"{place}/table", values | wrong).status_code == 422


def test_the_file_is_an_attachment_with_the_dataset_s_name(lab_site: Site) -> None:
    answer = lab_site.get("?format=jsonl&answered=true")
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert (len(rows), answer.headers["content-type"]) == (6, "application/x-ndjson")
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''set-")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert all(0 < row["confidence"] <= 1 and row["predicted"] in learning_lab.WORDS for row in rows)


@pytest.mark.parametrize(
    ("query", "told"),
    [("?format=images", "holds no text records"), ("?format=spacy&rows=answers", "has its own rows"), ("?text=%00", "NUL")],
)
def test_what_cannot_be_sent_is_refused_before_the_first_byte(lab_site: Site, query: str, told: str) -> None:
    answer = lab_site.get(query)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


def test_the_form_s_empty_choices_narrow_nothing(lab_site: Site) -> None:
    path = f"/datasets/{lab_site.here.id}/export"
    page = lab_site.site.page(f"{path}?text=day1&state=labelled")
    assert 'value="day1"' in page.text
    assert '<option value="labelled" selected>' in page.text
    file = lab_site.site.page(f"{path}/file?format=long&rows=answers&text=&label=&state=")
    assert len(file.text.splitlines()) == 7


def test_the_list_of_records_leads_to_the_export_of_what_it_shows(lab_site: Site) -> None:
    page = lab_site.site.page(f"/datasets/{lab_site.here.id}/records?q=goal&state=open")
    assert f'href="/datasets/{lab_site.here.id}/export?text=goal&amp;state=open"' in page.text
