"""People, tokens, links and sessions, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from labelmill import clock
from labelmill.accounts import Role, Scope, service
from labelmill.accounts.tables import annotators, login_links, sessions
from labelmill.db.database import Database
from labelmill.errors import BadInput, Conflict, NotFound, Unauthenticated
from labelmill.settings import Settings

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

DAY = timedelta(days=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def ann(database: Database) -> str:
    return database.transact(service.add_annotator, email="ann@example.org", name="Ann", role=Role.MANAGER).id


def _jump(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + by)


def _find(database: Database, settings: Settings, secret: str, leaps: service.Leaps | None = None) -> object:
    with database.read() as connection:
        return service.find_session(connection, secret, settings, leaps or service.Leaps())


def test_the_first_admin_is_made_once(database: Database) -> None:
    first = database.transact(service.ensure_admin)
    assert (first.role, database.transact(service.ensure_admin).id) == (Role.ADMIN, first.id)


def test_an_existing_admin_is_the_first_one_and_a_disabled_one_is_not(database: Database) -> None:
    mine = database.transact(service.add_annotator, email="boss@example.org", name="Boss", role=Role.ADMIN)
    assert database.transact(service.ensure_admin).id == mine.id
    gone = sa.update(annotators).values(disabled_at=clock.now())
    database.transact(lambda connection: connection.execute(gone) and None)
    assert database.transact(service.ensure_admin).id != mine.id


def test_one_address_is_one_person_however_it_is_written(database: Database, ann: str) -> None:
    with pytest.raises(Conflict, match="already"):
        database.transact(service.add_annotator, email=" ANN@Example.org", name="Other", role=Role.VIEWER)
    with database.read() as connection:
        assert service.find_annotator(connection, "Ann@EXAMPLE.org").id == ann
        with pytest.raises(NotFound):
            service.find_annotator(connection, "bob@example.org")


def test_a_token_stands_for_its_owner_until_it_is_revoked(database: Database, ann: str) -> None:
    made, secret = database.transact(service.create_token, ann, name="x", scope=Scope.READ)
    with database.read() as connection:
        actor = service.find_actor(connection, secret)
    assert actor is not None
    assert (actor.annotator_id, actor.role, actor.scope, actor.token_id) == (ann, Role.MANAGER, Scope.READ, made.id)
    first = database.transact(service.revoke_token, made.id).revoked_at
    assert database.transact(service.revoke_token, made.id).revoked_at == first
    with database.read() as connection:
        assert service.find_actor(connection, secret) is None


def test_a_token_ends_at_its_day(database: Database, ann: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, secret = database.transact(service.create_token, ann, name="x", days=2)
    _jump(monkeypatch, 2 * DAY)
    with database.read() as connection:
        assert service.find_actor(connection, secret) is None


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_a_token_lives_for_a_sensible_time(database: Database, ann: str, days: int) -> None:
    with pytest.raises(BadInput):
        database.transact(service.create_token, ann, name="x", days=days)


def test_tokens_and_links_are_kept_as_hashes_only(database: Database, ann: str, settings: Settings) -> None:
    _, token = database.transact(service.create_token, ann, name="x")
    link = database.transact(service.make_login_link, ann)
    session = database.transact(service.open_session, ann, Scope.ADMIN, settings)
    stored = ""
    with database.read() as connection:
        for name in ("api_tokens", "login_links", "sessions"):
            stored += str(connection.execute(sa.text(f"SELECT * FROM {name}")).all())
    assert not any(secret in stored for secret in (token, link, session))


def test_a_link_is_used_once_by_one_of_many(database: Database, ann: str, settings: Settings) -> None:
    link = database.transact(service.make_login_link, ann)

    def redeem(_: int) -> str:
        try:
            return database.transact(service.redeem_login_link, link, settings)
        except Unauthenticated:
            return ""

    with ThreadPoolExecutor(8) as pool:
        sessions_made = [secret for secret in pool.map(redeem, range(16)) if secret]
    assert len(sessions_made) == 1
    assert _find(database, settings, sessions_made[0]) is not None


def test_a_new_link_ends_the_one_before(database: Database, ann: str, settings: Settings) -> None:
    old = database.transact(service.make_login_link, ann)
    new = database.transact(service.make_login_link, ann)
    with pytest.raises(Unauthenticated):
        database.transact(service.redeem_login_link, old, settings)
    assert database.transact(service.redeem_login_link, new, settings)


@pytest.mark.parametrize("by", [25 * timedelta(hours=1), -2 * DAY])
def test_a_link_is_good_for_a_day_and_not_before_its_time(
    database: Database, ann: str, settings: Settings, by: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = database.transact(service.make_login_link, ann)
    _jump(monkeypatch, by)
    with pytest.raises(Unauthenticated):
        database.transact(service.redeem_login_link, link, settings)
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(login_links)) == 1


def test_a_closed_account_gets_in_by_no_door(database: Database, ann: str, settings: Settings) -> None:
    _, token = database.transact(service.create_token, ann, name="x")
    link = database.transact(service.make_login_link, ann)
    session = database.transact(service.open_session, ann, Scope.ADMIN, settings)
    database.transact(service.disable_annotator, ann)
    with database.read() as connection:
        assert service.find_actor(connection, token) is None
    assert _find(database, settings, session) is None
    with pytest.raises(Unauthenticated):
        database.transact(service.redeem_login_link, link, settings)


def test_a_session_begun_with_a_token_ends_with_it(database: Database, ann: str, settings: Settings) -> None:
    made, token = database.transact(service.create_token, ann, name="x", scope=Scope.READ)
    session = database.transact(service.redeem_token, token, settings)
    found = _find(database, settings, session)
    assert found.actor.scope is Scope.READ  # type: ignore[attr-defined]
    database.transact(service.revoke_token, made.id)
    assert _find(database, settings, session) is None
    with pytest.raises(Unauthenticated):
        database.transact(service.redeem_token, token, settings)


@pytest.mark.parametrize("hours", [1, -1, 24, -24])
def test_p14_sessions_survive_a_clock_that_jumps_under_a_running_server(
    database: Database, ann: str, settings: Settings, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaps = service.Leaps()
    secret = database.transact(service.open_session, ann, Scope.ADMIN, settings)
    assert _find(database, settings, secret, leaps) is not None
    _jump(monkeypatch, timedelta(hours=hours))
    found = _find(database, settings, secret, leaps)
    assert found is not None
    if hours < 0:
        healed = found.touch  # type: ignore[attr-defined]
        database.transact(service.touch_session, found.actor.session_id, healed)  # type: ignore[attr-defined]
        assert _expiry(database) <= clock.now() + settings.session_days * DAY


def _expiry(database: Database) -> datetime:
    with database.read() as connection:
        found: datetime = connection.execute(sa.select(sessions.c.expires_at)).scalar_one()
    return found


def test_a_session_ends_idle_and_at_last(
    database: Database, ann: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = database.transact(service.open_session, ann, Scope.ADMIN, settings)
    _jump(monkeypatch, timedelta(minutes=settings.session_idle_minutes))
    assert _find(database, settings, secret) is None


def test_rows_of_long_ended_sessions_are_removed(
    database: Database, ann: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.transact(service.open_session, ann, Scope.ADMIN, settings)
    _jump(monkeypatch, (settings.session_days + 31) * DAY)
    database.transact(service.open_session, ann, Scope.ADMIN, settings)
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(sessions)) == 1


def test_removing_a_person_removes_what_hangs_on_them(database: Database, ann: str, settings: Settings) -> None:
    database.transact(service.create_token, ann, name="x")
    database.transact(service.open_session, ann, Scope.ADMIN, settings)
    database.transact(lambda connection: connection.execute(sa.delete(annotators)) and None)
    with database.read() as connection:
        assert service.list_tokens(connection) == []
        assert connection.scalar(sa.select(sa.func.count()).select_from(sessions)) == 0


def test_tokens_and_every_way_in_are_written_down_without_their_secrets(
    database: Database, ann: str, settings: Settings
) -> None:
    made, token = database.transact(service.create_token, ann, name="x", scope=Scope.READ)
    link = database.transact(service.make_login_link, ann)
    database.transact(service.redeem_login_link, link, settings)
    database.transact(service.redeem_token, token, settings)
    for _ in range(2):
        database.transact(service.revoke_token, made.id)
    with database.read() as connection:
        found = service.list_audit(connection)
    assert [(one.action, one.actor_id) for one in found] == [
        ("revoke token", None), ("sign in", ann), ("sign in", ann), ("make token", ann),
    ]  # fmt: skip
    assert [one.details.get("way") for one in found] == [None, "token", "link", None]
    assert not any(secret in str(found) for secret in (token, link))
