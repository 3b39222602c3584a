"""Reads from the catalogue, and from the rows, what a schema holds; nothing is changed."""

from __future__ import annotations

import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from labelmill.labeltasks.adopt.model import OLD_TARGET, RESULT_SIGNS, TARGET, TIMES, FoundColumn, FoundTable
from labelmill.labeltasks.adopt.rights import rights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection, Inspector

#: Task ids that an answer names before it stops.
NAMED = 20
#: In this order: TEXT is the base of the others.
_TEXT_LENGTHS = (
    (mysql.TINYTEXT, 255 // 4), (mysql.MEDIUMTEXT, (2**24 - 1) // 4), (mysql.LONGTEXT, None), (mysql.TEXT, (2**16 - 1) // 4),
    (sa.TEXT, (2**16 - 1) // 4),
)  # fmt: skip
_KINDS: tuple[tuple[tuple[type[Any], ...], str], ...] = (
    ((sa.Enum, mysql.SET, sa.LargeBinary, sa.BINARY, sa.VARBINARY, sa.Boolean), "other"),
    ((sa.Integer,), "whole"), ((sa.Numeric, sa.Float), "real"), ((sa.DateTime,), "time"), ((sa.String,), "text"),
)  # fmt: skip
_CHARSETS = sa.text(
    "SELECT c.table_name AS name, c.character_set_name AS charset FROM information_schema.columns c "
    "WHERE c.table_schema = :schema AND c.character_set_name IS NOT NULL "
    "UNION SELECT t.table_name, SUBSTRING_INDEX(t.table_collation, '_', 1) FROM information_schema.tables t "
    "WHERE t.table_schema = :schema AND t.table_collation IS NOT NULL"
)
_ENGINES = sa.text(
    "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = :schema AND engine IS NOT NULL"
)


class Looker:
    """Looks at the tables of one schema, None for the connection's own."""

    def __init__(self, connection: Connection, schema: str | None, state_table: str) -> None:
        self._connection = connection
        self._inspector = sa.inspect(connection)
        self._schema = schema
        self._state_table = state_table
        self._real_schema = schema or self._inspector.default_schema_name
        self._rights = rights(connection, self._real_schema)
        self._charsets, self._engines = self._options()

    def found(self) -> tuple[list[FoundTable], list[str]]:
        """Return the tables that may be the predecessor's, each with what its rows say, and the names of all others."""
        mine, others = [], []
        for name, is_view in sorted(_names(self._inspector, self._schema).items()):
            columns = self._columns_of_view(name) if is_view else self._columns(name)
            if name == self._state_table or set(columns) >= RESULT_SIGNS:
                mine.append(FoundTable(name=name, columns=columns, is_view=True) if is_view else self._table(name, columns))
            else:
                others.append(name)
        return mine, others

    def count(self, name: str) -> int:
        """Return how many rows a table has."""
        found = self._connection.scalar(sa.select(sa.func.count()).select_from(self._from(name)))
        return int(found or 0)

    def _table(self, name: str, columns: Mapping[str, FoundColumn]) -> FoundTable:
        inspector, schema = self._inspector, self._schema
        key = tuple(inspector.get_pk_constraint(name, schema=schema)["constrained_columns"])
        # SQLite leaves out those of constraints, unless told otherwise.
        indexes = inspector.get_indexes(name, schema=schema, include_auto_indexes=True)
        uniques = [frozenset(each["column_names"]) for each in inspector.get_unique_constraints(name, schema=schema)]
        uniques += [frozenset(filter(None, each["column_names"])) for each in indexes if each["unique"]]
        leading = {each["column_names"][0] for each in indexes if _is_whole(each)} | set(key[:1])
        return FoundTable(
            name=name, columns=columns, key=key, unique=tuple(dict.fromkeys(uniques)), leading=frozenset(filter(None, leading)),
            engine=self._engines.get(name, "InnoDB"), charsets=frozenset(self._charsets.get(name, ())),
            lacking=self._rights.lacking(name), constraints=self._constraints(name), **self._facts(name, columns),
        )  # fmt: skip

    def _constraints(self, name: str) -> frozenset[str]:
        """Return the kinds of constraint that only the statement which made a table of SQLite holds."""
        if self._connection.dialect.name != "sqlite":
            return frozenset()
        indexes = self._inspector.get_indexes(name, include_auto_indexes=True)
        unique = any(
            str(each["name"]).startswith("sqlite_autoindex_") and each["column_names"] != ["task_id"] for each in indexes
        )
        kinds = {
            "unique": unique,
            "foreign key": self._inspector.get_foreign_keys(name),
            "check": self._inspector.get_check_constraints(name),
        }
        return frozenset(kind for kind, found in kinds.items() if found)

    def _columns_of_view(self, name: str) -> dict[str, FoundColumn]:
        try:
            return self._columns(name)
        except (sa.exc.InvalidRequestError, sa.exc.DBAPIError):  # a view of something that is gone
            return {}

    def _columns(self, name: str) -> dict[str, FoundColumn]:
        with warnings.catch_warnings():
            # A type that SQLAlchemy does not know is no reason to warn.
            warnings.simplefilter("ignore", sa.exc.SAWarning)
            found = self._inspector.get_columns(name, schema=self._schema)
            key = self._inspector.get_pk_constraint(name, schema=self._schema)["constrained_columns"]
        return {column["name"]: _column(column, key, self._connection.dialect.name) for column in found}

    def _facts(self, name: str, columns: Mapping[str, FoundColumn]) -> dict[str, Any]:
        facts: dict[str, Any] = {"rows": self.count(name), "dayless": self._dayless(name, columns)}
        task_id = columns.get("task_id")
        if task_id is None or task_id.kind != "text":
            return facts
        if self._is_mysql and not isinstance(task_id.type, (sa.VARCHAR, sa.CHAR)):
            longest = sa.select(sa.func.max(sa.func.char_length(self._from(name).c.task_id)))
            facts["longest_id"] = self._connection.scalar(longest) or 0
        return facts | (self._state_facts(name, columns) if name == self._state_table else {})

    def _dayless(self, name: str, columns: Mapping[str, FoundColumn]) -> dict[str, int]:
        known = TIMES if name == self._state_table else TIMES[:1]
        times = [each for each in known if each in columns and columns[each].kind == "time"]
        if not self._is_mysql or not times:
            return {}
        table = self._from(name)
        counts = [sa.func.coalesce(sa.func.sum(dayless(table.c[each])), 0) for each in times]
        found = self._connection.execute(sa.select(*counts).select_from(table)).one()
        return {each: int(count) for each, count in zip(times, found, strict=True) if count}

    def _state_facts(self, name: str, columns: Mapping[str, FoundColumn]) -> dict[str, Any]:
        table = self._from(name)
        task_id = table.c.task_id
        facts: dict[str, Any] = {"nameless": self._count_where(task_id.is_(None))}
        several = sa.select(task_id).where(task_id.is_not(None)).group_by(task_id).having(sa.func.count() > 1).order_by(task_id)
        facts["repeated"] = [str(each) for each in self._connection.scalars(several)]
        if OLD_TARGET in columns:
            copied = uncopied(table) if TARGET in columns else table.c[OLD_TARGET].is_not(None)
            facts["uncopied"] = self._count_where(copied)
        if "stat" in columns and columns["stat"].kind == "text":
            left = sa.select(task_id).where(pending(table, columns)).order_by(task_id)
            facts["pending"] = [str(each) for each in self._connection.scalars(left)]
        return facts

    def _count_where(self, condition: sa.ColumnElement[bool]) -> int:
        return int(self._connection.scalar(sa.select(sa.func.count()).where(condition)) or 0)

    @property
    def _is_mysql(self) -> bool:
        return self._connection.dialect.name == "mysql"

    def _from(self, name: str) -> sa.TableClause:
        columns = ("task_id", "stat", "revision", TARGET, OLD_TARGET, *TIMES)
        return sa.table(name, *(sa.column(each) for each in columns), schema=self._schema)

    def _options(self) -> tuple[Mapping[str, set[str]], Mapping[str, str]]:
        charsets: dict[str, set[str]] = defaultdict(set)
        if not self._is_mysql:
            return charsets, {}
        for name, charset in self._connection.execute(_CHARSETS, {"schema": self._real_schema}):
            charsets[name].add(charset)
        engines = self._connection.execute(_ENGINES, {"schema": self._real_schema})
        return charsets, {name: str(engine) for name, engine in engines}


def pending(table: sa.TableClause, columns: Mapping[str, Any]) -> sa.ColumnElement[bool]:
    """Return the condition of the predecessor's pending tasks: a row that labelmill keeps has a revision."""
    is_pending = table.c.stat == "PENDING"
    return sa.and_(is_pending, table.c.revision.is_(None)) if "revision" in columns else is_pending


def uncopied(table: sa.TableClause) -> sa.ColumnElement[bool]:
    """Return the condition of the rows whose target stands under its later name only."""
    return sa.and_(table.c[TARGET].is_(None), table.c[OLD_TARGET].is_not(None))


def dayless(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Return the condition of times whose day is none: servers that are not strict keep 0000-00-00 for whatever is no time."""
    return sa.or_(sa.func.month(column) == 0, sa.func.dayofmonth(column) == 0)


def _names(inspector: Inspector, schema: str | None) -> dict[str, bool]:
    """Return each table and view with whether it is a view."""
    views = list(inspector.get_view_names(schema=schema))
    if inspector.dialect.name == "postgresql":
        views += inspector.get_materialized_view_names(schema=schema) + inspector.get_foreign_table_names(schema=schema)  # type: ignore[attr-defined]
    return dict.fromkeys(inspector.get_table_names(schema=schema), False) | dict.fromkeys(views, True)


def _column(column: Any, key: list[str], dialect: str) -> FoundColumn:
    rowid = dialect == "sqlite" and key == [column["name"]] and isinstance(column["type"], sa.Integer)
    filled = column.get("default") is not None or column.get("autoincrement") is True or bool(column.get("identity")) or rowid
    computed = bool(column.get("computed"))
    return FoundColumn(
        name=column["name"], kind=_kind(column["type"]), type=column["type"], length=_length(column["type"], dialect),
        nullable=bool(column["nullable"]), filled=filled or computed, default=column.get("default"), computed=computed,
    )  # fmt: skip


def _kind(found: Any) -> str:
    if isinstance(found, sa.types.NullType):
        return "text"  # SQLite: a column without a type keeps what it is given
    return next((kind for types, kind in _KINDS if isinstance(found, types)), "other")


def _length(found: Any, dialect: str) -> int | None:
    if dialect != "mysql":
        return getattr(found, "length", None) if dialect == "postgresql" else None
    known = next(((length,) for kind, length in _TEXT_LENGTHS if isinstance(found, kind)), None)
    return known[0] if known else getattr(found, "length", None)


def _is_whole(index: Any) -> bool:
    """Tell whether an index holds every row in the order of its columns."""
    options = index.get("dialect_options", {})
    return (
        options.get("postgresql_where") is None
        and options.get("postgresql_using", "btree") == "btree"
        and bool(index["column_names"])
    )
