"""The page on named connections."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import HTMLResponse

from labelmill.accounts import Action, may, require
from labelmill.connections import service, trial
from labelmill.errors import LabelmillError
from labelmill.http import SignedIn, TheApp, page_router, render, see_other

router = page_router()
Text = Annotated[str, Form(max_length=2000)]


@router.get("/settings/connections")
def connections_page(request: Request, app: TheApp, actor: SignedIn) -> HTMLResponse:
    """List the connections, with the form for a new one."""
    require(actor, Action.VIEW_CONNECTIONS)
    return _page(request, app, actor)


@router.post("/settings/connections")
def add(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    *,
    name: Text,
    url: Text,
    password: Text = "",
    readable: Text = "",
    writable: Text = "",
) -> Response:
    """Add a connection from the form; what was typed, but the password, comes back with a mistake."""
    require(actor, Action.KEEP_CONNECTIONS)
    try:
        app.database.transact(
            service.add,
            app,
            name=name.strip(),
            url=url.strip(),
            password=password or None,
            readable=_words(readable),
            writable=_words(writable),
            created_by=actor.annotator_id,
        )
    except LabelmillError as error:
        return _page(request, app, actor, error=error, typed={"name": name, "readable": readable, "writable": writable})
    return see_other("/settings/connections")


@router.post("/settings/connections/{name}/test")
def test(request: Request, app: TheApp, actor: SignedIn, name: str) -> HTMLResponse:
    """Connect for real and show the tables, or why not."""
    require(actor, Action.KEEP_CONNECTIONS)
    try:
        found = trial.try_connection(app, name)
    except LabelmillError as error:
        return _page(request, app, actor, error=error)
    return _page(request, app, actor, tried=(name, found))


@router.post("/settings/connections/{name}/remove")
def remove(app: TheApp, actor: SignedIn, name: str) -> Response:
    """Remove a connection."""
    require(actor, Action.KEEP_CONNECTIONS)
    app.database.transact(service.remove, name)
    return see_other("/settings/connections")


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]


def _page(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    *,
    error: LabelmillError | None = None,
    typed: dict[str, str] | None = None,
    tried: tuple[str, trial.Trial] | None = None,
) -> HTMLResponse:
    with app.database.read() as connection:
        found = service.list_connections(connection)
    return render(
        request,
        "connections/list.html",
        status=error.status if error else 200,
        connections=found,
        keeps=may(actor, Action.KEEP_CONNECTIONS),
        error=error,
        typed=typed or {},
        tried=tried,
    )
