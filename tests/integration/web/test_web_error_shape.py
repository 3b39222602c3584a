"""Every error has one shape and an id that is in the log (promise 28)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from labelmill.accounts import Role
from labelmill.http import api_router
from labelmill.http.routing import StrictRoute
from labelmill.logs import configure
from labelmill.web.rendering import routes_of

if TYPE_CHECKING:
    from httpx import Response

    from webapp import Site

SHAPE = {"type", "title", "status", "code", "detail", "id", "instance"}
OPTIONAL = {"way_out", "where", "errors", "retry_after"}
#: LabelForward's clients look for the text there.
TOLD_TWICE = {"msg"}
#: Nobody is asked to be signed in where they sign in or up.
OPEN = {("POST", "/api/login/"), ("POST", "/api/users/signup")}
#: They need nothing and refuse nothing.
ALWAYS_FINE = {"/healthz", "/readyz", "/metrics", "/api/v1/svc_ml/"}


@pytest.fixture(autouse=True)
def _logging() -> None:
    configure("info", "json")


#: The predecessors' contracts have a shape of their own; the id stands in a header.
IMAGE_TASKS = "/api/v1/svc_ml"
OWN_SHAPE = ("/api/tasks", IMAGE_TASKS)
#: data_pipeline's clients may send fields that nobody knows: they are no filters.
WITHOUT_FILTERS = b'{"name": {"a": [1]}, "url": 3, "no_such_field": true}'


def _check(response: Response, log: str) -> dict[str, Any]:
    problem = response.json()
    if response.request.url.path.startswith(OWN_SHAPE):
        return _check_own(response, log, problem)
    assert response.headers["content-type"] == "application/problem+json"
    assert SHAPE <= set(problem) <= SHAPE | OPTIONAL | TOLD_TWICE, problem
    assert problem["status"] == response.status_code
    assert problem["instance"] == response.request.url.path.replace("\n", "")
    assert f'"error": "{problem["id"]}"' in log
    return dict(problem)


def _check_own(response: Response, log: str, problem: dict[str, Any]) -> dict[str, Any]:
    """Return a contract's error as if it were a problem, for what the tests below ask of both."""
    identity = response.headers["x-error-id"]
    assert f'"error": "{identity}"' in log
    line = json.loads(next(line for line in log.splitlines() if f'"error": "{identity}"' in line))
    if response.status_code == 422:
        assert set(problem) == {"detail"}
        assert all(set(mistake) == {"loc", "msg", "type"} for mistake in problem["detail"])
        places = [{"where": ".".join(map(str, mistake["loc"]))} for mistake in problem["detail"]]
        return {"status": 422, "code": line["code"], "where": places[0]["where"], "errors": places}
    if response.request.url.path.startswith(IMAGE_TASKS):
        assert set(problem) == {"detail"}
        return {"status": response.status_code, "code": line["code"], "detail": problem["detail"]}
    assert set(problem) in ({"error_code", "error_message"}, {"error_code", "error_message", "status", "prod_status", "result"})
    assert problem["error_code"] == response.status_code
    return {"status": response.status_code, "code": line["code"], "detail": problem["error_message"]}


def _calls(site: Site) -> list[tuple[str, str, dict[str, Any]]]:
    document = site.ask("GET", "/openapi.json").json()
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path not in ALWAYS_FINE
    ]


def _filled(path: str, value: str) -> str:
    return "/".join(value if part.startswith("{") else part for part in path.split("/"))


def test_p28_every_route_refuses_nobody_in_the_one_shape(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for method, path, _ in _calls(site):
        if (method, path) in OPEN:
            continue
        response = site.ask(method, _filled(path, "0"), json={})
        problem = _check(response, capsys.readouterr().err)
        assert problem["code"] == "unauthenticated", (method, path)
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_p28_every_route_refuses_bad_parameters_in_the_one_shape(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for method, path, operation in _calls(site):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                bad = "\N{PILE OF POO}" * 2000
                response = site.ask(method, _filled(path, "0"), role=Role.ADMIN, params={parameter["name"]: bad}, json={})
                problem = _check(response, capsys.readouterr().err)
                assert problem["status"] == 422, (method, path, parameter["name"])
                places = {problem["where"], *(mistake["where"] for mistake in problem.get("errors", ()))}
                assert any(parameter["name"] in place for place in places), (method, path)


def test_p28_every_route_refuses_what_is_not_there_in_the_one_shape(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for method, path, operation in _calls(site):
        if "{" in path and "requestBody" not in operation:
            for unknown in ("0", "nothing", "%2e%2e", "x" * 300, "a%0ab"):
                response = site.ask(method, _filled(path, unknown), role=Role.ADMIN)
                problem = _check(response, capsys.readouterr().err)
                assert problem["code"] in ("not-found", "method-not-allowed", "bad-input", "bad-source"), (
                    method,
                    path,
                    unknown,
                )


BODIES = (
    b"",
    b"{",
    b"[]",
    b"7",
    b"null",
    b'"text"',
    b'{"name": NaN}',
    b'{"name": 1, "name": 2}',
    b'{"name": {"a": [1]}, "url": 3, "no_such_field": true}',
    b"[" * 100_000,
    b'{"name": "\\u0000"}',
    b"\xff\xfe",
)


def test_p28_every_route_with_a_body_refuses_bad_bodies_in_the_one_shape(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = 0
    for method, path, operation in _calls(site):
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            for body in BODIES:
                headers = {"Content-Type": "application/json"}
                response = site.ask(method, _filled(path, "0"), role=Role.ADMIN, content=body, headers=headers)
                log = capsys.readouterr().err
                if path.startswith(IMAGE_TASKS) and body == WITHOUT_FILTERS:
                    assert response.status_code == 202, body
                    continue
                problem = _check(response, log)
                # A contract takes fields that it does not know; what it lacks here is a database to write to.
                fine = ("bad-input", "not-found", *(["bad-settings"] if path.startswith(OWN_SHAPE) else []))
                assert problem["code"] in fine, (method, path, body[:40])
                tried += 1
    assert tried >= 2 * len(BODIES)


def test_p28_addresses_and_methods_that_do_not_exist_have_the_one_shape(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    _check(site.ask("GET", "/v1/nothing"), capsys.readouterr().err)
    wrong = site.ask("PATCH", "/v1/jobs", role=Role.ADMIN)
    assert _check(wrong, capsys.readouterr().err)["code"] == "method-not-allowed"
    assert "GET" in wrong.headers["allow"]


def test_p28_what_nobody_expected_tells_its_id_and_nothing_else(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    router = api_router("/broken", "broken")

    @router.get("")
    def broken() -> None:
        raise RuntimeError("the password is hunter2")

    site.web.include_router(router)
    response = site.ask("GET", "/v1/broken")
    log = capsys.readouterr().err
    problem = _check(response, log)
    assert (problem["status"], problem["code"]) == (500, "internal")
    assert "hunter2" not in response.text
    assert "RuntimeError: the password is hunter2" in log


def test_p28_a_person_gets_a_page_with_the_id_and_the_way_out(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    response = site.page("/jobs/0123")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    identity = response.text.partition("Error id <code>")[2].partition("<")[0]
    assert f'"error": "{identity}"' in capsys.readouterr().err
    assert 'href="/"' in response.text


def test_every_field_at_fault_is_named_and_no_value_is_told(site: Site) -> None:
    body = {"name": 7, "url": "postgresql://ann:hunter2@host/x", "readable": [1], "stranger": "hunter3"}
    problem = site.ask("POST", "/v1/connections", role=Role.ADMIN, json=body)
    places = {mistake["where"] for mistake in problem.json()["errors"]}
    assert places == {"body.name", "body.readable[0]", "body.stranger"}
    assert "hunter" not in problem.text


def test_every_call_of_the_api_reads_its_body_strictly_and_documents_its_problems(site: Site) -> None:
    routes = [route for route in routes_of(site.web.routes) if route.path.startswith("/v1/")]
    assert routes
    assert [route.path for route in routes if not isinstance(route, StrictRoute)] == []
    for method, path, operation in _calls(site):
        for status in ("401", "403", "422"):
            content = operation["responses"][status]["content"]
            kind = "application/json" if path.startswith(OWN_SHAPE) else "application/problem+json"
            assert list(content) == [kind], (method, path)


def test_the_request_id_comes_back_and_stands_in_the_log(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    response = site.ask("GET", "/v1/jobs", headers={"X-Request-ID": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    assert '"request": "mine-1"' in capsys.readouterr().err


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'a"b'])
def test_a_request_id_that_could_harm_a_log_is_replaced(site: Site, given: str) -> None:
    answered = site.ask("GET", "/healthz", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert len(answered) == 32
    assert answered.isalnum()
