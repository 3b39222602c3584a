"""The verbs on stored rule sets. A version never changes; what is saved becomes the next one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from labelmill import clock
from labelmill.errors import BadInput, Conflict, NotFound
from labelmill.ids import new_id
from labelmill.rules.files import load
from labelmill.rules.readers.loaded import Loaded
from labelmill.rules.stored import LONGEST_NOTE, RuleSetInfo, StoredRuleSet, Version, checked_name, parse_reference, unpack
from labelmill.rules.tables import rule_set_versions, rule_sets

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection, RowMapping

    from labelmill.rules.model import RuleSet
    from labelmill.rules.stored import Packed

_WITHOUT_CONTENT: Final = [column for column in rule_set_versions.c if column.name not in {"rule_set_id", "content"}]


def save(
    connection: Connection,
    name: str,
    packed: Packed,
    *,
    created_by: str | None = None,
    note: str = "",
    expected: int | None = None,
) -> StoredRuleSet:
    """Store a rule set as the next version of ``name``, which is made where it is missing; equal content makes no new version.

    ``expected`` is the version that the change began from, 0 for a name that must be new. Raises Conflict when another one is the
    latest and differs, or when the rule set is archived; two that save at once wait for each other.
    """
    if len(note) > LONGEST_NOTE or "\0" in note:
        raise BadInput(f"A note has at most {LONGEST_NOTE:,} characters, none of them NUL.", where="note")
    owner = _locked(connection, checked_name(name), created_by)
    latest = _latest(connection, owner["id"])
    _require_in_use(owner)
    if latest is not None and latest["content_hash"] == packed.content_hash and expected != 0:
        return _stored({**latest, **_name_of(owner)}, packed.rule_set)
    _require_expected(owner, latest, expected)
    row = {
        "rule_set_id": owner["id"], "version": (latest["version"] if latest else 0) + 1, "content": packed.content,
        "content_hash": packed.content_hash, "labels": len(packed.rule_set.labels), "rules": len(packed.rule_set.rules),
        "created_at": clock.now(), "created_by": created_by, "note": note,
    }  # fmt: skip
    connection.execute(sa.insert(rule_set_versions).values(row))
    return _stored(row | _name_of(owner), packed.rule_set, new=True)


def get_rule_set(connection: Connection, name: str, version: int | None = None) -> StoredRuleSet:
    """Return a version, by default the latest. Raises NotFound; an archived rule set is found by its version only."""
    row = _row(connection, name, version)
    return _stored(row, unpack(row["content"], row["name"]))


def find(connection: Connection, text: str) -> StoredRuleSet:
    """Return the rule set that ``NAME`` or ``NAME@VERSION`` means. Raises NotFound and BadInput."""
    return get_rule_set(connection, *parse_reference(text))


def resolve(
    text: str,
    read: Callable[[], AbstractContextManager[Connection]],
    *,
    predict_type: str | None = None,
    column: str | None = None,
) -> Loaded:
    """Return the rules at a path where there is something, else the stored ones that ``NAME`` or ``NAME@VERSION`` means.

    ``read`` gives a connection, and is called for a name only; ``column`` is the one to label (see ``load``). Raises NotFound and what reading rules raises.
    """
    if os.path.lexists(text):
        return load(Path(text), predict_type=predict_type, column=column)
    with read() as connection:
        try:
            return Loaded(find(connection, text).rule_set)
        except NotFound as error:
            error.way_out = f"There is no such file or folder either. {error.way_out}"
            raise


def list_rule_sets(connection: Connection, *, archived: bool = False, after: str = "", limit: int = 1_000) -> list[RuleSetInfo]:
    """Return rule sets by name, those after the name ``after``: the ones in use, or with ``archived`` the archived ones."""
    state = rule_sets.c.archived_at.is_not(None) if archived else rule_sets.c.archived_at.is_(None)
    query = _infos().where(state, rule_sets.c.name > after).order_by(rule_sets.c.name).limit(limit)
    return [_info(row) for row in connection.execute(query).mappings()]


def get_info(connection: Connection, name: str) -> RuleSetInfo:
    """Return a rule set, archived or not, without its content. Raises NotFound."""
    row = connection.execute(_infos().where(rule_sets.c.name == name)).mappings().one_or_none()
    if row is None:
        raise _missing(name)
    return _info(row)


def list_versions(connection: Connection, name: str, *, before: int | None = None, limit: int = 1_000) -> list[Version]:
    """Return the versions of a rule set, latest first, those before the version ``before``. Raises NotFound."""
    owner = get_info(connection, name)
    query = sa.select(*_WITHOUT_CONTENT).where(rule_set_versions.c.rule_set_id == owner.id)
    query = query if before is None else query.where(rule_set_versions.c.version < before)
    rows = connection.execute(query.order_by(rule_set_versions.c.version.desc()).limit(limit)).mappings()
    return [Version(**row) for row in rows]


def archive(connection: Connection, name: str) -> RuleSetInfo:
    """Put a rule set out of use; its versions stay. Raises NotFound."""
    return _set_archived(
        connection, name, sa.func.coalesce(rule_sets.c.archived_at, sa.literal(clock.now(), rule_sets.c.archived_at.type))
    )


def restore(connection: Connection, name: str) -> RuleSetInfo:
    """Put an archived rule set into use again. Raises NotFound."""
    return _set_archived(connection, name, None)


def _set_archived(connection: Connection, name: str, value: Any) -> RuleSetInfo:
    connection.execute(sa.update(rule_sets).where(rule_sets.c.name == name).values(archived_at=value))
    return get_info(connection, name)


def _locked(connection: Connection, name: str, created_by: str | None) -> RowMapping:
    """Return the row of a name, made where it is missing, held until the transaction ends: so versions rise one by one."""
    query = sa.select(rule_sets).where(rule_sets.c.name == name).with_for_update()
    if (found := connection.execute(query).mappings().one_or_none()) is not None:
        return found
    row = {"id": new_id(), "name": name, "created_at": clock.now(), "created_by": created_by, "archived_at": None}
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(rule_sets).values(row))
    except IntegrityError:  # somebody else was quicker
        pass
    return connection.execute(query).mappings().one()


def _require_in_use(owner: RowMapping) -> None:
    if owner["archived_at"] is not None:
        name = owner["name"]
        way_out = f"Take another name, or bring it back: `labelmill rules restore {name}`."
        raise Conflict(f"The rule set {name!r} is archived.", where="name", way_out=way_out)


def _require_expected(owner: RowMapping, latest: RowMapping | None, expected: int | None) -> None:
    name, version = owner["name"], latest["version"] if latest else 0
    if expected is None or expected == version:
        return
    if expected == 0:
        way_out = "Take another name, or save a new version of it."
        raise Conflict(f"There is a rule set {name!r} already.", where="name", way_out=way_out, version=version)
    message = f"The rule set {name!r} is at version {version}, not {expected}: somebody saved in between."
    raise Conflict(message, where="version", way_out=f"Look at version {version} first, then save upon it.", version=version)


def _latest(connection: Connection, rule_set_id: str) -> RowMapping | None:
    query = sa.select(*_WITHOUT_CONTENT).where(rule_set_versions.c.rule_set_id == rule_set_id)
    return connection.execute(query.order_by(rule_set_versions.c.version.desc()).limit(1)).mappings().one_or_none()


def _row(connection: Connection, name: str, version: int | None) -> RowMapping:
    owned = sa.and_(rule_set_versions.c.rule_set_id == rule_sets.c.id, rule_sets.c.name == name)
    query = sa.select(rule_set_versions, rule_sets.c.name, rule_sets.c.archived_at).where(owned)
    wanted = query.order_by(rule_set_versions.c.version.desc()).limit(1)
    row = (
        connection.execute(wanted if version is None else query.where(rule_set_versions.c.version == version))
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise _missing(name) if version is None else _missing_version(connection, name, version)
    if version is None and row["archived_at"] is not None:
        way_out = f"Bring it back: `labelmill rules restore {name}`. Or name a version: {name}@{row['version']}."
        raise NotFound(f"The rule set {name!r} is archived.", where=name, way_out=way_out)
    return row


def _missing(name: str) -> NotFound:
    return NotFound(f"There is no rule set {name[:100]!r}.", way_out="`labelmill rules list` shows the rule sets.")


def _missing_version(connection: Connection, name: str, version: int) -> NotFound:
    latest = get_info(connection, name).latest.version
    return NotFound(f"The rule set {name!r} has no version {version}.", where=name, way_out=f"Its versions are 1 to {latest}.")


def _infos() -> sa.Select[Any]:
    newest = (
        sa.select(sa.func.max(rule_set_versions.c.version))
        .where(rule_set_versions.c.rule_set_id == rule_sets.c.id)
        .correlate(rule_sets)
        .scalar_subquery()
    )
    versions = [column.label(f"version_{column.name}") for column in _WITHOUT_CONTENT]
    joined = sa.and_(rule_set_versions.c.rule_set_id == rule_sets.c.id, rule_set_versions.c.version == newest)
    return sa.select(rule_sets, *versions).join(rule_set_versions, joined)


def _info(row: RowMapping) -> RuleSetInfo:
    latest = {column.name: row[f"version_{column.name}"] for column in _WITHOUT_CONTENT}
    return RuleSetInfo(**{column.name: row[column.name] for column in rule_sets.c}, latest=Version(**latest))


def _name_of(owner: RowMapping) -> dict[str, Any]:
    return {"name": owner["name"], "archived_at": owner["archived_at"]}


def _stored(row: Any, rule_set: RuleSet, *, new: bool = False) -> StoredRuleSet:
    names = ("name", "version", "content_hash", "created_at", "created_by", "note", "archived_at")
    values = {name: row[name] for name in names}
    return StoredRuleSet(**values, rule_set=replace(rule_set, name=row["name"]), new=new)
