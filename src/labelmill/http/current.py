"""Whose request this is, and the app that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer

from labelmill.accounts import Action, Actor, service
from labelmill.bootstrap import App
from labelmill.errors import Unauthenticated, Unavailable
from labelmill.logs import get_logger

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

log = get_logger(__name__)

COOKIE = "labelmill_session"
#: The header in which a page says whose it is, so that what somebody did is never taken for somebody else's.
MADE_FOR = "X-Labelmill-Annotator"
#: The same in the address that a form is sent to.
MADE_FOR_FIELD: Final = "made_for"
LONGEST_SECRET = 200
#: They stand in the OpenAPI document; the reading is done by ``maybe_actor``.
_BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="An API token: `labelmill token create`.")
_COOKIE = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="The cookie of a signed-in browser.")


def the_app(request: Request) -> App:
    """Return what this process works with."""
    app: App = request.app.state.labelmill
    return app


async def _the_app(request: Request) -> App:
    # What only looks is done on the event loop: a thread for it costs more than it does.
    return the_app(request)


TheApp = Annotated[App, Depends(_the_app)]


def client(request: Request) -> str:
    """Return the address that the request came from."""
    return request.client.host if request.client else "unknown"


async def _client(request: Request) -> str:
    return client(request)


Client = Annotated[str, Depends(_client)]


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a request shows of who asks: a token, or a session's secret."""

    secret: str
    is_token: bool


def credentials(request: Request) -> Credentials:
    """Return what a request shows of who asks; the secret is "" for nothing, and for what cannot be one.

    A bearer token goes before a cookie: a program that sends both means the token.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    secret = bearer if scheme else request.cookies.get(COOKIE, "")
    return Credentials(secret=secret if len(secret) <= LONGEST_SECRET else "", is_token=bool(scheme))


class Met:
    """Remembers who was let in lately: whoever guesses at secrets must not have each guess looked up among the writers."""

    MOST: Final = 10_000

    def __init__(self) -> None:
        self._hashes: dict[bytes, None] = {}

    def add(self, who: Credentials) -> None:
        """Remember who was let in."""
        if len(self._hashes) >= self.MOST:
            self._hashes.clear()
        self._hashes[_digest(who)] = None

    def knows(self, who: Credentials) -> bool:
        """Tell whether they were let in lately; whether they are now, the database says."""
        return _digest(who) in self._hashes


def _digest(who: Credentials) -> bytes:
    return sha256(f"{who.is_token} {who.secret}".encode()).digest()


def _is_meant(request: Request, actor: Actor | None) -> bool:
    """Tell whether a page of somebody's comes with their own session: another tab may have signed somebody else in meanwhile."""
    if actor is None:
        return True
    # A form's address may stay in the address bar, with the page that refused it: to look at a page again is no harm.
    sent = request.query_params.get(MADE_FOR_FIELD) if request.method == "POST" else None
    return request.headers.get(MADE_FOR, sent or actor.annotator_id) == actor.annotator_id


def enter(connection: Connection, request: Request, who: Credentials, action: Action, dataset_id: int) -> Actor | None:
    """Return who asks, with their role in the dataset; None for who must come by ``maybe_actor``, which says why or writes their use.

    Raises NotFound and Forbidden.
    """
    if who.is_token:
        actor = service.enter_by_token(connection, who.secret, action, dataset_id)
    else:
        settings, leaps = the_app(request).settings, request.app.state.leaps
        actor = service.enter_by_session(connection, who.secret, action, dataset_id, settings=settings, leaps=leaps)
    request.state.actor = actor
    return actor if _is_meant(request, actor) else None


def maybe_actor(request: Request) -> Actor | None:
    """Return who asks, None for nobody; raises Unauthenticated for a token that is not valid, and for another one than was meant."""
    who = credentials(request)
    actor = _by_token(request, who.secret) if who.is_token else by_session(request, who.secret)
    if not _is_meant(request, actor):
        way_out = "Sign in again as who you were, or load the page anew."
        raise Unauthenticated("Somebody else is signed in in this browser now.", way_out=way_out)
    request.state.actor = actor
    if actor is not None:
        request.app.state.met.add(who)
    return actor


MaybeActor = Annotated[Actor | None, Depends(maybe_actor)]


async def signed_in(
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


def count_import(request: Request, actor: MaybeActor) -> None:
    """Count a file that somebody sends or an import that they begin; raises TooManyRequests where there were too many."""
    if actor is not None:
        request.app.state.imports.count(actor.annotator_id)


#: For routes that take files or begin imports: ``dependencies=[ImportLimit]``.
ImportLimit = Depends(count_import)


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


def by_session(request: Request, secret: str) -> Actor | None:
    """Return who a session belongs to, None for one that is unknown or over."""
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
