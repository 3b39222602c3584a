"""One's own account over HTTP: address, password, sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request

from labelmill.accounts import Action, Actor, require, service
from labelmill.accounts.schemas import AccountOut, Ended, Me, NewEmail, NewPassword, SessionList, SessionOut
from labelmill.bootstrap import App
from labelmill.http import SignedIn, TheApp, api_router, documented

router = api_router("/account", "accounts")


@router.get("")
def get_account(app: TheApp, actor: SignedIn) -> AccountOut:
    """Return one's own account."""
    require(actor, Action.VIEW_ACCOUNT)
    return _account(app, actor)


@router.post("/password", status_code=204, responses=documented(409))
def change_password(request: Request, app: TheApp, actor: SignedIn, new: NewPassword) -> None:
    """Change one's password, with the old one. Every other session ends."""
    require(actor, Action.CHANGE_ACCOUNT)
    replace_password(request, app, actor, new.old.get_secret_value(), new.new.get_secret_value())


@router.post("/email", responses=documented(409))
def change_email(request: Request, app: TheApp, actor: SignedIn, new: NewEmail) -> AccountOut:
    """Change one's address, with the password. Everything that one did stays one's own."""
    require(actor, Action.CHANGE_ACCOUNT)
    replace_email(request, app, actor, new.email, new.password.get_secret_value())
    return _account(app, actor)


@router.get("/sessions")
def list_sessions(app: TheApp, actor: SignedIn) -> SessionList:
    """Return one's own sessions that are alive, the one used last first."""
    require(actor, Action.VIEW_ACCOUNT)
    with app.database.read() as connection:
        found = service.list_sessions(connection, actor.annotator_id, app.settings)
    return SessionList(items=[SessionOut.of(one, actor) for one in found])


@router.delete("/sessions")
def end_other_sessions(app: TheApp, actor: SignedIn) -> Ended:
    """End all of one's own sessions but the one that asks."""
    require(actor, Action.CHANGE_ACCOUNT)
    return Ended(ended=app.database.transact(service.end_other_sessions, actor))


@router.delete("/sessions/{session_id}", status_code=204, responses=documented(404))
def end_session(app: TheApp, actor: SignedIn, session_id: Annotated[str, Path(max_length=64)]) -> None:
    """End one of one's own sessions."""
    require(actor, Action.CHANGE_ACCOUNT)
    app.database.transact(service.end_session, actor, session_id)


def replace_password(request: Request, app: App, actor: Actor, old: str, new: str) -> None:
    """Change one's password, counting guesses; raises what the verb raises."""
    attempts, counted = request.app.state.attempts, f"account {actor.annotator_id}"
    attempts.count(counted)
    service.change_password(app.database, actor, old, new)
    attempts.take_back(counted)


def replace_email(request: Request, app: App, actor: Actor, email: str, password: str) -> None:
    """Change one's address, counting guesses; raises what the verb raises."""
    attempts, counted = request.app.state.attempts, f"account {actor.annotator_id}"
    attempts.count(counted)
    service.change_email(app.database, actor, email, password)
    attempts.take_back(counted)


def _account(app: App, actor: Actor) -> AccountOut:
    with app.database.read() as connection:
        known = service.get_annotator(connection, actor.annotator_id)
        has = service.has_password(connection, actor.annotator_id)
    return AccountOut(**(Me.of(actor).model_dump() | {"email": known.email, "name": known.name}), has_password=has)
