"""Every route is authorised (promise 29): a table of the expected status for each of them; a route without a row fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labelmill.accounts import Role, Scope, service
from labelmill.ids import new_id
from labelmill.web.rendering import routes_of

if TYPE_CHECKING:
    from webapp import Site

#: Route -> the status for nobody, viewer, annotator, manager, admin. A 404, 409 or 422 means: allowed, and then there was nothing to do.
TABLE = {
    "GET /healthz": (200, 200, 200, 200, 200),
    "GET /readyz": (200, 200, 200, 200, 200),
    "GET /metrics": (200, 200, 200, 200, 200),
    "GET /openapi.json": (200, 200, 200, 200, 200),
    "GET /docs": (200, 200, 200, 200, 200),
    "GET /v1/jobs": (401, 200, 200, 200, 200),
    "GET /v1/jobs/{job_id}": (401, 200, 200, 200, 200),
    "GET /v1/jobs/{job_id}/events": (401, 200, 200, 200, 200),
    "POST /v1/jobs/{job_id}/cancel": (401, 403, 403, 409, 409),
    "POST /v1/jobs/{job_id}/retry": (401, 403, 403, 200, 200),
    "GET /v1/files": (401, 403, 403, 200, 200),
    "GET /v1/files/{path:path}": (401, 403, 403, 404, 404),
    "PUT /v1/files/{path:path}": (401, 403, 403, 422, 422),
    "GET /v1/sources/columns": (401, 403, 403, 422, 422),
    "GET /v1/connections": (401, 403, 403, 200, 200),
    "POST /v1/connections": (401, 403, 403, 403, 201),
    "GET /v1/connections/{name}": (401, 403, 403, 404, 404),
    "POST /v1/connections/{name}/test": (401, 403, 403, 403, 404),
    "DELETE /v1/connections/{name}": (401, 403, 403, 403, 404),
    "GET /v1/me": (401, 200, 200, 200, 200),
    "GET /v1/annotators": (401, 403, 403, 200, 200),
    "GET /v1/tokens": (401, 200, 200, 200, 200),
    "POST /v1/tokens": (401, 201, 201, 201, 201),
    "DELETE /v1/tokens/{token_id}": (401, 404, 404, 404, 404),
    "GET /": (401, 303, 303, 303, 303),
    "GET /sign-in": (200, 303, 303, 303, 303),
    "POST /sign-in": (401, 401, 401, 401, 401),
    "POST /sign-out": (303, 303, 303, 303, 303),
    "POST /preferences": (303, 303, 303, 303, 303),
    "GET /settings": (401, 200, 200, 200, 200),
    "GET /settings/tokens": (401, 200, 200, 200, 200),
    "POST /settings/tokens": (401, 200, 200, 200, 200),
    "POST /settings/tokens/{token_id}/revoke": (401, 404, 404, 404, 404),
    "GET /settings/connections": (401, 403, 403, 200, 200),
    "POST /settings/connections": (401, 403, 403, 403, 303),
    "POST /settings/connections/{name}/test": (401, 403, 403, 403, 404),
    "POST /settings/connections/{name}/remove": (401, 403, 403, 403, 404),
    "GET /jobs": (401, 200, 200, 200, 200),
    "GET /jobs/{job_id}": (401, 200, 200, 200, 200),
    "POST /jobs/{job_id}/cancel": (401, 403, 403, 409, 409),
    "POST /jobs/{job_id}/retry": (401, 403, 403, 303, 303),
}
#: Features keep the rows of their routes in a table of the same form beside their own tests.
OTHER_TABLES = Path(__file__).parent.parent
FORMS = {
    "POST /sign-in": {"token": "lm_wrong"},
    "POST /settings/tokens": {"name": "x", "scope": "read", "days": "1"},
    "POST /settings/connections": {"name": "store", "url": "sqlite:///posts.db", "readable": "main"},
}
BODIES = {
    "POST /v1/connections": {"name": "shop", "url": "sqlite:///posts.db", "readable": ["main"]},
    "POST /v1/tokens": {"name": "x", "scope": "read"},
}
CALLERS = (None, Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN)


def _routes(site: Site) -> set[str]:
    routes = [route for route in routes_of(site.web.routes) if route.path != "/static"]
    return {f"{method} {route.path}" for route in routes for method in route.methods - {"HEAD"}}


def _ask(site: Site, call: str, **who: object) -> int:
    method, _, path = call.partition(" ")
    # A job that failed: it can be looked at and retried, not cancelled, and its events end at once.
    job = site.job()
    from labelmill.jobs import service as jobs

    site.app.database.transact(jobs.fail, job.id, {"code": "x", "detail": "x", "id": "x"})
    path = path.replace("{job_id}", job.id).replace("{name}", "nothing").replace("{token_id}", "nothing")
    return site.ask(method, path, data=FORMS.get(call), json=BODIES.get(call), **who).status_code  # type: ignore[arg-type]


def test_p29_every_route_has_a_row_and_every_row_a_route(site: Site) -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in OTHER_TABLES.rglob("test_*.py"))
    without = [call for call in sorted(_routes(site) - set(TABLE)) if f'"{call}": (' not in tests]
    assert without == []
    assert set(TABLE) - _routes(site) == set()


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_answers_each_role_as_the_table_says(kept_site: Site, call: str) -> None:
    found = tuple(_ask(kept_site, call, **({"role": role} if role else {})) for role in CALLERS)
    assert found == TABLE[call]


@pytest.mark.parametrize("call", [call for call, row in TABLE.items() if row[0] == 401 and call != "POST /sign-in"])
def test_p29_a_wrong_an_expired_a_revoked_and_a_disabled_token_let_nobody_in(kept_site: Site, call: str) -> None:
    database = kept_site.app.database
    person = kept_site.person(Role.ADMIN)
    revoked, secret_of_revoked = database.transact(service.create_token, person, name="revoked", scope=Scope.ADMIN)
    database.transact(service.revoke_token, revoked.id)
    expired = _expired_token(kept_site, person)
    other = database.transact(service.add_annotator, email=f"{new_id()}@example.org", name="Gone", role=Role.ADMIN)
    _, disabled = database.transact(service.create_token, other.id, name="x", scope=Scope.ADMIN)
    database.transact(service.disable_annotator, other.id)
    for token in ("lm_wrong", "x" * 5000, secret_of_revoked, expired, disabled):
        assert _ask(kept_site, call, token=token) == 401
    for header in ("Basic YWRtaW46YWRtaW4=", "Bearer", "bearer  ", "Bearer a b"):
        assert _ask(kept_site, call, headers={"Authorization": header}) in (401, 429)


def _expired_token(site: Site, person: str) -> str:
    import sqlalchemy as sa

    from labelmill import clock
    from labelmill.accounts.tables import api_tokens

    made, secret = site.app.database.transact(service.create_token, person, name="expired", scope=Scope.ADMIN)
    late = sa.update(api_tokens).where(api_tokens.c.id == made.id).values(expires_at=clock.now())
    site.app.database.transact(lambda connection: connection.execute(late) and None)
    return secret


@pytest.mark.parametrize(
    "call", [call for call in TABLE if not call.startswith("GET") and TABLE[call][0] == 401 and "sign" not in call]
)
def test_p29_a_read_token_of_an_admin_changes_nothing(kept_site: Site, call: str) -> None:
    found = _ask(kept_site, call, token=kept_site.token(Role.ADMIN, Scope.READ))
    assert found == 403 if "{token_id}" not in call else found in (403, 404)


def test_p29_nobody_revokes_somebody_elses_token_but_an_admin(site: Site) -> None:
    site.token(Role.MANAGER)
    [token] = site.ask("GET", "/v1/tokens", role=Role.MANAGER).json()["items"]
    assert site.ask("DELETE", f"/v1/tokens/{token['id']}", role=Role.VIEWER).status_code == 403
    assert site.ask("DELETE", f"/v1/tokens/{token['id']}", role=Role.ADMIN).status_code == 204
    assert site.ask("GET", "/v1/me", role=Role.MANAGER).status_code == 401


def test_p29_who_started_a_job_may_cancel_it(site: Site) -> None:
    mine = site.job(created_by=site.person(Role.ANNOTATOR))
    assert site.ask("POST", f"/v1/jobs/{mine.id}/cancel", role=Role.VIEWER).status_code == 403
    assert site.ask("POST", f"/v1/jobs/{mine.id}/cancel", role=Role.ANNOTATOR).status_code == 200


def test_managers_see_connections_without_their_addresses(site: Site) -> None:
    body = {"name": "shop", "url": "postgresql://ann:hunter2@db.example.org/shop", "readable": ["public"]}
    made = site.ask("POST", "/v1/connections", role=Role.ADMIN, json=body)
    assert made.status_code == 201
    [seen] = site.ask("GET", "/v1/connections", role=Role.MANAGER).json()["items"]
    assert (seen["name"], seen["url"]) == ("shop", None)
    assert "db.example.org" not in site.page("/settings/connections", Role.MANAGER).text
    for text in (made.text, site.ask("GET", "/v1/connections", role=Role.ADMIN).text, site.page("/settings/connections").text):
        assert "hunter2" not in text
