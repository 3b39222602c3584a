"""The pages on people, as browsers use them without JavaScript."""

from __future__ import annotations

import csv
import html
import io
import json
import re
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
    from pathlib import Path

    import httpx

    from webapp import Site

GOOD = "seven green lamps"
OTHER = "nine blue ladders"
#: Route -> the status for nobody, viewer, annotator, manager, admin.
TABLE = {
    "GET /sign-up": (200, 303, 303, 303, 303),
    "POST /sign-up": (422, 403, 403, 403, 403),
    "GET /account": (401, 200, 200, 200, 200),
    "POST /account/email": (401, 422, 422, 422, 422),
    "POST /account/password": (401, 422, 422, 422, 422),
    "POST /account/sessions/end-others": (401, 303, 303, 303, 303),
    "POST /account/sessions/{session_id}/end": (401, 404, 404, 404, 404),
    "GET /people": (401, 403, 403, 200, 200),
    "POST /people/invitations": (401, 403, 403, 200, 200),
    "POST /people/invitations/{invitation_id}/revoke": (401, 403, 403, 303, 303),
    "POST /people/{annotator_id}/role": (401, 403, 403, 403, 303),
    "POST /people/{annotator_id}/close": (401, 403, 403, 403, 303),
    "POST /people/{annotator_id}/open": (401, 403, 403, 403, 303),
    "POST /people/{annotator_id}/link": (401, 403, 403, 403, 200),
    "GET /datasets/{dataset_id}/members": (401, 404, 404, 200, 200),
    "POST /datasets/{dataset_id}/members/invitations": (401, 404, 404, 200, 200),
    "GET /audit": (401, 403, 403, 200, 200),
}
FORMS = {
    "POST /sign-up": {"email": "new@example.org", "password": "short", "link": "guess"},
    "POST /people/{annotator_id}/role": {"role": "viewer"},
}
CALLERS = (None, Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN)


def _dataset(connection: sa.Connection, name: str) -> int:
    settings: dict[str, Any] = {}
    row = {"name": name, "kind": "text", "guidelines": "", "settings": settings, "revision": 1, "created_at": clock.now()}
    return connection.execute(sa.insert(datasets).values(row)).inserted_primary_key[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with webapp.site(tmp_path_factory.mktemp("people-pages"), login_attempts_per_minute=10_000) as made:
        yield made


@pytest.fixture(scope="module")
def dataset(site: Site) -> int:
    return site.app.database.transact(_dataset, "posts & more")


def _invite(site: Site, *emails: str, **more: Any) -> list[str]:
    return [link for _, link in site.app.database.transact(service.invite, emails=list(emails) or None, **more)]


def _new(name: str = "ann") -> str:
    return f"{name}-{new_id()}@example.org"


def _account(site: Site, email: str) -> str:
    [link] = _invite(site, email)
    return service.sign_up(site.app.database, email=email, password=GOOD, link=link).id


def _post(site: Site, path: str, cookie: str = "", **fields: str) -> httpx.Response:
    headers = {**webapp.HTML, **webapp.SAME_SITE, **({"Cookie": cookie} if cookie else {})}
    return site.ask("POST", path, headers=headers, data=fields)


def _cookie(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["set-cookie"].partition(";")[0]


def _me(site: Site, cookie: str) -> Any:
    return site.ask("GET", "/v1/me", headers={"Cookie": cookie})


def _ask(site: Site, call: str, dataset: int, role: Role | None) -> int:
    method, _, path = call.partition(" ")
    somebody = site.app.database.transact(service.add_annotator, email=_new(), name="Some", role=Role.ANNOTATOR).id
    _invite(site)
    with site.app.database.read() as connection:
        invitation = service.list_invitations(connection)[0].id
    ids = {"dataset_id": dataset, "annotator_id": somebody, "invitation_id": invitation, "session_id": "nothing"}
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", str(value))
    return site.ask(method, path, role=role, data=FORMS.get(call)).status_code


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_page_on_people_answers_each_role_as_the_table_says(site: Site, dataset: int, call: str) -> None:
    assert tuple(_ask(site, call, dataset, role) for role in CALLERS) == TABLE[call]


def test_l4_from_the_invitation_over_sign_up_to_sign_out_and_sign_in(site: Site) -> None:
    email = _new()
    made = site.form("/people/invitations", {"emails": email, "role": "annotator", "uses": "1", "days": "14"})
    link = html.unescape(re.findall(r"http://[^<]*/sign-up\?link=[^<]+", made.text)[0])
    page = site.ask("GET", link.removeprefix(webapp.BASE), headers=webapp.HTML)
    assert f'value="{email}"' in page.text
    cookie = _cookie(_post(site, "/sign-up", email=email, name="Ann & <b>Co", password=GOOD, link=link.partition("link=")[2]))
    assert _me(site, cookie).json()["email"] == email
    shown = site.ask("GET", "/account", headers={**webapp.HTML, "Cookie": cookie}).text
    assert "Ann &amp; &lt;b&gt;Co" in shown
    assert "<b>Co" not in shown
    _post(site, "/sign-out", cookie)
    assert _me(site, cookie).status_code == 401
    assert _me(site, _cookie(_post(site, "/sign-in", email=email.upper(), password=GOOD))).status_code == 200


def test_l5_unknown_and_wrong_get_the_same_page(site: Site) -> None:
    email = _new()
    _account(site, email)
    pages = []
    for given in (email, _new("nobody"), "no address"):
        answer = _post(site, "/sign-in", email=given, password=OTHER)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        pages.append(re.sub(r"<code>[0-9a-f]{32}</code>", "", answer.text).replace(given, ""))
    assert len(set(pages)) == 1


def test_guessing_at_one_account_is_slowed_whoever_guesses(tmp_path: Path) -> None:
    with webapp.site(tmp_path, login_attempts_per_minute=3) as site:
        email = _new()
        _account(site, email)
        form = {"email": email, "password": OTHER}
        statuses = [
            site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data=form, address=f"10.0.0.{n}").status_code
            for n in range(8)
        ]
        assert statuses == [401] * 6 + [429] * 2
        spelled = {"email": f" {email.upper()}", "password": GOOD}
        refused = site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data=spelled, address="10.0.0.99")
        assert refused.status_code == 429
        other = {"email": _new("bob"), "password": OTHER}
        assert site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data=other, address="10.0.0.99").status_code == 401


def test_signing_in_to_an_account_of_ones_own_buys_no_guesses_at_others(tmp_path: Path) -> None:
    with webapp.site(tmp_path, login_attempts_per_minute=3) as site:
        mine = _new("eve")
        _account(site, mine)
        statuses = []
        for number in range(5):
            statuses.append(_post(site, "/sign-in", email=_new(f"v{number}"), password=OTHER).status_code)
            statuses.append(_post(site, "/sign-in", email=mine, password=GOOD).status_code)
        assert statuses.count(401) == 3


def test_signing_up_is_slowed_too(tmp_path: Path) -> None:
    with webapp.site(tmp_path, login_attempts_per_minute=2) as site:
        statuses = [_post(site, "/sign-up", email=_new(), password=GOOD, link="guess").status_code for _ in range(4)]
        assert statuses == [403, 403, 429, 429]


def test_a_session_is_never_the_one_that_somebody_planted(site: Site) -> None:
    email = _new()
    _account(site, email)
    planted = "labelmill_session=planted-by-somebody"
    cookie = _cookie(_post(site, "/sign-in", planted, email=email, password=GOOD))
    assert cookie != planted
    assert _me(site, planted).status_code == 401
    again = _cookie(_post(site, "/sign-in", cookie, email=email, password=GOOD))
    assert (again != cookie, _me(site, cookie).status_code, _me(site, again).status_code) == (True, 401, 200)


def test_the_cookie_is_for_this_server_alone_and_no_script(site: Site) -> None:
    email = _new()
    _account(site, email)
    told = _post(site, "/sign-in", email=email, password=GOOD).headers["set-cookie"].lower()
    assert "httponly" in told
    assert "samesite=lax" in told


@pytest.mark.parametrize(
    "path",
    ["/sign-in", "/sign-up", "/account/password", "/account/email", "/people/invitations", "/account/sessions/end-others"],
)
@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_another_site_makes_no_browser_sign_in_or_change_anything(site: Site, path: str, headers: dict[str, str]) -> None:
    answer = site.ask("POST", path, headers={**headers, **site.session(Role.ADMIN)}, data={"email": "x@example.org"})
    assert (answer.status_code, answer.json()["where"]) == (403, "Origin")


def test_who_is_signed_in_uses_an_invitation_with_their_account(site: Site, dataset: int) -> None:
    email = _new()
    _account(site, email)
    cookie = _cookie(_post(site, "/sign-in", email=email, password=GOOD))
    [link] = _invite(site, dataset_id=dataset, dataset_role=Role.ANNOTATOR)
    page = site.ask("GET", f"/sign-up?link={link}", headers={**webapp.HTML, "Cookie": cookie})
    assert email in page.text
    joined = _post(site, "/sign-up", cookie, link=link)
    assert joined.headers["location"] == f"/datasets/{dataset}"
    assert email in site.page(f"/datasets/{dataset}/members").text


def test_a_password_is_chosen_at_first_and_changed_with_the_old_one(site: Site) -> None:
    email = _new()
    annotator = site.app.database.transact(service.add_annotator, email=email, name="Ann", role=Role.VIEWER)
    secret = site.app.database.transact(service.open_session, annotator.id, Scope.ADMIN, site.app.settings)
    cookie = f"labelmill_session={secret}"
    assert "Choose a password" in site.ask("GET", "/account", headers={**webapp.HTML, "Cookie": cookie}).text
    assert _post(site, "/account/password", cookie, new="12345678", again="12345678").status_code == 422
    assert _post(site, "/account/password", cookie, new=GOOD, again=OTHER).status_code == 422
    assert _post(site, "/account/password", cookie, new=GOOD, again=GOOD).status_code == 303
    other = _cookie(_post(site, "/sign-in", email=email, password=GOOD))
    assert _post(site, "/account/password", cookie, old=OTHER, new=OTHER, again=OTHER).status_code == 422
    assert _post(site, "/account/password", cookie, old=GOOD, new=OTHER, again=OTHER).status_code == 303
    assert (_me(site, cookie).status_code, _me(site, other).status_code) == (200, 401)
    moved = _new("moved")
    assert _post(site, "/account/email", cookie, email=moved, password=OTHER).status_code == 303
    assert _me(site, cookie).json() | {"email": moved} == _me(site, cookie).json()


def test_guessing_the_old_password_in_a_borrowed_browser_is_slowed(tmp_path: Path) -> None:
    with webapp.site(tmp_path, login_attempts_per_minute=2) as site:
        email = _new()
        _account(site, email)
        cookie = _cookie(_post(site, "/sign-in", email=email, password=GOOD))
        statuses = [_post(site, "/account/email", cookie, email=_new(), password=OTHER).status_code for _ in range(3)]
        assert statuses == [422, 422, 429]
        assert _post(site, "/account/password", cookie, old=GOOD, new=OTHER, again=OTHER).status_code == 429


def test_sessions_are_seen_and_ended(site: Site) -> None:
    email = _new()
    _account(site, email)
    first, second, third = (_cookie(_post(site, "/sign-in", email=email, password=GOOD)) for _ in range(3))
    page = site.ask("GET", "/account", headers={**webapp.HTML, "Cookie": first}).text
    [one, _] = re.findall(r"/account/sessions/([0-9a-f]{32})/end", page)
    _post(site, f"/account/sessions/{one}/end", first)
    assert [_me(site, cookie).status_code for cookie in (second, third)].count(401) == 1
    _post(site, "/account/sessions/end-others", first)
    assert [_me(site, cookie).status_code for cookie in (first, second, third)] == [200, 401, 401]


def test_a_link_for_a_new_password_leads_to_where_it_is_chosen(site: Site) -> None:
    email = _new()
    annotator = _account(site, email)
    shown = html.unescape(site.form(f"/people/{annotator}/link", {}).text)
    link = re.findall(r"http://[^<]*/sign-in\?link=[^<]+", shown)[0]
    page = html.unescape(site.ask("GET", link.removeprefix(webapp.BASE), headers=webapp.HTML).text)
    assert 'name="next" value="/account"' in page
    secret = link.partition("link=")[2].partition("&")[0]
    answer = _post(site, "/sign-in", link=secret, next="/account")
    assert answer.headers["location"] == "/account"
    assert _post(site, "/account/password", _cookie(answer), new=OTHER, again=OTHER).status_code == 303


def test_people_are_found_their_roles_changed_and_their_accounts_closed(site: Site) -> None:
    email = _new("findme")
    annotator = _account(site, email)
    found = site.page(f"/people?q={email.upper()}").text
    assert (email in found, "1 people" in found) == (True, True)
    assert site.form(f"/people/{annotator}/role", {"role": "manager"}).status_code == 303
    assert site.form(f"/people/{annotator}/close", {}).status_code == 303
    assert _post(site, "/sign-in", email=email, password=GOOD).status_code == 401
    assert site.form(f"/people/{annotator}/open", {}).status_code == 303
    assert _me(site, _cookie(_post(site, "/sign-in", email=email, password=GOOD))).json()["role"] == "manager"


def test_the_last_administrator_is_told_why_they_stay(tmp_path: Path) -> None:
    with webapp.site(tmp_path) as site:
        answer = site.form(f"/people/{site.person(Role.ADMIN)}/role", {"role": "viewer"})
        assert answer.status_code == 409
        assert "last administrator" in answer.text


@pytest.mark.parametrize(
    "wrong",
    [{"emails": "no-address"}, {"uses": "0"}, {"days": "1000"}, {"emails": "a\u202eb@example.org"}, {"dataset_id": "999999"}],
)
def test_a_mistake_in_the_form_of_invitations_is_told_with_what_was_typed(site: Site, wrong: dict[str, str]) -> None:
    answer = site.form("/people/invitations", {"emails": "", "uses": "1", "days": "14", **wrong})
    assert answer.status_code in {404, 422}
    assert 'role="alert"' in answer.text
    assert html.escape(wrong.get("emails", "")) in answer.text


def test_managers_invite_those_who_label_and_nobody_above(site: Site) -> None:
    assert site.form("/people/invitations", {"role": "annotator"}, Role.MANAGER).status_code == 200
    assert site.form("/people/invitations", {"role": "admin"}, Role.MANAGER).status_code == 403
    assert '<option value="admin"' not in site.page("/people", Role.MANAGER).text


def test_the_audit_log_is_shown_with_names_and_can_be_narrowed(site: Site, dataset: int) -> None:
    manager = site.person(Role.MANAGER)
    site.form(f"/datasets/{dataset}/members/invitations", {"uses": "3", "days": "2"}, Role.MANAGER)
    page = site.page(f"/audit?dataset_id={dataset}&actor_id={manager}")
    assert page.status_code == 200
    assert "invite" in page.text
    assert f"/audit?actor_id={manager}" in page.text


def test_the_audit_log_is_a_csv_of_all_pages_with_names(site: Site, dataset: int) -> None:
    for number in range(60):
        site.form(f"/datasets/{dataset}/settings", {"batch_size": str(100 + number)})
    page = site.page(f"/audit?dataset_id={dataset}")
    assert f'href="/audit?csv=audit&amp;dataset_id={dataset}"' in page.text
    found = site.page(f"/audit?csv=audit&dataset_id={dataset}")
    assert found.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(found.content.decode("utf-8-sig"))))
    sizes = [json.loads(row["details"]).get("batch_size") for row in rows]
    assert sizes[:60] == [100 + number for number in reversed(range(60))]
    assert {row["dataset_id"] for row in rows} == {str(dataset)}
    assert all(row["dataset"] and row["actor_id"] == site.person(Role.ADMIN) for row in rows[:60])
    assert site.page("/audit?csv=audit", Role.ANNOTATOR).status_code == 403


def test_the_audit_log_calls_people_datasets_and_changes_by_their_names(site: Site, dataset: int) -> None:
    person = site.app.database.transact(service.add_annotator, email="vera@audit.example", name="Vera", role=Role.VIEWER).id
    site.form(f"/datasets/{dataset}/settings/members", {"annotator": person, "role": "viewer"})
    site.form(f"/datasets/{dataset}/settings", {"batch_size": "77"})
    site.form(f"/datasets/{dataset}/settings/labels", {"new-name": "a new label"})
    page = site.page(f"/audit?dataset_id={dataset}").text
    table = re.sub(r"<[^>]*>", " ", page[page.index("<tbody>") : page.index("</tbody>")])
    assert person not in table
    assert site.person(Role.ADMIN) not in table
    assert "batch_size 77" in re.sub(r"\s+", " ", table)
    assert "a new label" in table
    assert f'<a href="/audit?actor_id={person}">Vera</a>' in page
    assert f"#{dataset}" not in table


@pytest.mark.parametrize("path", ["/sign-in", "/sign-up", "/account", "/people", "/audit", "/datasets/{dataset}/members"])
def test_the_pages_on_people_speak_chinese(site: Site, dataset: int, path: str) -> None:
    asked = path.replace("{dataset}", str(dataset))
    headers = {**webapp.HTML, "Accept-Language": "zh-TW", **({} if "sign" in path else site.session(Role.ADMIN))}
    page = site.ask("GET", asked, headers=headers)
    assert page.status_code == 200
    assert re.search("[\u4e00-\u9fff]{2}", page.text)


def test_choosing_a_language_loses_no_link(site: Site) -> None:
    [link] = _invite(site)
    page = html.unescape(site.ask("GET", f"/sign-up?link={link}", headers=webapp.HTML).text)
    assert f'name="next" value="/sign-up?link={link}"' in page


def test_mistakes_at_the_doors_are_told_in_the_readers_language(site: Site) -> None:
    headers = {**webapp.HTML, **webapp.SAME_SITE, "Accept-Language": "zh-TW"}
    answer = site.ask("POST", "/sign-in", headers=headers, data={"email": "x@example.org", "password": OTHER})
    assert "電子郵件地址或密碼錯誤" in answer.text
