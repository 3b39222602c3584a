"""Who may call the contract of image tasks (promise 29): with a token as everywhere, without one from trusted networks only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import catalogue_lab
from labelmill.accounts import Role, Scope
from labelmill.jobs import service as jobs
from labelmill.web.rendering import routes_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from httpx import Response

    from webapp import Site

PEOPLE = (None, Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN)
#: Route -> the status for nobody, viewer, annotator, manager, admin. The task that is asked for waits: 202.
TABLE = {
    "GET /api/v1/openapi.json": (200, 200, 200, 200, 200),
    "GET /api/v1/svc_ml": (200, 200, 200, 200, 200),
    "GET /api/v1/svc_ml/": (200, 200, 200, 200, 200),
    "GET /api/v1/svc_ml/docs": (200, 200, 200, 200, 200),
    "POST /api/v1/svc_ml/insert2db": (401, 403, 403, 202, 202),
    "POST /api/v1/svc_ml/insert2db/": (401, 403, 403, 202, 202),
    "POST /api/v1/svc_ml/query": (401, 403, 403, 202, 202),
    "POST /api/v1/svc_ml/query/": (401, 403, 403, 202, 202),
    "POST /api/v1/svc_ml/transformedquery": (401, 403, 403, 202, 202),
    "POST /api/v1/svc_ml/transformedquery/": (401, 403, 403, 202, 202),
    "GET /api/v1/svc_ml/result/{task_id}": (401, 202, 202, 202, 202),
    "GET /api/v1/svc_ml/result/{task_id}/": (401, 202, 202, 202, 202),
}
HERE = "127.0.0.0/8"


@pytest.fixture
def shop(tmp_path: Path, open_site: Callable[..., Site]) -> Site:
    return open_site(catalogue_folder=catalogue_lab.make(tmp_path / "shop", 3))


def _ask(site: Site, call: str, task_id: str = "0", **options: Any) -> Response:
    method, _, path = call.partition(" ")
    body: dict[str, Any] = {"json": {}} if "query" in path else {}
    return site.ask(method, path.replace("{task_id}", task_id), **(body | options))


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_answers_each_role_as_the_table_says(shop: Site, call: str) -> None:
    task_id = _ask(shop, "POST /api/v1/svc_ml/query", role=Role.MANAGER).json()["task_id"]
    answers = [_ask(shop, call, task_id, **({"role": role} if role else {})) for role in PEOPLE]
    assert tuple(answer.status_code for answer in answers) == TABLE[call]
    for answer in answers:
        assert answer.status_code < 400 or set(answer.json()) == {"detail"}


def test_p29_every_route_has_a_row(site: Site) -> None:
    own = [route for route in routes_of(site.web.routes) if route.path.startswith("/api/v1/")]
    assert {f"{method} {route.path}" for route in own for method in route.methods - {"HEAD"}} == set(TABLE)


def test_p29_a_trusted_network_needs_no_token_and_nobody_else_is_let_in(
    shop: Site, open_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = open_site(compat_trusted_networks=HERE, catalogue_folder=tmp_path / "shop")
    call = "POST /api/v1/svc_ml/query"
    made = _ask(site, call)
    assert made.status_code == 202
    with site.app.database.read() as connection:
        assert jobs.get(connection, made.json()["task_id"]).created_by is None
    assert _ask(site, call, address="10.2.0.1").status_code == 401
    assert _ask(site, call, headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401
    assert _ask(site, call, headers={"Authorization": "Bearer lm_wrong"}).status_code == 401
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert _ask(site, call, headers=headers).status_code in (401, 403)
    assert site.ask("GET", "/v1/jobs").status_code == 401
    # By default nobody is trusted.
    assert _ask(shop, call).status_code == 401


def test_p29_a_read_token_of_an_admin_starts_nothing(shop: Site) -> None:
    token = shop.token(Role.ADMIN, Scope.READ)
    assert _ask(shop, "POST /api/v1/svc_ml/insert2db", token=token).status_code == 403
    assert _ask(shop, "GET /api/v1/svc_ml/result/{task_id}", token=token).status_code == 404
