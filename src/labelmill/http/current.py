"""Whose request this is, and the app that answers it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer

from labelmill.accounts import Actor, service
from labelmill.bootstrap import App
from labelmill.errors import Unauthenticated, Unavailable
from labelmill.logs import get_logger

log = get_logger(__name__)

COOKIE = "labelmill_session"
LONGEST_SECRET = 200
#: They stand in the OpenAPI document; the reading is done by ``maybe_actor``.
_BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="An API token: `labelmill token create`.")
_COOKIE = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="The cookie of a signed-in browser.")


def the_app(request: Request) -> App:
    """Return what this process works with."""
    app: App = request.app.state.labelmill
    return app


TheApp = Annotated[App, Depends(the_app)]


def client(request: Request) -> str:
    """Return the address that the request came from."""
    return request.client.host if request.client else "unknown"


Client = Annotated[str, Depends(client)]


def maybe_actor(request: Request) -> Actor | None:
    """Return who asks, None for nobody; raises Unauthenticated for a token that is not valid.

    A bearer token goes before a cookie: a program that sends both means the token.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    actor: Actor | None
    if scheme:
        actor = _by_token(request, secret.strip() if scheme.lower() == "bearer" else "")
    else:
        actor = _by_cookie(request, request.cookies.get(COOKIE, ""))
    request.state.actor = actor
    return actor


MaybeActor = Annotated[Actor | None, Depends(maybe_actor)]


def signed_in(
    actor: MaybeActor,
    _bearer: Annotated[object, Depends(_BEARER)] = None,
    _cookie: Annotated[object, Depends(_COOKIE)] = None,
) -> Actor:
    """Return who asks; raises Unauthenticated for nobody."""
    if actor is None:
        way_out = "Send `Authorization: Bearer <token>`, or sign in at /sign-in."
        raise Unauthenticated("Nobody is signed in, or the session is over.", way_out=way_out)
    return actor


SignedIn = Annotated[Actor, Depends(signed_in)]


def set_session(request: Request, response: Response, secret: str) -> None:
    """Give the browser its session's cookie."""
    settings = the_app(request).settings
    response.set_cookie(
        COOKIE,
        secret,
        max_age=settings.session_days * 86400,
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_secure(request),
    )


def is_secure(request: Request) -> bool:
    """Tell whether people reach this server by TLS, here or at a proxy in front."""
    return request.url.scheme == "https" or (the_app(request).settings.public_url or "").startswith("https://")


def _by_token(request: Request, secret: str) -> Actor:
    app = the_app(request)
    actor, stale = _token_actor(app, secret)
    if actor is None:
        # Only wrong tokens are counted: whoever guesses is slowed, whoever shares the address and has a good one is not.
        request.app.state.attempts.count(client(request))
        raise Unauthenticated(
            "This token is not valid: unknown, expired or revoked.", way_out="Make one: `labelmill token create`."
        )
    if stale:
        _quietly(app, service.touch_token, actor.token_id)
    return actor


def _token_actor(app: App, secret: str) -> tuple[Actor | None, bool]:
    """Return who a token stands for, and whether its last use should be written again."""
    if not 0 < len(secret) <= LONGEST_SECRET:
        return None, False
    with app.database.read() as connection:
        actor = service.find_actor(connection, secret)
        return actor, actor is not None and service.is_stale(connection, str(actor.token_id))


def _by_cookie(request: Request, secret: str) -> Actor | None:
    if not 0 < len(secret) <= LONGEST_SECRET:
        return None
    app = the_app(request)
    with app.database.read() as connection:
        found = service.find_session(connection, secret, app.settings, request.app.state.leaps)
    if found is None:
        return None
    if found.touch is not None:
        _quietly(app, service.touch_session, found.actor.session_id, found.touch)
    return found.actor


def _quietly(app: App, verb: object, *arguments: object) -> None:
    # Who reads should not fail because the time of their last use cannot be written (a full disk, a busy database).
    try:
        app.database.transact(verb, *arguments)  # type: ignore[arg-type]
    except Unavailable as error:
        log.warning("last use not written", reason=error.message)
