"""The short way of `next` and of an answer: the same as the long one, and right about who may and what there is at each moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from annotation_lab import Lab
from labelmill import clock
from labelmill.accounts import Role, Scope
from labelmill.accounts import service as accounts
from labelmill.accounts.tables import api_tokens, sessions
from labelmill.annotation.tables import annotation_rows
from labelmill.datasets import service as datasets
from labelmill.jobs.runtime import Runtime

if TYPE_CHECKING:
    import httpx

    from labelmill.datasets.model import Dataset
    from webapp import Site


class Place:
    """A dataset that one annotator labels with a token, whose secret the server has met."""

    def __init__(self, site: Site, size: int = 6, **settings: object) -> None:
        self.site = site
        self.database = site.app.database
        self.lab = Lab(self.database)
        self.dataset: Dataset = self.lab.dataset(size, **settings)
        self.ids = self.lab.ids(self.dataset)
        self.label = self.lab.label(self.dataset, "a")
        self.person = site.person(Role.ANNOTATOR)
        self.database.transact(accounts.set_member, self.dataset.id, self.person, Role.ANNOTATOR)
        made, self.token = self.database.transact(accounts.create_token, self.person, name="t", scope=Scope.WRITE)
        self.token_id = made.id
        assert "work;" not in self.next().headers["Server-Timing"]
        assert is_quick(self.next())

    def next(self, **more: object) -> httpx.Response:
        more.setdefault("token", self.token)
        return self.site.ask("POST", f"/v1/datasets/{self.dataset.id}/next", json={}, **more)

    def answer(self, record_id: int, key: str, **body: object) -> httpx.Response:
        path = f"/v1/datasets/{self.dataset.id}/records/{record_id}/answers"
        return self.site.ask("POST", path, token=self.token, json={"label_ids": [self.label], "key": key} | body)


def is_quick(answer: httpx.Response) -> bool:
    return "work;" in answer.headers["Server-Timing"]


@pytest.fixture
def place(stored_site: Site) -> Place:
    return Place(stored_site)


def test_both_ways_answer_alike(place: Place):
    again = place.next(headers={"Content-Type": "application/json; charset=utf-8"})
    assert not is_quick(again)
    assert again.json() == place.next().json()
    path = f"/v1/datasets/{place.dataset.id}/records/{place.ids[0]}/answers"
    quick = place.answer(place.ids[0], "k")
    long = place.site.ask("POST", path, token=place.token, params={"x": "1"}, json={"label_ids": [place.label], "key": "k"})
    assert (is_quick(quick), is_quick(long)) == (True, False)
    assert long.json() == quick.json() | {"repeated": True}
    assert quick.headers.keys() == long.headers.keys()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("next", b"{", 422), ("next", b'{"count": 0}', 422), ("next", b'{"counts": 1}', 422), ("next", b'{"count": 1, "count": 2}', 422),
        ("records/999999/answers", b'{"label_ids": [1], "key": "k"}', 404), ("records/0/answers", b'{"label_ids": [1], "key": "k"}', 422),
        ("records/1/answers", b'{"label_ids": [], "key": "k"}', 422), ("records/1/answers", b'{"label_ids": [1]}', 422),
    ],
)  # fmt: skip
def test_a_wrong_request_gets_the_long_ways_answer(site: Site, path: str, body: bytes, status: int):
    place = Place(site)
    asked = {"token": place.token, "content": body, "headers": {"Content-Type": "application/json"}}
    quick = site.ask("POST", f"/v1/datasets/{place.dataset.id}/{path}", **asked)
    long = site.ask("POST", f"/v1/datasets/{place.dataset.id}/{path}?x=1", **asked)
    assert quick.status_code == long.status_code == status
    assert {**quick.json(), "id": ""} == {**long.json(), "id": ""}


class TestWhoMay:
    def test_a_revoked_token_is_refused_at_once(self, place: Place):
        place.database.transact(accounts.revoke_token, place.token_id)
        assert place.next().status_code == 401
        assert place.answer(place.ids[0], "k").status_code == 401
        assert place.lab.row(place.ids[0])["answers"] == 0

    def test_an_expired_token_is_refused_at_once(self, place: Place):
        with place.database.write() as connection:
            connection.execute(sa.update(api_tokens).where(api_tokens.c.id == place.token_id).values(expires_at=clock.now()))
        assert place.next().status_code == 401

    def test_who_has_left_labels_no_more(self, place: Place):
        place.database.transact(accounts.remove_member, place.dataset.id, place.person)
        assert (place.next().status_code, place.answer(place.ids[0], "k").status_code) == (404, 404)

    def test_who_only_looks_now_labels_no_more(self, place: Place):
        place.database.transact(accounts.set_member, place.dataset.id, place.person, Role.VIEWER)
        assert (place.next().status_code, place.answer(place.ids[0], "k").status_code) == (403, 403)

    def test_a_closed_account_is_refused_at_once(self, place: Place):
        place.database.transact(accounts.disable_annotator, place.person)
        assert place.next().status_code == 401

    def test_a_session_that_ended_is_refused_at_once(self, site: Site):
        place = Place(site)
        browser = place.site.session(Role.ANNOTATOR) | {"Sec-Fetch-Site": "same-origin"}
        assert not is_quick(place.next(token="", headers=browser))
        assert is_quick(place.next(token="", headers=browser))
        place.database.transact(accounts.end_sessions, place.person)
        assert place.next(token="", headers=browser).status_code == 401

    def test_a_session_dies_with_the_token_that_began_it(self, site: Site):
        place = Place(site)
        secret = place.database.transact(accounts.redeem_token, place.token, site.app.settings)
        browser = {"Cookie": f"labelmill_session={secret}", "Sec-Fetch-Site": "same-origin"}
        assert [is_quick(place.next(token="", headers=browser)) for _ in range(2)] == [False, True]
        place.database.transact(accounts.revoke_token, place.token_id)
        assert place.next(token="", headers=browser).status_code == 401

    def test_an_idle_session_is_refused_and_a_used_one_is_written(self, site: Site):
        place = Place(site)
        browser = place.site.session(Role.ANNOTATOR) | {"Sec-Fetch-Site": "same-origin"}
        assert [is_quick(place.next(token="", headers=browser)) for _ in range(2)] == [False, True]
        _set_last_seen(place, minutes=2)
        assert not is_quick(place.next(token="", headers=browser))
        assert is_quick(place.next(token="", headers=browser))
        _set_last_seen(place, minutes=site.app.settings.session_idle_minutes)
        assert place.next(token="", headers=browser).status_code == 401

    def test_another_site_cannot_have_a_browser_answer(self, site: Site):
        place = Place(site)
        browser = place.site.session(Role.ANNOTATOR)
        own = browser | {"Sec-Fetch-Site": "same-origin"}
        assert [is_quick(place.next(token="", headers=own)) for _ in range(2)] == [False, True]
        assert place.next(token="", headers=browser | {"Sec-Fetch-Site": "cross-site"}).status_code == 403


def _set_last_seen(place: Place, *, minutes: int) -> None:
    with place.database.write() as connection:
        seen = clock.now() - timedelta(minutes=minutes)
        connection.execute(sa.update(sessions).where(sessions.c.annotator_id == place.person).values(last_seen_at=seen))


class TestWhatThereIs:
    def test_a_removed_label_is_refused_at_once(self, place: Place):
        place.database.transact(datasets.remove_label, place.dataset.id, place.label)
        refused = place.answer(place.ids[0], "k")
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")

    def test_a_changed_setting_holds_at_once(self, place: Place):
        assert place.answer(place.ids[0], "k", label_ids=[place.label, place.lab.label(place.dataset, "b")]).status_code == 409
        dataset = place.lab.again(place.dataset)
        place.database.transact(
            datasets.change,
            dataset.id,
            revision=dataset.revision,
            settings={**dataset.settings.as_dict(), "several_labels": True},
        )
        assert place.answer(place.ids[0], "k", label_ids=[place.label, place.lab.label(place.dataset, "b")]).status_code == 200

    def test_an_archived_and_a_removed_dataset_take_no_answer(self, place: Place):
        place.database.transact(datasets.archive, place.dataset.id)
        assert place.answer(place.ids[0], "k").status_code == 409
        place.database.transact(datasets.remove, place.dataset.id)
        assert place.answer(place.ids[0], "k").status_code == 404

    def test_records_that_came_are_served(self, place: Place):
        for number, record_id in enumerate(place.ids):
            assert place.answer(record_id, f"k{number}").status_code == 200
        assert place.next().json()["state"] == "done"
        place.lab.add(place.dataset, ["one more"])
        assert place.next().json()["records"][0]["content"] == "one more"


def test_many_at_once_are_each_stored_once(stored_site: Site):
    place = Place(stored_site, 40)
    with ThreadPoolExecutor(12) as pool:
        # Each twice, and in between those that are refused.
        asked = [(record_id, f"key {record_id}") for record_id in place.ids for _ in range(2)]
        asked += [(999_999, f"no {number}") for number in range(20)]
        answers = list(pool.map(lambda each: place.answer(*each), sorted(asked, key=lambda each: each[1][-1])))
    found = sorted(each.status_code for each in answers)
    assert found == [200] * 80 + [404] * 20
    with place.database.read() as connection:
        stored = sorted(connection.scalars(sa.select(annotation_rows.c.key)))
    assert stored == sorted(f"key {record_id}" for record_id in place.ids)


def test_a_training_that_an_answer_makes_due_is_woken(site: Site, monkeypatch: pytest.MonkeyPatch):
    place = Place(site, batch_size=2)
    woken: list[str] = []
    monkeypatch.setattr(Runtime, "wake", lambda _runtime, job_id: woken.append(job_id))
    for number, record_id in enumerate(place.ids[:2]):
        assert is_quick(place.answer(record_id, f"k{number}"))
    assert len(woken) == 1
