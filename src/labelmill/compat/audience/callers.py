"""Who may call without a token: programs on the networks that the setting trusts."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer

from labelmill.accounts import Actor, Role, Scope
from labelmill.errors import Unauthenticated
from labelmill.http.current import COOKIE, maybe_actor, the_app

#: It may do what a manager's program does, and nothing for administrators.
TRUSTED = Actor(annotator_id="", email="", name="a trusted network", role=Role.MANAGER, scope=Scope.WRITE)
#: A request with one of these came through a proxy: its connection is the proxy's and says nothing about who asks.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
#: What a browser says of a request that one of our own pages, or the person at the address bar, makes.
_OWN_PAGES = frozenset({"same-origin", "none"})
#: They stand in the OpenAPI document; the reading is done by ``maybe_actor``.
_BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="An API token: `labelmill token create`.")
_COOKIE = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="The cookie of a signed-in browser.")


def caller(
    request: Request,
    _bearer: Annotated[object, Depends(_BEARER)] = None,
    _cookie: Annotated[object, Depends(_COOKIE)] = None,
) -> Actor:
    """Return who asks: by its token where it sends one, else by its network, else by its session; raises Unauthenticated."""
    if "authorization" not in request.headers and is_trusted(request):
        request.state.actor = TRUSTED
        return TRUSTED
    actor = maybe_actor(request)
    if actor is None:
        way_out = "Send `Authorization: Bearer <token>`, or have your network added to LABELMILL_COMPAT_TRUSTED_NETWORKS."
        raise Unauthenticated("Nobody is signed in, and this address is not trusted.", way_out=way_out)
    return actor


Caller = Annotated[Actor, Depends(caller)]


def is_trusted(request: Request) -> bool:
    """Tell whether a request came straight from a trusted network, and not from a page of another site in somebody's browser."""
    networks = the_app(request).settings.compat_trusted_networks
    if not networks or request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    if request.headers.get("sec-fetch-site", "none") not in _OWN_PAGES or not _is_own_origin(request):
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback and _is_public_name(request):
        return False
    return any(address in ip_network(network) for network in networks)


def _is_own_origin(request: Request) -> bool:
    """Tell whether a request names no page that made it, or one of this very server: old browsers tell only this of themselves."""
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == request.headers.get("host", "").lower()


def _is_public_name(request: Request) -> bool:
    """Tell whether the server was asked by its public name: from this machine only the proxy in front does so."""
    public = urlsplit(the_app(request).settings.public_url or "").hostname
    return public is not None and request.url.hostname == public
