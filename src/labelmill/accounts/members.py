"""Who may do what in one dataset. Managers and administrators may in all; everybody else needs a membership."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from labelmill import clock
from labelmill.accounts.audit import note
from labelmill.accounts.model import Actor, Role
from labelmill.accounts.people import get_annotator
from labelmill.accounts.permissions import Action, require
from labelmill.accounts.tables import annotators, members
from labelmill.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

#: Roles that hold in every dataset.
EVERYWHERE = (Role.MANAGER, Role.ADMIN)


def role_in(connection: Connection, actor: Actor, dataset_id: int) -> Role | None:
    """Return the role that somebody has in a dataset, None for who is no member."""
    if actor.role in EVERYWHERE:
        return actor.role
    return get_role(connection, dataset_id, actor.annotator_id)


def get_role(connection: Connection, dataset_id: int, annotator_id: str) -> Role | None:
    """Return the role that somebody was given in a dataset, None for who was given none."""
    mine = sa.and_(members.c.dataset_id == dataset_id, members.c.annotator_id == annotator_id)
    role = connection.scalar(sa.select(members.c.role).where(mine))
    return Role(role) if role else None


def require_in(connection: Connection, actor: Actor | None, action: Action, dataset_id: int) -> Actor:
    """Return ``actor`` with the role that they have in the dataset when that may do ``action`` there.

    Raises Unauthenticated for nobody, NotFound for who is no member (a dataset's existence is nobody else's business), and Forbidden.
    """
    somebody = require(actor, Action.VIEW_DATASET)
    role = require_member(role_in(connection, somebody, dataset_id), dataset_id)
    return require(replace(somebody, role=role), action)


def require_member(role: Role | None, dataset_id: int) -> Role:
    """Return the role that somebody has in a dataset; raises NotFound for who has none."""
    if role is None:
        raise NotFound(f"There is no dataset {dataset_id}.", way_out="Ask its manager to let you in.")
    return role


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody with a role in one dataset."""

    annotator_id: str
    email: str
    name: str
    role: Role
    joined_at: datetime
    disabled_at: datetime | None


def list_members(connection: Connection, dataset_id: int, *, after: str = "", limit: int | None = None) -> list[Member]:
    """Return who was given a role in a dataset, by address: all, or at most ``limit`` of those behind the address ``after``.

    Raises NotFound for an unknown dataset.
    """
    require_dataset(connection, dataset_id)
    query = sa.select(members, annotators.c.email, annotators.c.name, annotators.c.disabled_at)
    query = query.join(annotators, annotators.c.id == members.c.annotator_id).where(members.c.dataset_id == dataset_id)
    query = query.where(annotators.c.email > after).order_by(annotators.c.email).limit(limit)
    rows = connection.execute(query).mappings()
    return [Member(**{each: row[each] for each in _SHOWN} | {"role": Role(row["role"])}) for row in rows]


_SHOWN = ("annotator_id", "email", "name", "joined_at", "disabled_at")


def require_dataset(connection: Connection, dataset_id: int) -> None:
    """Raise NotFound for a dataset that does not exist."""
    datasets = sa.table("datasets", sa.column("id"))  # its feature stands on this one, which needs no more of it
    if connection.execute(sa.select(datasets.c.id).where(datasets.c.id == dataset_id)).first() is None:
        raise NotFound(f"There is no dataset {dataset_id}.")


def set_member(connection: Connection, dataset_id: int, annotator_id: str, role: Role, *, by: Actor | None = None) -> None:
    """Give somebody a role in a dataset, whatever it was before.

    Raises Forbidden for the role of an administrator, NotFound for an unknown dataset or annotator.
    """
    before = get_role(connection, dataset_id, annotator_id)
    put_member(connection, dataset_id, annotator_id, role)
    if before is not role:
        note(connection, by, "change role in dataset", f"annotator {annotator_id}", dataset_id, before=before, after=role)


def put_member(connection: Connection, dataset_id: int, annotator_id: str, role: Role) -> None:
    """Give somebody a role in a dataset; the caller writes down why. Raises as ``set_member`` does."""
    if role is Role.ADMIN:
        raise Forbidden("There are no administrators of one dataset.", way_out="Give the role manager.")
    require_dataset(connection, dataset_id)
    get_annotator(connection, annotator_id)
    mine = sa.and_(members.c.dataset_id == dataset_id, members.c.annotator_id == annotator_id)
    connection.execute(sa.select(annotators.c.id).where(annotators.c.id == annotator_id).with_for_update())
    if connection.execute(sa.update(members).where(mine).values(role=role)).rowcount:
        return
    if connection.scalar(sa.select(members.c.role).where(mine)) is None:  # MariaDB counts no row that was so already
        row = {"dataset_id": dataset_id, "annotator_id": annotator_id, "role": role, "joined_at": clock.now()}
        connection.execute(sa.insert(members).values(row))


def remove_member(connection: Connection, dataset_id: int, annotator_id: str, *, by: Actor | None = None) -> None:
    """Let somebody out of a dataset; their annotations stay. Who is no member stays none."""
    mine = sa.and_(members.c.dataset_id == dataset_id, members.c.annotator_id == annotator_id)
    if connection.execute(sa.delete(members).where(mine)).rowcount:
        note(connection, by, "remove from dataset", f"annotator {annotator_id}", dataset_id)


def datasets_of(connection: Connection, actor: Actor) -> list[int] | None:
    """Return the ids of the datasets that somebody is a member of, None for who may see all."""
    if actor.role in EVERYWHERE:
        return None
    return list(connection.scalars(sa.select(members.c.dataset_id).where(members.c.annotator_id == actor.annotator_id)))
