"""A request repeated with its Idempotency-Key is done once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from labelmill import clock
from labelmill.accounts import Role
from labelmill.http.tables import idempotency_keys

if TYPE_CHECKING:
    from httpx import Response

    from webapp import Site

BODY = {"name": "nightly", "scope": "read"}


def _make(site: Site, key: str, body: dict[str, str] | None = None, role: Role = Role.VIEWER, **more: str) -> Response:
    return site.ask("POST", "/v1/tokens", role=role, json=body or BODY, headers={"Idempotency-Key": key, **more})


def _count(site: Site) -> int:
    items = site.ask("GET", "/v1/tokens", role=Role.VIEWER).json()["items"]
    return sum(item["name"] == "nightly" for item in items)


def test_the_same_request_gets_the_same_answer_and_is_done_once(stored_site: Site) -> None:
    first, second = _make(stored_site, "k1"), _make(stored_site, "k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert _count(stored_site) == 1


def test_the_same_key_with_another_request_is_refused(stored_site: Site) -> None:
    _make(stored_site, "k1")
    other = _make(stored_site, "k1", {**BODY, "scope": "write"})
    assert (other.status_code, other.json()["where"]) == (409, "Idempotency-Key")
    assert _count(stored_site) == 1


def test_keys_of_different_people_do_not_meet(stored_site: Site) -> None:
    mine, theirs = _make(stored_site, "k1"), _make(stored_site, "k1", role=Role.MANAGER)
    assert mine.json()["token"] != theirs.json()["token"]


def test_requests_at_once_with_one_key_are_done_once(stored_site: Site) -> None:
    stored_site.token(Role.VIEWER)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _make(stored_site, "k1"), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert _count(stored_site) == 1


def test_without_a_key_every_request_is_done(site: Site) -> None:
    for _ in range(2):
        assert site.ask("POST", "/v1/tokens", role=Role.VIEWER, json=BODY).status_code == 201
    assert _count(site) == 2


def test_a_refused_request_may_be_tried_again_with_its_key(site: Site) -> None:
    body = {"name": "shop", "url": "sqlite:///a.db", "readable": ["main"]}
    ask = {"headers": {"Idempotency-Key": "k1"}, "json": body, "role": Role.ADMIN}
    site.ask("POST", "/v1/connections", json=body, role=Role.ADMIN)
    assert site.ask("POST", "/v1/connections", **ask).status_code == 409
    site.ask("DELETE", "/v1/connections/shop", role=Role.ADMIN)
    assert site.ask("POST", "/v1/connections", **ask).status_code == 201


def test_what_is_shown_once_is_not_kept_in_clear(site: Site) -> None:
    secret = _make(site, "k1").json()["token"]
    site.app.database.close()
    stored = b"".join(path.read_bytes() for path in site.app.settings.data_dir.glob("labelmill.db*"))
    assert b"idempotency_keys" in stored
    assert secret.encode() not in stored


def test_old_keys_are_forgotten(site: Site) -> None:
    _make(site, "old")
    past = clock.now() - timedelta(days=4)
    site.app.database.transact(lambda c: c.execute(sa.update(idempotency_keys).values(created_at=past)) and None)
    _make(site, "new")
    with site.app.database.read() as connection:
        assert connection.scalars(sa.select(idempotency_keys.c.key)).all() == ["new"]


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb"])
def test_a_key_that_cannot_be_kept_is_refused(site: Site, key: str) -> None:
    answer = _make(site, key)
    assert (answer.status_code, answer.json()["where"]) == (422, "Idempotency-Key")
