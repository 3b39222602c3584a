"""The one place where errors become answers: problem JSON (RFC 9457) for programs, a page for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from labelmill.compat import in_contract
from labelmill.errors import (
    BadInput,
    BadRange,
    Forbidden,
    LabelmillError,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthenticated,
)
from labelmill.http.documents import MEDIA_TYPE
from labelmill.http.pages import SEE_OTHER, local_path, render
from labelmill.logs import get_logger, log_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI, Request

log = get_logger(__name__)

#: Addresses that programs ask; their errors are JSON whatever the Accept header says.
FOR_PROGRAMS = ("/v1/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/static/")
MOST_MISTAKES = 50
#: Of the page before, as browsers tell it.
LONGEST_ADDRESS = 2_000
_BY_STATUS: dict[int, type[LabelmillError]] = {
    401: Unauthenticated, 403: Forbidden, 404: NotFound, 405: MethodNotAllowed, 413: TooLarge,
}  # fmt: skip
#: After these the rest of the body may still be on its way: the connection is of no more use.
_CLOSING = frozenset({408, 413})


def install(app: FastAPI) -> None:
    """Let every error of ``app`` go through ``respond``."""
    for kind in (LabelmillError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    return respond(request, error)


def respond(request: Request, error: Exception) -> Response:
    """Return the answer that tells ``error``, and log it under the same id."""
    ours = as_ours(error)
    identity = log_error(error if ours is None else ours, method=request.method, path=request.url.path)
    problem = (ours or LabelmillError(INTERNAL)).as_problem() | {"id": identity, "instance": request.url.path}
    response = in_contract(request, error, problem) or (_page(request, problem) if wants_page(request) else _json(problem))
    if problem["status"] in _CLOSING:
        response.headers["Connection"] = "close"
    if problem["status"] == Unauthenticated.status:
        response.headers["WWW-Authenticate"] = 'Bearer realm="labelmill"'
    if "retry_after" in problem:
        response.headers["Retry-After"] = str(problem["retry_after"])
    if isinstance(error, HTTPException) and (allowed := (error.headers or {}).get("Allow")):
        response.headers["Allow"] = allowed
    if isinstance(error, BadRange):
        response.headers["Content-Range"] = f"bytes */{error.details['size']}"
    return response


INTERNAL = "Something went wrong inside labelmill; the log tells it under this id."


def as_ours(error: Exception) -> LabelmillError | None:
    """Return an error of our tree for one of the framework, None for one that nobody expected."""
    if isinstance(error, LabelmillError):
        return error
    if isinstance(error, RequestValidationError):
        return _validation(error.errors())
    if not isinstance(error, HTTPException):
        return None
    if isinstance(error.__cause__, LabelmillError):  # the framework wraps what reading a body raises
        return error.__cause__
    kind = _BY_STATUS.get(error.status_code, BadInput)
    message = {404: "There is nothing at this address.", 405: "This address does not know this method."}.get(error.status_code)
    return kind(message or str(error.detail), way_out="/docs lists every call." if message else "")


def _validation(errors: Sequence[Any]) -> BadInput:
    mistakes = [{"where": _path(error["loc"]), "message": error["msg"]} for error in errors[:MOST_MISTAKES]]
    first = mistakes[0] if mistakes else {"where": "body", "message": "It cannot be used."}
    message = first["message"][:1].upper() + first["message"][1:].rstrip(".") + "."
    return BadInput(message, where=first["where"], errors=mistakes)


def _path(location: Sequence[int | str]) -> str:
    """Return ``body.name`` or ``body.rules[3].text`` for pydantic's path; what a client made up is cut."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:100]}" for part in location)
    return text.lstrip(".")


def _json(problem: dict[str, Any]) -> Response:
    body = orjson.dumps(problem, default=str)
    return Response(body, status_code=problem["status"], media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def wants_page(request: Request) -> bool:
    """Tell whether a person with a browser waits for the answer."""
    return not request.url.path.startswith(FOR_PROGRAMS) and "text/html" in request.headers.get("accept", "")


def _page_before(request: Request) -> str:
    """Return the path of our page on which a form was sent, the start page where it is not told."""
    before = urlsplit(request.headers.get("referer", "")[:LONGEST_ADDRESS])
    if before.netloc != request.url.netloc:
        return "/"
    return local_path(before.path + (f"?{before.query}" if before.query else ""))


def _page(request: Request, problem: dict[str, Any]) -> Response:
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if problem["status"] == Unauthenticated.status and request.method == "GET" and request.url.path != "/sign-in":
        return RedirectResponse(f"/sign-in?next={quote(asked)}", status_code=SEE_OTHER)
    try:
        return render(request, "error.html", status=problem["status"], problem=problem, back=_page_before(request))
    except Exception as error:  # noqa: BLE001 - the last page must not fail; what broke it is in the log
        log_error(error)
        return _json(problem)
