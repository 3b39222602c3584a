"""What tables and columns a database has: the only place that identifiers in statements come from."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill.db.bulk.model import Column, Kind, TableInfo
from labelmill.errors import BadSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedIndex
    from sqlalchemy.engine.reflection import Inspector
    from sqlalchemy.types import TypeEngine

    from labelmill.db.bulk.location import Location

#: Tables that an error names before it stops.
NAMED = 20
_SYSTEM_SCHEMAS = frozenset({"information_schema", "mysql", "performance_schema", "sys"})
#: In this order: Float is a Numeric too, and a decimal number of any length must not become a float.
_KINDS: tuple[tuple[tuple[type[TypeEngine[Any]], ...], Kind], ...] = (
    ((sa.Boolean,), Kind.BOOLEAN),
    ((sa.Integer,), Kind.INTEGER),
    ((sa.Float,), Kind.REAL),
    ((sa.DateTime,), Kind.DATETIME),
    ((sa.LargeBinary, sa.BINARY, sa.VARBINARY), Kind.BYTES),
    ((sa.String,), Kind.TEXT),
)
#: Tables (partitioned ones too), views, materialized views and foreign tables, in one question where the inspector asks four.
_POSTGRESQL_KINDS = "tvmf"
_POSTGRESQL_TABLES = sa.text(
    "SELECT CASE WHEN relkind IN ('r', 'p') THEN 't' ELSE CAST(relkind AS text) END, relname FROM pg_catalog.pg_class "
    "JOIN pg_catalog.pg_namespace AS spaces ON spaces.oid = relnamespace "
    "WHERE nspname = :place AND (relkind = 'f' OR (relkind IN ('r', 'p', 'v', 'm') AND relpersistence <> 't'))"
)
#: Texts that are compared as they are sorted: an enum sorts by the place of its word, and PostgreSQL's CHAR loses its spaces.
_ORDERED: dict[str, tuple[type[TypeEngine[Any]], ...]] = {"postgresql": (sa.VARCHAR, sa.TEXT), "mysql": (sa.VARCHAR, sa.CHAR)}


@dataclass(frozen=True)
class TableName:
    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One table as the catalogue has it.

    ``key`` is the single whole-number column that tells its rows apart, ``text_key`` the single column of text, where there is one.
    """

    info: TableInfo
    key: str | None
    types: dict[str, TypeEngine[Any]]
    text_key: str | None = None


def pick_table(location: Location, names: Sequence[TableName]) -> TableName:
    """Return the table that ``location`` asks for, or the only one; raise BadSource that lists the tables there are."""
    if location.table is None:
        if len(names) == 1:
            return names[0]
        message = "It holds several tables." if names else "It holds no tables."
        raise BadSource(message, where=str(location), way_out=_name_one(names))
    wanted = TableName(location.schema, location.table)
    # The last dot of what was asked for may belong to the table's own name.
    for name in names:
        if name == wanted or (location.schema is None and name.name == wanted.name) or name.name == str(wanted):
            return name
    close = get_close_matches(wanted.name.lower(), [name.name.lower() for name in names], n=5, cutoff=0.5)
    ordered = sorted(names, key=lambda name: close.index(name.name.lower()) if name.name.lower() in close else len(close))
    raise BadSource(f"There is no table {str(wanted)!r}.", where=str(location), way_out=_name_one(ordered))


def _name_one(names: Sequence[TableName]) -> str:
    if not names:
        return "Name a database or schema that holds the table."
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"Name one of: {', '.join(str(name) for name in names[:NAMED])}{more}."


def inspect_entry(connection: Connection, location: Location) -> Entry:
    """Return the catalogue entry of a PostgreSQL or MariaDB table or view."""
    with warnings.catch_warnings():
        # A type that SQLAlchemy does not know is read as text: no reason to warn.
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        inspector = sa.inspect(connection)
        name = pick_table(location, _table_names(connection, inspector, location))
        columns = inspector.get_columns(name.name, schema=name.schema)
        indexes = _indexes(inspector, name)
        primary = inspector.get_pk_constraint(name.name, schema=name.schema) if indexes is not None else None
    real = _real_names(connection, name, columns)
    key = [real[column] for column in primary["constrained_columns"]] if primary else []
    info = TableInfo(
        name=name.name,
        schema=name.schema,
        columns=tuple(_column(column, real[column["name"]]) for column in columns),
        indexed=frozenset(real[column] for column in _leading(indexes or ())) | frozenset(key[:1]),
    )
    types = {real[column["name"]]: column["type"] for column in columns}
    single = key[0] if len(key) == 1 else None
    whole = single is not None and info.column(single).kind is Kind.INTEGER
    ordered = single is not None and isinstance(types[single], _ORDERED[connection.dialect.name])
    return Entry(info=info, key=single if whole else None, text_key=single if ordered else None, types=types)


def _real_names(connection: Connection, name: TableName, columns: Sequence[ReflectedColumn]) -> dict[str, str]:
    """Return the name of each column by the one that the inspector gives, which leaves a backtick of MariaDB doubled."""
    given = [column["name"] for column in columns]
    if connection.dialect.name != "mysql":
        return dict(zip(given, given, strict=True))
    query = sa.text(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = :place AND table_name = :name ORDER BY ordinal_position"
    )
    real = connection.scalars(query, {"place": name.schema, "name": name.name})
    return dict(zip(given, real, strict=True))


def _table_names(connection: Connection, inspector: Inspector, location: Location) -> list[TableName]:
    known = [name for name in inspector.get_schema_names() if name.lower() not in _SYSTEM_SCHEMAS]
    default = inspector.default_schema_name
    schema = location.schema if location.schema in known else default
    if schema is None:
        raise BadSource("No database is named.", where=str(location), way_out=f"Name one of: {', '.join(known[:NAMED])}.")
    if inspector.dialect.name == "postgresql":
        found = connection.execute(_POSTGRESQL_TABLES, {"place": schema}).all()
        names = [name for _, name in sorted(found, key=lambda row: (_POSTGRESQL_KINDS.index(row[0]), row[1]))]
    else:
        names = [*sorted(inspector.get_table_names(schema=schema)), *sorted(inspector.get_view_names(schema=schema))]
    return [TableName(schema, name) for name in names]


def _column(column: ReflectedColumn, name: str) -> Column:
    kind = next((kind for types, kind in _KINDS if isinstance(column["type"], types)), Kind.OTHER)
    try:
        declared = str(column["type"])
    except sa.exc.CompileError:  # a type without a spelling outside of its database
        declared = type(column["type"]).__name__
    return Column(name=name, kind=kind, declared=declared)


def _indexes(inspector: Inspector, name: TableName) -> list[ReflectedIndex] | None:
    """Return the indexes, or None for a view of MariaDB, which the inspector has no word on."""
    if inspector.dialect.name == "mysql" and name.name in inspector.get_view_names(schema=name.schema):
        return None
    return inspector.get_indexes(name.name, schema=name.schema)


def _leading(indexes: Iterable[ReflectedIndex]) -> Iterable[str]:
    """Give the first column of each index that holds every row in the order of its columns."""
    for index in indexes:
        options = index.get("dialect_options", {})
        whole = options.get("postgresql_where") is None and options.get("postgresql_using", "btree") == "btree"
        ordered = index.get("type") is None and not options.get("mysql_prefix") and not options.get("mariadb_prefix")
        first = index["column_names"][0]
        if first is not None and whole and ordered:
            yield first
