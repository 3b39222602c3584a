"""Imports over HTTP: sent, looked at, imported, and what was left out."""

from __future__ import annotations

import pytest

from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.datasets import service
from labelmill.datasets.model import RecordKind
from labelmill.jobs.inline import run_or_watch

CSV = "id,text,label\n1,007,good\n2,second,bad\n3,,good\n4,fourth\n5,=1+1,good\n"
#: Route -> the status for nobody, a viewer and an annotator who are no members, those who are, a manager, an admin.
TABLE = {
    "PUT /v1/datasets/{dataset_id}/uploads/{name}": (401, 404, 404, 403, 403, 201, 201),
    "POST /v1/datasets/{dataset_id}/imports/preview": (401, 404, 404, 403, 403, 200, 200),
    "POST /v1/datasets/{dataset_id}/imports": (401, 404, 404, 403, 403, 202, 202),
    "GET /v1/datasets/{dataset_id}/imports": (401, 404, 404, 403, 403, 200, 200),
    "GET /v1/datasets/{dataset_id}/imports/{import_id}": (401, 404, 404, 403, 403, 200, 200),
    "GET /v1/datasets/{dataset_id}/imports/{import_id}/rejects": (401, 404, 404, 403, 403, 200, 200),
}


class Desk:
    """A dataset of a site, and what is sent to it."""

    def __init__(self, site, kind=RecordKind.TEXT):
        self.site = site
        self.dataset = site.app.database.transact(service.create, name="posts", kind=kind)

    def ask(self, method, path, role=Role.MANAGER, **more):
        return self.site.ask(method, f"/v1/datasets/{self.dataset.id}{path}", role=role, **more)

    def send(self, text=CSV, name="posts.csv"):
        answer = self.ask("PUT", f"/uploads/{name}", content=text if isinstance(text, bytes) else text.encode())
        assert answer.status_code == 201, answer.text
        return answer.json()

    def run(self, **body):
        answer = self.ask("POST", "/imports", json=body)
        assert answer.status_code == 202, answer.text
        job = run_or_watch(self.site.app.runtime, answer.json()["id"])
        assert job.state == "succeeded", job.error
        return self.ask("GET", f"/imports/{job.id}").json()


@pytest.fixture
def desk(stored_site):
    return Desk(stored_site)


def test_a_file_is_sent_looked_at_imported_and_its_rejects_downloaded(desk):
    sent = desk.send()
    assert sent["preview"]["format"] == "csv"
    assert sent["preview"]["dialect"] == "ASCII, separator ,, no quotes seen, lines end in LF"
    assert [column["name"] for column in sent["preview"]["columns"]] == ["id", "text", "label"]
    assert sent["preview"]["rows"][0] == {"id": "1", "text": "007", "label": "good"}
    assert (sent["preview"]["mapping"]["columns"], sent["preview"]["mapping"]["id_column"]) == (["text"], "id")
    told = desk.run(source={"upload": sent["upload"]}, columns=["text"], id_column="id")
    assert (told["rows"], told["added"], told["rejected"], told["error"]) == (3, 3, 2, None)
    with desk.site.app.database.read() as connection:
        found = service.list_records(connection, desk.dataset.id)
    assert [(each.given_id, each.content) for each in found] == [("1", "007"), ("2", "second"), ("5", "=1+1")]
    rejects = desk.ask("GET", f"/imports/{told['id']}/rejects").json()
    assert rejects["rejected"] == 2
    assert [(row["place"], row["reason"]) for row in rejects["items"]] == [
        (4, "its text is empty"),
        (5, "it has 2 fields, the header has 3"),
    ]
    table = desk.ask("GET", f"/imports/{told['id']}/rejects", headers={"Accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[0].lstrip("\ufeff") == "place,reason,text"
    listed = desk.ask("GET", "/imports").json()["items"]
    assert [each["id"] for each in listed] == [told["id"]]


def test_an_upload_is_gone_once_its_import_has_ended(desk):
    upload = desk.send()["upload"]
    desk.run(source={"upload": upload})
    again = desk.ask("POST", "/imports", json={"source": {"upload": upload}})
    assert (again.status_code, again.json()["code"]) == (404, "not-found")


def test_p02_a_repeated_request_begins_one_import(desk):
    upload = desk.send()["upload"]
    body = {"source": {"upload": upload}}
    first, second = (desk.ask("POST", "/imports", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert len(desk.ask("GET", "/imports").json()["items"]) == 1


def test_p02_a_request_repeated_after_its_import_has_ended_gets_the_first_answer(desk):
    """The upload is gone by then: who lost the answer must not be told that there is no such file."""
    body, key = {"source": {"upload": desk.send()["upload"]}}, {"Idempotency-Key": "k"}
    first = desk.ask("POST", "/imports", json=body, headers=key)
    run_or_watch(desk.site.app.runtime, first.json()["id"])
    again = desk.ask("POST", "/imports", json=body, headers=key)
    assert (again.status_code, again.content) == (202, first.content)
    assert len(desk.ask("GET", "/imports").json()["items"]) == 1


def test_p29_a_repeated_request_is_answered_only_while_its_sender_may_ask_it(desk):
    """What was answered once is told to nobody who has lost the right to it."""
    body, key = {"source": {"upload": desk.send()["upload"]}}, {"Idempotency-Key": "k"}
    database, manager = desk.site.app.database, desk.site.person(Role.ANNOTATOR)
    database.transact(accounts.set_member, desk.dataset.id, manager, Role.MANAGER)
    ask = {"role": Role.ANNOTATOR, "json": body, "headers": key}
    assert desk.ask("POST", "/imports", **ask).status_code == 202
    database.transact(accounts.remove_member, desk.dataset.id, manager)
    assert desk.ask("POST", "/imports", **ask).status_code == 404


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("posts.exe", b"MZ", 422, "bad-source"),
        ("posts.csv", b"", 422, "bad-file"),
        ("posts.csv", b"\n\n", 422, "bad-file"),
        ("posts.json", b"[1, 2", 422, "bad-file"),
        ("posts.parquet", b"PAR1nonsense", 422, "bad-file"),
        ("posts.xlsx", b"PK\3\4nonsense", 422, "bad-file"),
        ("photos.zip", b"no archive", 422, "bad-file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_without_naming_this_machine(site, name, content, status, code):
    desk = Desk(site)
    answer = desk.ask("PUT", f"/uploads/{name}", content=content)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert str(site.app.settings.data_dir) not in answer.text
    assert desk.ask("PUT", "/uploads/good.csv", content=b"text\na\n").status_code == 201


def test_a_name_with_folders_stays_in_the_folder_of_uploads(site):
    desk = Desk(site)
    desk.send("text\na\n", "..%5C..%5Cevil.csv")
    assert [path.parent.parent.name for path in site.app.settings.data_dir.parent.rglob("evil.csv")] == ["uploads"]


@pytest.mark.parametrize(
    "body",
    [
        {"source": {}},
        {"source": {"path": "../../etc/passwd"}},
        {"source": {"path": "/etc/passwd"}},
        {"source": {"path": "missing.csv"}},
        {"source": {"path": "postgresql://somebody@host/db::table"}},
        {"source": {"path": "a.csv", "upload": "0" * 32}},
        {"source": {"upload": "../../x"}},
        {"source": {"upload": "0" * 32}},
        {"source": {"connection": "none", "table": "posts"}},
        {"source": {"path": "posts.csv"}, "columns": ["none"]},
        {"source": {"path": "posts.csv"}, "columns": []},
        {"source": {"path": "posts.csv"}, "columns": ["text"], "label_column": "label", "label_use": "answers"},
        {"source": {"path": "posts.csv"}, "file": {"encoding": "none"}},
        {"source": {"path": "posts.csv"}, "sql": "SELECT 1"},
    ],
)
def test_a_source_that_is_not_allowed_or_does_not_fit_begins_no_import(site, body):
    desk = Desk(site)
    folder = site.app.settings.data_dir / "files"
    folder.mkdir(parents=True)
    (folder / "posts.csv").write_text(CSV)
    answer = desk.ask("POST", "/imports", json=body)
    assert answer.status_code in (404, 422), answer.text
    assert str(site.app.settings.data_dir) not in answer.text
    assert desk.ask("GET", "/imports").json()["items"] == []
    assert desk.ask("POST", "/imports", json={"source": {"path": "posts.csv"}}).status_code == 202


def test_the_kind_of_the_dataset_is_kept(site):
    desk = Desk(site, RecordKind.IMAGE)
    sent = desk.ask("PUT", "/uploads/posts.csv", content=CSV.encode())
    answer = desk.ask("POST", "/imports", json={"source": {"upload": sent.json()["upload"]}, "columns": ["text"]})
    assert (answer.status_code, answer.json()["where"]) == (422, "kind")


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_answers_each_role_as_the_table_says(site, call):
    desk = Desk(site)
    upload = desk.send()["upload"]
    job = desk.ask("POST", "/imports", json={"source": {"upload": upload}}).json()["id"]
    method, path = call.split()
    path = path.format(dataset_id=desk.dataset.id, name="posts.csv", import_id=job)
    body = (
        {"content": CSV.encode()} if method == "PUT" else ({"json": {"source": {"upload": upload}}} if method == "POST" else {})
    )
    found = [site.ask(method, path, **body).status_code]
    found += [site.ask(method, path, role=role, **body).status_code for role in (Role.VIEWER, Role.ANNOTATOR)]
    for role in (Role.VIEWER, Role.ANNOTATOR):
        site.app.database.transact(accounts.set_member, desk.dataset.id, site.person(role), role)
    roles = (Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN)
    found += [site.ask(method, path, role=role, **body).status_code for role in roles]
    assert tuple(found) == TABLE[call]
