"""Who may call what of LabelForward's calls (promise 29): a row for each route."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import labelforward
from labelforward import PASSWORD
from labelmill.accounts import Role, Scope, service

if TYPE_CHECKING:
    from webapp import Site

#: Nobody, an annotator of other datasets, a viewer and an annotator of this one, a manager, an administrator. A 404 for somebody who
#: is a member and 422 mean: allowed, and then there was nothing to do.
TABLE = {
    "POST /api/users/signup": (403, 403, 403, 403, 403, 403),
    "POST /api/users/signup/": (403, 403, 403, 403, 403, 403),
    "POST /api/login": (401, 401, 401, 401, 401, 401),
    "POST /api/login/": (401, 401, 401, 401, 401, 401),
    "GET /api/login": (401, 200, 200, 200, 200, 200),
    "GET /api/login/": (401, 200, 200, 200, 200, 200),
    "GET /api/login/logout": (401, 200, 200, 200, 200, 200),
    "GET /api/login/logout/": (401, 200, 200, 200, 200, 200),
    "POST /api/users/email": (401, 422, 422, 422, 422, 422),
    "POST /api/users/email/": (401, 422, 422, 422, 422, 422),
    "POST /api/users/password": (401, 422, 422, 422, 422, 422),
    "POST /api/users/password/": (401, 422, 422, 422, 422, 422),
    "GET /api/texts/text": (401, 404, 403, 200, 200, 200),
    "GET /api/texts/text/": (401, 404, 403, 200, 200, 200),
    "POST /api/texts/text": (401, 404, 403, 201, 201, 201),
    "POST /api/texts/text/": (401, 404, 403, 201, 201, 201),
    "GET /api/texts/labels": (401, 404, 200, 200, 200, 200),
    "GET /api/texts/labels/": (401, 404, 200, 200, 200, 200),
    "GET /api/monitor/classifiers": (401, 404, 200, 200, 200, 200),
    "GET /api/monitor/classifiers/": (401, 404, 200, 200, 200, 200),
    "GET /api/monitor/label": (401, 404, 200, 200, 200, 200),
    "GET /api/monitor/label/": (401, 404, 200, 200, 200, 200),
    "POST /api/monitor/download": (401, 404, 403, 403, 404, 404),
    "POST /api/monitor/download/": (401, 404, 403, 403, 404, 404),
    "GET /api/monitor/download": (401, 404, 404, 404, 404, 404),
    "GET /api/monitor/download/": (401, 404, 404, 404, 404, 404),
}
STRANGER = {"email": "eve@example.org", "password": PASSWORD}
BODIES = {
    "/api/users/signup": STRANGER,
    "/api/login": STRANGER,
    "/api/users/email": {"newEmail": "no address", "password": PASSWORD},
    "/api/users/password": {"oldPassword": "", "newPassword": "short"},
    "/api/texts/text": {"label": "good", "text_id": 1},
    "/api/monitor/download": {"clfId": 1},
}


def _tokens(site: Site) -> list[str]:
    dataset = labelforward.make_dataset(site, labels_per_record=0)
    tokens = [""]
    for name, role, inside in (
        ("stranger", Role.ANNOTATOR, None),
        ("viewer", Role.VIEWER, Role.VIEWER),
        ("annotator", Role.ANNOTATOR, Role.ANNOTATOR),
        ("manager", Role.MANAGER, None),
        ("admin", Role.ADMIN, None),
    ):
        made = site.app.database.transact(service.add_annotator, email=f"{name}@example.com", name=name, role=role)
        if inside:
            site.app.database.transact(service.set_member, dataset.id, made.id, inside)
        tokens.append(site.app.database.transact(service.create_token, made.id, name=name, scope=Scope.ADMIN)[1])
    return tokens


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_call_answers_each_caller_as_the_table_says(site: Site, call: str) -> None:
    method, _, path = call.partition(" ")
    query = "?clfId=1" if method == "GET" and "download" in path else ""
    body = BODIES[path.rstrip("/")] if method == "POST" else None
    found = tuple(
        site.ask(method, path + query, token=token, json=body, address=f"10.0.0.{number}").status_code
        for number, token in enumerate(_tokens(site))
    )
    assert found == TABLE[call]


def test_p29_a_token_that_may_only_read_labels_nothing(site: Site) -> None:
    labelforward.make_dataset(site)
    token = site.token(Role.ADMIN, Scope.READ)
    for path, body in BODIES.items():
        if path in {"/api/texts/text", "/api/users/email", "/api/users/password"}:
            assert site.ask("POST", path, token=token, json=body).status_code == 403, path
    assert site.ask("GET", "/api/texts/labels", token=token).status_code == 200
