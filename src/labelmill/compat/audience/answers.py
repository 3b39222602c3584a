"""How the Audience API tells an error: ``error_code`` and ``error_message``, and FastAPI's ``detail`` where a value has the wrong type."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from labelmill.errors import LabelmillError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import Request

PREFIX = "/api/tasks"
OK = 200
VALIDATION = 422
#: The codes that the contract documents, apart from that of validation; others keep their own status whatever the setting says.
DOCUMENTED = frozenset({400, 404, 500, 501, 503})
#: The id under which an error stands in the log; the contract has no field for it.
ERROR_ID = "X-Error-ID"
MOST_MISTAKES = 50


@dataclass(frozen=True, kw_only=True)
class Telling:
    """How an error is told: its code, the documented beginning of its text, and further fields of the answer."""

    code: int | None = None
    beginning: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    #: The HTTP status with which the predecessor sent a 500; all others it sent with 200.
    failure_status: int = OK


@contextmanager
def telling(request: Request, code: int, beginning: str = "", *, names_place: bool = False, **more: Any) -> Iterator[None]:
    """Let an error of ours be told with this code and beginning; with ``names_place`` its place is named too.

    ``more`` are ``fields`` of the answer and its ``failure_status``, which hold for any other error as well.
    """
    request.state.audience = Telling(**more)
    try:
        yield
    except LabelmillError as error:
        if request.state.audience.code is not None:  # it was told nearer to where it happened
            raise
        place = f"{error.where}: " if names_place and error.where else ""
        text = f"{beginning}{place}{error.message} {error.way_out}".rstrip()
        request.state.audience = Telling(code=code, beginning=text, **more)
        raise


def in_contract(request: Request, error: Exception, problem: dict[str, Any]) -> JSONResponse | None:
    """Return the answer that tells a problem in the shape that this address documents; None for the addresses of others."""
    if not f"{request.url.path}/".startswith(f"{PREFIX}/"):
        return None
    told: Telling = getattr(request.state, "audience", Telling())
    if told.code is None and problem["status"] == VALIDATION:
        status = VALIDATION
        body: dict[str, Any] = {"detail": fields_at_fault(error, problem)}
    else:
        code = told.code or problem["status"]
        text = told.beginning or f"{problem['detail']} {problem.get('way_out', '')}".rstrip()
        status = _status(request, code, told)
        body = {"error_code": code, "error_message": text, **told.fields}
    problem["status"] = status
    return JSONResponse(body, status_code=status, headers={ERROR_ID: problem["id"], "Cache-Control": "no-store"})


def _status(request: Request, code: int, told: Telling) -> int:
    honest = request.app.state.labelmill.settings.compat_status == "honest"
    if honest or code not in DOCUMENTED:
        return code
    return told.failure_status if code == LabelmillError.status else OK


def fields_at_fault(error: Exception, problem: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each field at fault as FastAPI tells it."""
    if isinstance(error, RequestValidationError):
        return [{"loc": list(one["loc"]), "msg": one["msg"], "type": one["type"]} for one in error.errors()[:MOST_MISTAKES]]
    place = str(problem.get("where", "body")).replace(": ", ".").split(".")
    return [{"loc": place, "msg": problem["detail"], "type": "value_error"}]
