"""What every request passes, from the outside in. Plain ASGI: nothing buffers answers and nothing costs a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware import Middleware

from labelmill.web.middleware.bodies import BodyLimits
from labelmill.web.middleware.errors import Errors
from labelmill.web.middleware.headers import SecurityHeaders
from labelmill.web.middleware.origins import Origins
from labelmill.web.middleware.requests import Requests

if TYPE_CHECKING:
    from labelmill.settings import Settings
    from labelmill.web.metrics import Metrics


def stack(settings: Settings, metrics: Metrics) -> list[Middleware]:
    """Return the layers, outermost first."""
    return [
        Middleware(Requests, metrics=metrics),
        Middleware(SecurityHeaders, settings=settings),
        Middleware(Errors),
        Middleware(Origins, settings=settings),
        Middleware(BodyLimits, settings=settings),
    ]
