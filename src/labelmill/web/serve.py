"""Runs the web app in a process of its own: ``labelmill web``."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from labelmill.bootstrap import build
from labelmill.logs import configure
from labelmill.web.app import create_app

if TYPE_CHECKING:
    import asyncio

    from labelmill.settings import Settings

#: Seconds that running requests get after SIGTERM.
GRACE = 25
#: Seconds that an idle connection is kept, and that a request's head may take to arrive.
KEEP_ALIVE = 20
HEAD = 20.0
#: Connections at once; more are answered 503 at once rather than slowly.
MOST_CONNECTIONS = 500
LONGEST_HEAD = 32 * 1024


class Protocol(H11Protocol):
    """HTTP/1.1 that hangs up on clients whose request's head does not arrive in time, which the library lets wait for ever."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take bytes; between requests the first byte begins the wait for the rest of the head."""
        before = self.cycle
        if self._waiting is None and (before is None or before.response_complete):
            self._wait()
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _hang_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let running requests end."""
    configure(settings.log_level, settings.log_format)  # a server tells more than a command
    app = build(settings)
    try:
        web = create_app(app)
        server = uvicorn.Server(config(web, settings))
        # Event streams end by themselves when the server is told to stop; nothing else would end them.
        web.state.stopping = lambda: server.should_exit
        server.run(sockets=_shared(settings) if settings.web_processes > 1 else None)
    finally:
        app.close()


def _shared(settings: Settings) -> list[socket.socket]:
    """Return a socket that other web processes may have too: the system deals the connections out among them."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    shared = socket.socket(family, kind, protocol)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind(address)
    return [shared]


def config(web: Any, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn serves: our log lines, and limits on all that a client decides."""
    return uvicorn.Config(
        web,
        host=settings.host,
        port=settings.port,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Only where a proxy is said to stand in front are its words about the client believed.
        proxy_headers=settings.public_url is not None,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=LONGEST_HEAD,
    )
