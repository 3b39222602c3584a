"""Who may do what."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import pytest

from labelmill.accounts import Action, Actor, Role, Scope, may, require
from labelmill.accounts.permissions import NEEDS
from labelmill.errors import Forbidden, Unauthenticated


def _actor(role: Role, scope: Scope = Scope.ADMIN, identifier: str = "me") -> Actor:
    return Actor(annotator_id=identifier, email="me@example.org", name="Me", role=role, scope=scope)


def test_every_action_says_what_it_needs() -> None:
    assert set(NEEDS) == set(Action)


@pytest.mark.parametrize("action", list(Action))
def test_a_higher_role_and_a_wider_scope_may_do_all_that_a_lower_one_may(action: Action) -> None:
    roles, scopes = list(Role), list(Scope)
    for (i, role), (j, scope) in product(enumerate(roles), enumerate(scopes)):
        if may(_actor(role, scope), action):
            assert all(may(_actor(higher, wider), action) for higher in roles[i:] for wider in scopes[j:])


@pytest.mark.parametrize("action", list(Action))
def test_an_admin_may_do_everything_and_nobody_nothing(action: Action) -> None:
    admin = _actor(Role.ADMIN)
    assert require(admin, action) is admin
    with pytest.raises(Unauthenticated):
        require(None, action)


def test_a_read_token_changes_nothing_even_of_an_admin() -> None:
    reader = _actor(Role.ADMIN, Scope.READ)
    allowed = {action for action in Action if may(reader, action)}
    assert all(action.value.startswith("view") for action in allowed)


def test_who_made_a_job_may_stop_it_and_another_viewer_may_not() -> None:
    job = SimpleNamespace(created_by="me")
    assert may(_actor(Role.VIEWER), Action.STOP_JOB, job)
    assert not may(_actor(Role.VIEWER, identifier="other"), Action.STOP_JOB, job)


@pytest.mark.parametrize("owner", [None, ""])
def test_a_thing_without_owner_belongs_to_nobody(owner: str | None) -> None:
    """Not even to the actor without an id that stands for the command line."""
    assert not may(_actor(Role.VIEWER, identifier=""), Action.STOP_JOB, SimpleNamespace(created_by=owner))


def test_owning_a_thing_widens_no_scope() -> None:
    assert not may(_actor(Role.VIEWER, Scope.READ), Action.STOP_JOB, SimpleNamespace(created_by="me"))


def test_a_refusal_says_which_role_or_scope_is_missing() -> None:
    with pytest.raises(Forbidden, match=r"role is viewer.*the role manager"):
        require(_actor(Role.VIEWER), Action.START_LABEL_TASK)
    with pytest.raises(Forbidden, match=r"scope is read.*the scope write"):
        require(_actor(Role.ADMIN, Scope.READ), Action.START_LABEL_TASK)
