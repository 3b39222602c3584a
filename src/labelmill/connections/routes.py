"""Named connections over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response

from labelmill.accounts import Action, may, require
from labelmill.connections import service, trial
from labelmill.connections.schemas import ConnectionOut, ConnectionPage, NewConnection, TrialOut
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, decode_cursor, page_of

router = api_router("/connections", "connections")
Name = Annotated[str, Path(max_length=64)]


@router.get("")
def list_connections(
    app: TheApp,
    actor: SignedIn,
    *,
    cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> ConnectionPage:
    """Return the connections by name; their URLs for administrators only."""
    require(actor, Action.VIEW_CONNECTIONS)
    whole = may(actor, Action.KEEP_CONNECTIONS)
    after = decode_cursor(cursor, "after")["after"] if cursor else ""
    with app.database.read() as connection:
        found = service.list_connections(connection, after=after, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"after": one.name})
    return ConnectionPage(items=[ConnectionOut.of(one, whole=whole) for one in page.items], next=page.next)


@router.post("", status_code=201, response_model=ConnectionOut, responses=documented(409))
def add_connection(app: TheApp, actor: SignedIn, once: TheOnce, new: NewConnection) -> Response:
    """Add a connection. A SQLite file is named by its path below the data folder's `files`."""
    require(actor, Action.KEEP_CONNECTIONS)
    values = new.model_dump(exclude={"password"}) | {"created_by": actor.annotator_id}
    password = new.password.get_secret_value() if new.password else None
    return once.run(lambda connection: ConnectionOut.of(service.add(connection, app, password=password, **values), whole=True))


@router.get("/{name}", responses=documented(404))
def get_connection(app: TheApp, actor: SignedIn, name: Name) -> ConnectionOut:
    """Return one connection."""
    require(actor, Action.VIEW_CONNECTIONS)
    with app.database.read() as connection:
        return ConnectionOut.of(service.get(connection, name), whole=may(actor, Action.KEEP_CONNECTIONS))


@router.post("/{name}/test", responses=documented(404))
def test_connection(app: TheApp, actor: SignedIn, name: Name) -> TrialOut:
    """Connect for real, within five seconds, and list the tables that may be read."""
    require(actor, Action.KEEP_CONNECTIONS)
    return TrialOut.of(trial.try_connection(app, name))


@router.delete("/{name}", status_code=204, responses=documented(404))
def remove_connection(app: TheApp, actor: SignedIn, name: Name) -> None:
    """Remove a connection. What is behind it stays as it is."""
    require(actor, Action.KEEP_CONNECTIONS)
    app.database.transact(service.remove, name)
