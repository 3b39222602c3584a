"""Calls that people make all day long, by a short way: matched before all others, and on SQLite several done in one transaction.

Whatever is not quite usual about a request (a token that is not known to be good, a body that is wrong) goes the long way, through the
route of the same address: it answers the same, and says what is wrong.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from labelmill import clock
from labelmill.errors import BadInput
from labelmill.http.current import Credentials, credentials
from labelmill.http.routing import parse

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import Connection
    from starlette.types import Message, Receive, Scope, Send

    from labelmill.db.database import Database, Outcome

#: Calls that are done in one transaction, and at most so many threads where the database takes several writers.
MOST_TOGETHER: Final = 16
THREADS: Final = 4
_LONG_WAY: Final = "labelmill.long_way"


class LongWay(Exception):
    """What a verb raises, before it has done anything, for a request that it leaves to the route of the same address."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request, read."""

    request: Request
    who: Credentials
    #: The numbers in its path.
    ids: Mapping[str, int]
    body: Any


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a verb gives back: the answer, and what is to be done once it is committed."""

    answer: BaseModel
    afterwards: Callable[[], None] | None = None


class Counter:
    """Does transactions for an event loop in threads of its own, first come first served."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # SQLite takes one writer at a time: what has come meanwhile is done together, and the disk is waited for once.
        is_alone = database.dialect == "sqlite"
        self._threads, self._most = (1, MOST_TOGETHER) if is_alone else (THREADS, 1)
        self._executor = ThreadPoolExecutor(self._threads, "quick")
        self._waiting: deque[tuple[Callable[[Connection], Any], asyncio.Future[Outcome]]] = deque()
        self._busy = 0

    async def done(self, verb: Callable[[Connection], Any]) -> Any:
        """Return what ``verb(connection)`` returned, committed."""
        result: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((verb, result))
        self._serve()
        outcome = await result
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown()

    def _serve(self) -> None:
        # All of the counting is done by the event loop's thread: it needs no lock.
        while self._waiting and self._busy < self._threads:
            together = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            self._busy += 1
            work = asyncio.get_running_loop().run_in_executor(
                self._executor, self._database.transact_many, [verb for verb, _ in together]
            )
            work.add_done_callback(partial(self._tell, [result for _, result in together]))

    def _tell(self, results: list[asyncio.Future[Outcome]], work: asyncio.Future[list[Outcome]]) -> None:
        self._busy -= 1
        for nth, result in enumerate(results):
            if result.done():  # the client has gone
                continue
            if work.exception() is not None:
                result.set_exception(work.exception() or AssertionError("unreachable"))
            else:
                result.set_result(work.result()[nth])
        self._serve()


class QuickRoute(BaseRoute):
    """A short way to what the route at ``path`` answers, for requests that match ``pattern``, whose groups are numbers."""

    def __init__(
        self, pattern: re.Pattern[str], template: str, body: type[BaseModel], verb: Callable[[Connection, Call], Given]
    ) -> None:
        self._pattern = pattern
        self._body = body
        self._verb = verb
        # As the metrics name it.
        self.template = template

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether this is such a request."""
        if scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"] and _LONG_WAY not in scope:
            found = self._pattern.fullmatch(scope["path"])
            if found:
                return Match.FULL, {"path_params": {name: int(text) for name, text in found.groupdict().items()}}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or have the other route do so."""
        request = Request(scope, receive)
        raw = await request.body()
        call = self._read(request, raw)
        given = await self._done(call) if call is not None else None
        if given is None:
            await request.app.router({**scope, "path_params": {}, _LONG_WAY: True}, _again(raw, receive), send)
            return
        if given.afterwards is not None:
            await asyncio.to_thread(given.afterwards)
        await Response(given.answer.model_dump_json().encode(), media_type="application/json")(scope, receive, send)

    async def _done(self, call: Call) -> Given | None:
        try:
            given: Given = await call.request.app.state.counter.done(_Timed(self._verb, call))
        except LongWay:
            return None
        return given

    def _read(self, request: Request, raw: bytes) -> Call | None:
        """Return what the request says, None where there is anything to say about that."""
        who = credentials(request)
        if not request.app.state.met.knows(who) or request.headers.get("content-type") != "application/json":
            return None
        try:
            body = self._body.model_validate(parse(raw))
        except (BadInput, ValidationError):
            return None
        request.scope["route"] = _Named(self.template)
        return Call(request=request, who=who, ids=request.path_params, body=body)


@dataclass(frozen=True)
class _Named:
    path: str


@dataclass(frozen=True)
class _Timed:
    """A verb that tells how long it worked."""

    verb: Callable[[Connection, Call], Given]
    call: Call

    def __call__(self, connection: Connection) -> Given:
        start = clock.monotonic()
        given = self.verb(connection, self.call)
        self.call.request.state.worked = clock.monotonic() - start
        return given


def _again(raw: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read once more."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": raw, "more_body": False}

    return again
