"""Sessions of browsers, and the one-time links that begin them; each verb takes the connection of the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import sqlalchemy as sa

from labelmill import clock
from labelmill.accounts import people
from labelmill.accounts.audit import note, prune_older
from labelmill.accounts.model import LARGEST_JUMP, Actor, Leaps, Role, Scope, Span, browser_of, is_over, touched
from labelmill.accounts.tables import annotators, api_tokens, login_links, sessions
from labelmill.errors import NotFound, Unauthenticated
from labelmill.ids import new_id, new_secret

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, RowMapping

    from labelmill.bootstrap import App
    from labelmill.settings import Settings

LINK_LIFE = timedelta(hours=24)
#: Rows of ended sessions are kept for a while: a clock that was wrong may make them live again.
KEEP_ENDED = timedelta(days=30)
LONGEST_AGENT = 200


@dataclass(frozen=True, kw_only=True)
class Found:
    """A session that is alive, and the times to write now that it is used (None: fresh enough)."""

    actor: Actor
    touch: Span | None


@dataclass(frozen=True, kw_only=True)
class Session:
    """What its owner sees of a session."""

    id: str
    scope: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str

    @property
    def browser(self) -> str:
        """Its browser in words for people."""
        return browser_of(self.user_agent)

    @property
    def span(self) -> Span:
        """Its times."""
        return Span(created_at=self.created_at, last_seen_at=self.last_seen_at, expires_at=self.expires_at)


_SHOWN = ("id", "scope", "created_at", "last_seen_at", "expires_at", "user_agent")


def make_login_link(connection: Connection, annotator_id: str) -> str:
    """Return the secret of a link that signs this person in once within a day; an older link of theirs ends."""
    secret, now = new_secret(), clock.now()
    connection.execute(sa.delete(login_links).where(login_links.c.annotator_id == annotator_id))
    row = {"id": new_id(), "annotator_id": annotator_id, "token_hash": people.hashed(secret), "created_at": now}
    connection.execute(sa.insert(login_links).values(**row, expires_at=now + LINK_LIFE))
    return secret


def first_admin_link(app: App) -> str:
    """Return a URL that signs an administrator in once; the administrator is made where there is none."""
    secret = app.database.transact(lambda connection: make_login_link(connection, people.ensure_admin(connection).id))
    return f"{base_url(app.settings)}/sign-in?link={quote(secret)}"


def base_url(settings: Settings) -> str:
    """Return the address at which people reach the pages."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def sign_up_url(settings: Settings, secret: str) -> str:
    """Return the address at which somebody with an invitation signs up."""
    return f"{base_url(settings)}/sign-up?link={quote(secret)}"


def reset_url(settings: Settings, secret: str) -> str:
    """Return the address that signs somebody in once and leads to where they choose a password."""
    return f"{base_url(settings)}/sign-in?link={quote(secret)}&next=/account"


def redeem_login_link(connection: Connection, secret: str, settings: Settings, user_agent: str = "") -> str:
    """Begin a session with a one-time link and return the session's secret; raises Unauthenticated when it is used or too old."""
    now = clock.now()
    query = sa.select(login_links).where(login_links.c.token_hash == people.hashed(secret))
    row = connection.execute(query).mappings().one_or_none()
    # The delete decides: of two that redeem at once, one removes the row.
    gone = row is not None and connection.execute(sa.delete(login_links).where(login_links.c.id == row["id"])).rowcount == 1
    if row is None or not gone or now >= row["expires_at"] or row["created_at"] > now + LARGEST_JUMP:
        way_out = "Get a new one: `labelmill token link`, or start `labelmill up` again."
        raise Unauthenticated("This link was used already, or it is too old.", where="link", way_out=way_out)
    annotator = people.get_annotator(connection, row["annotator_id"])
    if annotator.disabled_at is not None:
        raise Unauthenticated("This account was closed.", way_out="Ask an administrator.")
    note(connection, annotator.id, "sign in", f"annotator {annotator.id}", way="link")
    return open_session(connection, annotator.id, Scope.ADMIN, settings, user_agent=user_agent)


def redeem_token(connection: Connection, secret: str, settings: Settings, user_agent: str = "") -> str:
    """Begin a session with an API token, with the token's scope and end; raises Unauthenticated for one that is not valid."""
    actor = people.find_actor(connection, secret)
    if actor is None:
        way_out = "Make one: `labelmill token create`."
        raise Unauthenticated("This token is not valid: unknown, expired or revoked.", where="token", way_out=way_out)
    note(connection, actor, "sign in", f"annotator {actor.annotator_id}", way="token")
    return open_session(connection, actor.annotator_id, actor.scope, settings, token_id=actor.token_id, user_agent=user_agent)


def open_session(
    connection: Connection,
    annotator_id: str,
    scope: Scope,
    settings: Settings,
    *,
    token_id: str | None = None,
    user_agent: str = "",
) -> str:
    """Begin a session and return its secret, for the cookie; with ``token_id`` it ends with that API token."""
    secret, now = new_secret(), clock.now()
    connection.execute(sa.delete(sessions).where(sessions.c.expires_at < now - KEEP_ENDED))
    prune_older(connection, settings.audit_days)
    row = {
        "id": new_id(), "annotator_id": annotator_id, "api_token_id": token_id, "token_hash": people.hashed(secret), "scope": scope,
        "created_at": now, "last_seen_at": now, "expires_at": now + timedelta(days=settings.session_days),
        "user_agent": user_agent.replace("\0", "")[:LONGEST_AGENT],
    }  # fmt: skip
    connection.execute(sa.insert(sessions).values(row))
    return secret


def find_session(connection: Connection, secret: str, settings: Settings, leaps: Leaps) -> Found | None:
    """Return who a session belongs to, None when it is unknown or over."""
    row = connection.execute(_query().where(sessions.c.token_hash == people.hashed(secret))).mappings().one_or_none()
    if row is None:
        return None
    now = clock.now()
    leaps.observe(now, clock.monotonic())
    span = Span(created_at=row["created_at"], last_seen_at=row["last_seen_at"], expires_at=row["expires_at"])
    idle = timedelta(minutes=settings.session_idle_minutes)
    if is_over(span, now, idle, leaps.since(span.last_seen_at)) or _token_over(row, now):
        return None
    return Found(actor=_actor(row), touch=touched(span, now, timedelta(days=settings.session_days)))


def touch_session(connection: Connection, session_id: str, span: Span) -> None:
    """Write that a session is in use."""
    values = {"created_at": span.created_at, "last_seen_at": span.last_seen_at, "expires_at": span.expires_at}
    connection.execute(sa.update(sessions).where(sessions.c.id == session_id).values(values))


def close_session(connection: Connection, session_id: str) -> None:
    """End a session."""
    connection.execute(sa.delete(sessions).where(sessions.c.id == session_id))


def end_sessions(connection: Connection, annotator_id: str, *, but: str | None = None) -> int:
    """End all sessions of somebody, except one where it is given; returns how many rows went."""
    theirs = sa.delete(sessions).where(sessions.c.annotator_id == annotator_id)
    return connection.execute(theirs.where(sessions.c.id != but) if but else theirs).rowcount


def list_sessions(connection: Connection, annotator_id: str, settings: Settings) -> list[Session]:
    """Return the sessions of somebody that are alive, the one used last first."""
    now, idle = clock.now(), timedelta(minutes=settings.session_idle_minutes)
    rows = connection.execute(_query().where(sessions.c.annotator_id == annotator_id)).mappings()
    found = [Session(**{name: row[name] for name in _SHOWN}) for row in rows if not _token_over(row, now)]
    return sorted((one for one in found if not is_over(one.span, now, idle)), key=lambda one: one.last_seen_at, reverse=True)


def end_session(connection: Connection, actor: Actor, session_id: str) -> None:
    """End one of one's own sessions; raises NotFound for any other."""
    mine = sa.and_(sessions.c.id == session_id, sessions.c.annotator_id == actor.annotator_id)
    if not connection.execute(sa.delete(sessions).where(mine)).rowcount:
        raise NotFound(f"There is no session {session_id!r} of yours.")
    note(connection, actor, "end session", f"session {session_id}")


def end_other_sessions(connection: Connection, actor: Actor) -> int:
    """End all of one's own sessions but the one that asks; returns how many."""
    count = end_sessions(connection, actor.annotator_id, but=actor.session_id)
    note(connection, actor, "end other sessions", f"annotator {actor.annotator_id}", count=count)
    return count


def _query() -> sa.Select[tuple[object, ...]]:
    query = sa.select(
        sessions,
        annotators.c.email,
        annotators.c.name,
        annotators.c.role,
        api_tokens.c.revoked_at,
        api_tokens.c.expires_at.label("token_expires_at"),
    )
    query = query.join(annotators, annotators.c.id == sessions.c.annotator_id)
    query = query.outerjoin(api_tokens, api_tokens.c.id == sessions.c.api_token_id)
    return query.where(annotators.c.disabled_at.is_(None))


def _token_over(row: RowMapping, now: datetime) -> bool:
    ends = row["token_expires_at"]
    return row["revoked_at"] is not None or (ends is not None and now >= ends)


def _actor(row: RowMapping) -> Actor:
    return Actor(
        annotator_id=row["annotator_id"], email=row["email"], name=row["name"], role=Role(row["role"]),
        scope=Scope(row["scope"]), session_id=row["id"],
    )  # fmt: skip
