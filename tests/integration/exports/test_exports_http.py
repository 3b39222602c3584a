"""Exports over HTTP and the page that asks for them; every route answers every caller as the table says (promise 29)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import learning_lab
import webapp
from labelmill.accounts import Role, Scope, service
from labelmill.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Route -> the status for nobody; for viewer, annotator, manager and admin of the whole; for manager, annotator and viewer of this
#: dataset only, and for the manager of another dataset only.
TABLE = {
    "GET /v1/datasets/{dataset_id}/export": (401, 404, 404, 200, 200, 200, 403, 200, 404),
    "GET /v1/datasets/{dataset_id}/export?annotators=email": (401, 404, 404, 200, 200, 200, 403, 403, 404),
    "GET /datasets/{dataset_id}/export": (401, 404, 404, 200, 200, 200, 403, 200, 404),
    "GET /datasets/{dataset_id}/export/file": (401, 404, 404, 200, 200, 200, 403, 200, 404),
    "GET /datasets/{dataset_id}/export/file?annotators=name": (401, 404, 404, 200, 200, 200, 403, 403, 404),
}


class Site:
    def __init__(self, site: webapp.Site) -> None:
        self.site, self.lab = site, learning_lab.Lab(site.app)
        self.here, self.there = self.lab.dataset(12), self.lab.dataset(0)
        self.lab.answer_right(self.here, 6)
        self.lab.train(self.here)
        inside = ((self.here, Role.MANAGER), (self.here, Role.ANNOTATOR), (self.here, Role.VIEWER), (self.there, Role.MANAGER))
        everywhere = [site.token(role) for role in (Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN)]
        self.callers = ["", *everywhere, *(self.member(dataset.id, role) for dataset, role in inside)]

    def member(self, dataset_id: int, role: Role) -> str:
        """Return the token of somebody who is an annotator of the whole, and ``role`` in one dataset."""
        database = self.site.app.database
        made = database.transact(service.add_annotator, email=f"{new_id()}@example.org", name="x", role=Role.ANNOTATOR)
        database.transact(service.set_member, dataset_id, made.id, role)
        return str(database.transact(service.create_token, made.id, name="x", scope=Scope.ADMIN)[1])

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
