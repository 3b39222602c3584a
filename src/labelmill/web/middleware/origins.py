"""Refuses requests that another site makes a browser send, and hosts that are not ours."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from labelmill.errors import BadInput, Forbidden
from labelmill.http.current import COOKIE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from labelmill.settings import Settings

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: A page of ours, or the person at the address bar.
OWN = frozenset({"same-origin", "none"})
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
#: Asked by machines by whatever address they have; they tell nothing that needs guarding.
OPEN = frozenset({"/healthz", "/readyz", "/metrics"})


class Origins:
    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = {host_of(settings.public_url)} if settings.public_url else set()
        self._listens = settings.host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            _check_address(scope)
            if scope["path"] not in OPEN:
                self._check_host(headers)
            if scope["method"] not in SAFE and "authorization" not in headers:
                self._check_origin(headers)
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        host = host_of(f"//{headers.get('host', '')}")
        if host not in self._hosts and host not in LOCAL and not self._is_own_address(host):
            raise Forbidden(
                "This server is not known by that name.",
                where="Host",
                way_out="Use the address it was started with, or set LABELMILL_PUBLIC_URL to the one that people type.",
            )

    def _is_own_address(self, host: str) -> bool:
        """Tell whether ``host`` is a bare address, or the name that it listens on; a rebound DNS name is neither."""
        if host == self._listens:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return self._listens not in LOCAL

    def _check_origin(self, headers: Headers) -> None:
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            own = site in OWN
        elif origin is not None:
            own = origin not in ("", "null") and host_of(origin) in {*self._hosts, host_of(f"//{headers.get('host', '')}")}
        else:
            # Every browser of today sends one of the two; a program that sends neither must not carry a browser's cookie.
            own = f"{COOKIE}=" not in headers.get("cookie", "")
        if not own:
            raise Forbidden(
                "The request comes from another site.",
                where="Origin",
                way_out="Programs send an API token: `Authorization: Bearer ...`.",
            )


def host_of(url: str) -> str:
    """Return the lower-case host of a URL, without its port; empty where it has none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _check_address(scope: Scope) -> None:
    if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
        raise BadInput("The address holds the character NUL.", where="path")
