"""What a confused or hostile client sends about rules: each gets an answer that names the fault, and nothing is stored."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

import webapp
from labelmill.accounts import Role
from labelmill.connections import files_folder

RULE = {"label": "/x", "kind": "keyword", "match": "end", "content": "a"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with webapp.site(tmp_path_factory.mktemp("bad-rules")) as made:
        files = files_folder(made.app.settings)
        files.mkdir(parents=True)
        (files / "posts.csv").write_text("author\ntom\n", encoding="utf-8")
        (files / "numbers.jsonl").write_text('{"author": 7}\n', encoding="utf-8")
        (files / "out.csv").symlink_to("/etc/hostname")
        yield made


@pytest.fixture
def ask(site):
    def ask(method, path, **options):
        answer = site.ask(method, f"/v1/rule-sets{path}", role=Role.ADMIN, **options)
        assert answer.status_code < 500
        assert str(site.app.settings.data_dir) not in answer.text
        return answer

    yield ask
    assert site.ask("GET", "/v1/rule-sets", role=Role.ADMIN).json()["items"] == []


def with_rules(*rules, labels=("/x",)):
    return {"labels": list(labels), "rules": list(rules)}


DOCUMENTS = [
    (with_rules(RULE, RULE | {"kind": "word"}), 422, "bad-rules", "rule 2"),
    (with_rules(RULE | {"match": "near"}), 422, "bad-rules", "rule 1"),
    (with_rules(RULE | {"content": 7}), 422, "bad-rules", "rule 1"),
    (with_rules(RULE | {"content": "a" * 1001}), 422, "bad-rules", "rule 1"),
    (with_rules(RULE | {"score": 2}), 422, "bad-rules", "rule 1"),
    (with_rules(RULE | {"label": "/y"}), 422, "bad-rules", "rule 1"),
    (with_rules(RULE | {"label": "/x\u202e"}, labels=("/x\u202e",)), 422, "bad-rules", "label 1"),
    (with_rules(RULE | {"kind": "regex"}), 422, "bad-rules", "rule 1"),
    (with_rules({"label": "/x", "kind": "regex", "content": "(?=a)b"}), 422, "bad-rules", "rule 1"),
    (with_rules({"label": "/x", "kind": "regex", "content": "(a)\\1"}), 422, "bad-rules", "rule 1"),
    (with_rules({"label": "/x", "kind": "regex", "content": "((a{1,200}){1,200}){1,200}"}), 422, "bad-rules", "rule 1"),
    (with_rules(RULE | {"content": ""}), 422, "bad-rules", "rule 1"),
    (with_rules(RULE, labels=("/x", "/x")), 422, "bad-rules", None),
    (with_rules(RULE, labels=({"name": "/x", "group": "g", "color": "red"},)), 422, "bad-rules", "label 1"),
    (with_rules(RULE) | {"tie": "both"}, 422, "bad-rules", "the rule set"),
    (with_rules(RULE) | {"case_sensitive": "yes"}, 422, "bad-rules", "the rule set"),
    ({"labels": "/x", "rules": []}, 422, "bad-rules", "the rule set"),
    ({"rules": []}, 422, "bad-rules", "the rule set"),
    (with_rules(*[RULE] * 100_001), 413, "too-large", "rules"),
    (with_rules(labels=[f"/{number}" for number in range(10_001)]), 413, "too-large", "labels"),
    ([RULE], 422, "bad-input", "body.rule_set"),
    (None, 422, "bad-input", "body.rule_set"),
]


@pytest.mark.parametrize(("document", "status", "code", "where"), DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_a_document_that_is_no_rule_set_names_its_rule(ask, document, status, code, where):
    """On every call that takes one, with the same code and place."""
    answer = ask("POST", "", json={"name": "x", "rule_set": document})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("where")) == (status, code, where)
    assert problem["detail"]
    assert ask("POST", "/explain", json={"rule_set": document, "text": "a"}).status_code == status


def test_every_rule_that_cannot_be_used_is_listed(ask):
    """So that one round of mending is enough; the list is bounded."""
    bad = {"label": "/x", "kind": "regex", "content": "("}
    problem = ask("POST", "", json={"name": "x", "rule_set": with_rules(RULE, *[bad] * 200)}).json()
    assert [one["where"] for one in problem["errors"][:2]] == ["rule 2", "rule 3"]
    assert len(problem["errors"]) == 50
    assert "200 rules" in problem["detail"]


@pytest.mark.parametrize("name", ["", " ", "a/b", "a@1", "../x", "new", "a\nb", "x" * 101, "\u202ea", "<b>", "check"])
def test_a_name_that_could_not_be_an_address_is_refused(ask, name):
    """By every way in."""
    assert ask("POST", "", json={"name": name, "rule_set": with_rules(RULE)}).status_code == 422
    content = json.dumps(with_rules(RULE)).encode()
    assert ask("POST", "/import", params={"name": name, "file_name": "a.json"}, content=content).status_code == 422


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"name": 7},
        {"name": "x", "version": 0},
        {"name": "x", "version": True},
        {"name": "x", "version": "1"},
        {"name": "x", "extra": 1},
    ],
)
def test_what_names_no_stored_rule_set_is_refused(ask, value):
    answer = ask("POST", "/check", json={"rule_set": value})
    assert (answer.status_code, answer.json()["where"]) == (422, "body.rule_set")


@pytest.mark.parametrize(
    ("header", "status"), [('"x"', 422), ("", 422), ('"1", "2"', 422), ("-1", 422), ('"1"', 409), ('"99999999999"', 422)]
)
def test_an_if_match_that_is_no_version_is_refused(ask, header, status):
    answer = ask("PUT", "/ghost", json={"rule_set": with_rules(RULE)}, headers={"If-Match": header})
    assert answer.status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "/x/versions/0",
        "/x/versions/-1",
        "/x/versions/one",
        "/x/versions/99999999999",
        "/x/versions?cursor=abc",
        "?cursor=%00",
        "?limit=0",
        "?limit=100000",
        "/x/versions/1/file?form=xlsx",
        "/x/versions/1/diff?since=0",
        "/x/versions/1/diff",
    ],
)
def test_numbers_and_cursors_that_are_none_are_refused(ask, path):
    assert ask("GET", path).status_code in (404, 422)


@pytest.mark.parametrize(
    "name", ["%00", "%2e%2e", "%2e%2e%2fetc", "x" * 5000, "%ff", "a%0ab", "'; DROP TABLE rule_sets; --", "%F0%9F%98%80"]
)
def test_strange_names_in_addresses_find_nothing(ask, name):
    for method, path in (
        ("GET", f"/{name}"),
        ("DELETE", f"/{name}"),
        ("GET", f"/{name}/versions"),
        ("GET", f"/{name}/versions/1"),
    ):
        assert ask(method, path).status_code in (404, 405, 422)


@pytest.mark.parametrize(
    "source",
    ["../labelmill.db", "/etc/passwd", "~/x.csv", "out.csv", "posts.csv/../../labelmill.db", "sqlite:///labelmill.db", "postgresql://localhost/x::t",
     "file:///etc/passwd.csv", "posts.csv::t; DROP TABLE x", "missing.csv", "..\\x.csv", "", "::", "@", "@ghost", "@ghost::t", "posts.exe", "a\nb.csv", "out.csv::x"],
)  # fmt: skip
def test_a_source_outside_of_the_folder_for_files_is_refused(ask, source):
    """No path, URL, link or table name leads out."""
    answer = ask("POST", "/sample", json={"rule_set": with_rules(RULE), "source": source, "text_column": "author"})
    assert answer.status_code in (403, 404, 422)
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"text_column": "x"}, 422),
        ({"gold_column": "x"}, 422),
        ({"rows": 0}, 422),
        ({"rows": 20_001}, 422),
        ({"rows": "many"}, 422),
        ({"source": "numbers.jsonl"}, 422),
    ],
)
def test_a_sample_that_cannot_be_taken_says_why(ask, change, status):
    """A missing column, no text, too many rows."""
    body = {"rule_set": with_rules(RULE), "source": "posts.csv", "text_column": "author"} | change
    assert ask("POST", "/sample", json=body).status_code == status


def packed(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


HEAD = b"content,label,rule_type,match_type\n"
FILES = [
    ("a.json", b"", "a.json:1"), ("a.json", b'{"labels": [], "labels": [], "rules": []}', "a.json"), ("a.json", b"[" * 100_000, "a.json"),
    ("a.json", b'{"labels": ["/x"], "rules": [{"label": "/x", "kind": "keyword", "match": "end", "content": NaN}]}', "a.json"),
    ("a.csv", b"", "a.csv:1"), ("a.csv", HEAD + b"a,/x,keyword\n", "a.csv:2"), ("a.csv", HEAD + b"a\0,/x,keyword,end\n", "a.csv:2"),
    ("a.csv", HEAD + b"\xff,/x,keyword,end\n", "a.csv:2"), ("a.csv", HEAD + b"(?=x),/x,regex,\n", "a.csv:2"), ("a.txt", b"x", "a.txt"),
    ("a.zip", b"PK", "file"), ("a.zip", packed(), "rules"), ("a.zip", packed(**{"m/x/author_name.txt": b"a\tnear\n"}), "rules/m/x/author_name.txt:1"),
    ("a.zip", packed(**{"../../x/author_name.txt": b"a\tend\n"}), "../../x/author_name.txt"), ("", b"x", None),
]  # fmt: skip


@pytest.mark.parametrize(("file_name", "content", "where"), FILES, ids=range(len(FILES)))
def test_a_file_that_cannot_be_read_names_its_line(ask, site, file_name, content, where):
    """Over HTTP and on the page alike; no folder of this machine is told."""
    answer = ask("POST", "/import", params={"name": "x", "file_name": file_name}, content=content)
    assert (answer.status_code, answer.json().get("where")) == (422, where)
    assert "/tmp" not in answer.text
    if file_name:
        headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", **site.session(Role.ADMIN)}
        page = site.ask("POST", "/rules/import", headers=headers, data={"name": "x"}, files={"file": (file_name, content)})
        assert page.status_code == 422
        assert (where or "") in page.text


FORMS = [
    {"row": "b0", "label": "/x", "type": "end"}, {"row": "x1", "label": "/x", "type": "end", "content": "a"}, {"base": "x"}, {"base": "-1"},
    {"rows": "1e9"}, {"page": "99999999999999999999"}, {"tie": "both"}, {"row": "n1", "label": "/x\0", "type": "end", "content": "a"},
    {"row": "b99999999", "label": "", "type": "", "content": ""}, {"over": "one"},
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
def test_a_form_that_the_page_did_not_send_is_refused(ask, site, form):
    """Half lines, made-up keys, numbers that are none."""
    assert site.form("/rules/new", {"name": "x", "action": "save"} | form).status_code == 422


def test_a_form_with_too_many_fields_is_refused(ask, site):
    """Ten thousand are more than a page has."""
    assert (
        site.form("/rules/new", {"row": [f"n{number}" for number in range(10_001)], "action": "save", "name": "x"}).status_code
        == 422
    )
