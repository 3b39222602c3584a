"""Tables of named connections in the import pages: which there are, and which one a form means. SQL is for the command line only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelmill.accounts import Action, may, require
from labelmill.connections import service as connections
from labelmill.connections import try_connection
from labelmill.errors import BadInput, LabelmillError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelmill.accounts import Actor
    from labelmill.bootstrap import App


@dataclass(frozen=True, kw_only=True)
class Offered:
    """What somebody may choose from: the connections, and the tables of the one that was chosen as ``schema.table``."""

    connections: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    #: Whether there are more than are listed.
    more: bool = False


def source_of(app: App, actor: Actor, values: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the reference of the table that a form names, None for a form that names none.

    ``place`` is ``schema.table`` as the list has it; ``schema`` and ``table`` may come apart. Raises Forbidden.
    """
    name = values.get("connection", "")
    if not name or not (values.get("place") or values.get("table")):
        return None
    require(actor, Action.VIEW_FILES)
    schema, table = values.get("schema", ""), values.get("table", "")
    if not table:
        schema, table = _apart(app, name, values["place"])
    return {"connection": name, **({"schema": schema} if schema else {}), "table": table}


def offered(app: App, actor: Actor, values: Mapping[str, str]) -> tuple[Offered, LabelmillError | None]:
    """Return what may be chosen, and why the tables of a connection cannot be shown."""
    if not may(actor, Action.VIEW_FILES):
        return Offered(), None
    with app.database.read() as connection:
        names = tuple(each.name for each in connections.list_connections(connection))
    name = values.get("connection", "")
    if not name:
        return Offered(connections=names), None
    try:
        seen = try_connection(app, name)
        if not seen.tables:
            raise BadInput("There is no table that may be read.", where=name, way_out="Ask who keeps the connection.")
    except LabelmillError as error:
        return Offered(connections=names), error
    return Offered(connections=names, tables=seen.tables, more=seen.more), None


def written(source: dict[str, Any]) -> str:
    """Return a table as the command line names it, "" for every other source."""
    if "connection" not in source:
        return ""
    return f"@{source['connection']}::{'.'.join(each for each in (source.get('schema'), source['table']) if each)}"


def _apart(app: App, name: str, place: str) -> tuple[str, str]:
    """Return schema and table of ``schema.table``: the points of their own names are no more than letters."""
    with app.database.read() as connection:
        known = {each.name: (*each.readable, *each.writable) for each in connections.list_connections(connection)}
    schemas = [each for each in known.get(name, ()) if place.startswith(f"{each}.")]
    schema = max(schemas, key=len, default="")
    return schema, place[len(schema) + 1 :] if schema else place
