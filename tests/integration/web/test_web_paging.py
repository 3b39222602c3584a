"""Every list over HTTP comes in pages, but for those that cannot grow long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.connections import service as connections
from labelmill.datasets import RecordKind
from labelmill.datasets import service as datasets

if TYPE_CHECKING:
    import webapp

#: Why a list has none.
WHOLE = {
    "/v1/account/sessions": "one's own that are alive: they end by themselves",
    "/v1/datasets/{dataset_id}/labels": "a part of the dataset, as it is shown",
    "/v1/datasets/{dataset_id}/records/{record_id}/history": "what was answered to one record",
    "/v1/datasets/{dataset_id}/imports/{import_id}/rejects": "the first few thousand, and a download",
    "/v1/catalogues/{name}/rejects": "the first few thousand, and a download",
    "/v1/label-tasks/{task_id}/rejects": "the first few thousand, and a download",
    "/v1/label-tasks/{task_id}/sample": "as many as are asked for",
}


def test_a_list_has_a_cursor_or_a_reason_to_have_none(site: webapp.Site) -> None:
    document = site.ask("GET", "/openapi.json").json()
    schemas = document["components"]["schemas"]
    whole = {
        path
        for path, verbs in document["paths"].items()
        if "get" in verbs and "items" in _answer(verbs["get"], schemas).get("properties", {}) and not _has_cursor(verbs["get"])
    }
    assert whole == set(WHOLE)


def test_pages_hold_everything_once_and_in_order(stored_site: webapp.Site) -> None:
    site = stored_site
    made = site.app.database.transact(datasets.create, name="posts", kind=RecordKind.TEXT)
    emails = [f"{letter}{number}@example.org" for number in range(3) for letter in "ba"]
    for email in emails:
        one = site.app.database.transact(accounts.add_annotator, email=email, name="A B", role=Role.ANNOTATOR)
        site.app.database.transact(accounts.set_member, made.id, one.id, Role.ANNOTATOR)
        site.app.database.transact(accounts.create_token, site.person(Role.ADMIN), name=email)
        values: dict[str, Any] = {"name": email.partition("@")[0], "url": "sqlite:///posts.db", "readable": ["main"]}
        site.app.database.transact(connections.add, site.app, **values)
    people = sorted({*emails, *(_all(site, "/v1/annotators", "email", limit=200))})
    assert _all(site, "/v1/annotators", "email", limit=2) == people
    assert _all(site, f"/v1/datasets/{made.id}/members", "email", limit=4) == sorted(emails)
    assert [each for each in _all(site, "/v1/tokens", "name", limit=1) if "@" in each] == list(reversed(emails))
    assert _all(site, "/v1/connections", "name", limit=6) == sorted(email.partition("@")[0] for email in emails)


@pytest.mark.parametrize("path", ["/v1/annotators", "/v1/tokens", "/v1/connections", "/v1/datasets/1/members"])
def test_a_cursor_that_was_not_given_out_is_refused(site: webapp.Site, path: str) -> None:
    site.app.database.transact(datasets.create, name="posts", kind=RecordKind.TEXT)
    for cursor in ("nonsense", "e30", "\x00"):
        assert site.ask("GET", path, role=Role.ADMIN, params={"cursor": cursor}).status_code == 422
    assert site.ask("GET", path, role=Role.ADMIN, params={"limit": 0}).status_code == 422


def _answer(verb: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    content = verb["responses"].get("200", {}).get("content", {})
    name = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    return dict(schemas.get(name, {}))


def _has_cursor(verb: dict[str, Any]) -> bool:
    return "cursor" in {each["name"] for each in verb.get("parameters", ())}


def _all(site: webapp.Site, path: str, field: str, *, limit: int) -> list[str]:
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = site.ask("GET", path, role=Role.ADMIN, params=asked).json()
        assert 0 < len(page["items"]) <= limit
        found += [each[field] for each in page["items"]]
        cursor = page["next"]
    return found
