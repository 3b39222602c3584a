"""Refuses bodies that are too large or too slow, whether they say their size or not."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from labelmill import clock
from labelmill.errors import BadInput, TooLarge, TooSlow

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from labelmill.settings import Settings

MEGABYTE = 1024 * 1024
#: Paths whose bodies are files, which a handler reads as a stream; they have the limit ``upload_limit_mb``.
UPLOADS: tuple[re.Pattern[str], ...] = (
    re.compile(r"/v1/files/.+"),
    re.compile(r"/label-tasks/files"),
    re.compile(r"/v1/datasets/\d+/uploads/.+"),
    re.compile(r"/datasets/(new|\d+/import)/file"),
)
#: Seconds without a byte, and the seconds that a body may take in all: this many and one more for each SLOWEST bytes of it.
SILENCE = 15.0
WHOLE = 30.0
SLOWEST = 16 * 1024


class BodyLimits:
    def __init__(self, app: ASGIApp, settings: Settings, *, silence: float = SILENCE, whole: float = WHOLE) -> None:
        self._app = app
        self._body_mb = settings.body_limit_mb
        self._upload_mb = settings.upload_limit_mb
        self._silence = silence
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = any(pattern.fullmatch(scope["path"]) for pattern in UPLOADS)
        body = _Body(receive, self._upload_mb if upload else self._body_mb, self._silence, self._whole)
        body.check_header(Headers(scope=scope).get("content-length"))
        await self._app(scope, body.receive, send)


class _Body:
    """One body on its way in."""

    def __init__(self, receive: Receive, limit_mb: int, silence: float, whole: float) -> None:
        self._receive = receive
        self._limit_mb = limit_mb
        self._silence = silence
        self._whole = whole
        self._size = 0
        self._started: float | None = None
        self._complete = False

    def check_header(self, length: str | None) -> None:
        if length is None:
            return
        if not (length.isascii() and length.isdigit()):
            raise BadInput("It is no number.", where="Content-Length")
        self._check_size(int(length[:20]))

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()  # waits until the client goes
        self._started = self._started if self._started is not None else clock.monotonic()
        left = self._started + self._whole + self._size / SLOWEST - clock.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), timeout=max(0.0, min(self._silence, left)))
        except TimeoutError as error:
            raise TooSlow("The body came too slowly.", where="body", way_out="Try again over a faster connection.") from error
        self._size += len(message.get("body", b""))
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)
        self._check_size(self._size)
        return message

    def _check_size(self, size: int) -> None:
        if size > self._limit_mb * MEGABYTE:
            raise TooLarge(
                f"The body is larger than {self._limit_mb} MB.",
                where="body",
                way_out="Send it in parts, or ask for a larger limit.",
            )
