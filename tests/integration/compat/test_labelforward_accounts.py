"""LabelForward's calls on accounts, as its clients make them, on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bcrypt
import pytest

import labelforward
from labelforward import PASSWORD, Client
from labelmill.accounts import Role, service
from webapp import SAME_SITE

if TYPE_CHECKING:
    from webapp import Site

ANN = "ann@example.org"


def test_l4_l26_who_is_invited_signs_up_and_in_and_out(stored_site: Site) -> None:
    dataset = labelforward.make_dataset(stored_site)
    labelforward.invite(stored_site, dataset, ANN)
    client = Client(stored_site)
    made = client.ask("POST", "users/signup", json={"email": ANN, "password": PASSWORD})
    assert (made.status_code, made.content) == (201, b"")
    assert client.ask("GET", "login/").status_code == 401
    entered = client.sign_in(ANN)
    assert (entered.status_code, entered.json()) == (200, {"success": True})
    assert client.ask("GET", "login/").status_code == 200
    kept = client.cookie
    out = client.ask("GET", "login/logout")
    assert out.status_code == 200
    assert 'access_token=""' in out.headers["set-cookie"]
    client.cookie = kept
    assert client.ask("GET", "login/").status_code == 401, "the session itself has ended"


def test_l4_nobody_signs_up_uninvited_and_nobody_twice(stored_site: Site) -> None:
    dataset = labelforward.make_dataset(stored_site)
    stranger = Client(stored_site).ask("POST", "users/signup", json={"email": "eve@example.org", "password": PASSWORD})
    assert stranger.status_code == 403
    assert stranger.json()["msg"].startswith("No access with this email")
    labelforward.join(stored_site, dataset, ANN)
    again = Client(stored_site).ask("POST", "users/signup", json={"email": ANN, "password": PASSWORD})
    assert again.status_code == 403, "who asks learns nothing about accounts"


def test_l4_the_password_rule_holds(site: Site) -> None:
    dataset = labelforward.make_dataset(site)
    labelforward.invite(site, dataset, ANN)
    weak = Client(site).ask("POST", "users/signup", json={"email": ANN, "password": "a"})
    assert weak.status_code == 422
    assert "8 to 200 characters" in weak.json()["msg"]
    assert Client(site).ask("POST", "users/signup", json={"email": ANN, "password": PASSWORD}).status_code == 201


def test_l5_the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_holds_nothing(site: Site) -> None:
    labelforward.join(site, labelforward.make_dataset(site), ANN)
    answer = Client(site).sign_in(ANN)
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    secret = answer.cookies["access_token"]
    assert "." not in secret, "no JWT"
    with site.app.database.read() as connection:
        raw = connection.exec_driver_sql("SELECT token_hash FROM sessions").scalars().all()
    assert secret not in raw


@pytest.mark.parametrize(("email", "password"), [(ANN, "wrong wrong wrong"), ("nobody@example.org", PASSWORD), ("", "")])
def test_l5_wrong_and_unknown_are_the_same_401(site: Site, email: str, password: str) -> None:
    labelforward.join(site, labelforward.make_dataset(site), ANN)
    answer = Client(site).sign_in(email, password)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert "set-cookie" not in answer.headers


def test_l5_a_token_of_another_kind_is_no_session(site: Site) -> None:
    client = Client(site)
    for forged in ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOnsidXNlcl9pZCI6MX19.x", "x" * 5000, "%00"):
        client.cookie = forged
        assert client.ask("GET", "login/").status_code == 401


def test_guessing_is_slowed(site: Site) -> None:
    labelforward.join(site, labelforward.make_dataset(site), ANN)
    codes = [Client(site).sign_in(ANN, f"wrong wrong {number}").status_code for number in range(12)]
    assert codes[0] == 401
    assert codes[-1] == 429


def test_l4_the_address_is_changed_with_the_password_and_work_stays_ones_own(stored_site: Site) -> None:
    dataset = labelforward.make_dataset(stored_site, texts=1)
    client = labelforward.join(stored_site, dataset, ANN)
    text = client.ask("GET", "texts/text").json()
    assert client.label(text["text_id"], "good").status_code == 201
    wrong = client.ask("POST", "users/email", json={"newEmail": "new@example.org", "password": "not this one"})
    assert wrong.status_code == 403
    assert client.ask("POST", "users/email", json={"newEmail": "new@example.org", "password": PASSWORD}).status_code == 200
    again = Client(stored_site)
    assert again.sign_in(ANN).status_code == 401
    assert again.sign_in("new@example.org").status_code == 200
    assert again.ask("GET", "texts/text").status_code == 205, "the only text is not asked again"


def test_l4_an_address_that_is_taken_is_told_honestly_or_as_ever(site: Site) -> None:
    dataset = labelforward.make_dataset(site)
    labelforward.join(site, dataset, "bob@example.org")
    client = labelforward.join(site, dataset, ANN)
    taken = {"newEmail": "bob@example.org", "password": PASSWORD}
    assert client.ask("POST", "users/email", json=taken).status_code == 409
    object.__setattr__(site.app, "settings", site.app.settings.model_copy(update={"compat_status": "200"}))
    told = client.ask("POST", "users/email", json=taken)
    assert told.status_code == 500
    assert told.json()["status"] == 500
    assert "bob@example.org already" in told.json()["msg"]


def test_l4_the_password_is_changed_with_the_old_one(site: Site) -> None:
    client = labelforward.join(site, labelforward.make_dataset(site), ANN)
    other = Client(site)
    other.sign_in(ANN)
    fresh = "nine blue ladders"
    wrong = client.ask("POST", "users/password", json={"oldPassword": "no", "newPassword": fresh})
    assert wrong.status_code == 403
    weak = client.ask("POST", "users/password", json={"oldPassword": PASSWORD, "newPassword": "12345678"})
    assert weak.status_code == 422
    assert client.ask("POST", "users/password", json={"oldPassword": PASSWORD, "newPassword": fresh}).status_code == 200
    assert client.ask("GET", "login/").status_code == 200
    assert other.ask("GET", "login/").status_code == 401
    assert Client(site).sign_in(ANN, fresh).status_code == 200


def test_an_account_with_a_hash_of_bcrypt_signs_in_once_by_it(site: Site) -> None:
    stored = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    site.app.database.transact(service.add_annotator, email=ANN, name="Ann", role=Role.ANNOTATOR, password_hash=stored)
    assert Client(site).sign_in(ANN).status_code == 200
    with site.app.database.read() as connection:
        kept = connection.exec_driver_sql("SELECT password_hash FROM annotators").scalars().all()
    assert [each[:9] for each in kept if each] == ["$argon2id"]


def test_another_site_signs_nobody_out(site: Site) -> None:
    client = labelforward.join(site, labelforward.make_dataset(site), ANN)
    assert client.ask("GET", "login/logout", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.ask("GET", "login/").status_code == 200
    assert client.ask("GET", "login/logout", headers=SAME_SITE).status_code == 200


def test_a_session_of_the_pages_and_an_api_token_are_good_here_and_the_cookie_only_here(site: Site) -> None:
    labelforward.make_dataset(site)
    assert site.ask("GET", "/api/texts/labels", headers=site.session(Role.ADMIN)).status_code == 200
    assert site.ask("GET", "/api/texts/labels", role=Role.ADMIN).status_code == 200
    client = labelforward.join(site, labelforward.make_dataset(site, name="more"), ANN)
    assert site.ask("GET", "/v1/me", headers={"Cookie": f"access_token={client.cookie}"}).status_code == 401
