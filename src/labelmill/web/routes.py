"""What machines ask of any server: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from labelmill import __version__
from labelmill.http import TheApp
from labelmill.web import health

router = APIRouter(tags=["operation"])
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Alive(BaseModel):
    status: str
    version: str


class Part(BaseModel):
    name: str
    status: str
    reason: str


class Ready(BaseModel):
    status: str
    parts: list[Part]


@router.get("/healthz")
async def healthz() -> Alive:
    """Tell that the process is alive. Depends on nothing."""
    return Alive(status="ok", version=__version__)


@router.get("/readyz", responses={503: {"model": Ready, "description": "A part is down; each is named with its reason."}})
def readyz(app: TheApp, response: Response) -> Ready:
    """Tell whether database, files and broker answer."""
    checks = health.check_all(app)
    ok = all(check.ok for check in checks)
    response.status_code = 200 if ok else 503
    parts = [Part(name=check.name, status="ok" if check.ok else "failed", reason=check.reason) for check in checks]
    return Ready(status="ok" if ok else "failed", parts=parts)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Give figures for Prometheus."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE)
