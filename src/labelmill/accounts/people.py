"""The verbs on people and their API tokens; each takes the connection of the caller's transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from labelmill import clock
from labelmill.accounts.audit import note
from labelmill.accounts.model import LOCAL, Actor, Annotator, Role, Scope, checked_name, normal_email
from labelmill.accounts.tables import annotators, api_tokens
from labelmill.errors import BadInput, Conflict, NotFound
from labelmill.ids import new_id, new_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection, RowMapping

ADMIN_EMAIL = "admin@localhost"
#: So that a token found in a log or a repository can be told from other secrets.
TOKEN_PREFIX = "lm_"  # noqa: S105 - how every token begins
LONGEST_TOKEN_DAYS = 3650
#: Ids that are looked up at once.
MOST_IDS = 500
_TOUCH_TOKEN_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class ApiToken:
    """What is known of a token after it was shown: everything but the token."""

    id: str
    annotator_id: str
    email: str
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


def hashed(secret: str) -> str:
    """Return the form in which tokens and links are kept. They are random: a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def ensure_admin(connection: Connection) -> Annotator:
    """Return an administrator that may sign in, made now where there is none."""
    query = _annotators().where(annotators.c.role == Role.ADMIN, annotators.c.disabled_at.is_(None))
    row = connection.execute(query.order_by(annotators.c.id).limit(1)).mappings().one_or_none()
    if row is not None:
        return _annotator(row)
    return add_annotator(connection, email=ADMIN_EMAIL, name="Administrator", role=Role.ADMIN)


def add_annotator(
    connection: Connection, *, email: str, name: str, role: Role, password_hash: str | None = None, closed: bool = False
) -> Annotator:
    """Add somebody, ``closed`` without letting them in; raises Conflict when the address is known.

    ``password_hash`` is one of ours, or a bcrypt hash that is taken over and replaced when they sign in; without one they come in by
    a link.
    """
    row: dict[str, Any] = {
        "id": new_id(), "email": normal_email(email), "name": checked_name(name), "role": role, "created_at": clock.now(),
    }  # fmt: skip
    row["disabled_at"] = row["created_at"] if closed else None
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(annotators).values(**row, password_hash=password_hash))
    except IntegrityError as error:
        raise Conflict(f"There is an annotator with the address {row['email']} already.", where="email") from error
    return Annotator(**row)


def get_annotator(connection: Connection, annotator_id: str) -> Annotator:
    """Return one person; raises NotFound."""
    row = connection.execute(_annotators().where(annotators.c.id == annotator_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no annotator {annotator_id!r}.")
    return _annotator(row)


def find_annotator(connection: Connection, email: str) -> Annotator:
    """Return the person with this address; raises NotFound."""
    row = connection.execute(_annotators().where(annotators.c.email == normal_email(email))).mappings().one_or_none()
    if row is None:
        way_out = "`labelmill people list` shows everybody."
        raise NotFound(f"There is no annotator with the address {email}.", where="email", way_out=way_out)
    return _annotator(row)


def find_with_hash(connection: Connection, email: str) -> tuple[Annotator, str | None] | None:
    """Return the person with this address and the hash of their password; None for nobody, and for what is no address."""
    try:
        address = normal_email(email)
    except BadInput:
        return None
    row = connection.execute(sa.select(annotators).where(annotators.c.email == address)).mappings().one_or_none()
    return (_annotator(row), row["password_hash"]) if row is not None else None


def change_address(connection: Connection, annotator_id: str, email: str) -> None:
    """Give somebody another address, in its normal form; raises Conflict when it is another person's."""
    try:
        with connection.begin_nested():
            connection.execute(sa.update(annotators).where(annotators.c.id == annotator_id).values(email=email))
    except IntegrityError as error:
        raise Conflict(f"There is an annotator with the address {email} already.", where="email") from error


def list_annotators(connection: Connection, *, after: str = "", limit: int | None = None) -> list[Annotator]:
    """Return people by address: all, or at most ``limit`` of those behind the address ``after``."""
    query = _annotators().where(annotators.c.email > after).order_by(annotators.c.email).limit(limit)
    return [_annotator(row) for row in connection.execute(query).mappings()]


def get_annotators(connection: Connection, ids: Iterable[str]) -> dict[str, Annotator]:
    """Return those of these people that there are, by id."""
    wanted = sorted(set(ids))
    found: dict[str, Annotator] = {}
    for start in range(0, len(wanted), MOST_IDS):
        query = _annotators().where(annotators.c.id.in_(wanted[start : start + MOST_IDS]))
        found |= {row["id"]: _annotator(row) for row in connection.execute(query).mappings()}
    return found


def create_token(
    connection: Connection,
    annotator_id: str,
    *,
    name: str,
    scope: Scope = Scope.WRITE,
    days: int | None = 365,
    by: Actor | None = None,
) -> tuple[ApiToken, str]:
    """Make an API token and return it with its secret text, which is kept nowhere; ``days`` None for one that does not expire.

    Its owner makes it where ``by`` names nobody else.
    """
    if days is not None and not 1 <= days <= LONGEST_TOKEN_DAYS:
        raise BadInput(f"A token lives for 1 to {LONGEST_TOKEN_DAYS} days.", where="days")
    secret, now = TOKEN_PREFIX + new_secret(), clock.now()
    row = {
        "id": new_id(), "annotator_id": annotator_id, "name": checked_name(name), "token_hash": hashed(secret), "scope": scope,
        "created_at": now, "expires_at": now + timedelta(days=days) if days else None,
    }  # fmt: skip
    connection.execute(sa.insert(api_tokens).values(row))
    note(connection, by or annotator_id, "make token", f"token {row['id']}", owner=annotator_id, scope=scope, days=days)
    return get_token(connection, str(row["id"])), secret


def get_token(connection: Connection, token_id: str) -> ApiToken:
    """Return one token; raises NotFound."""
    row = connection.execute(_tokens().where(api_tokens.c.id == token_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no token {token_id!r}.", way_out="`labelmill token list` shows the tokens.")
    return _token(row)


def list_tokens(
    connection: Connection, annotator_id: str | None = None, *, before: str = "", limit: int | None = None
) -> list[ApiToken]:
    """Return the tokens of one person or of all, newest first: at most ``limit`` of those older than the token ``before``."""
    query = _tokens().order_by(api_tokens.c.id.desc()).limit(limit)
    query = query.where(api_tokens.c.id < before) if before else query
    query = query.where(api_tokens.c.annotator_id == annotator_id) if annotator_id else query
    return [_token(row) for row in connection.execute(query).mappings()]


def revoke_token(connection: Connection, token_id: str, *, by: Actor = LOCAL) -> ApiToken:
    """End a token, and every session that was begun with it, now and for ever; doing it again changes nothing."""
    found = sa.update(api_tokens).where(api_tokens.c.id == token_id, api_tokens.c.revoked_at.is_(None))
    if connection.execute(found.values(revoked_at=clock.now())).rowcount:
        note(connection, by, "revoke token", f"token {token_id}")
    return get_token(connection, token_id)


def find_actor(connection: Connection, secret: str) -> Actor | None:
    """Return who an API token stands for, None for one that is unknown, revoked, expired or whose owner was disabled."""
    now = clock.now()
    query = sa.select(api_tokens, annotators.c.email, annotators.c.name.label("annotator_name"), annotators.c.role)
    query = query.join(annotators, annotators.c.id == api_tokens.c.annotator_id)
    alive = sa.and_(annotators.c.disabled_at.is_(None), api_tokens.c.revoked_at.is_(None))
    row = connection.execute(query.where(api_tokens.c.token_hash == hashed(secret), alive)).mappings().one_or_none()
    if row is None or (row["expires_at"] is not None and now >= row["expires_at"]):
        return None
    return Actor(
        annotator_id=row["annotator_id"], email=row["email"], name=row["annotator_name"], role=Role(row["role"]),
        scope=Scope(row["scope"]), token_id=row["id"],
    )  # fmt: skip


def is_stale(connection: Connection, token_id: str) -> bool:
    """Tell whether the token's last use should be written again."""
    used = connection.scalar(sa.select(api_tokens.c.last_used_at).where(api_tokens.c.id == token_id))
    return is_old_use(used, clock.now())


def is_old_use(used: datetime | None, now: datetime) -> bool:
    """Tell whether a token's last use, if any, should be written again."""
    return used is None or abs(now - used) > _TOUCH_TOKEN_EVERY


def touch_token(connection: Connection, token_id: str) -> None:
    """Write that a token is in use."""
    connection.execute(sa.update(api_tokens).where(api_tokens.c.id == token_id).values(last_used_at=clock.now()))


def _annotators() -> sa.Select[Any]:
    return sa.select(*(column for column in annotators.c if column.name != "password_hash"))


def _annotator(row: RowMapping) -> Annotator:
    shown = {name: value for name, value in row.items() if name != "password_hash"}
    return Annotator(**{**shown, "role": Role(row["role"])})


def _tokens() -> sa.Select[Any]:
    shown = [column for column in api_tokens.c if column.name != "token_hash"]
    return sa.select(*shown, annotators.c.email).join(annotators, annotators.c.id == api_tokens.c.annotator_id)


def _token(row: RowMapping) -> ApiToken:
    return ApiToken(**{**row, "scope": Scope(row["scope"])})
