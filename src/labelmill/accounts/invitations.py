"""Invitations: nobody makes an account without one. Each verb takes the connection of the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill import clock
from labelmill.accounts import members, people
from labelmill.accounts.audit import note
from labelmill.accounts.model import LARGEST_JUMP, Actor, Annotator, Role, checked_name, normal_email
from labelmill.accounts.passwords import checked_password, hash_password
from labelmill.accounts.permissions import Action, require
from labelmill.accounts.tables import annotators, invitations
from labelmill.errors import BadInput, Conflict, Forbidden, NotFound
from labelmill.ids import new_id, new_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection, RowMapping

    from labelmill.db.database import Database

MOST_EMAILS = 500
MOST_USES = 1000
LONGEST_DAYS = 365
#: Who knows no more than an address on the list may become no more than this; the rest takes the link.
LISTED = (Role.VIEWER, Role.ANNOTATOR)
_ORDER = tuple(Role)


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """What is known of an invitation after it was made: everything but its link."""

    id: str
    email: str | None
    role: Role
    dataset_id: int | None
    dataset_role: Role | None
    created_at: datetime
    created_by: str | None
    expires_at: datetime
    uses_left: int
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return ``open``, ``used``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        if self.uses_left <= 0:
            return "used"
        return "expired" if now >= self.expires_at else "open"


def require_invite(connection: Connection, actor: Actor | None, role: Role, dataset_id: int | None) -> Actor:
    """Return ``actor`` when they may invite people as ``role``.

    Administrators may invite anybody, managers those who look and label, managers of one dataset the same to theirs. Raises
    Unauthenticated, Forbidden, and NotFound for a dataset that is not theirs.
    """
    if role not in LISTED:
        return require(actor, Action.KEEP_ANNOTATORS)
    if dataset_id is not None:
        return members.require_in(connection, actor, Action.KEEP_MEMBERS, dataset_id)
    return require(actor, Action.INVITE)


def invite(
    connection: Connection,
    *,
    emails: Sequence[str] | None = None,
    role: Role = Role.ANNOTATOR,
    dataset_id: int | None = None,
    dataset_role: Role | None = None,
    uses: int = 1,
    days: int = 14,
    created_by: str | None = None,
) -> list[tuple[str | None, str]]:
    """Invite people; returns the address and the link's secret of each invitation, in the order given.

    With ``emails`` each address gets a link of its own, good once, and an older invitation of it to the same dataset ends; without,
    there is one link that ``uses`` people may use. Raises BadInput, and NotFound for an unknown dataset.
    """
    _check(uses, days, dataset_id, dataset_role)
    if dataset_id is not None:
        members.require_dataset(connection, dataset_id)
    listed: list[str | None] = list(_addresses(emails)) if emails is not None else [None]
    made = []
    now = clock.now()
    for email in listed:
        if email is not None:
            _end_older(connection, email, dataset_id, now)
        secret = new_secret()
        row = {
            "id": new_id(), "email": email, "role": role, "dataset_id": dataset_id, "dataset_role": dataset_role,
            "token_hash": people.hashed(secret), "created_at": now, "created_by": created_by, "expires_at": now + timedelta(days=days),
            "uses_left": uses if email is None else 1,
        }  # fmt: skip
        connection.execute(sa.insert(invitations).values(row))
        details = {"email": email, "role": role, "dataset_role": dataset_role, "uses": row["uses_left"], "days": days}
        note(connection, created_by, "invite", f"invitation {row['id']}", dataset_id, **details)
        made.append((email, secret))
    return made


def list_invitations(
    connection: Connection, *, dataset_id: int | None = None, before: str = "", limit: int = 50
) -> list[Invitation]:
    """Return invitations, newest first: those to one dataset where it is given, before the one with the id ``before``."""
    query = sa.select(invitations)
    query = query.where(invitations.c.dataset_id == dataset_id) if dataset_id is not None else query
    query = query.where(invitations.c.id < before) if before else query
    return [_invitation(row) for row in connection.execute(query.order_by(invitations.c.id.desc()).limit(limit)).mappings()]


def get_invitation(connection: Connection, invitation_id: str) -> Invitation:
    """Return one invitation; raises NotFound."""
    row = connection.execute(sa.select(invitations).where(invitations.c.id == invitation_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no invitation {invitation_id!r}.")
    return _invitation(row)


def find_invitation(connection: Connection, link: str) -> Invitation:
    """Return the invitation behind a link that can be used now; raises Forbidden for every other."""
    query = sa.select(invitations).where(invitations.c.token_hash == people.hashed(link), _alive(clock.now()))
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise _no_link()
    return _invitation(row)


def revoke_invitation(connection: Connection, invitation_id: str, *, by: Actor | None = None) -> Invitation:
    """End an invitation; who came in by it stays. Doing it again changes nothing."""
    found = sa.update(invitations).where(invitations.c.id == invitation_id, invitations.c.revoked_at.is_(None))
    if connection.execute(found.values(revoked_at=clock.now())).rowcount:
        known = get_invitation(connection, invitation_id)
        note(connection, by, "revoke invitation", f"invitation {invitation_id}", known.dataset_id, email=known.email)
    return get_invitation(connection, invitation_id)


def sign_up(database: Database, *, email: str, password: str, name: str = "", link: str = "") -> Annotator:
    """Make an account for who has an invitation's link, or whose address is on the list, and let it into their datasets.

    ``name`` is the part of the address before its @ where it is empty. Raises BadInput, Forbidden without an invitation that holds,
    Conflict where a link is good but the address has an account, and TooManyRequests.
    """
    address = normal_email(email)
    shown = checked_name(name or address.partition("@")[0])
    hashed = hash_password(checked_password(password, address))
    return database.transact(_sign_up, address, shown, hashed, link)


def _sign_up(connection: Connection, email: str, name: str, password_hash: str, link: str) -> Annotator:
    used = _use(connection, email, link)
    role = max((Role(row["role"]) for row in used), key=_ORDER.index)
    try:
        made = people.add_annotator(connection, email=email, name=name, role=role, password_hash=password_hash)
    except Conflict as error:
        raise error if link else _not_listed() from error
    note(connection, made.id, "sign up", f"annotator {made.id}", email=email, role=role)
    _join(connection, made.id, used)
    return made


def accept(connection: Connection, actor: Actor, link: str) -> list[int]:
    """Let somebody who has an account in by an invitation's link; returns the ids of the datasets that they joined.

    Their role is raised to the invitation's, never lowered. Raises Forbidden for a link that does not hold or is somebody else's.
    """
    used = _use(connection, actor.email, link)
    role = max((Role(row["role"]) for row in used), key=_ORDER.index)
    mine = annotators.c.id == actor.annotator_id
    now_is = Role(connection.execute(sa.select(annotators.c.role).where(mine).with_for_update()).scalar_one())
    if _ORDER.index(role) > _ORDER.index(now_is):
        connection.execute(sa.update(annotators).where(mine).values(role=role))
    note(connection, actor, "accept invitation", f"annotator {actor.annotator_id}", role=max(role, now_is, key=_ORDER.index))
    return _join(connection, actor.annotator_id, used)


def end_invitations_of(connection: Connection, annotator_id: str) -> None:
    """End the invitations that somebody made and nobody used."""
    theirs = sa.and_(invitations.c.created_by == annotator_id, invitations.c.revoked_at.is_(None))
    connection.execute(sa.update(invitations).where(theirs).values(revoked_at=clock.now()))


def _use(connection: Connection, email: str, link: str) -> list[RowMapping]:
    """Use up the link's invitation and every other one of this address; returns their rows, at least one."""
    now = clock.now()
    listed = sa.and_(
        invitations.c.email == email, invitations.c.role.in_(LISTED), invitations.c.dataset_role.is_distinct_from("manager")
    )
    by_link = invitations.c.token_hash == people.hashed(link)
    wanted = sa.or_(by_link, listed) if link else listed
    rows = connection.execute(sa.select(invitations).where(wanted, _alive(now)).order_by(invitations.c.id)).mappings().all()
    # The update decides: of two that use the last one at once, one finds nothing left.
    used = [row for row in rows if row["email"] in {None, email} and _take(connection, row["id"], now)]
    if link and not any(row["token_hash"] == people.hashed(link) for row in used):
        raise _no_link()
    if not used:
        raise _not_listed()
    return used


def _take(connection: Connection, invitation_id: str, now: datetime) -> bool:
    left = invitations.c.uses_left
    taken = sa.update(invitations).where(invitations.c.id == invitation_id, _alive(now)).values(uses_left=left - 1)
    return connection.execute(taken).rowcount == 1


def _join(connection: Connection, annotator_id: str, used: Iterable[RowMapping]) -> list[int]:
    joined = []
    for row in used:
        if row["dataset_id"] is None:
            continue
        known = members.get_role(connection, row["dataset_id"], annotator_id)
        role = max((one for one in (Role(row["dataset_role"]), known) if one), key=_ORDER.index)
        members.put_member(connection, row["dataset_id"], annotator_id, role)
        note(connection, annotator_id, "join", f"annotator {annotator_id}", row["dataset_id"], role=role)
        joined.append(row["dataset_id"])
    return joined


def _alive(now: datetime) -> sa.ColumnElement[bool]:
    fresh = sa.and_(invitations.c.expires_at > now, invitations.c.created_at <= now + LARGEST_JUMP)
    return sa.and_(invitations.c.revoked_at.is_(None), invitations.c.uses_left > 0, fresh)


def _check(uses: int, days: int, dataset_id: int | None, dataset_role: Role | None) -> None:
    if not 1 <= uses <= MOST_USES:
        raise BadInput(f"A link is good for 1 to {MOST_USES} people.", where="uses")
    if not 1 <= days <= LONGEST_DAYS:
        raise BadInput(f"An invitation lives for 1 to {LONGEST_DAYS} days.", where="days")
    if (dataset_id is None) != (dataset_role is None):
        raise BadInput("A dataset and the role in it are given together.", where="dataset_role")
    if dataset_role is Role.ADMIN:
        raise BadInput("There are no administrators of one dataset.", where="dataset_role", way_out="Give the role manager.")


def _addresses(emails: Sequence[str]) -> list[str]:
    if not 1 <= len(emails) <= MOST_EMAILS:
        raise BadInput(f"1 to {MOST_EMAILS} addresses are invited at once.", where="emails")
    return list(dict.fromkeys(normal_email(email, f"emails[{number}]") for number, email in enumerate(emails)))


def _end_older(connection: Connection, email: str, dataset_id: int | None, now: datetime) -> None:
    older = sa.and_(invitations.c.email == email, invitations.c.dataset_id.is_not_distinct_from(dataset_id), _alive(now))
    connection.execute(sa.update(invitations).where(older).values(revoked_at=now))


def _no_link() -> Forbidden:
    way_out = "Ask who invited you for a new link."
    return Forbidden(
        "This invitation does not hold: used, ended, too old, or for another address.", where="link", way_out=way_out
    )


def _not_listed() -> Forbidden:
    # The same for an address that nobody invited and for one that has an account: who asks learns nothing about either.
    way_out = "Ask somebody who keeps this labelmill to invite you; sign in if you have an account."
    return Forbidden("There is no invitation for this address.", where="email", way_out=way_out)


def _invitation(row: RowMapping) -> Invitation:
    shown: dict[str, Any] = {name: value for name, value in row.items() if name != "token_hash"}
    role = Role(row["dataset_role"]) if row["dataset_role"] else None
    return Invitation(**(shown | {"role": Role(row["role"]), "dataset_role": role}))
