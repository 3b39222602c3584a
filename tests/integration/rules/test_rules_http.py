"""Rule sets over HTTP: stored, versioned, checked, explained, tried on rows, and sent as files."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import pytest

from labelmill.accounts import Role, Scope
from labelmill.ids import new_id
from labelmill.rules import from_dict
from labelmill.rules.parcel import unwrap

DOCUMENT: dict[str, Any] = {
    "tie": "first",
    "labels": [{"name": "/male", "group": "gender"}, {"name": "/female", "group": "gender"}],
    "rules": [
        {"label": "/male", "kind": "keyword", "match": "partially", "content": "tom"},
        {"label": "/male", "kind": "keyword", "match": "end", "content": "志明"},
        {"label": "/female", "kind": "keyword", "match": "partially", "content": "amy"},
        {"label": "/female", "kind": "regex", "content": "^(mrs|ms)\\b"},
    ],
}
ROOT = "/v1/rule-sets"


def document(*contents: str) -> dict[str, Any]:
    rules = [{"label": "/x", "kind": "keyword", "match": "end", "content": content} for content in contents]
    return {"labels": ["/x"], "rules": rules}


@pytest.fixture
def ask(shared_site):
    def ask(method: str, path: str, role: Role = Role.MANAGER, **options):
        return shared_site.ask(method, f"{ROOT}{path}", role=role, **options)

    return ask


@pytest.fixture
def stored(ask, name):
    """A rule set with one version."""
    answer = ask("POST", "", json={"name": name, "note": "begun", "rule_set": DOCUMENT})
    assert answer.status_code == 201
    return name


def test_a_rule_set_is_stored_and_comes_back_whole(ask, stored):
    """With labels, groups, order and tie; its ETag is its version; the list shows it without its rules."""
    answer = ask("GET", f"/{stored}", Role.VIEWER)
    assert answer.headers["ETag"] == '"1"'
    body = answer.json()
    assert from_dict(body["rule_set"], name="x").content_hash == from_dict(DOCUMENT).content_hash == body["content_hash"]
    assert (body["version"], body["labels"], body["rules"], body["note"]) == (1, 2, 4, "begun")
    listed = ask("GET", "?limit=200&cursor=", Role.VIEWER).json()["items"]
    assert [one["latest"]["rules"] for one in listed if one["name"] == stored] == [4]


def test_saving_makes_the_next_version_and_equal_content_none(ask, stored):
    """PUT is harmless when repeated."""
    first = ask("PUT", f"/{stored}", json={"rule_set": document("a"), "note": "why"})
    again = ask("PUT", f"/{stored}", json={"rule_set": document("a")}, headers={"If-Match": '"1"'})
    assert (first.json()["version"], first.json()["new"], first.headers["ETag"]) == (2, True, '"2"')
    assert (again.status_code, again.json()["version"], again.json()["new"]) == (200, 2, False)
    versions = ask("GET", f"/{stored}/versions").json()["items"]
    assert [(one["version"], one["note"]) for one in versions] == [(2, "why"), (1, "begun")]
    assert ask("GET", f"/{stored}/versions/1").json()["rule_set"]["tie"] == "first"


def test_a_save_upon_an_older_version_is_refused(ask, stored):
    """By the header or the field; the answer names the version that is there."""
    ask("PUT", f"/{stored}", json={"rule_set": document("a")})
    for options in ({"headers": {"If-Match": '"1"'}}, {"headers": {"If-Match": 'W/"1"'}}, {}):
        body = {"rule_set": document("b")} | ({} if options else {"expected_version": 1})
        answer = ask("PUT", f"/{stored}", json=body, **options)
        assert (answer.status_code, answer.json()["code"], answer.json()["version"]) == (409, "conflict", 2)
    assert ask("PUT", f"/{stored}", json={"rule_set": document("b")}, headers={"If-Match": '"2"'}).json()["version"] == 3
    assert ask("PUT", f"/{stored}", json={"rule_set": document("c")}, headers={"If-Match": "*"}).json()["version"] == 4


def test_a_name_is_given_once(ask, stored):
    """POST never adds a version to what is there; PUT never makes a rule set by a slip of the name."""
    assert ask("POST", "", json={"name": stored, "rule_set": DOCUMENT}).status_code == 409
    assert ask("PUT", f"/{stored}-not", json={"rule_set": DOCUMENT}).status_code == 404
    assert ask("PUT", f"/{stored}-not", json={"rule_set": DOCUMENT}, headers={"If-Match": '"3"'}).status_code == 409
    assert ask("GET", f"/{stored}-not").status_code == 404


def test_a_repeated_request_with_a_key_is_done_once(ask, name):
    """The second answer is the first one."""
    options = {"json": {"name": name, "rule_set": DOCUMENT}, "headers": {"Idempotency-Key": name}}
    first, second = ask("POST", "", **options), ask("POST", "", **options)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"


def test_an_archived_rule_set_is_out_of_use_until_it_is_restored(ask, stored):
    """Its versions stay where they are."""
    assert ask("DELETE", f"/{stored}").status_code == 204
    assert ask("GET", f"/{stored}").status_code == 404
    assert ask("GET", f"/{stored}/versions/1").status_code == 200
    assert ask("PUT", f"/{stored}", json={"rule_set": document("a")}).status_code == 409
    assert stored in [one["name"] for one in ask("GET", "?archived=true&limit=200").json()["items"]]
    assert ask("POST", f"/{stored}/restore").json()["archived_at"] is None
    assert ask("GET", f"/{stored}").status_code == 200


def test_lists_come_in_pages(ask, stored):
    """Every version once, latest first."""
    for number in range(4):
        ask("PUT", f"/{stored}", json={"rule_set": document(f"{number}")})
    seen, cursor = [], ""
    while True:
        page = ask("GET", f"/{stored}/versions?limit=2{cursor}").json()
        seen += [one["version"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == [5, 4, 3, 2, 1]
    page = ask("GET", "?limit=1").json()
    assert (
        page["next"] is None
        or ask("GET", f"?limit=1&cursor={page['next']}").json()["items"][0]["name"] > page["items"][0]["name"]
    )


def test_a_difference_between_versions_is_told(ask, stored):
    """From the older to the newer, and the other way round."""
    changed = json.loads(json.dumps(DOCUMENT))
    changed["rules"][0]["match"] = "start"
    changed["labels"][0]["group"] = ""
    del changed["rules"][3]
    ask("PUT", f"/{stored}", json={"rule_set": changed})
    found = ask("GET", f"/{stored}/versions/2/diff?since=1").json()
    assert [one["content"] for one in found["removed"]] == ["^(mrs|ms)\\b"]
    assert [[one["match"] for one in pair] for pair in found["changed"]] == [["partially", "start"]]
    assert found["labels_changed"] == [["/male", "gender", ""]]
    assert [one["content"] for one in ask("GET", f"/{stored}/versions/1/diff?since=2").json()["added"]] == ["^(mrs|ms)\\b"]


def test_rules_are_checked_in_the_body_or_by_name(ask, stored):
    """Findings with severity, place and way out; a rule set with errors is an answer, no error."""
    rules = [*DOCUMENT["rules"], DOCUMENT["rules"][0], {"label": "/male", "kind": "regex", "content": "(?<!a)b"}]
    found = ask("POST", "/check", Role.VIEWER, json={"rule_set": DOCUMENT | {"rules": rules}}).json()
    assert (found["errors"], found["warnings"]) == (1, 1)
    assert [(one["severity"], one["code"], one["place"]) for one in found["findings"]] == [
        ("error", "refused", "rule 6"),
        ("warning", "duplicate", "rule 5"),
    ]
    assert all(one["message"] and one["way_out"] for one in found["findings"])
    assert ask("POST", "/check", Role.VIEWER, json={"rule_set": {"name": stored}}).json() == {
        "errors": 0,
        "warnings": 0,
        "findings": [],
    }
    assert ask("POST", "/check", json={"rule_set": {"name": stored, "version": 1}}).status_code == 200
    assert ask("POST", "/check", json={"rule_set": {"name": stored, "version": 9}}).status_code == 404


def test_a_text_is_explained(ask, stored):
    """Where each rule hits, in characters of the text as it is written, the scores, and the winner of the tie."""
    found = ask("POST", "/explain", Role.ANNOTATOR, json={"rule_set": {"name": stored}, "text": "Ms 🌸 TOM"}).json()
    assert [(one["rule"]["content"], one["spans"]) for one in found["hits"]] == [("tom", [[5, 8]]), ("^(mrs|ms)\\b", [[0, 2]])]
    assert found["outcomes"] == [
        {"group": "gender", "label": "/male", "scores": {"/male": 1, "/female": 1}, "tied": ["/male", "/female"]}
    ]


def test_rules_are_tried_on_the_first_rows_of_a_file(ask, stored):
    """Counts, precision and recall against the gold column, and texts with what hit them."""
    body = {"rule_set": {"name": stored}, "source": "posts.csv", "text_column": "author", "gold_column": "label"}
    found = ask("POST", "/sample", json=body).json()
    assert {name: found[name] for name in ("rows", "empty", "covered", "overlapping", "conflicting", "unknown_gold")} == {
        "rows": 6, "empty": 1, "covered": 4, "overlapping": 1, "conflicting": 1, "unknown_gold": 1,
    }  # fmt: skip
    assert [(one["label"], one["labelled"], one["precision"], one["recall"]) for one in found["labels"]] == [
        ("/male", 3, 1.0, 1.0),
        ("/female", 1, 1.0, 1.0),
    ]
    assert [(one["rule"], one["hits"], one["conflicts"]) for one in found["rules"]] == [
        ("partially:tom", 2, 1),
        ("partially:amy", 2, 1),
        ("end:志明", 1, 0),
    ]
    assert [(one["row"], one["text"], [out["label"] for out in one["outcomes"]]) for one in found["texts"]] == [
        (1, "Mister Tom", ["/male"]), (2, "Amy 🌸", ["/female"]), (3, "陳志明", ["/male"]), (4, "Tom Amy", ["/male"]),
    ]  # fmt: skip
    assert ask("POST", "/sample", json=body | {"rows": 2}).json()["rows"] == 2


@pytest.mark.parametrize("form", ["json", "csv", "zip"])
def test_a_version_is_sent_as_a_file_and_taken_back(ask, stored, form):
    """Downloaded, uploaded under another name: the rules are the same."""
    answer = ask("GET", f"/{stored}/versions/1/file?form={form}", Role.VIEWER)
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    rules = set(unwrap(answer.content, f"x.{form}", name="x").rule_set.rules)
    assert rules == set(from_dict(DOCUMENT).rules)
    query = f"name={stored}-{form}&file_name=rules.{form}"
    taken = ask("POST", f"/import?{query}", content=answer.content, headers={"Content-Type": "application/octet-stream"})
    assert (taken.status_code, taken.json()["version"], taken.json()["rules"]) == (201, 1, 4)
    if form == "json":
        assert taken.json()["content_hash"] == from_dict(DOCUMENT).content_hash


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "text/csv", ""])
def test_a_file_is_taken_whatever_the_client_calls_it(ask, name, content_type):
    """Its ending decides, as curl sends a form's type by default."""
    content = json.dumps(document("a")).encode()
    answer = ask("POST", f"/import?name={name}&file_name=a.json", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == 201, answer.text


def test_the_predecessors_csv_is_imported_with_its_notes(ask, name):
    """Chinese labels and match types; what was guessed is told; importing again makes no version, changed rules the next."""
    content = "content,label,rule_type,match_type\n先生,男性,keyword,比對結尾\n小姐,女性,keyword,怪\n".encode()
    path = f"/import?name={name}&file_name=規則.csv&chinese_labels=true"
    first = ask("POST", path, content=content).json()
    assert [(note["where"], "怪" in note["message"]) for note in first["notes"]] == [("規則.csv:3", True)]
    assert [one["name"] for one in ask("GET", f"/{name}").json()["rule_set"]["labels"]] == ["/male", "/female"]
    assert ask("POST", path, content=content).json()["new"] is False
    assert ask("POST", path, content=content + "夫人,女性,keyword,比對結尾\n".encode()).json()["version"] == 2
    assert ask("POST", f"{path}&expected_version=1", content=content).status_code == 409


def test_a_name_in_any_script_is_an_address(ask, name):
    """Percent-encoded, as every client does."""
    called = f"作者 規則-{name[:20]}"
    assert ask("POST", "", json={"name": called, "rule_set": DOCUMENT}).status_code == 201
    assert ask("GET", f"/{quote(called)}").json()["name"] == called
    assert "filename=" in ask("GET", f"/{quote(called)}/versions/1/file?form=csv").headers["Content-Disposition"]


#: Route -> the status for nobody, viewer, annotator, manager, admin. A 404, 409 or 422 means: allowed, and then there was nothing to do.
TABLE = {
    "GET /v1/rule-sets": (401, 200, 200, 200, 200),
    "POST /v1/rule-sets": (401, 403, 403, 201, 201),
    "POST /v1/rule-sets/check": (401, 200, 200, 200, 200),
    "POST /v1/rule-sets/explain": (401, 200, 200, 200, 200),
    "POST /v1/rule-sets/sample": (401, 403, 403, 200, 200),
    "POST /v1/rule-sets/import": (401, 403, 403, 422, 422),
    "GET /v1/rule-sets/{name}": (401, 200, 200, 200, 200),
    "PUT /v1/rule-sets/{name}": (401, 403, 403, 200, 200),
    "DELETE /v1/rule-sets/{name}": (401, 403, 403, 204, 204),
    "POST /v1/rule-sets/{name}/restore": (401, 403, 403, 200, 200),
    "GET /v1/rule-sets/{name}/versions": (401, 200, 200, 200, 200),
    "GET /v1/rule-sets/{name}/versions/{version}": (401, 200, 200, 200, 200),
    "GET /v1/rule-sets/{name}/versions/{version}/diff": (401, 200, 200, 200, 200),
    "GET /v1/rule-sets/{name}/versions/{version}/file": (401, 200, 200, 200, 200),
    "GET /rules": (401, 200, 200, 200, 200),
    "GET /rules/new": (401, 403, 403, 200, 200),
    "POST /rules/new": (401, 403, 403, 200, 200),
    "POST /rules/import": (401, 403, 403, 422, 422),
    "GET /rules/{name}": (401, 200, 200, 200, 200),
    "POST /rules/{name}": (401, 200, 200, 200, 200),
    "GET /rules/{name}/versions": (401, 200, 200, 200, 200),
    "GET /rules/{name}/versions/{version}": (401, 200, 200, 200, 200),
    "POST /rules/{name}/versions/{version}/restore": (401, 403, 403, 303, 303),
    "POST /rules/{name}/archive": (401, 403, 403, 303, 303),
    "POST /rules/{name}/restore": (401, 403, 403, 303, 303),
}
QUERIES = {
    "POST /v1/rule-sets/import": "?name=x&file_name=x.json",
    "GET /v1/rule-sets/{name}/versions/{version}/diff": "?since=1",
}


def request_of(call: str, stored: str) -> tuple[str, str, dict[str, Any]]:
    """Return method, address and body of a sound request to a route."""
    method, _, path = call.partition(" ")
    bodies = {
        "POST /v1/rule-sets": {"name": f"{stored}-{new_id()}", "rule_set": DOCUMENT},
        "POST /v1/rule-sets/check": {"rule_set": DOCUMENT},
        "POST /v1/rule-sets/explain": {"rule_set": DOCUMENT, "text": "x"},
        "POST /v1/rule-sets/sample": {"rule_set": DOCUMENT, "source": "posts.csv", "text_column": "author"},
        "PUT /v1/rule-sets/{name}": {"rule_set": DOCUMENT},
    }
    files = {"files": {"file": ("x.json", b"{}")}, "data": {"name": stored}} if call == "POST /rules/import" else {}
    options = {"json": bodies[call]} if call in bodies else files
    return method, path.replace("{name}", stored).replace("{version}", "1") + QUERIES.get(call, ""), options


@pytest.mark.parametrize("call", TABLE)
def test_each_route_answers_each_role_as_the_table_says(shared_site, stored, call):
    """Everybody who is signed in reads and tries; managers and administrators write, and see rows."""
    found = []
    for role in (None, Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN):
        method, path, options = request_of(call, stored)
        found.append(shared_site.ask(method, path, **({"role": role} if role else {}), **options).status_code)
    assert tuple(found) == TABLE[call]


@pytest.mark.parametrize(
    "call", [call for call, row in TABLE.items() if row[1] == 403 and not call.startswith("GET") and "sample" not in call]
)
def test_a_token_that_may_only_read_writes_nothing(shared_site, stored, call):
    """Whoever its owner is."""
    method, path, options = request_of(call, stored)
    assert shared_site.ask(method, path, token=shared_site.token(Role.ADMIN, Scope.READ), **options).status_code == 403


def test_who_may_not_change_rules_sees_no_button_to_do_so(shared_site, stored):
    """And a form that is sent all the same is refused."""
    page = shared_site.page(f"/rules/{stored}", Role.VIEWER).text
    assert 'value="save"' not in page
    assert 'value="preview"' in page
    assert (
        shared_site.form(
            f"/rules/{stored}",
            {"action": "save", "base": "1", "row": "n1", "label": "/x", "type": "end", "content": "x"},
            Role.VIEWER,
        ).status_code
        == 403
    )
    assert shared_site.ask("GET", f"{ROOT}/{stored}", role=Role.VIEWER).json()["version"] == 1


def test_100_000_keywords_go_through_within_seconds(ask, name):
    """Stored, read and checked; the bounds are many times what an idle machine needs."""
    contents = [f"{number:06d} keyword" for number in range(100_000)]
    begun = time.monotonic()
    assert ask("POST", "", json={"name": name, "rule_set": document(*contents)}).json()["rules"] == 100_000
    checked = ask("POST", "/check", json={"rule_set": document(*contents, contents[0])})
    assert (checked.status_code, checked.json()["code"]) == (413, "too-large")
    checked = ask("POST", "/check", json={"rule_set": document(*contents[1:], contents[5])}).json()
    assert [one["code"] for one in checked["findings"]] == ["duplicate"]
    explained = ask("POST", "/explain", json={"rule_set": {"name": name}, "text": f"x {contents[70_000]}"}).json()
    assert [one["rule"]["content"] for one in explained["hits"]] == [contents[70_000]]
    assert len(ask("GET", f"/{name}").json()["rule_set"]["rules"]) == 100_000
    assert time.monotonic() - begun < 60
