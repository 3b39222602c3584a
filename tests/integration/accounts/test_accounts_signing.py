"""Invitations, sign-up, passwords and sessions, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import bcrypt
import pytest
import sqlalchemy as sa

from labelmill import clock
from labelmill.accounts import Actor, Role, Scope, passwords, service
from labelmill.accounts.tables import annotators, invitations, sessions
from labelmill.datasets.tables import datasets
from labelmill.db.database import Database
from labelmill.errors import BadInput, Conflict, Forbidden, NotFound, Unauthenticated
from labelmill.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "seven green lamps"
OTHER = "nine blue ladders"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def dataset(database: Database) -> int:
    return database.transact(_dataset)


def _dataset(connection: sa.Connection, name: str = "posts") -> int:
    row = {"name": name, "kind": "text", "guidelines": "", "settings": {}, "revision": 1, "created_at": clock.now()}
    return connection.execute(sa.insert(datasets).values(row)).inserted_primary_key[0]


def _invite(database: Database, *emails: str, **more: object) -> list[str]:
    made = database.transact(service.invite, emails=list(emails) or None, **more)
    return [link for _, link in made]


def _actor(database: Database, annotator_id: str, session_id: str | None = None) -> Actor:
    with database.read() as connection:
        known = service.get_annotator(connection, annotator_id)
    return Actor(
        annotator_id=known.id, email=known.email, name=known.name, role=known.role, scope=Scope.ADMIN, session_id=session_id
    )


def _audit(database: Database) -> list[str]:
    with database.read() as connection:
        return [entry.action for entry in service.list_audit(connection)]


def _stored(database: Database, annotator_id: str) -> str | None:
    with database.read() as connection:
        return connection.scalar(sa.select(annotators.c.password_hash).where(annotators.c.id == annotator_id))


def test_l4_an_invited_address_signs_up_once_and_signs_in(database: Database, settings: Settings) -> None:
    _invite(database, "ann@example.org")
    made = service.sign_up(database, email=" Ann@Example.org ", password=GOOD)
    assert (made.email, made.name, made.role) == ("ann@example.org", "ann", Role.ANNOTATOR)
    secret = service.sign_in(database, "ANN@example.org", GOOD, settings)
    with database.read() as connection:
        found = service.find_session(connection, secret, settings, service.Leaps())
    assert found is not None
    assert found.actor.annotator_id == made.id
    with pytest.raises(Forbidden):
        service.sign_up(database, email="ann@example.org", password=GOOD)
    assert _audit(database) == ["sign in", "sign up", "invite"]


def test_l4_nobody_signs_up_without_an_invitation(database: Database) -> None:
    _invite(database, "ann@example.org")
    for link in ("", "guess"):
        with pytest.raises(Forbidden):
            service.sign_up(database, email="bob@example.org", password=GOOD, link=link)
    with database.read() as connection:
        assert service.list_annotators(connection) == []


def test_an_address_that_has_an_account_and_one_that_nobody_invited_get_the_same_answer(database: Database) -> None:
    _invite(database, "ann@example.org")
    service.sign_up(database, email="ann@example.org", password=GOOD)
    _invite(database, "ann@example.org")
    answers = []
    for email in ("ann@example.org", "bob@example.org"):
        with pytest.raises(Forbidden) as refused:
            service.sign_up(database, email=email, password=GOOD)
        answers.append((refused.value.message, refused.value.way_out, refused.value.where))
    assert answers[0] == answers[1]


def test_a_listed_manager_needs_the_link(database: Database) -> None:
    """Whoever guesses an address on the list would be a manager otherwise."""
    [link] = _invite(database, "boss@example.org", role=Role.MANAGER)
    with pytest.raises(Forbidden):
        service.sign_up(database, email="boss@example.org", password=GOOD)
    assert service.sign_up(database, email="boss@example.org", password=GOOD, link=link).role is Role.MANAGER


def test_a_link_for_one_address_is_good_for_no_other(database: Database) -> None:
    [link] = _invite(database, "ann@example.org")
    with pytest.raises(Forbidden):
        service.sign_up(database, email="eve@example.org", password=GOOD, link=link)
    assert service.sign_up(database, email="ann@example.org", password=GOOD, link=link)


def test_a_link_is_used_as_often_as_it_says(database: Database, dataset: int) -> None:
    [link] = _invite(database, uses=2, dataset_id=dataset, dataset_role=Role.ANNOTATOR, role=Role.VIEWER)
    people = [service.sign_up(database, email=f"p{n}@example.org", password=GOOD, link=link) for n in range(2)]
    with pytest.raises(Forbidden):
        service.sign_up(database, email="p3@example.org", password=GOOD, link=link)
    with database.read() as connection:
        assert [service.get_role(connection, dataset, one.id) for one in people] == [Role.ANNOTATOR] * 2
        [known] = service.list_invitations(connection)
    assert known.state(clock.now()) == "used"


def test_an_address_that_is_taken_does_not_use_up_a_link(database: Database) -> None:
    database.transact(service.add_annotator, email="ann@example.org", name="Ann", role=Role.VIEWER)
    [link] = _invite(database)
    with pytest.raises(Conflict):
        service.sign_up(database, email="ann@example.org", password=GOOD, link=link)
    assert service.sign_up(database, email="bob@example.org", password=GOOD, link=link)


@pytest.mark.parametrize("listed", [True, False])
def test_p03_of_many_sign_ups_for_one_invitation_at_the_same_moment_one_gets_in(database: Database, listed: bool) -> None:
    [link] = _invite(database, "ann@example.org") if listed else _invite(database)
    start = Barrier(8)

    def try_it(number: int) -> bool:
        start.wait()
        email = "ann@example.org" if listed else f"p{number}@example.org"
        try:
            service.sign_up(database, email=email, password=GOOD, link="" if listed else link)
        except Forbidden:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_it, range(8))) == 1
    with database.read() as connection:
        assert len(service.list_annotators(connection)) == 1
        assert connection.scalar(sa.select(invitations.c.uses_left)) == 0


def test_an_invitation_that_is_revoked_or_expired_lets_nobody_in(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    [link] = _invite(database, "ann@example.org")
    with database.read() as connection:
        [known] = service.list_invitations(connection)
    assert database.transact(service.revoke_invitation, known.id).revoked_at is not None
    [other] = _invite(database, days=2)
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(days=2))
    for email, secret in (("ann@example.org", link), ("ann@example.org", ""), ("bob@example.org", other)):
        with pytest.raises(Forbidden):
            service.sign_up(database, email=email, password=GOOD, link=secret)
    with database.read() as connection:
        assert [one.state(clock.now()) for one in service.list_invitations(connection)] == ["expired", "revoked"]


def test_inviting_again_ends_the_older_link_to_the_same_dataset(database: Database, dataset: int) -> None:
    [old] = _invite(database, "ann@example.org")
    [_] = _invite(database, "ann@example.org", dataset_id=dataset, dataset_role=Role.VIEWER)
    [new] = _invite(database, "ann@example.org")
    with pytest.raises(Forbidden):
        service.sign_up(database, email="ann@example.org", password=GOOD, link=old)
    made = service.sign_up(database, email="ann@example.org", password=GOOD, link=new)
    with database.read() as connection:
        assert service.get_role(connection, dataset, made.id) is Role.VIEWER


@pytest.mark.parametrize(
    "wrong",
    [
        {"uses": 0}, {"uses": 1001}, {"days": 0}, {"days": 366}, {"dataset_role": Role.VIEWER}, {"emails": []},
        {"emails": ["ann@example.org", "no address"]}, {"emails": ["a@b.c"] * 501}, {"emails": ["ann\u202e@example.org"]},
        {"emails": ["an\u200bn@example.org"]}, {"emails": ["\ud800@example.org"]},
    ],
)  # fmt: skip
def test_an_invitation_that_cannot_be_meant_is_refused_whole(database: Database, wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput) as refused:
        database.transact(service.invite, **wrong)
    assert refused.value.where
    with database.read() as connection:
        assert service.list_invitations(connection) == []


def test_links_and_passwords_are_kept_as_hashes_only(database: Database) -> None:
    [link] = _invite(database, "ann@example.org")
    made = service.sign_up(database, email="ann@example.org", password=GOOD, link=link)
    assert str(_stored(database, made.id)).startswith("$argon2id$")
    stored = ""
    with database.read() as connection:
        for name in ("annotators", "invitations", "audit_entries", "sessions"):
            stored += str(connection.execute(sa.text(f"SELECT * FROM {name}")).all())
    assert GOOD not in stored
    assert link not in stored


def test_l5_unknown_wrong_closed_and_without_password_get_one_answer_after_the_same_work(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _invite(database, "ann@example.org", "cut@example.org")
    service.sign_up(database, email="ann@example.org", password=GOOD)
    closed = service.sign_up(database, email="cut@example.org", password=GOOD)
    database.transact(service.disable_annotator, closed.id)
    database.transact(service.add_annotator, email="link@example.org", name="Link", role=Role.VIEWER)
    work: list[str] = []
    real = passwords._argon2_matches
    monkeypatch.setattr(passwords, "_argon2_matches", lambda *given: work.append("argon2") or real(*given))
    cases = ["ann@example.org", "nobody@example.org", "cut@example.org", "link@example.org", "no address", "", "x" * 300]
    answers = set()
    for email in cases:
        with pytest.raises(Unauthenticated) as refused:
            service.sign_in(database, email, GOOD if email.startswith("cut") else OTHER, settings)
        answers.add((refused.value.message, refused.value.way_out, refused.value.where))
    assert len(answers) == 1
    assert work == ["argon2"] * len(cases)


def test_a_bcrypt_hash_is_accepted_once_and_replaced(database: Database, settings: Settings) -> None:
    old = bcrypt.hashpw(GOOD.encode(), bcrypt.gensalt(4)).decode()
    made = database.transact(service.add_annotator, email="ann@example.org", name="Ann", role=Role.ANNOTATOR, password_hash=old)
    with pytest.raises(Unauthenticated):
        service.sign_in(database, "ann@example.org", OTHER, settings)
    assert _stored(database, made.id) == old
    assert service.sign_in(database, "ann@example.org", GOOD, settings)
    assert str(_stored(database, made.id)).startswith("$argon2id$")
    assert service.sign_in(database, "ann@example.org", GOOD, settings)


def test_while_bcrypt_hashes_are_kept_every_sign_in_does_both_kinds_of_work(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = bcrypt.hashpw(b"whatever it was", bcrypt.gensalt(4)).decode()
    database.transact(service.add_annotator, email="old@example.org", name="Old", role=Role.VIEWER, password_hash=old)
    _invite(database, "new@example.org")
    service.sign_up(database, email="new@example.org", password=GOOD)
    work: list[str] = []
    argon, old_way = passwords._argon2_matches, passwords._bcrypt_matches
    monkeypatch.setattr(passwords, "_argon2_matches", lambda *given: work.append("a") or argon(*given))
    monkeypatch.setattr(passwords, "_bcrypt_matches", lambda *given: work.append("b") or old_way(*given))
    for email in ("old@example.org", "new@example.org", "nobody@example.org"):
        with pytest.raises(Unauthenticated):
            service.sign_in(database, email, OTHER, settings)
    assert work == ["a", "b"] * 3


def test_l4_a_password_is_changed_with_the_old_one_and_other_sessions_end(database: Database, settings: Settings) -> None:
    _invite(database, "ann@example.org")
    made = service.sign_up(database, email="ann@example.org", password=GOOD)
    secrets = [service.sign_in(database, "ann@example.org", GOOD, settings) for _ in range(2)]
    database.transact(service.make_login_link, made.id)
    with database.read() as connection:
        mine = service.find_session(connection, secrets[0], settings, service.Leaps())
    assert mine is not None
    with pytest.raises(BadInput):
        service.change_password(database, mine.actor, OTHER, OTHER)
    service.change_password(database, mine.actor, GOOD, OTHER)
    with database.read() as connection:
        alive = [service.find_session(connection, secret, settings, service.Leaps()) is not None for secret in secrets]
        assert connection.scalar(sa.text("SELECT count(*) FROM login_links")) == 0
    assert alive == [True, False]
    with pytest.raises(Unauthenticated):
        service.sign_in(database, "ann@example.org", GOOD, settings)
    assert service.check_password(database, "ann@example.org", OTHER).id == made.id


def test_l4_an_address_is_changed_with_the_password_and_who_somebody_is_stays(database: Database, settings: Settings) -> None:
    _invite(database, "ann@example.org", "bob@example.org")
    ann = service.sign_up(database, email="ann@example.org", password=GOOD)
    service.sign_up(database, email="bob@example.org", password=GOOD)
    actor = _actor(database, ann.id)
    with pytest.raises(BadInput):
        service.change_email(database, actor, "anna@example.org", OTHER)
    with pytest.raises(Conflict):
        service.change_email(database, actor, "BOB@example.org", GOOD)
    assert service.change_email(database, actor, "Anna@example.org", GOOD).id == ann.id
    assert service.check_password(database, "anna@example.org", GOOD).id == ann.id
    with pytest.raises(Unauthenticated):
        service.sign_in(database, "ann@example.org", GOOD, settings)


def test_who_forgot_gets_a_link_and_chooses_anew_without_the_old_one(database: Database, settings: Settings) -> None:
    _invite(database, "ann@example.org")
    ann = service.sign_up(database, email="ann@example.org", password=GOOD)
    old = service.sign_in(database, "ann@example.org", GOOD, settings)
    link = database.transact(service.make_reset_link, ann.id)
    with database.read() as connection:
        assert service.find_session(connection, old, settings, service.Leaps()) is None
        assert not service.has_password(connection, ann.id)
    with pytest.raises(Unauthenticated):
        service.sign_in(database, "ann@example.org", GOOD, settings)
    assert database.transact(service.redeem_login_link, link, settings)
    service.change_password(database, _actor(database, ann.id), "", OTHER)
    assert service.sign_in(database, "ann@example.org", OTHER, settings)


def test_sessions_are_listed_and_ended_by_their_owner_only(database: Database, settings: Settings) -> None:
    _invite(database, "ann@example.org", "eve@example.org")
    ann, eve = (service.sign_up(database, email=f"{name}@example.org", password=GOOD) for name in ("ann", "eve"))
    for agent in ("Firefox", "Chromium"):
        service.sign_in(database, "ann@example.org", GOOD, settings, agent)
    with database.read() as connection:
        found = service.list_sessions(connection, ann.id, settings)
        assert service.list_sessions(connection, eve.id, settings) == []
    assert {one.user_agent for one in found} == {"Firefox", "Chromium"}
    with pytest.raises(NotFound):
        database.transact(service.end_session, _actor(database, eve.id), found[0].id)
    database.transact(service.end_session, _actor(database, ann.id), found[0].id)
    assert database.transact(service.end_other_sessions, _actor(database, ann.id, "none of them")) == 1
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(sessions)) == 0


def test_an_account_joins_by_link_and_its_role_rises_but_never_falls(database: Database, dataset: int) -> None:
    ann = database.transact(service.add_annotator, email="ann@example.org", name="Ann", role=Role.MANAGER)
    [link] = _invite(database, role=Role.ANNOTATOR, dataset_id=dataset, dataset_role=Role.ANNOTATOR)
    assert database.transact(service.accept, _actor(database, ann.id), link) == [dataset]
    assert _actor(database, ann.id).role is Role.MANAGER
    [other] = _invite(database, "eve@example.org", role=Role.ADMIN)
    with pytest.raises(Forbidden):
        database.transact(service.accept, _actor(database, ann.id), other)
    [mine] = _invite(database, "ann@example.org", role=Role.ADMIN)
    database.transact(service.accept, _actor(database, ann.id), mine)
    assert _actor(database, ann.id).role is Role.ADMIN


def test_the_last_administrator_stays_even_when_two_remove_each_other(database: Database) -> None:
    pair = [database.transact(service.add_annotator, email=f"a{n}@x.org", name="A", role=Role.ADMIN).id for n in range(2)]
    start = Barrier(2)

    def remove(which: int) -> bool:
        start.wait()
        verb = service.disable_annotator if which else service.change_role
        try:
            database.transact(verb, pair[which], *(() if which else (Role.VIEWER,)))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, range(2))) == [False, True]


def test_closing_an_account_ends_its_sessions_and_invitations_and_opening_it_brings_none_back(
    database: Database, settings: Settings
) -> None:
    boss = database.transact(service.add_annotator, email="boss@example.org", name="B", role=Role.MANAGER)
    [link] = _invite(database, created_by=boss.id)
    secret = database.transact(service.open_session, boss.id, Scope.ADMIN, settings)
    assert database.transact(service.disable_annotator, boss.id).disabled_at is not None
    assert database.transact(service.enable_annotator, boss.id).disabled_at is None
    with database.read() as connection:
        assert service.find_session(connection, secret, settings, service.Leaps()) is None
    with pytest.raises(Forbidden):
        service.sign_up(database, email="new@example.org", password=GOOD, link=link)


def test_every_verb_of_accounts_is_written_down_with_who_did_it(database: Database, dataset: int) -> None:
    admin = database.transact(service.add_annotator, email="root@example.org", name="R", role=Role.ADMIN)
    by = _actor(database, admin.id)
    [link] = _invite(database, created_by=admin.id, dataset_id=dataset, dataset_role=Role.ANNOTATOR)
    ann = service.sign_up(database, email="ann@example.org", password=GOOD, link=link)
    database.transact(service.change_role, ann.id, Role.VIEWER, by=by)
    database.transact(service.make_reset_link, ann.id, by=by)
    database.transact(service.disable_annotator, ann.id, by=by)
    with database.read() as connection:
        all_of_it = service.list_audit(connection)
        inside = service.list_audit(connection, dataset_id=dataset)
        by_ann = service.list_audit(connection, actor_id=ann.id)
        older = service.list_audit(connection, before=all_of_it[2].id, limit=2)
    expected = ["close account", "make link for a new password", "change role", "join", "sign up", "invite"]
    assert [entry.action for entry in all_of_it] == expected
    assert [entry.actor_email for entry in all_of_it] == [
        *["root@example.org"] * 3,
        *["ann@example.org"] * 2,
        "root@example.org",
    ]
    assert [entry.action for entry in inside] == ["join", "invite"]
    assert [entry.action for entry in by_ann] == ["join", "sign up"]
    assert [entry.action for entry in older] == expected[3:5]
    assert all_of_it[2].details == {"before": "annotator", "after": "viewer"}


def test_members_of_a_dataset_are_listed_and_their_roles_written_down(database: Database, dataset: int) -> None:
    people = [database.transact(service.add_annotator, email=f"{n}@x.org", name=n, role=Role.VIEWER) for n in ("b", "a")]
    by = _actor(database, people[1].id)
    for role in (Role.VIEWER, Role.ANNOTATOR, Role.ANNOTATOR):
        database.transact(service.set_member, dataset, people[0].id, role, by=by)
    database.transact(service.set_member, dataset, people[1].id, Role.MANAGER)
    with database.read() as connection:
        found = service.list_members(connection, dataset)
    assert [(one.email, one.role) for one in found] == [("a@x.org", Role.MANAGER), ("b@x.org", Role.ANNOTATOR)]
    for _ in range(2):
        database.transact(service.remove_member, dataset, people[0].id, by=by)
    with database.read() as connection:
        told = [(entry.action, entry.actor_email) for entry in service.list_audit(connection, dataset_id=dataset)]
    assert told == [
        ("remove from dataset", "a@x.org"),
        ("change role in dataset", None),
        *[("change role in dataset", "a@x.org")] * 2,
    ]


def test_nobody_joins_what_does_not_exist(database: Database, dataset: int) -> None:
    ann = database.transact(service.add_annotator, email="ann@example.org", name="Ann", role=Role.VIEWER)
    for wrong in ((dataset + 1, ann.id, Role.VIEWER), (dataset, "nobody", Role.VIEWER)):
        with pytest.raises(NotFound):
            database.transact(service.set_member, *wrong)
    with pytest.raises(Forbidden):
        database.transact(service.set_member, dataset, ann.id, Role.ADMIN)
    with pytest.raises(NotFound):
        _invite(database, dataset_id=dataset + 1, dataset_role=Role.VIEWER)
    with database.read() as connection, pytest.raises(NotFound):
        service.list_members(connection, dataset + 1)
