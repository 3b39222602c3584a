"""Who changed what, and when: the audit log. Entries are only ever added, and forgotten when they are older than anybody wants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill import clock
from labelmill.accounts.model import Actor
from labelmill.accounts.tables import annotators, audit_entries
from labelmill.errors import BadInput
from labelmill.triggers import passing

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from labelmill.db.database import Database

LONGEST_ACTION = 64
LONGEST_THING = 255
#: Entries that are forgotten in one transaction.
SLICE = 5_000
#: What the audit log says of itself.
PRUNE = "prune audit log"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that was done. ``actor_id`` is None for the command line; ``actor_email`` for it, and for who is gone."""

    id: int
    at: datetime
    actor_id: str | None
    actor_email: str | None
    action: str
    thing: str
    dataset_id: int | None
    details: dict[str, Any]


def note(
    connection: Connection, actor: Actor | str | None, action: str, thing: str, dataset_id: int | None = None, **details: Any
) -> None:
    """Write down that ``actor`` (or the annotator with this id) did ``action`` to ``thing``, in the caller's transaction.

    ``details`` is kept as JSON: old and new values, never a secret. Who sits at the command line is nobody by name.
    """
    actor_id = actor.annotator_id if isinstance(actor, Actor) else actor
    row = {
        "at": clock.now(), "actor_id": actor_id or None, "action": action[:LONGEST_ACTION], "object": thing[:LONGEST_THING],
        "dataset_id": dataset_id, "details": details,
    }  # fmt: skip
    connection.execute(sa.insert(audit_entries).values(row))


def list_audit(
    connection: Connection, *, dataset_id: int | None = None, actor_id: str = "", before: int | None = None, limit: int = 50
) -> list[Entry]:
    """Return what was done, newest first: in one dataset or by one person where they are given, before the entry ``before``."""
    query = sa.select(audit_entries, annotators.c.email).outerjoin(annotators, annotators.c.id == audit_entries.c.actor_id)
    if dataset_id is not None:
        query = query.where(audit_entries.c.dataset_id == dataset_id)
    if actor_id:
        query = query.where(audit_entries.c.actor_id == actor_id)
    if before is not None:
        query = query.where(audit_entries.c.id < before)
    rows = connection.execute(query.order_by(audit_entries.c.id.desc()).limit(limit)).mappings()
    return [
        Entry(
            id=row["id"], at=row["at"], actor_id=row["actor_id"], actor_email=row["email"], action=row["action"],
            thing=row["object"], dataset_id=row["dataset_id"], details=row["details"],
        )
        for row in rows
    ]  # fmt: skip


def prune(database: Database, before: datetime, actor: Actor | None = None) -> int:
    """Forget what was done before a moment, and return how many entries that were. That they were forgotten is written down first.

    Raises BadInput for a moment that is not over.
    """
    if before > clock.now():
        raise BadInput("This is not over yet.", where="before", way_out="Name a day before today.")
    old = audit_entries.c.at < before

    def begin(connection: Connection) -> int:
        number = int(connection.scalar(sa.select(sa.func.count()).select_from(audit_entries).where(old)) or 0)
        if number:
            note(connection, actor, PRUNE, "audit log", before=before.isoformat(), number=number)
        return number

    number = database.transact(begin)
    while database.transact(_forget, before):
        passing("audit.slice-forgotten")
    return number


def prune_older(connection: Connection, days: int | None) -> None:
    """Forget some of what is older than so many days, about once a day; nothing for None."""
    if days is None:
        return
    end = clock.now() - timedelta(days=days)
    oldest = connection.scalar(sa.select(audit_entries.c.at).order_by(audit_entries.c.id).limit(1))
    if oldest is not None and oldest < end - timedelta(days=1):
        note(connection, None, PRUNE, "audit log", before=end.isoformat(), number=_forget(connection, end))


def _forget(connection: Connection, before: datetime) -> int:
    old = sa.select(audit_entries.c.id).where(audit_entries.c.at < before).order_by(audit_entries.c.id).limit(SLICE)
    ids = list(connection.scalars(old))
    for start in range(0, len(ids), 500):
        connection.execute(sa.delete(audit_entries).where(audit_entries.c.id.in_(ids[start : start + 500])))
    return len(ids)
