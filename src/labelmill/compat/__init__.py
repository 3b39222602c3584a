"""The predecessors' documented HTTP contracts: shapes only, no logic. What is asked for is done by the features' services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelmill.compat.audience import answers as audience
from labelmill.compat.labelforward import answers as labelforward
from labelmill.compat.svc_ml import answers as svc_ml

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.responses import Response

__all__ = ["in_contract"]


def in_contract(request: Request, error: Exception, problem: dict[str, Any]) -> Response | None:
    """Return the answer that tells a problem in the shape that its address documents; None for the addresses of others."""
    return (
        audience.in_contract(request, error, problem)
        or labelforward.in_contract(request, problem)
        or svc_ml.in_contract(request, error, problem)
    )
