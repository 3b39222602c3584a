"""How the contract of image tasks tells an error: FastAPI's ``detail``, a list of the fields at fault for a value of the wrong type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi.responses import JSONResponse

from labelmill.compat.audience.answers import ERROR_ID, VALIDATION, fields_at_fault

if TYPE_CHECKING:
    from fastapi import Request

PREFIX: Final = "/api/v1/svc_ml"
#: Where the old service had its page, for people with a browser: errors there are told as on every page.
DOCS: Final = f"{PREFIX}/docs"


def in_contract(request: Request, error: Exception, problem: dict[str, Any]) -> JSONResponse | None:
    """Return the answer that tells a problem to clients of image tasks; None for the addresses of others."""
    path = request.url.path
    if not f"{path}/".startswith(f"{PREFIX}/") or path == DOCS:
        return None
    told: Any = f"{problem['detail']} {problem.get('way_out', '')}".rstrip()
    if problem["status"] == VALIDATION:
        told = fields_at_fault(error, problem)
    headers = {ERROR_ID: problem["id"], "Cache-Control": "no-store"}
    return JSONResponse({"detail": told}, status_code=problem["status"], headers=headers)
