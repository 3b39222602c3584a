"""Signing in with a password, and changing it or the address.

These verbs take the database, not a connection: a password is hashed between two short transactions, or everybody who labels would
wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from labelmill.accounts import passwords, people
from labelmill.accounts.audit import note
from labelmill.accounts.model import Actor, Annotator, Scope, normal_email
from labelmill.accounts.sessions import end_sessions, open_session
from labelmill.accounts.tables import annotators, login_links
from labelmill.errors import BadInput, Conflict, Unauthenticated

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.db.database import Database
    from labelmill.settings import Settings


def sign_in(database: Database, email: str, password: str, settings: Settings, user_agent: str = "") -> str:
    """Begin a session with a password and return its secret, for the cookie.

    Raises Unauthenticated with one answer, after the same work, for an unknown address, a wrong password, an account without one and
    a closed one; TooManyRequests where too many sign in. A hash that was taken over from another system is replaced.
    """
    annotator, stored = _checked(database, email, password)
    fresh = passwords.hash_password(password) if passwords.is_outdated(stored) else stored

    def begin(connection: Connection) -> str:
        _confirm(connection, annotator.id, stored, fresh)
        note(connection, annotator.id, "sign in", f"annotator {annotator.id}", way="password")
        return open_session(connection, annotator.id, Scope.ADMIN, settings, user_agent=user_agent)

    return database.transact(begin)


def counted_as(email: str) -> str:
    """Return by what guesses at one account are counted, however its address is written."""
    try:
        return f"e-mail {normal_email(email)}"
    except BadInput:
        return "no e-mail"


def check_password(database: Database, email: str, password: str) -> Annotator:
    """Return whose e-mail address and password these are; raises as ``sign_in`` does."""
    return _checked(database, email, password)[0]


def change_password(database: Database, actor: Actor, old: str, new: str) -> None:
    """Replace one's own password; every other session of theirs ends, and so do links that would sign them in.

    ``old`` is not asked of who has no password yet. Raises BadInput for a wrong old one or a weak new one, TooManyRequests.
    """
    stored = _own_hash(database, actor, old, "old")
    fresh = passwords.hash_password(passwords.checked_password(new, actor.email, "new"))
    database.transact(_replace, actor, stored, fresh)


def change_email(database: Database, actor: Actor, email: str, password: str) -> Annotator:
    """Give one's own account another address, with the password; who somebody is does not hang on it.

    Raises BadInput for a wrong password, Conflict when the address has an account, TooManyRequests.
    """
    address = normal_email(email)
    if _own_hash(database, actor, password, "password") is None:
        raise BadInput("This account has no password yet.", where="password", way_out="Choose one first.")
    return database.transact(_move, actor, address)


def has_password(connection: Connection, annotator_id: str) -> bool:
    """Tell whether somebody can sign in with a password."""
    return _hash_of(connection, annotator_id) is not None


def _checked(database: Database, email: str, password: str) -> tuple[Annotator, str | None]:
    with database.read() as connection:
        known = people.find_with_hash(connection, email)
        sample = _any_bcrypt(connection)
    annotator, stored = known or (None, None)
    right = passwords.matches(password, stored, sample)
    if annotator is None or not right or annotator.disabled_at is not None:
        raise _refused()
    return annotator, stored


def _confirm(connection: Connection, annotator_id: str, stored: str | None, fresh: str | None) -> None:
    # Between the check and now the password may have been changed, or the account closed.
    mine = annotators.c.id == annotator_id
    same = sa.and_(mine, annotators.c.password_hash == stored, annotators.c.disabled_at.is_(None))
    if connection.execute(sa.select(annotators.c.id).where(same).with_for_update()).one_or_none() is None:
        raise _refused()
    if fresh != stored:
        connection.execute(sa.update(annotators).where(mine).values(password_hash=fresh))


def _own_hash(database: Database, actor: Actor, given: str, where: str) -> str | None:
    """Return the hash of one's own password, None for who has none; raises BadInput when another one is given."""
    with database.read() as connection:
        stored = _hash_of(connection, actor.annotator_id)
    if stored is not None and not passwords.matches(given, stored):
        raise BadInput("This is not your password.", where=where)
    return stored


def _replace(connection: Connection, actor: Actor, stored: str | None, fresh: str) -> None:
    mine = sa.and_(annotators.c.id == actor.annotator_id, annotators.c.password_hash.is_not_distinct_from(stored))
    if not connection.execute(sa.update(annotators).where(mine).values(password_hash=fresh)).rowcount:
        raise Conflict("The password was changed by another request.", way_out="Sign in with the newer one.")
    connection.execute(sa.delete(login_links).where(login_links.c.annotator_id == actor.annotator_id))
    end_sessions(connection, actor.annotator_id, but=actor.session_id)
    note(connection, actor, "change password", f"annotator {actor.annotator_id}")


def _move(connection: Connection, actor: Actor, email: str) -> Annotator:
    people.change_address(connection, actor.annotator_id, email)
    note(connection, actor, "change e-mail", f"annotator {actor.annotator_id}", before=actor.email, after=email)
    return people.get_annotator(connection, actor.annotator_id)


def _hash_of(connection: Connection, annotator_id: str) -> str | None:
    found: str | None = connection.scalar(sa.select(annotators.c.password_hash).where(annotators.c.id == annotator_id))
    return found


def _any_bcrypt(connection: Connection) -> str | None:
    old = annotators.c.password_hash.startswith("$2", autoescape=True)
    found: str | None = connection.scalar(sa.select(annotators.c.password_hash).where(old).limit(1))
    return found


def _refused() -> Unauthenticated:
    way_out = "Look at both again; whoever keeps this labelmill can give you a link for a new password."
    return Unauthenticated("The e-mail address or the password is wrong.", way_out=way_out)
