"""Who asks, with their role in one dataset, by one statement in the caller's transaction: for what people do all day long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill import clock
from labelmill.accounts import people
from labelmill.accounts.members import EVERYWHERE, require_member
from labelmill.accounts.model import Actor, Leaps, Role, Scope, Span, is_over, touched
from labelmill.accounts.permissions import Action, require
from labelmill.accounts.tables import annotators, api_tokens, members, sessions
from labelmill.db.prepared import Prepared

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.settings import Settings


def enter_by_token(connection: Connection, secret: str, action: Action, dataset_id: int) -> Actor | None:
    """Return who a token stands for, with their role in the dataset, as ``require_in`` does.

    None where the token lets nobody in, and where the time of its last use is to be written. Raises NotFound and Forbidden.
    """
    row = _BY_TOKEN.first(connection, {"hash": people.hashed(secret), "dataset": dataset_id})
    now = clock.now()
    if row is None or (row.expires_at is not None and now >= row.expires_at) or people.is_old_use(row.last_used_at, now):
        return None
    return _inside(row, action, dataset_id, token_id=row.id)


def enter_by_session(
    connection: Connection, secret: str, action: Action, dataset_id: int, *, settings: Settings, leaps: Leaps
) -> Actor | None:
    """Return who a session belongs to, as ``enter_by_token`` does."""
    row = _BY_SESSION.first(connection, {"hash": people.hashed(secret), "dataset": dataset_id})
    if row is None:
        return None
    now = clock.now()
    leaps.observe(now, clock.monotonic())
    span = Span(created_at=row.created_at, last_seen_at=row.last_seen_at, expires_at=row.expires_at)
    idle = timedelta(minutes=settings.session_idle_minutes)
    if is_over(span, now, idle, leaps.since(span.last_seen_at)) or (row.token_ends is not None and now >= row.token_ends):
        return None
    if touched(span, now, timedelta(days=settings.session_days)) is not None:
        return None
    return _inside(row, action, dataset_id, session_id=row.id)


def _inside(row: Any, action: Action, dataset_id: int, **way: str) -> Actor:
    actor = Actor(
        annotator_id=row.annotator_id, email=row.email, name=row.name, role=Role(row.role), scope=Scope(row.scope), **way
    )  # fmt: skip
    require(actor, Action.VIEW_DATASET)
    given = Role(row.member_role) if row.member_role else None
    role = require_member(actor.role if actor.role in EVERYWHERE else given, dataset_id)
    return require(replace(actor, role=role), action)


def _query(table: sa.Table, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Return a query for the row of a secret whose owner may come in, with their role in a dataset."""
    here = sa.and_(members.c.annotator_id == table.c.annotator_id, members.c.dataset_id == sa.bindparam("dataset"))
    who = annotators.c.email, annotators.c.name, annotators.c.role, members.c.role.label("member_role")
    query = sa.select(table.c.id, table.c.annotator_id, table.c.scope, table.c.expires_at, *who, *columns)
    query = query.join(annotators, annotators.c.id == table.c.annotator_id).outerjoin(members, here)
    return query.where(table.c.token_hash == sa.bindparam("hash"), annotators.c.disabled_at.is_(None))


_BY_TOKEN = Prepared(_query(api_tokens, api_tokens.c.last_used_at).where(api_tokens.c.revoked_at.is_(None)))
_TIMES = sessions.c.created_at, sessions.c.last_seen_at, api_tokens.c.expires_at.label("token_ends")
_BY_SESSION = Prepared(
    _query(sessions, *_TIMES)
    .outerjoin(api_tokens, api_tokens.c.id == sessions.c.api_token_id)
    .where(api_tokens.c.revoked_at.is_(None))
)
