"""Who calls: by the cookie that LabelForward's clients keep, by a session of our pages, or by an API token."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer

from labelmill.accounts import Actor
from labelmill.errors import Forbidden, Unauthenticated
from labelmill.http.current import COOKIE, by_session, is_secure, maybe_actor, the_app

ACCESS: Final = "access_token"
#: What a browser says of a request that one of our own pages, or the person at the address bar, makes.
_OWN_PAGES: Final = frozenset({"same-origin", "none"})
#: They stand in the OpenAPI document; the reading is done below.
_BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="An API token: `labelmill token create`.")
_COOKIE = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="The cookie of a signed-in browser.")
_ACCESS = APIKeyCookie(name=ACCESS, auto_error=False, scheme_name="access_token", description="From `POST /api/login/`.")


def caller(
    request: Request,
    _bearer: Annotated[object, Depends(_BEARER)] = None,
    _cookie: Annotated[object, Depends(_COOKIE)] = None,
    _access: Annotated[object, Depends(_ACCESS)] = None,
) -> Actor:
    """Return who asks; raises Unauthenticated for nobody."""
    actor = None
    if "authorization" not in request.headers:
        actor = by_session(request, request.cookies.get(ACCESS, ""))
        request.state.actor = actor
    actor = actor or maybe_actor(request)
    if actor is None:
        raise Unauthenticated("Nobody is signed in, or the session is over.", way_out="Sign in: `POST /api/login/`.")
    return actor


Caller = Annotated[Actor, Depends(caller)]


def set_access(request: Request, response: Response, secret: str) -> None:
    """Give a client its session's cookie. No other site can make a browser send it, not even by a link to the call that signs out."""
    longest = the_app(request).settings.session_days * 86400
    response.set_cookie(ACCESS, secret, max_age=longest, path="/", httponly=True, samesite="strict", secure=is_secure(request))


def require_own_page(request: Request) -> None:
    """Raise Forbidden for a request that another site makes a browser send: where a GET changes something nobody else asks."""
    if request.headers.get("sec-fetch-site", "none") not in _OWN_PAGES:
        raise Forbidden("The request comes from another site.", where="Sec-Fetch-Site", way_out="Call it from the own page.")
