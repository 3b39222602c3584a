"""People over HTTP, on every database: what programs and pages of their own would do."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

import labelmill
import webapp
from labelmill.accounts import Actor, Role, Scope, passwords, service
from labelmill.datasets import service as datasets
from labelmill.datasets.model import RecordKind
from labelmill.errors import BadInput, Conflict, Unauthenticated
from labelmill.web.translation import catalogue

if TYPE_CHECKING:
    import httpx

    from webapp import Site

GOOD = "seven green lamps"
OTHER = "nine blue ladders"
SOURCE = Path(labelmill.__file__).parent


def _api(site: Site, method: str, path: str, cookie: str = "", role: Role | None = None, **json: Any) -> httpx.Response:
    headers = {**webapp.SAME_SITE, **({"Cookie": f"labelmill_session={cookie}"} if cookie else {})}
    return site.ask(method, path, role=role, headers=headers, json=json or None)


def _signed_up(site: Site, email: str) -> tuple[str, str]:
    """Return the id and the session of somebody new."""
    [(_, link)] = site.app.database.transact(service.invite, emails=[email])
    made = service.sign_up(site.app.database, email=email, password=GOOD, link=link)
    return made.id, service.sign_in(site.app.database, email, GOOD, site.app.settings)


def _actor(annotator_id: str) -> Actor:
    return Actor(annotator_id=annotator_id, email="ann@example.org", name="Ann", role=Role.ANNOTATOR, scope=Scope.ADMIN)


def test_p24_an_account_over_http_is_the_same_on_every_database(stored_site: Site) -> None:
    site = stored_site
    identity, session = _signed_up(site, "ann@example.org")
    account = _api(site, "GET", "/v1/account", session).json()
    assert account == {
        "id": identity, "email": "ann@example.org", "name": "ann", "role": "annotator", "scope": "admin", "has_password": True,
    }  # fmt: skip
    wrong = _api(site, "POST", "/v1/account/password", session, old=OTHER, new=OTHER)
    assert (wrong.status_code, wrong.json()["where"]) == (422, "old")
    weak = _api(site, "POST", "/v1/account/password", session, old=GOOD, new="ann@example.org")
    assert (weak.status_code, weak.json()["where"]) == (422, "new")
    other = service.sign_in(site.app.database, "ann@example.org", GOOD, site.app.settings, "curl/8")
    seen = _api(site, "GET", "/v1/account/sessions", session).json()["items"]
    assert sorted((one["user_agent"], one["current"]) for one in seen) == [("", True), ("curl/8", False)]
    assert _api(site, "POST", "/v1/account/password", session, old=GOOD, new=OTHER).status_code == 204
    assert (_api(site, "GET", "/v1/me", session).status_code, _api(site, "GET", "/v1/me", other).status_code) == (200, 401)
    moved = _api(site, "POST", "/v1/account/email", session, email="Anna@Example.org", password=OTHER)
    assert (moved.status_code, moved.json()["email"], moved.json()["id"]) == (200, "anna@example.org", identity)
    assert _api(site, "DELETE", "/v1/account/sessions", session).json() == {"ended": 0}
    assert GOOD not in str(_api(site, "GET", "/v1/audit", role=Role.ADMIN).json())


def test_p24_invitations_and_members_over_http_are_the_same_on_every_database(stored_site: Site) -> None:
    site = stored_site
    dataset = site.app.database.transact(datasets.create, name="posts", kind=RecordKind.TEXT).id
    body = {"emails": ["ann@example.org", "ANN@example.org "], "dataset_id": dataset, "dataset_role": "annotator", "days": 3}
    [made] = _api(site, "POST", "/v1/invitations", role=Role.MANAGER, **body).json()["items"]
    assert made["link"].startswith("http://127.0.0.1:8700/sign-up?link=")
    ann = site.app.database.transact(service.add_annotator, email="ann@example.org", name="Ann", role=Role.VIEWER)
    token = site.app.database.transact(service.create_token, ann.id, name="x", scope=Scope.ADMIN)[1]
    accepted = site.ask("POST", "/v1/invitations/accept", token=token, json={"link": made["link"]})
    assert accepted.json() == {"dataset_ids": [dataset]}
    assert site.ask("POST", "/v1/invitations/accept", token=token, json={"link": made["link"]}).status_code == 403
    members = f"/v1/datasets/{dataset}/members"
    [member] = _api(site, "GET", members, role=Role.MANAGER).json()["items"]
    assert (member["annotator_id"], member["role"]) == (ann.id, "annotator")
    assert _api(site, "PUT", f"{members}/{ann.id}", role=Role.MANAGER, role_="x").status_code == 422
    assert site.ask("PUT", f"{members}/{ann.id}", role=Role.MANAGER, json={"role": "manager"}).status_code == 204
    assert site.ask("PUT", f"{members}/{ann.id}", role=Role.MANAGER, json={"role": "admin"}).status_code == 403
    assert site.ask("GET", members, token=token).json()["items"][0]["role"] == "manager"
    assert _api(site, "DELETE", f"{members}/{ann.id}", role=Role.MANAGER).status_code == 204
    assert site.ask("GET", members, token=token).status_code == 404
    for unknown in (f"/v1/datasets/{dataset + 1}/members", f"/v1/datasets/{2**53}/members"):
        assert _api(site, "GET", unknown, role=Role.ADMIN).status_code == 404


def test_p02_inviting_again_with_the_same_key_invites_nobody_twice(stored_site: Site) -> None:
    site = stored_site
    headers, body = {"Idempotency-Key": "monday"}, {"emails": ["ann@example.org"]}
    answers = [site.ask("POST", "/v1/invitations", role=Role.ADMIN, headers=headers, json=body) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(site.ask("GET", "/v1/invitations", role=Role.ADMIN).json()["items"]) == 1


def test_invitations_and_the_audit_log_come_in_pages(stored_site: Site) -> None:
    site = stored_site
    emails = [f"p{number}@example.org" for number in range(5)]
    site.ask("POST", "/v1/invitations", role=Role.ADMIN, json={"emails": emails})
    for path, name in (("/v1/invitations", "email"), ("/v1/audit?dataset_id=", "details")):
        seen, cursor = [], ""
        plain = path.partition("?")[0]
        while True:
            page = site.ask("GET", f"{plain}?limit=2{cursor}", role=Role.ADMIN).json()
            assert len(page["items"]) <= 2
            seen += [one[name] if name == "email" else one[name].get("email") for one in page["items"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        # Those of one moment stand in any order.
        assert sorted(email for email in seen if email) == emails, plain
    for wrong in ("x", "eyJiZWZvcmUiOiAiLTEifQ", "eyJiZWZvcmUiOiAiMWU5In0"):
        refused = site.ask("GET", f"/v1/audit?cursor={wrong}", role=Role.ADMIN)
        assert (refused.status_code, refused.json()["where"]) == (422, "cursor")


def test_accounts_are_closed_and_their_roles_changed_over_http(stored_site: Site) -> None:
    site = stored_site
    identity, session = _signed_up(site, "ann@example.org")
    path = f"/v1/annotators/{identity}"
    assert site.ask("PATCH", path, role=Role.ADMIN, json={"role": "manager"}).json()["role"] == "manager"
    assert _api(site, "GET", "/v1/me", session).json()["role"] == "manager"
    closed = site.ask("PATCH", path, role=Role.ADMIN, json={"closed": True}).json()
    assert closed["disabled_at"] is not None
    assert _api(site, "GET", "/v1/me", session).status_code == 401
    assert site.ask("POST", f"{path}/link", role=Role.ADMIN).status_code == 409
    assert site.ask("PATCH", path, role=Role.ADMIN, json={"closed": False}).json()["disabled_at"] is None
    link = site.ask("POST", f"{path}/link", role=Role.ADMIN).json()["link"]
    assert link.endswith("&next=/account")
    last = site.ask("PATCH", f"/v1/annotators/{site.person(Role.ADMIN)}", role=Role.ADMIN, json={"role": "viewer"})
    assert (last.status_code, last.json()["code"]) == (409, "conflict")
    for nobody in ("nothing", "0" * 32):
        assert site.ask("PATCH", f"/v1/annotators/{nobody}", role=Role.ADMIN, json={"role": "viewer"}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [{"emails": []}, {"emails": ["x"]}, {"emails": ["a\u202e@b.c"]}, {"emails": ["x@y.z"] * 501}, {"uses": 0}, {"days": 366},
     {"role": "emperor"}, {"dataset_id": 0}, {"dataset_id": 2**60}, {"dataset_role": "viewer"}, {"dataset_id": 1, "dataset_role": "admin"},
     {"emails": "ann@example.org"}, {"surprise": 1}, []],
)  # fmt: skip
def test_an_invitation_that_cannot_be_meant_is_refused_with_its_field(site: Site, body: Any) -> None:
    refused = site.ask("POST", "/v1/invitations", role=Role.ADMIN, json=body)
    assert refused.status_code == 422, refused.text
    assert refused.json()["where"]
    assert site.ask("GET", "/v1/invitations", role=Role.ADMIN).json()["items"] == []


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "'; DROP TABLE annotators; --", "{{ 7 * 7 }}", "=1+1", "名字 🌸", "a" * 200]
)
def test_a_hostile_name_is_only_a_name(site: Site, name: str) -> None:
    [(_, link)] = site.app.database.transact(service.invite)
    form = {"email": "ann@example.org", "name": name, "password": GOOD, "link": link}
    made = site.ask("POST", "/sign-up", headers={**webapp.HTML, **webapp.SAME_SITE}, data=form)
    assert made.status_code == 303
    page = site.page("/people").text
    assert "<script>alert" not in page
    assert name in [one["name"] for one in site.ask("GET", "/v1/annotators", role=Role.ADMIN).json()["items"]]


@pytest.mark.parametrize("name", ["a\nb", "a\u202eb", "a" * 201])
def test_a_name_that_cannot_be_shown_is_refused_and_uses_no_invitation_up(site: Site, name: str) -> None:
    [(_, link)] = site.app.database.transact(service.invite)
    form = {"email": "ann@example.org", "name": name, "password": GOOD, "link": link}
    refused = site.ask("POST", "/sign-up", headers={**webapp.HTML, **webapp.SAME_SITE}, data=form)
    assert refused.status_code == 422
    with site.app.database.read() as connection:
        assert service.find_invitation(connection, link).uses_left == 1


def test_of_two_changes_of_one_password_at_the_same_moment_one_wins(stored_site: Site) -> None:
    database = stored_site.app.database
    identity, _ = _signed_up(stored_site, "ann@example.org")
    start = Barrier(2)

    def change(new: str) -> str:
        start.wait()
        try:
            service.change_password(database, _actor(identity), GOOD, new)
        except (BadInput, Conflict):  # the other one was first, between check and change or before both
            return ""
        return new

    with ThreadPoolExecutor(2) as pool:
        won = [new for new in pool.map(change, ["first new lamp", "second new lamp"]) if new]
    assert len(won) == 1
    assert service.check_password(database, "ann@example.org", won[0]).id == identity


def test_a_password_that_is_changed_while_somebody_signs_in_with_the_old_one_lets_them_out(
    stored_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = stored_site.app.database
    identity, _ = _signed_up(stored_site, "ann@example.org")
    real = passwords.matches

    def slow(*given: Any) -> bool:
        right = real(*given)
        monkeypatch.setattr(passwords, "matches", real)
        service.change_password(database, _actor(identity), GOOD, OTHER)
        return right

    monkeypatch.setattr(passwords, "matches", slow)
    with pytest.raises(Unauthenticated):
        service.sign_in(database, "ann@example.org", GOOD, stored_site.app.settings)
    with database.read() as connection:
        assert service.list_sessions(connection, identity, stored_site.app.settings) == []


def test_what_the_audit_log_calls_things_is_translated() -> None:
    known = catalogue("zh-Hant")
    found = set()
    for path in SOURCE.rglob("*.py"):
        found |= set(re.findall(r'\bnote\(\s*[\w.]+, [\w. ]+, "([^"]+)"', path.read_text(encoding="utf-8")))
    assert len(found) > 10
    assert sorted(found - set(known)) == []
