"""Which rights a user lacks to change tables, as far as the database tells without being asked to change anything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

#: What MariaDB wants for ALTER TABLE, and what writing rows takes.
_MARIADB = ("SELECT", "INSERT", "UPDATE", "CREATE", "ALTER")
_MARIADB_HELD = sa.text(
    "SELECT privilege_type AS held, NULL AS place FROM information_schema.user_privileges WHERE grantee = :me "
    "UNION ALL SELECT privilege_type, NULL FROM information_schema.schema_privileges WHERE grantee = :me AND :schema LIKE table_schema "
    "UNION ALL SELECT privilege_type, table_name FROM information_schema.table_privileges WHERE grantee = :me AND table_schema = :schema"
)
_POSTGRESQL = sa.text(
    "SELECT c.relname, pg_has_role(c.relowner, 'USAGE'), has_schema_privilege(n.oid, 'CREATE') "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relkind IN ('r', 'p')"
)


class Rights:
    """What the user may not do, by table."""

    def __init__(self, lacking: Mapping[str, str], *, everywhere: str = "") -> None:
        self._lacking = lacking
        self._everywhere = everywhere

    def lacking(self, table: str) -> str:
        return self._lacking.get(table, self._everywhere)


def rights(connection: Connection, schema: str | None) -> Rights:
    """Return what the user lacks; nothing where the database does not tell."""
    return _READERS[connection.dialect.name](connection, schema)


def _of_mariadb(connection: Connection, schema: str | None) -> Rights:
    user, _, host = str(connection.exec_driver_sql("SELECT CURRENT_USER()").scalar()).rpartition("@")
    rows = connection.execute(_MARIADB_HELD, {"me": f"'{user}'@'{host}'", "schema": schema}).all()
    if connection.exec_driver_sql("SELECT CURRENT_ROLE()").scalar() is not None:
        return Rights({})  # a role brings rights that these views do not show as the user's
    general = {held for held, place in rows if place is None}
    places = {place for _, place in rows if place is not None}
    by_table = {place: _missing(general | {held for held, its in rows if its == place}) for place in places}
    return Rights(by_table, everywhere=_missing(general))


def _missing(held: set[str]) -> str:
    return ", ".join(right for right in _MARIADB if right not in held)


def _of_postgresql(connection: Connection, schema: str | None) -> Rights:
    rows = connection.execute(_POSTGRESQL, {"schema": schema})
    return Rights({name: "" if owner and create else _lost(owner=owner) for name, owner, create in rows})


def _lost(*, owner: bool) -> str:
    return "CREATE on the schema" if owner else "its owner's (only they may alter it)"


def _of_sqlite(connection: Connection, schema: str | None) -> Rights:
    del schema
    path = connection.engine.url.database or ""
    return Rights({}, everywhere="" if os.access(path, os.W_OK) else "to write to the file")


_READERS = {"mysql": _of_mariadb, "postgresql": _of_postgresql, "sqlite": _of_sqlite}
