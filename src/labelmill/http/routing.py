"""Routers of the native API, whose JSON bodies are read strictly."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import orjson
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute

from labelmill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.responses import Response

DEEPEST = 64
#: Bytes above which a body is parsed beside the event loop.
LARGE = 256 * 1024


def api_router(prefix: str, *tags: str) -> APIRouter:
    """Return a router for ``/v1`` + ``prefix``."""
    return APIRouter(prefix=f"/v1{prefix}", tags=list(tags), route_class=StrictRoute)


class StrictRequest(Request):
    """A request whose JSON body has one meaning only."""

    async def json(self) -> Any:
        """Return the body's value; raises BadInput for NaN, infinities, duplicate keys, lone surrogates, NUL and great depth."""
        if not hasattr(self, "_json"):
            body = await self.body()
            read = partial(parse, body)
            self._json = await anyio.to_thread.run_sync(read) if len(body) > LARGE else read()
        return self._json


class StrictRoute(APIRoute):
    """A route that reads JSON bodies strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler for requests that came as any kind of request."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await inner(StrictRequest(request.scope, request.receive))

        return handle


def parse(body: bytes) -> Any:
    """Return the value of a JSON document; raises BadInput where readers could differ about it."""
    try:
        orjson.loads(body)  # knows UTF-8, surrogates, numbers and the grammar exactly; the second reading finds repeated keys
        value = json.loads(body, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        if "depth" in error.msg or "recursion" in error.msg:
            raise _too_deep() from error
        way_out = f"Look at line {error.lineno}, column {error.colno}."
        raise BadInput(f"The body is not JSON: {error.msg}.", where="body", way_out=way_out) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise BadInput(f"The body is not JSON: {error}.", where="body") from error
    _check_depth(value)
    if b"\\u0000" in body:
        _refuse_nul(value)
    return value


def _check_depth(value: Any) -> None:
    """Raise BadInput when lists and objects stand in one another more than DEEPEST levels deep."""
    level, depth = [value] if isinstance(value, dict | list) else [], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise _too_deep()
        inner = (part for outer in level for part in (outer.values() if isinstance(outer, dict) else outer))
        level = [part for part in inner if isinstance(part, dict | list)]


def _too_deep() -> BadInput:
    return BadInput(f"The JSON is nested more than {DEEPEST} levels deep.", where="body")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput("The key stands twice in one object.", where=f"body: {twice[:100]}")
    return found


def _refuse_nul(value: Any) -> None:
    match value:
        case str() if "\0" in value:
            raise BadInput("A text holds the character NUL, which no database of ours can keep.", where="body")
        case dict():
            _refuse_nul([*value, *value.values()])
        case list():
            for part in value:
                _refuse_nul(part)
