"""Promise 14 over HTTP: the clock jumps while people are signed in, invited and labelling."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from annotation_lab import Lab
from labelmill import clock
from labelmill.accounts import Role, service
from labelmill.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webapp import Site

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JUMPS = (HOUR, -HOUR, -DAY, DAY, -DAY, HOUR)


class Hands:
    """The hands of the clock: they are set, or time passes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real_now, self._real_monotonic = clock.now, clock.monotonic
        self._jumped = self._passed = timedelta()
        monkeypatch.setattr(clock, "now", lambda: self._real_now() + self._jumped + self._passed)
        monkeypatch.setattr(clock, "monotonic", lambda: self._real_monotonic() + self._passed.total_seconds())

    def jump(self, by: timedelta) -> None:
        self._jumped += by

    def set(self, moment: datetime) -> None:
        self._jumped += moment - clock.now()

    def wait(self, length: timedelta) -> None:
        self._passed += length


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands(monkeypatch)


@pytest.fixture
def winter_night(monkeypatch: pytest.MonkeyPatch) -> Iterator[datetime]:
    """Be where the clocks go back an hour, ten seconds before they do."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield datetime(2026, 10, 25, 0, 59, 50, tzinfo=UTC)
    monkeypatch.undo()
    time.tzset()


def _me(site: Site, cookie: dict[str, str]) -> int:
    return site.ask("GET", "/v1/me", headers=cookie).status_code


def test_p14_a_browser_in_use_stays_signed_in_whatever_the_clock_does(stored_site: Site, hands: Hands) -> None:
    cookie = stored_site.session(Role.ANNOTATOR)
    for jump in JUMPS:
        assert _me(stored_site, cookie) == 200
        hands.jump(jump)
        assert _me(stored_site, cookie) == 200, jump


@pytest.mark.parametrize("jump", JUMPS[:4])
def test_p14_a_browser_that_nobody_uses_is_signed_out_in_the_end(site: Site, hands: Hands, jump: timedelta) -> None:
    cookie = site.session(Role.ANNOTATOR)
    assert _me(site, cookie) == 200
    hands.jump(jump)
    assert _me(site, cookie) == 200
    hands.wait(13 * HOUR)
    assert _me(site, cookie) == 401


def test_p14_a_browser_that_is_always_used_is_signed_out_after_its_days_though_the_clock_goes_back(
    site: Site, hands: Hands
) -> None:
    cookie, lived = site.session(Role.ANNOTATOR), timedelta()
    while _me(site, cookie) == 200:
        hands.wait(8 * HOUR)
        lived += 8 * HOUR
        if lived == 3 * DAY:
            hands.jump(-DAY)
        assert lived < timedelta(days=site.app.settings.session_days + 2)
    assert lived >= timedelta(days=site.app.settings.session_days)


@pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY])
def test_p14_an_invitation_holds_through_a_jump_and_once(site: Site, hands: Hands, jump: timedelta) -> None:
    ((_, link),) = site.app.database.transact(service.invite, emails=["ann@example.org"])
    hands.jump(jump)
    body = {"email": "ann@example.org", "name": "Ann", "password": "seven green lamps", "link": link}
    form = {"headers": {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}, "data": body}
    assert site.ask("POST", "/sign-up", **form).status_code == 303
    hands.jump(-jump)
    with pytest.raises(Forbidden), site.app.database.read() as connection:
        service.find_invitation(connection, link)


def test_p14_an_invitation_that_has_ended_does_not_come_to_life_again_for_long(site: Site, hands: Hands) -> None:
    ((_, link),) = site.app.database.transact(service.invite, emails=["ann@example.org"], days=3)
    hands.wait(4 * DAY)
    hands.jump(-DAY)
    hands.wait(2 * HOUR)
    with pytest.raises(Forbidden), site.app.database.read() as connection:
        service.find_invitation(connection, link)


def _labelling(site: Site) -> tuple[Any, Any]:
    """Return a dataset of one record for one annotator, and what asks as one of two annotators."""
    dataset = Lab(site.app.database).dataset(1, lease_seconds=60)
    for role in (Role.ANNOTATOR, Role.VIEWER):
        site.app.database.transact(service.set_member, dataset.id, site.person(role), Role.ANNOTATOR)

    def ask(role: Role, path: str, **body: Any) -> Any:
        return site.ask("POST", f"/v1/datasets/{dataset.id}{path}", role=role, json=body)

    return dataset, ask


@pytest.mark.parametrize("jump", [HOUR, -HOUR, -DAY, DAY])
def test_p14_a_record_in_hand_is_nobody_elses_after_a_jump(stored_site: Site, hands: Hands, jump: timedelta) -> None:
    dataset, ask = _labelling(stored_site)
    ((record,),) = (ask(Role.ANNOTATOR, "/next", count=1).json()["records"],)
    hands.jump(jump)
    assert ask(Role.VIEWER, "/next", count=1).json()["state"] == "waiting"
    answer = {"label_ids": [dataset.labels[0].id], "key": "k"}
    other = ask(Role.VIEWER, f"/records/{record['id']}/answers", **answer)
    assert (other.status_code, other.json()["code"]) == (409, "record-full")
    mine = ask(Role.ANNOTATOR, f"/records/{record['id']}/answers", **answer)
    assert mine.status_code == 200
    given = mine.json()["annotation"]
    assert given["shown_at"] <= given["answered_at"]


@pytest.mark.parametrize("jump", [HOUR, DAY])
def test_p14_a_record_that_was_left_comes_free_after_a_jump(site: Site, hands: Hands, jump: timedelta) -> None:
    """No jump makes a lease live for ever: forward it lasts its time, back it lasts what the clock was set back at most."""
    _, ask = _labelling(site)
    ask(Role.ANNOTATOR, "/next", count=1)
    hands.jump(jump)
    assert ask(Role.VIEWER, "/next", count=1).json()["state"] == "waiting"
    hands.wait(timedelta(seconds=61))
    assert ask(Role.VIEWER, "/next", count=1).json()["state"] == "record"


def test_p14_the_night_in_which_clocks_go_back_is_like_any_other(site: Site, hands: Hands, winter_night: datetime) -> None:
    hands.set(winter_night)
    dataset, ask = _labelling(site)
    cookie = site.session(Role.ANNOTATOR)
    record = ask(Role.ANNOTATOR, "/next", count=1).json()["records"][0]
    hands.wait(timedelta(seconds=30))
    assert ask(Role.VIEWER, "/next", count=1).json()["state"] == "waiting"
    answer = {"label_ids": [dataset.labels[0].id], "key": "k"}
    given = ask(Role.ANNOTATOR, f"/records/{record['id']}/answers", **answer).json()["annotation"]
    shown, answered = (datetime.fromisoformat(given[name]) for name in ("shown_at", "answered_at"))
    assert timedelta(seconds=30) <= answered - shown < timedelta(minutes=5)
    hands.wait(HOUR)
    assert _me(site, cookie) == 200
