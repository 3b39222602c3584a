"""The start of the site and the page of settings."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action, may
from labelmill.http import SignedIn, TheApp, page_router, render, see_other

router = page_router()


@router.get("/")
def start(request: Request, actor: SignedIn) -> Response:  # noqa: ARG001 - whoever is not signed in is sent to do so
    """Lead to the first page of the rail."""
    return see_other(request.app.state.renderer.first_path)


@router.get("/settings")
def settings_page(request: Request, app: TheApp, actor: SignedIn) -> HTMLResponse:
    """Show every setting with its value and origin, secrets masked; people who may not see them get the rest of the page."""
    rows = app.settings.table() if may(actor, Action.VIEW_SETTINGS) else None
    return render(request, "settings/settings.html", rows=rows)
