"""The page on one's own account: address, password, sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response

from labelmill.accounts import Action, Actor, may, require, service
from labelmill.accounts.account_routes import replace_email, replace_password
from labelmill.accounts.passwords import SHORTEST
from labelmill.bootstrap import App
from labelmill.errors import BadInput, LabelmillError
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.http.sheets import Column, columns, csv_of, sheet

router = page_router()
Text = Annotated[str, Form(max_length=300)]
SESSIONS = (*columns("browser", "scope", "created_at", "last_seen_at", "expires_at"), Column(name="actions", is_silent=True))


@router.get("/account")
def account_page(request: Request, app: TheApp, actor: SignedIn, saved: str = "") -> Response:
    """Show one's own account, with forms for what can be changed."""
    require(actor, Action.VIEW_ACCOUNT)
    return _page(request, app, actor, saved=saved)


@router.post("/account/email")
def change_email(request: Request, app: TheApp, actor: SignedIn, *, email: Text = "", password: Text = "") -> Response:
    """Change one's address, with the password."""
    require(actor, Action.CHANGE_ACCOUNT)
    try:
        replace_email(request, app, actor, email, password)
    except LabelmillError as error:
        return _page(request, app, actor, error=error, part="email", typed=email)
    return see_other("/account?saved=email")


@router.post("/account/password")
def change_password(
    request: Request, app: TheApp, actor: SignedIn, *, old: Text = "", new: Text = "", again: Text = ""
) -> Response:
    """Change one's password, with the old one; it is typed twice, for nobody sees it."""
    require(actor, Action.CHANGE_ACCOUNT)
    try:
        if new != again:
            raise BadInput("The two new passwords differ.", where="again", way_out="Type it once more.")
        replace_password(request, app, actor, old, new)
    except LabelmillError as error:
        return _page(request, app, actor, error=error, part="password")
    return see_other("/account?saved=password")


@router.post("/account/sessions/end-others")
def end_other_sessions(app: TheApp, actor: SignedIn) -> Response:
    """End all of one's own sessions but this one."""
    require(actor, Action.CHANGE_ACCOUNT)
    app.database.transact(service.end_other_sessions, actor)
    return see_other("/account?saved=sessions")


@router.post("/account/sessions/{session_id}/end")
def end_session(app: TheApp, actor: SignedIn, session_id: str) -> Response:
    """End one of one's own sessions."""
    require(actor, Action.CHANGE_ACCOUNT)
    app.database.transact(service.end_session, actor, session_id)
    return see_other("/account?saved=sessions")


def _page(
    request: Request,
    app: App,
    actor: Actor,
    *,
    error: LabelmillError | None = None,
    part: str = "",
    typed: str = "",
    saved: str = "",
) -> Response:
    with app.database.read() as connection:
        me = service.get_annotator(connection, actor.annotator_id)
        has_password = service.has_password(connection, actor.annotator_id)
        sessions = service.list_sessions(connection, actor.annotator_id, app.settings)
    table = sheet(request, "sessions", SESSIONS, sessions, place="/account")
    return csv_of(request, [table]) or render(
        request, "accounts/account.html", status=error.status if error else 200, me=me, has_password=has_password,
        sessions=table, changes=may(actor, Action.CHANGE_ACCOUNT), error=error, part=part, typed=typed, saved=saved,
        shortest=SHORTEST,
    )  # fmt: skip
