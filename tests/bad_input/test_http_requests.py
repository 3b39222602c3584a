"""Addresses, parameters and headers that nobody sends by mistake (Limits and bad input: HTTP)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from labelmill.accounts import Role

if TYPE_CHECKING:
    from webapp import Site


def _ask(site: Site, path: str, **options: object) -> tuple[int, str]:
    answer = site.ask("GET", path, role=Role.ADMIN, **options)  # type: ignore[arg-type]
    assert site.ask("GET", "/healthz").status_code == 200
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/..%5capp.py", "/static//etc/passwd",
        "/static/%2fetc%2fpasswd", "/static/vendor/../../app.py", "/static/", "/static", "/static/nothing.css", "/static/.%00",
    ],
)  # fmt: skip
def test_nothing_but_the_packages_own_files_is_served(site: Site, path: str) -> None:
    status, text = _ask(site, path)
    assert status in (404, 405, 422)
    assert "create_app" not in text
    assert "root:" not in text


@pytest.mark.parametrize("path", ["/v1/jobs/%00", "/v1/connections/a%00b", "/v1/jobs?kind=%00", "/v1/jobs?cursor=%00", "/%00"])
def test_the_character_nul_is_refused_before_any_database_sees_it(stored_site: Site, path: str) -> None:
    assert _ask(stored_site, path)[0] == 422


@pytest.mark.parametrize(
    "name", ["'; DROP TABLE jobs; --", "%27%20OR%201=1", "../../x", "x" * 64, "\N{PILE OF POO}", "%ff%fe", "😀' or '1"]
)
def test_names_in_addresses_are_only_ever_values(stored_site: Site, name: str) -> None:
    from urllib.parse import quote

    status, _ = _ask(stored_site, f"/v1/connections/{quote(name, safe='')}")
    assert status in (404, 422)
    assert _ask(stored_site, f"/v1/jobs?kind={quote(name, safe='')}")[0] == 200
    assert _ask(stored_site, "/v1/jobs")[0] == 200


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=100000",
        "limit=1e3",
        "limit=x",
        "state=nonsense",
        "cursor=x",
        "cursor=" + "A" * 5000,
        "kind=" + "x" * 65,
    ],
)
def test_parameters_outside_of_their_bounds_are_named(site: Site, query: str) -> None:
    answer = site.ask("GET", f"/v1/jobs?{query}", role=Role.ADMIN)
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.json()["where"]


@pytest.mark.parametrize(
    "path", ["//evil.example", "/v1//jobs", "/v1/jobs/", "/V1/jobs", "/v1/jobs/../connections", "/" + "x" * 5000, "/%2e%2e/"]
)
def test_strange_addresses_lead_nowhere_and_redirect_nowhere(site: Site, path: str) -> None:
    answer = site.ask("GET", path)
    assert answer.status_code in (401, 404)
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "cookie",
    [
        "labelmill_session=",
        "labelmill_session=x",
        "labelmill_session=" + "x" * 5000,
        "labelmill_session=\x7f",
        ";;;=;=",
        "labelmill_session=a; labelmill_session=b",
    ],
)
def test_a_broken_cookie_is_nobody(site: Site, cookie: str) -> None:
    assert site.ask("GET", "/v1/me", headers={"Cookie": cookie}).status_code == 401


@pytest.mark.parametrize("language", ["", "x" * 10_000, ";q=;q=", "zh;q=NaN", "en;q=1e999", "\x01", ",,,,", "*"])
def test_a_page_comes_in_some_language_whatever_is_asked(site: Site, language: str) -> None:
    assert site.page("/jobs", **{"Accept-Language": language}).status_code == 200


def test_a_preference_with_a_line_end_sets_no_header(site: Site) -> None:
    answer = site.form("/preferences", {"theme": "dark\r\nSet-Cookie: x=y", "next": "/jobs\r\nX: y"})
    assert "set-cookie" not in answer.headers
    assert answer.headers["location"] == "/"


def test_methods_that_nobody_knows_are_refused_in_the_one_shape(site: Site) -> None:
    for method in ("TRACE", "CONNECT", "BREW", "PROPFIND"):
        answer = site.ask(method, "/v1/jobs", role=Role.ADMIN)
        assert answer.status_code == 405
        assert answer.json()["code"] == "method-not-allowed"
