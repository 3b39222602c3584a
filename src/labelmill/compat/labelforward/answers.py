"""How LabelForward's calls tell an error: a problem as everywhere, with its text in ``msg`` too, where old clients look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from fastapi.responses import Response

from labelmill.errors import LabelmillError
from labelmill.http.documents import MEDIA_TYPE

if TYPE_CHECKING:
    from fastapi import Request

PREFIXES: Final = ("/api/users", "/api/login", "/api/texts", "/api/monitor")
#: What the predecessor had no code for: it answered them with 500 and a text.
UNKNOWN_TO_IT: Final = frozenset({404, 409, 422, 501})
#: Says ``record``, ``waiting`` or ``done``: the codes 204 and 205 have no body that could.
STATE: Final = "X-Labelmill-State"


def in_contract(request: Request, problem: dict[str, Any]) -> Response | None:
    """Return the answer that tells a problem to LabelForward's clients; None for the addresses of others."""
    path = f"{request.url.path}/"
    if not any(path.startswith(f"{prefix}/") for prefix in PREFIXES):
        return None
    honest = request.app.state.labelmill.settings.compat_status == "honest"
    if not honest and problem["status"] in UNKNOWN_TO_IT:
        problem["status"] = LabelmillError.status
    told = f"{problem['detail']} {problem.get('way_out', '')}".rstrip()
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(problem | {"msg": told}), problem["status"], headers, MEDIA_TYPE)
