"""What a browser is told, and what another site cannot make it do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import webapp
from labelmill.accounts import Role

if TYPE_CHECKING:
    from pathlib import Path

    from webapp import Site

PAGES = ("/sign-in", "/jobs", "/jobs/{job}", "/settings", "/settings/tokens", "/settings/connections", "/docs", "/jobs/nothing")


def _pages(site: Site) -> dict[str, str]:
    job = site.job("<script>alert(1)</script>")
    return {path: site.page(path.replace("{job}", job.id)).text for path in PAGES} | {
        "nobody": site.ask("GET", "/sign-in").text
    }


def test_no_page_has_an_inline_script_style_or_handler_nor_a_foreign_address(site: Site) -> None:
    for path, html in _pages(site).items():
        assert not re.search(r"<script(?![^>]*\bsrc=)", html), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html), path
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', html), path


def test_titles_from_users_are_text_on_every_page(site: Site) -> None:
    pages = _pages(site)
    assert "&lt;script&gt;alert(1)" in pages["/jobs"]
    assert "<script>alert(1)" not in "".join(pages.values())


def test_every_address_that_a_page_names_exists(site: Site) -> None:
    named = {link for html in _pages(site).values() for link in re.findall(r'(?:src|href)="(/[^"#?]*)', html)}
    assert len(named) > 10
    missing = [link for link in named if site.page(link).status_code not in (200, 303)]
    assert missing == []


def test_every_icon_that_a_page_names_exists(site: Site) -> None:
    sprite = site.ask("GET", "/static/icons.svg").text
    named = {icon for html in _pages(site).values() for icon in re.findall(r"icons\.svg#([\w-]+)", html)}
    assert [icon for icon in named if f'id="{icon}"' not in sprite] == []


@pytest.mark.parametrize("path", ["/healthz", "/v1/jobs", "/sign-in", "/static/labelmill.css", "/nothing", "/docs"])
def test_every_answer_carries_the_headers_that_guard_a_browser(site: Site, path: str) -> None:
    headers = site.ask("GET", path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert ("cache-control" in headers) != path.startswith("/static/")


def test_https_in_front_is_kept_for_a_year_and_makes_cookies_secure(tmp_path: Path) -> None:
    with webapp.site(tmp_path, public_url="https://labels.example.org") as site:
        answer = site.ask(
            "POST",
            "/sign-in",
            base="http://labels.example.org",
            headers=webapp.SAME_SITE,
            data={"token": site.token(Role.VIEWER)},
        )
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert "Secure" in answer.headers["set-cookie"]


def test_the_session_cookie_is_for_the_server_only(site: Site) -> None:
    answer = site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data={"token": site.token(Role.VIEWER)})
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


CROSS = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": webapp.BASE},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": ""},
    {},
)


@pytest.mark.parametrize("headers", CROSS)
def test_another_site_cannot_use_the_session_of_a_browser(site: Site, headers: dict[str, str]) -> None:
    job = site.job()
    answer = site.ask("POST", f"/jobs/{job.id}/cancel", headers={**headers, **site.session(Role.ADMIN)})
    assert (answer.status_code, answer.json()["where"]) == (403, "Origin")
    assert site.ask("GET", f"/v1/jobs/{job.id}", role=Role.VIEWER).json()["state"] == "queued"


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": webapp.BASE}])
def test_a_page_of_ours_can(site: Site, headers: dict[str, str]) -> None:
    job = site.job()
    assert site.ask("POST", f"/jobs/{job.id}/cancel", headers={**headers, **site.session(Role.ADMIN)}).status_code == 303


def test_another_site_cannot_sign_a_browser_in(site: Site) -> None:
    """Or it would work under somebody else's name without seeing it."""
    answer = site.ask("POST", "/sign-in", headers={"Sec-Fetch-Site": "cross-site"}, data={"token": site.token(Role.VIEWER)})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_program_with_a_token_needs_no_origin(site: Site) -> None:
    assert site.ask("POST", f"/v1/jobs/{site.job().id}/cancel", role=Role.ADMIN).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8700", "127.0.0.1.evil.example", "10.0.0.7", "", "[", "localhost.evil"]
)
def test_a_name_that_was_bent_to_this_machine_is_refused(site: Site, host: str) -> None:
    answer = site.ask("GET", "/v1/jobs", role=Role.ADMIN, headers={"Host": host})
    assert (answer.status_code, answer.json()["where"]) == (403, "Host")


@pytest.mark.parametrize("host", ["127.0.0.1:8700", "localhost", "LOCALHOST:1", "[::1]:8700"])
def test_this_machine_is_known_by_its_own_names(site: Site, host: str) -> None:
    assert site.ask("GET", "/v1/jobs", role=Role.ADMIN, headers={"Host": host}).status_code == 200


def test_a_server_for_all_is_known_by_its_public_name_and_bare_addresses(tmp_path: Path) -> None:
    with webapp.site(tmp_path, host="0.0.0.0", public_url="https://labels.example.org/") as site:
        statuses = [
            site.ask("GET", "/v1/me", role=Role.VIEWER, headers={"Host": host}).status_code
            for host in ("labels.example.org", "10.0.0.7:8700", "evil.example")
        ]
    assert statuses == [200, 200, 403]


def test_machines_may_ask_for_health_by_any_address(site: Site) -> None:
    assert site.ask("GET", "/healthz", headers={"Host": "10.1.2.3"}).status_code == 200
