"""What administrators do with other people's accounts; each verb takes the connection of the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from labelmill import clock
from labelmill.accounts.audit import note
from labelmill.accounts.invitations import end_invitations_of
from labelmill.accounts.model import LOCAL, Actor, Annotator, Role
from labelmill.accounts.people import get_annotator
from labelmill.accounts.sessions import end_sessions, make_login_link
from labelmill.accounts.tables import annotators
from labelmill.errors import Conflict

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def change_role(connection: Connection, annotator_id: str, role: Role, *, by: Actor = LOCAL) -> Annotator:
    """Give somebody another role, from their next request on; raises NotFound, and Conflict for the last administrator."""
    known = _locked(connection, annotator_id)
    if known.role is role:
        return known
    if role is not Role.ADMIN:
        _keep_one_admin(connection, known)
    connection.execute(sa.update(annotators).where(annotators.c.id == annotator_id).values(role=role))
    note(connection, by, "change role", f"annotator {annotator_id}", before=known.role, after=role)
    return get_annotator(connection, annotator_id)


def disable_annotator(connection: Connection, annotator_id: str, *, by: Actor = LOCAL) -> Annotator:
    """Let somebody in no more, by no session and no token; what they invited ends, what they labelled stays.

    Raises NotFound, and Conflict for the last administrator.
    """
    known = _locked(connection, annotator_id)
    if known.disabled_at is not None:
        return known
    _keep_one_admin(connection, known)
    connection.execute(sa.update(annotators).where(annotators.c.id == annotator_id).values(disabled_at=clock.now()))
    end_sessions(connection, annotator_id)
    end_invitations_of(connection, annotator_id)
    note(connection, by, "close account", f"annotator {annotator_id}")
    return get_annotator(connection, annotator_id)


def enable_annotator(connection: Connection, annotator_id: str, *, by: Actor = LOCAL) -> Annotator:
    """Let somebody in again; raises NotFound."""
    known = _locked(connection, annotator_id)
    if known.disabled_at is None:
        return known
    connection.execute(sa.update(annotators).where(annotators.c.id == annotator_id).values(disabled_at=None))
    note(connection, by, "open account", f"annotator {annotator_id}")
    return get_annotator(connection, annotator_id)


def make_reset_link(connection: Connection, annotator_id: str, *, by: Actor = LOCAL) -> str:
    """Return the secret of a link that signs somebody in once, to choose a new password.

    The old password and every session of theirs end now: whoever knows the old one has it no longer. Raises NotFound, and Conflict
    for a closed account.
    """
    known = _locked(connection, annotator_id)
    if known.disabled_at is not None:
        raise Conflict("This account is closed.", way_out="Open it first.")
    connection.execute(sa.update(annotators).where(annotators.c.id == annotator_id).values(password_hash=None))
    end_sessions(connection, annotator_id)
    note(connection, by, "make link for a new password", f"annotator {annotator_id}")
    return make_login_link(connection, annotator_id)


def _locked(connection: Connection, annotator_id: str) -> Annotator:
    # All who decide about administrators take the same locks in the same order: two cannot remove each other.
    admins = sa.or_(annotators.c.role == Role.ADMIN, annotators.c.id == annotator_id)
    connection.execute(sa.select(annotators.c.id).where(admins).order_by(annotators.c.id).with_for_update()).all()
    return get_annotator(connection, annotator_id)


def _keep_one_admin(connection: Connection, known: Annotator) -> None:
    others = sa.and_(annotators.c.role == Role.ADMIN, annotators.c.disabled_at.is_(None), annotators.c.id != known.id)
    if known.role is not Role.ADMIN or known.disabled_at is not None:
        return
    if connection.execute(sa.select(annotators.c.id).where(others).limit(1).with_for_update()).first() is None:
        raise Conflict("This is the last administrator.", way_out="Make somebody else an administrator first.")
