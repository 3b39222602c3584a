"""Who may call the Audience API's contract: with a token as everywhere, without one from trusted networks only (promise 29)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import audience
from labelmill.accounts import Role, Scope
from labelmill.compat.audience.callers import TRUSTED
from labelmill.jobs import service as jobs
from labelmill.web.rendering import routes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpx import Response

    from webapp import Site

PEOPLE = (None, Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN)
SAMPLE = "?table_name=wh_panel_mapping_fbfans"
#: Route -> the status for nobody, viewer, annotator, manager, admin. The task has no rows yet: 404.
TABLE = {
    "POST /api/tasks": (401, 403, 403, 200, 200),
    "POST /api/tasks/": (401, 403, 403, 200, 200),
    "GET /api/tasks": (401, 200, 200, 200, 200),
    "GET /api/tasks/": (401, 200, 200, 200, 200),
    "GET /api/tasks/{task_id}": (401, 200, 200, 200, 200),
    "GET /api/tasks/{task_id}/": (401, 200, 200, 200, 200),
    "GET /api/tasks/{task_id}/sample": (401, 404, 404, 404, 404),
    "GET /api/tasks/{task_id}/sample/": (401, 404, 404, 404, 404),
}
HERE = "127.0.0.0/8,::1,10.1.0.0/16"


def _ask(site: Site, call: str, task_id: str, **options: Any) -> Response:
    method, _, path = call.partition(" ")
    path = path.replace("{task_id}", task_id) + (SAMPLE if "sample" in path else "")
    return site.ask(method, path, **({"json": {}} if method == "POST" else {}), **options)


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_answers_each_role_as_the_table_says(old_site: Site, call: str) -> None:
    task_id = audience.create(old_site)
    answers = [_ask(old_site, call, task_id, role=role) for role in PEOPLE]
    assert tuple(answer.status_code for answer in answers) == TABLE[call]
    for answer in answers:
        assert answer.json()["error_code"] == answer.status_code
    assert set(answers[0].json()) == {"error_code", "error_message"}
    assert answers[0].headers["www-authenticate"].startswith("Bearer")


def test_p29_every_route_has_a_row(site: Site) -> None:
    own = [route for route in routes_of(site.web.routes) if route.path.startswith("/api/tasks")]
    assert {f"{method} {route.path}" for route in own for method in route.methods - {"HEAD"}} == set(TABLE)


@pytest.mark.parametrize("call", TABLE)
def test_p29_a_wrong_token_lets_nobody_in_not_even_from_a_trusted_network(open_site: Callable[..., Site], call: str) -> None:
    site = open_site(compat_trusted_networks=HERE)
    for header in ("Bearer lm_wrong", "Basic YWRtaW46YWRtaW4=", "Bearer"):
        assert _ask(site, call, "0" * 32, headers={"Authorization": header}).status_code == 401


def test_p29_a_read_token_of_an_admin_starts_nothing(old_site: Site) -> None:
    token = old_site.token(Role.ADMIN, Scope.READ)
    assert _ask(old_site, "POST /api/tasks/", "", token=token).json()["error_code"] == 403
    assert _ask(old_site, "GET /api/tasks/", "", token=token).json()["error_code"] == 200


def test_p29_by_default_nobody_is_trusted(old_site: Site) -> None:
    assert old_site.app.settings.compat_trusted_networks == ()
    assert _ask(old_site, "GET /api/tasks/", "", address="127.0.0.1").status_code == 401


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("127.0.0.1", True), ("127.8.7.6", True), ("::1", True), ("10.1.200.3", True), ("::ffff:10.1.200.3", True),
        ("10.2.0.1", False), ("192.168.1.7", False), ("2001:db8::1", False), ("::ffff:10.2.0.1", False), ("testclient", False), ("", False),
    ],
)  # fmt: skip
def test_p29_the_address_of_the_connection_decides(open_site: Callable[..., Site], address: str, fine: bool) -> None:
    site = open_site(compat_trusted_networks=HERE)
    answer = _ask(site, "GET /api/tasks/", "", address=address)
    assert answer.json()["error_code"] == (200 if fine else 401)


def test_p29_a_trusted_caller_may_do_all_four_calls_and_acts_as_nobody_in_particular(
    old_site: Site, open_site: Callable[..., Site]
) -> None:
    site = open_site(compat_trusted_networks=HERE)
    made = audience.ask(site, "POST", role=None, json={"countdown": 0}).json()
    task_id = made["error_message"]["task_id"]
    audience.work(site, task_id)
    assert audience.ask(site, role=None).json()["content"][0]["task_id"] == task_id
    assert audience.ask(site, path=task_id, role=None).json()["status"] == "SUCCESS"
    assert audience.ask(site, path=f"{task_id}/sample/{SAMPLE}", role=None).json()["error_message"]
    with site.app.database.read() as connection:
        assert jobs.get(connection, task_id).created_by is None
    assert (TRUSTED.role, TRUSTED.scope) == (Role.MANAGER, Scope.WRITE)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/label-tasks", "/v1/connections", "/v1/files", "/v1/tokens"])
def test_p29_trust_ends_at_the_contract(open_site: Callable[..., Site], path: str) -> None:
    assert open_site(compat_trusted_networks=HERE).ask("GET", path).status_code == 401


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
def test_p29_whoever_came_through_a_proxy_is_not_trusted(open_site: Callable[..., Site], name: str) -> None:
    site = open_site(compat_trusted_networks=HERE)
    assert _ask(site, "GET /api/tasks/", "", headers={name: "127.0.0.1"}).status_code == 401


def test_p29_a_stranger_cannot_make_up_a_trusted_address(open_site: Callable[..., Site]) -> None:
    site = open_site(compat_trusted_networks=HERE)
    headers = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}
    assert _ask(site, "GET /api/tasks/", "", address="203.0.113.9", headers=headers).status_code == 401


def test_p29_who_asks_this_machine_by_its_public_name_came_through_the_proxy(open_site: Callable[..., Site]) -> None:
    site = open_site(compat_trusted_networks=HERE, public_url="https://labels.example.org", host="0.0.0.0")
    by_proxy = _ask(site, "GET /api/tasks/", "", base="http://labels.example.org")
    assert by_proxy.json()["error_code"] == 401
    assert _ask(site, "GET /api/tasks/", "", base="http://127.0.0.1:8700").json()["error_code"] == 200
    direct = _ask(site, "GET /api/tasks/", "", base="http://labels.example.org", address="10.1.2.3")
    assert direct.json()["error_code"] == 200


FROM_OTHERS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", FROM_OTHERS)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
def test_p29_a_page_of_another_site_starts_no_task_through_a_trusted_browser(
    old_site: Site, open_site: Callable[..., Site], headers: dict[str, str], kind: str
) -> None:
    site = open_site(compat_trusted_networks=HERE)
    kinds = {"Content-Type": kind} if kind else {}
    answer = audience.ask(site, "POST", role=None, content=b"{}", headers={**headers, **kinds})
    body = answer.json()
    assert (answer.status_code, body["error_code"], set(body)) == (403, 403, {"error_code", "error_message"})
    assert audience.ask(site, role=None).json()["content"] == []
    assert "access-control-allow-origin" not in answer.headers


def test_p29_a_page_of_another_site_reads_nothing_through_a_trusted_browser(open_site: Callable[..., Site]) -> None:
    site = open_site(compat_trusted_networks=HERE)
    assert _ask(site, "GET /api/tasks/", "", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 401
    assert _ask(site, "GET /api/tasks/", "", base="http://evil.example:8700").status_code == 403
    assert _ask(site, "GET /api/tasks/", "", headers={"Sec-Fetch-Site": "none"}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://evil.example", 401), ("null", 401), ("", 401), ("http://127.0.0.1:8701", 401), ("http://127.0.0.1:8700.evil.example", 401),
        ("http://[", 401), ("http://127.0.0.1:8700", 200), ("HTTP://127.0.0.1:8700", 200),
    ],
)  # fmt: skip
def test_p29_whoever_reads_for_a_page_of_another_site_is_not_trusted(
    open_site: Callable[..., Site], origin: str, status: int
) -> None:
    site = open_site(compat_trusted_networks=HERE)
    told = _ask(site, "GET /api/tasks/", "", headers={"Origin": origin}, base="http://127.0.0.1:8700")
    assert told.status_code == status
    token = site.token(Role.VIEWER)
    assert _ask(site, "GET /api/tasks/", "", headers={"Origin": origin}, token=token).status_code == 200


def test_a_signed_in_browser_needs_no_token(old_site: Site) -> None:
    assert _ask(old_site, "GET /api/tasks/", "", headers=old_site.session(Role.VIEWER)).status_code == 200


def test_what_the_contract_does_not_know_keeps_its_status_whatever_the_setting_says(open_site: Callable[..., Site]) -> None:
    site = open_site(compat_status="200")
    nobody = _ask(site, "GET /api/tasks/", "")
    viewer = _ask(site, "POST /api/tasks/", "", role=Role.VIEWER)
    method = site.ask("DELETE", "/api/tasks/", role=Role.ADMIN)
    for answer, status in ((nobody, 401), (viewer, 403), (method, 405)):
        assert (answer.status_code, answer.json()["error_code"]) == (status, status)
    assert method.headers["allow"] in ("GET", "POST")


def test_a_browser_that_is_not_signed_in_gets_the_contracts_answer_too(site: Site) -> None:
    answer = site.ask("GET", "/api/tasks/", headers={"Accept": "text/html"})
    assert (answer.status_code, json.loads(answer.text)["error_code"]) == (401, 401)
