"""Who asks, and API tokens, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response
from sqlalchemy.engine import Connection

from labelmill.accounts import Action, require, service
from labelmill.accounts.schemas import MadeToken, Me, NewToken, TokenOut, TokenPage
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, decode_cursor, page_of

router = api_router("", "accounts")


@router.get("/me")
def get_me(actor: SignedIn) -> Me:
    """Tell who asks, with which role and scope."""
    return Me.of(actor)


@router.get("/tokens")
def list_tokens(
    app: TheApp,
    actor: SignedIn,
    *,
    cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> TokenPage:
    """Return one's own API tokens, newest first; never the tokens themselves."""
    require(actor, Action.VIEW_OWN_TOKENS)
    before = decode_cursor(cursor, "before")["before"] if cursor else ""
    with app.database.read() as connection:
        found = service.list_tokens(connection, actor.annotator_id, before=before, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"before": one.id})
    return TokenPage(items=[TokenOut.of(one) for one in page.items], next=page.next)


@router.post("/tokens", status_code=201, response_model=MadeToken, responses=documented(409))
def create_token(actor: SignedIn, once: TheOnce, new: NewToken) -> Response:
    """Make an API token for oneself. The answer is the only place where it is shown."""
    require(actor, Action.MAKE_TOKEN)

    def make(connection: Connection) -> MadeToken:
        made, secret = service.create_token(connection, actor.annotator_id, **new.model_dump())
        return MadeToken(**vars(made), token=secret)

    return once.run(make)


@router.delete("/tokens/{token_id}", status_code=204, responses=documented(404))
def revoke_token(app: TheApp, actor: SignedIn, token_id: Annotated[str, Path(max_length=64)]) -> None:
    """End an API token and every session that was begun with it."""
    with app.database.read() as connection:
        require(actor, Action.REVOKE_TOKEN, service.get_token(connection, token_id))
    app.database.transact(service.revoke_token, token_id, by=actor)
