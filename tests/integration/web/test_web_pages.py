"""The pages: signing in, language, theme, and what each role sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import webapp
from labelmill.accounts import Role, Scope, service
from labelmill.jobs import service as jobs

if TYPE_CHECKING:
    from webapp import Site


def _cookie(answer: object) -> dict[str, str]:
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}  # type: ignore[attr-defined]


def test_the_first_admin_signs_in_with_the_link_once(site: Site) -> None:
    link = service.first_admin_link(site.app)
    secret = link.partition("link=")[2]
    page = site.ask("GET", link.removeprefix(webapp.BASE), headers=webapp.HTML)
    assert f'value="{secret}"' in page.text
    first = site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data={"link": secret})
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert site.ask("GET", "/v1/me", headers=_cookie(first)).json()["role"] == "admin"
    again = site.ask("POST", "/sign-in", headers={**webapp.SAME_SITE, **webapp.HTML}, data={"link": secret})
    assert again.status_code == 401
    assert "was used already" in again.text


def test_looking_at_the_link_does_not_use_it_up(site: Site) -> None:
    """Mail scanners and previews follow links."""
    secret = service.first_admin_link(site.app).partition("link=")[2]
    for _ in range(3):
        site.ask("GET", f"/sign-in?link={secret}", headers=webapp.HTML)
    assert site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data={"link": secret}).status_code == 303


def test_a_token_signs_in_with_no_more_than_its_scope(site: Site) -> None:
    answer = site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data={"token": site.token(Role.ADMIN, Scope.READ)})
    assert site.ask("GET", "/v1/me", headers=_cookie(answer)).json()["scope"] == "read"
    refused = site.ask("POST", f"/jobs/{site.job().id}/cancel", headers={**webapp.SAME_SITE, **_cookie(answer)})
    assert refused.status_code == 403


def test_who_is_not_signed_in_is_sent_to_do_so_and_back(site: Site) -> None:
    sent = site.ask("GET", "/jobs?state=failed", headers=webapp.HTML)
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/jobs%3Fstate%3Dfailed")
    form = {"token": site.token(Role.VIEWER), "next": "/jobs?state=failed"}
    back = site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data=form)
    assert back.headers["location"] == "/jobs?state=failed"


@pytest.mark.parametrize("next_", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_leads_to_no_other_site(site: Site, next_: str) -> None:
    answer = site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data={"token": site.token(Role.VIEWER), "next": next_})
    assert answer.headers["location"] == "/"


def test_signing_out_ends_the_session_on_the_server(site: Site) -> None:
    session = site.session(Role.VIEWER)
    assert site.ask("POST", "/sign-out", headers={**webapp.SAME_SITE, **session}).status_code == 303
    assert site.ask("GET", "/v1/me", headers=session).status_code == 401


def test_language_follows_the_browser_and_then_the_choice(site: Site) -> None:
    assert '<html lang="zh-Hant"' in site.page("/jobs", **{"Accept-Language": "zh-TW"}).text
    chosen = site.form("/preferences", {"language": "zh-Hant", "next": "/jobs"})
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/jobs")
    cookie = f"{site.session(Role.ADMIN)['Cookie']}; {_cookie(chosen)['Cookie']}"
    html = site.ask("GET", "/jobs", headers={**webapp.HTML, "Cookie": cookie, "Accept-Language": "en"}).text
    assert "還沒有工作" in html


def test_the_theme_is_kept_in_the_browser_and_nonsense_is_not(site: Site) -> None:
    chosen = site.form("/preferences", {"theme": "dark"})
    cookie = f"{site.session(Role.ADMIN)['Cookie']}; {_cookie(chosen)['Cookie']}"
    assert 'data-theme="dark"' in site.ask("GET", "/jobs", headers={**webapp.HTML, "Cookie": cookie}).text
    assert "set-cookie" not in site.form("/preferences", {"theme": 'x"; Domain=evil'}).headers


def test_a_running_job_has_its_progress_and_a_failed_one_its_reason_and_a_retry(site: Site) -> None:
    job = site.job("Label authors")
    page = site.page(f"/jobs/{job.id}").text
    assert "data-live" in page
    assert "/ <span data-total>10</span> rows" in page
    error = {"code": "bad-source", "detail": "There is no column 'x'.", "way_out": "Look again.", "id": "abc", "where": "posts"}
    site.app.database.transact(jobs.fail, job.id, error)
    page = site.page(f"/jobs/{job.id}").text
    assert "There is no column &#39;x&#39;." in page
    assert "Look again." in page
    assert f'action="/jobs/{job.id}/retry?' in page
    assert "/retry" not in site.page(f"/jobs/{job.id}", Role.VIEWER).text


def test_the_list_of_jobs_has_its_empty_its_filtered_and_its_next_page(site: Site) -> None:
    assert "No jobs yet" in site.page("/jobs").text
    for number in range(51):
        site.job(f"Job {number}")
    first = site.page("/jobs").text
    assert first.count("<tr data-href") == 50
    link = first.partition('href="/jobs?cursor=')[2].partition('"')[0]
    assert site.page(f"/jobs?cursor={link}").text.count("<tr data-href") == 1
    assert "No job is in this state now" in site.page("/jobs?state=failed").text


def test_settings_are_for_admins_and_show_no_secret(tmp_path, migrated_url: str) -> None:  # type: ignore[no-untyped-def]
    with webapp.site(tmp_path, database_url=migrated_url) as site:
        page = site.page("/settings").text
        assert "LABELMILL_SESSION_DAYS" in page
        assert webapp.SECRET not in page
        assert "LABELMILL_SESSION_DAYS" not in site.page("/settings", Role.VIEWER).text


def test_a_token_made_on_the_page_is_shown_once(site: Site) -> None:
    made = site.form("/settings/tokens", {"name": "nightly", "scope": "read", "days": "7"})
    secret = "lm_" + made.text.partition('<pre tabindex="0">lm_')[2].partition("<")[0]
    assert site.ask("GET", "/v1/me", token=secret).json()["scope"] == "read"
    page = site.page("/settings/tokens").text
    assert "nightly" in page
    assert secret not in page


def test_a_mistake_in_a_form_comes_back_with_what_was_typed_but_no_password(site: Site) -> None:
    form = {"name": "shop", "url": "nonsense", "password": "hunter2", "readable": "public"}
    answer = site.form("/settings/connections", form)
    assert answer.status_code == 422
    assert "This is not a database URL" in answer.text
    assert 'value="shop"' in answer.text
    assert "hunter2" not in answer.text
    assert site.form("/settings/tokens", {"name": "x", "scope": "read", "days": "0"}).status_code == 422


def test_the_rail_leads_only_to_pages_that_exist(site: Site) -> None:
    for place in site.web.state.renderer._places:
        assert site.page(place.path).status_code == 200
