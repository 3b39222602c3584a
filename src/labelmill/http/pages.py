"""What a feature's pages need: a router whose pages stay out of the API's document, and rendering with the page frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import URL

from labelmill.http.current import MADE_FOR

if TYPE_CHECKING:
    from fastapi import Request

SEE_OTHER = 303


def page_router() -> APIRouter:
    """Return a router for pages."""
    return APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def render(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Return a page made of ``web/templates/<template>``; ``t`` in it translates, the frame knows who is signed in."""
    html: str = request.app.state.renderer(request, template, context)
    return HTMLResponse(html, status_code=status)


def told(request: Request, problem: dict[str, Any]) -> dict[str, Any]:
    """Return a problem document as a page's script shows it, in the reader's language; programs get it as it is."""
    if MADE_FOR not in request.headers:
        return problem
    said: dict[str, Any] = request.app.state.renderer.told(request, problem)
    return said


def see_other(path: str) -> RedirectResponse:
    """Send the browser to another page of ours after a form was handled; other hosts are never named."""
    return RedirectResponse(local_path(path), status_code=SEE_OTHER)


def local_path(path: str) -> str:
    """Return ``path`` when it leads to this server, else the start page."""
    url = URL(path)
    fine = (
        path.startswith("/")
        and not path.startswith(("//", "/\\"))
        and not url.hostname
        and path.isprintable()
        and "\\" not in path
    )
    return path if fine else "/"
