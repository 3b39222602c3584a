"""Gives each request an id, one log line and its place in the metrics."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from labelmill import clock
from labelmill.ids import new_id
from labelmill.logs import context, get_logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from labelmill.web.metrics import Metrics

log = get_logger("labelmill.access")

#: An id from outside is taken over when it cannot do harm in a log.
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: Asked every few seconds by machines: at level info they would drown the rest.
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
CLIENT_GONE = 499


class Requests:
    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        identity = given if _ID.fullmatch(given) else new_id()
        started, status = clock.monotonic(), CLIENT_GONE

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = identity
                headers["Server-Timing"] = _timing(scope, clock.monotonic() - started)
            await send(message)

        with context(request=identity):
            try:
                await self._app(scope, receive, tagged)
            finally:
                self._tell(scope, status, clock.monotonic() - started)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = template(scope)
        self._metrics.observe(scope["method"], route, status, seconds)
        tell = log.debug if scope["path"] in _QUIET else log.info
        # Without the query: a one-time link is a secret.
        path = scope["path"][:500]
        actor = getattr(scope.get("state", {}).get("actor"), "annotator_id", None)
        who = {"annotator": actor} if actor else {}
        tell("request", method=scope["method"], path=path, status=status, milliseconds=round(seconds * 1000, 1), **who)


def _timing(scope: Scope, seconds: float) -> str:
    """Return how long the answer took in all, and of that the work on it where it waited for others' as well."""
    worked = scope.get("state", {}).get("worked")
    work = f"work;dur={worked * 1000:.2f}, " if worked is not None else ""
    return f"{work}total;dur={seconds * 1000:.2f}"


def template(scope: Scope) -> str:
    """Return the route's own path, ``/v1/jobs/{job_id}``: made-up addresses must not each become a figure."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and path else "(none)"
