"""Every route on people is authorised (promise 29): a table of the expected status for each caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

import webapp
from labelmill import clock
from labelmill.accounts import Role, Scope, service
from labelmill.datasets.tables import datasets
from labelmill.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webapp import Site

#: Route -> the status for nobody; for viewer, annotator, manager and admin of the whole; for manager and annotator of this dataset
#: only, and for the manager of another dataset only. A 404 or 422 for who may: there was nothing to do.
TABLE = {
    "GET /v1/account": (401, 200, 200, 200, 200, 200, 200, 200),
    "POST /v1/account/password": (401, 422, 422, 422, 422, 422, 422, 422),
    "POST /v1/account/email": (401, 422, 422, 422, 422, 422, 422, 422),
    "GET /v1/account/sessions": (401, 200, 200, 200, 200, 200, 200, 200),
    "DELETE /v1/account/sessions": (401, 200, 200, 200, 200, 200, 200, 200),
    "DELETE /v1/account/sessions/{session_id}": (401, 404, 404, 404, 404, 404, 404, 404),
    "PATCH /v1/annotators/{annotator_id}": (401, 403, 403, 403, 200, 403, 403, 403),
    "POST /v1/annotators/{annotator_id}/link": (401, 403, 403, 403, 201, 403, 403, 403),
    "GET /v1/invitations": (401, 403, 403, 200, 200, 403, 403, 403),
    "GET /v1/invitations?dataset_id={dataset_id}": (401, 404, 404, 200, 200, 200, 403, 404),
    "POST /v1/invitations": (401, 403, 403, 201, 201, 403, 403, 403),
    "POST /v1/invitations?to=dataset": (401, 404, 404, 201, 201, 201, 403, 404),
    "POST /v1/invitations?as=manager": (401, 403, 403, 403, 201, 403, 403, 403),
    "POST /v1/invitations/accept": (401, 403, 403, 403, 403, 403, 403, 403),
    "DELETE /v1/invitations/{invitation_id}": (401, 404, 404, 204, 204, 204, 403, 404),
    "GET /v1/datasets/{dataset_id}/members": (401, 404, 404, 200, 200, 200, 403, 404),
    "PUT /v1/datasets/{dataset_id}/members/{annotator_id}": (401, 404, 404, 204, 204, 204, 403, 404),
    "DELETE /v1/datasets/{dataset_id}/members/{annotator_id}": (401, 404, 404, 204, 204, 204, 403, 404),
    "GET /v1/audit": (401, 403, 403, 200, 200, 403, 403, 403),
    "GET /v1/audit?dataset_id={dataset_id}": (401, 404, 404, 200, 200, 200, 403, 404),
}
BODIES: dict[str, Any] = {
    "POST /v1/account/password": {"new": "short"},
    "POST /v1/account/email": {"email": "new@example.org", "password": "not theirs"},
    "PATCH /v1/annotators/{annotator_id}": {"role": "viewer"},
    "POST /v1/invitations": {},
    "POST /v1/invitations?to=dataset": {"dataset_id": 0, "dataset_role": "annotator"},
    "POST /v1/invitations?as=manager": {"role": "manager"},
    "POST /v1/invitations/accept": {"link": "guess"},
    "PUT /v1/datasets/{dataset_id}/members/{annotator_id}": {"role": "viewer"},
}
FORMS: dict[str, dict[str, str]] = {}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with webapp.site(tmp_path_factory.mktemp("people"), login_attempts_per_minute=10_000) as site:
        yield Lab(site)


class Lab:
    """A site with two datasets, and people who are somebody in one of them only."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.here, self.there = (site.app.database.transact(_dataset, name) for name in ("here", "there"))
        inside = ((self.here, Role.MANAGER), (self.here, Role.ANNOTATOR), (self.there, Role.MANAGER))
        everywhere = [site.token(role) for role in (Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN)]
        self.callers = ["", *everywhere, *(self.member(dataset, role) for dataset, role in inside)]

    def somebody(self) -> str:
        made = self.site.app.database.transact(
            service.add_annotator, email=f"{new_id()}@example.org", name="Somebody", role=Role.ANNOTATOR
        )
        return str(made.id)

    def member(self, dataset: int, role: Role) -> str:
        """Return the token of somebody who is an annotator of the whole, and ``role`` in one dataset."""
        annotator = self.somebody()
        self.site.app.database.transact(service.set_member, dataset, annotator, role)
        return str(self.site.app.database.transact(service.create_token, annotator, name="x", scope=Scope.ADMIN)[1])

    def ask(self, call: str, token: str) -> int:
        method, _, path = call.partition(" ")
        database = self.site.app.database
        database.transact(service.invite, dataset_id=self.here, dataset_role=Role.ANNOTATOR)
        with database.read() as connection:
            invitation = service.list_invitations(connection)[0].id
        ids = {"dataset_id": self.here, "annotator_id": self.somebody(), "invitation_id": invitation, "session_id": "nothing"}
        body = BODIES.get(call)
        if body and "dataset_id" in body:
            body = {**body, "dataset_id": self.here}
        for name, value in ids.items():
            path = path.replace(f"{{{name}}}", str(value))
        return self.site.ask(method, path, token=token, json=body, data=FORMS.get(call)).status_code


def _dataset(connection: sa.Connection, name: str) -> int:
    row = {"name": name, "kind": "text", "guidelines": "", "settings": {}, "revision": 1, "created_at": clock.now()}
    return connection.execute(sa.insert(datasets).values(row)).inserted_primary_key[0]


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_on_people_answers_each_caller_as_the_table_says(lab: Lab, call: str) -> None:
    assert tuple(lab.ask(call, token) for token in lab.callers) == TABLE[call]


@pytest.mark.parametrize("call", [call for call in TABLE if not call.startswith("GET ")])
def test_p29_a_read_token_of_an_admin_changes_nobody(lab: Lab, call: str) -> None:
    assert lab.ask(call, lab.site.token(Role.ADMIN, Scope.READ)) == 403


@pytest.mark.parametrize("call", [call for call in TABLE if "account" in call and not call.startswith("GET ")])
def test_p29_a_token_without_the_widest_scope_changes_no_account(lab: Lab, call: str) -> None:
    """Whoever finds a program's token must not get the account with it."""
    assert lab.ask(call, lab.site.token(Role.ADMIN, Scope.WRITE)) == 403
