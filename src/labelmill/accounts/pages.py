"""Pages to sign up, in and out, to choose language and theme, and to keep API tokens."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action, Actor, Scope, may, require, service
from labelmill.accounts.passwords import SHORTEST
from labelmill.bootstrap import App
from labelmill.errors import BadInput, Conflict, Forbidden, LabelmillError, TooManyRequests, Unauthenticated
from labelmill.http import Client, MaybeActor, SignedIn, TheApp, local_path, page_router, render, see_other
from labelmill.http.current import COOKIE, is_secure, set_session
from labelmill.http.sheets import Column, columns, csv_of, sheet

router = page_router()
Text = Annotated[str, Form(max_length=200)]
LONGEST_PATH = 1000
#: One account is tried this many times as often as one address may try, whoever tries: guessers who share the work are slowed too.
GUESSES_AT_ONE = 2
YEAR = 365 * 86400


def _state(token: service.ApiToken) -> str:
    return "revoked" if token.revoked_at else "valid"


TOKENS = (
    *columns("name", "scope", "created_at", "expires_at", "last_used_at"),
    Column(name="state", value=_state),
    Column(name="actions", is_silent=True),
)


@router.get("/sign-in")
def sign_in_page(
    request: Request,
    actor: MaybeActor,
    link: Annotated[str, Query(max_length=200)] = "",
    next: Annotated[str, Query(max_length=LONGEST_PATH)] = "/",  # noqa: A002 - the name in the address
) -> Response:
    """Take an e-mail address and a password or an API token, or redeem a one-time link at a press of a button."""
    if actor is not None and not link:
        return see_other(next)
    return _sign_in(request, next, link=link)


@router.post("/sign-in")
def sign_in(
    request: Request,
    app: TheApp,
    actor: MaybeActor,
    address: Client,
    *,
    email: Text = "",
    password: Text = "",
    link: Text = "",
    token: Text = "",
    next: Annotated[str, Form(max_length=LONGEST_PATH)] = "/",  # noqa: A002 - the name of the field
) -> Response:
    """Begin a session with a password, a one-time link or an API token."""
    agent = request.headers.get("user-agent", "")
    attempts = request.app.state.attempts
    try:
        attempts.count(address)
        if email or password:
            account = service.counted_as(email)
            attempts.count(account, GUESSES_AT_ONE)
            secret = service.sign_in(app.database, email, password, app.settings, agent)
            attempts.take_back(account)
        else:
            begin = service.redeem_login_link if link else service.redeem_token
            secret = app.database.transact(begin, link or token.strip(), app.settings, agent)
    except (Unauthenticated, TooManyRequests) as error:
        return _sign_in(request, next, error=error, email=email, by_token=bool(token))
    attempts.take_back(address)
    return entered(request, app, actor, secret, next)


def _sign_in(
    request: Request,
    next_: str,
    *,
    link: str = "",
    error: LabelmillError | None = None,
    email: str = "",
    by_token: bool = False,
) -> HTMLResponse:
    here = f"/sign-in?{urlencode({'next': local_path(next_), **({'link': link} if link else {})})}"
    status = error.status if error else 200
    return render(
        request, "accounts/sign_in.html", status=status, link=link, next=local_path(next_), error=error, email=email,
        by_token=by_token, here=here,
    )  # fmt: skip


@router.get("/sign-up")
def sign_up_page(
    request: Request, app: TheApp, actor: MaybeActor, link: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Take what an account needs from somebody who was invited, or let one who has an account use the invitation."""
    if actor is not None and not link:
        return see_other("/")
    return _sign_up(request, app, link)


@router.post("/sign-up")
def sign_up(
    request: Request,
    app: TheApp,
    actor: MaybeActor,
    address: Client,
    *,
    email: Text = "",
    name: Text = "",
    password: Text = "",
    link: Text = "",
) -> Response:
    """Make an account and begin its first session; who is signed in uses the invitation as who they are."""
    attempts = request.app.state.attempts
    try:
        attempts.count(address)
        if actor is not None:
            joined = app.database.transact(service.accept, require(actor, Action.CHANGE_ACCOUNT), link)
        else:
            made = service.sign_up(app.database, email=email, password=password, name=name, link=link)
    except (BadInput, Conflict, Forbidden, TooManyRequests) as error:
        return _sign_up(request, app, link, error=error, typed={"email": email, "name": name})
    attempts.take_back(address)
    if actor is not None:
        return see_other(f"/datasets/{joined[0]}" if joined else "/")
    agent = request.headers.get("user-agent", "")
    secret = app.database.transact(service.open_session, made.id, Scope.ADMIN, app.settings, user_agent=agent)
    return entered(request, app, actor, secret, "/")


def _sign_up(
    request: Request, app: TheApp, link: str, *, error: LabelmillError | None = None, typed: dict[str, str] | None = None
) -> HTMLResponse:
    invitation = None
    try:
        with app.database.read() as connection:
            invitation = service.find_invitation(connection, link) if link else None
    except Forbidden as refused:
        error = error or refused
    status = error.status if error else 200
    here = f"/sign-up?{urlencode({'link': link})}" if link else "/sign-up"
    return render(
        request, "accounts/sign_up.html", status=status, link=link, invitation=invitation, error=error, typed=typed or {},
        here=here, shortest=SHORTEST,
    )  # fmt: skip


def entered(request: Request, app: App, actor: Actor | None, secret: str, path: str) -> Response:
    """Lead a browser on with its new session; the one that it had before ends."""
    if actor is not None and actor.session_id is not None:
        app.database.transact(service.close_session, actor.session_id)
    response = see_other(path)
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
def tokens_page(request: Request, app: TheApp, actor: SignedIn) -> Response:
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
) -> Response:
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
    app.database.transact(service.revoke_token, token_id, by=actor)
    return see_other("/settings/tokens")


def _tokens(
    request: Request, app: TheApp, actor: SignedIn, *, error: BadInput | None = None, secret: str | None = None
) -> Response:
    with app.database.read() as connection:
        found = service.list_tokens(connection, actor.annotator_id)
    allowed = may(actor, Action.MAKE_TOKEN)
    status = error.status if error else 200
    table = sheet(request, "tokens", TOKENS, found, place="/settings/tokens")
    return csv_of(request, [table]) or render(
        request,
        "accounts/tokens.html",
        status=status,
        tokens=table,
        scopes=list(Scope),
        error=error,
        secret=secret,
        allowed=allowed,
    )
