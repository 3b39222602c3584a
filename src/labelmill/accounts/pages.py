"""Pages to sign in and out, to choose language and theme, and to keep API tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action, Scope, may, require, service
from labelmill.errors import BadInput, TooManyRequests, Unauthenticated
from labelmill.http import Client, MaybeActor, SignedIn, TheApp, local_path, page_router, render, see_other
from labelmill.http.current import COOKIE, is_secure, set_session

router = page_router()
Text = Annotated[str, Form(max_length=200)]
LONGEST_PATH = 1000
YEAR = 365 * 86400


@router.get("/sign-in")
def sign_in_page(
    request: Request,
    actor: MaybeActor,
    link: Annotated[str, Query(max_length=200)] = "",
    next: Annotated[str, Query(max_length=LONGEST_PATH)] = "/",  # noqa: A002 - the name in the address
) -> Response:
    """Explain the one-time link, redeem one at a press of a button, or take an API token."""
    if actor is not None and not link:
        return see_other(next)
    return render(request, "accounts/sign_in.html", link=link, next=local_path(next), error=None)


@router.post("/sign-in")
def sign_in(
    request: Request,
    app: TheApp,
    address: Client,
    *,
    link: Text = "",
    token: Text = "",
    next: Annotated[str, Form(max_length=LONGEST_PATH)] = "/",  # noqa: A002 - the name of the field
) -> Response:
    """Begin a session with a one-time link or an API token."""
    agent = request.headers.get("user-agent", "")
    try:
        request.app.state.attempts.count(address)
        begin = service.redeem_login_link if link else service.redeem_token
        secret = app.database.transact(begin, link or token.strip(), app.settings, agent)
    except (Unauthenticated, TooManyRequests) as error:
        return render(request, "accounts/sign_in.html", status=error.status, link="", next=local_path(next), error=error)
    request.app.state.attempts.forget(address)
    response = see_other(next)
    set_session(request, response, secret)
    return response


@router.post("/sign-out")
def sign_out(app: TheApp, actor: MaybeActor) -> Response:
    """End the session."""
    if actor is not None and actor.session_id is not None:
        app.database.transact(service.close_session, actor.session_id)
    response = see_other("/sign-in")
    response.delete_cookie(COOKIE, path="/")
    return response


@router.post("/preferences")
def choose(
    request: Request,
    language: Text = "",
    theme: Text = "",
    next: Annotated[str, Form(max_length=LONGEST_PATH)] = "/",  # noqa: A002 - the name of the field
) -> Response:
    """Keep the reader's language and theme in the browser."""
    response = see_other(next)
    for name, value in (("language", language), ("theme", theme)):
        if value.isascii() and value.replace("-", "").isalnum():
            response.set_cookie(f"labelmill_{name}", value, max_age=YEAR, path="/", samesite="lax", secure=is_secure(request))
    return response


@router.get("/settings/tokens")
def tokens_page(request: Request, app: TheApp, actor: SignedIn) -> HTMLResponse:
    """List one's own API tokens, with the form for a new one."""
    require(actor, Action.VIEW_OWN_TOKENS)
    return _tokens(request, app, actor)


@router.post("/settings/tokens")
def make_token(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    *,
    name: Text,
    scope: Annotated[Scope, Form()],
    days: Annotated[int, Form()] = 365,
) -> HTMLResponse:
    """Make an API token and show it this once."""
    require(actor, Action.MAKE_TOKEN)
    try:
        _, secret = app.database.transact(service.create_token, actor.annotator_id, name=name, scope=scope, days=days)
    except BadInput as error:
        return _tokens(request, app, actor, error=error)
    return _tokens(request, app, actor, secret=secret)


@router.post("/settings/tokens/{token_id}/revoke")
def revoke_token(app: TheApp, actor: SignedIn, token_id: str) -> Response:
    """End an API token."""
    with app.database.read() as connection:
        require(actor, Action.REVOKE_TOKEN, service.get_token(connection, token_id))
    app.database.transact(service.revoke_token, token_id)
    return see_other("/settings/tokens")


def _tokens(
    request: Request, app: TheApp, actor: SignedIn, *, error: BadInput | None = None, secret: str | None = None
) -> HTMLResponse:
    with app.database.read() as connection:
        found = service.list_tokens(connection, actor.annotator_id)
    allowed = may(actor, Action.MAKE_TOKEN)
    status = error.status if error else 200
    return render(
        request,
        "accounts/tokens.html",
        status=status,
        tokens=found,
        scopes=list(Scope),
        error=error,
        secret=secret,
        allowed=allowed,
    )
