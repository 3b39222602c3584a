"""Carries a plan out, statement by statement, each of which may be the last before a crash: running again does the rest.

MariaDB commits every ALTER by itself, so all that is to be changed about a table is one ALTER, which the server does wholly or not at all.
PostgreSQL and SQLite do a table in one transaction. SQLite cannot change columns: the table is made anew, as labelmill makes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from labelmill.db.types import LongText
from labelmill.labeltasks.adopt.look import dayless, pending, uncopied
from labelmill.labeltasks.adopt.model import LEFT_PENDING, OLD_TARGET, TARGET, Action, Change, TablePlan
from labelmill.labeltasks.adopt.plan import ROW_ID, is_structural, table_of
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

#: What the old table of SQLite is called while the new one is filled; both are there within one transaction only.
_OLD = "labelmill_adopted"


class Alteration:
    """Changes one table of one schema within the transaction that its connection has open."""

    def __init__(self, connection: Connection, plan: TablePlan, schema: str | None) -> None:
        self._connection = connection
        self._plan = plan
        self._schema = schema
        self._table = table_of(plan.name, plan.role, schema)
        self._preparer = connection.dialect.identifier_preparer

    def run(self) -> None:
        """Make all changes; on MariaDB each is committed as it is made."""
        if is_structural(self._plan.changes):
            statements = self._anew() if self._connection.dialect.name == "sqlite" else self._altered()
            for statement in statements:
                self._do(statement)
        for change in self._plan.changes:
            if change.action is Action.COPY:
                self._do(sa.update(self._rows).where(uncopied(self._rows)).values({TARGET: self._rows.c[OLD_TARGET]}))
            if change.action is Action.UNSET:
                column = self._rows.c[change.column]
                self._do(sa.update(self._rows).where(dayless(column)).values({change.column: None}))
            if change.action is Action.FAIL:
                failed = {"stat": "FAILURE", "error_message": LEFT_PENDING}
                self._do(sa.update(self._rows).where(pending(self._rows, {"revision": None})).values(failed))

    def _do(self, statement: str | sa.Executable) -> None:
        if isinstance(statement, str):
            self._connection.exec_driver_sql(statement)
        else:
            self._connection.execute(statement)
        passing("adopt-audience.changed")

    def _altered(self) -> Iterable[str | sa.Executable]:
        """Give the statements of a server: one ALTER, and on PostgreSQL the indexes."""
        is_mysql = self._connection.dialect.name == "mysql"
        inline = [change for change in self._plan.changes if is_mysql or change.action is not Action.INDEX]
        clauses = [clause for change in inline for clause in self._clauses(change)]
        if clauses:
            yield f"ALTER TABLE {self._quoted} {', '.join(clauses)}"
        for change in self._plan.changes:
            if change.action is Action.INDEX and not is_mysql:
                yield CreateIndex(self._index(change))

    def _clauses(self, change: Change) -> list[str]:
        clauses = self._mysql_clauses if self._connection.dialect.name == "mysql" else self._postgresql_clauses
        return clauses(change)

    def _mysql_clauses(self, change: Change) -> list[str]:
        clause = ""
        match change.action:
            case Action.CONVERT:
                clause = "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            case Action.ENGINE:
                clause = "ENGINE=InnoDB"
            case Action.CHANGE:
                kind = self._spelled(self._kept(change))
                clause = f"MODIFY COLUMN {self._name(change.column)} {kind} {'NULL' if change.nullable else 'NOT NULL'}"
            case Action.ADD:
                clause = f"ADD COLUMN {self._name(change.column)} {self._spelled(change.type)} NULL"
            case Action.NUMBER:
                clause = f"ADD COLUMN {self._name(ROW_ID)} BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"
            case Action.KEY:
                clause = f"ADD {'PRIMARY' if change.primary else 'UNIQUE'} KEY ({self._listed(change)})"
            case Action.INDEX:
                clause = f"ADD INDEX {self._preparer.format_index(self._index(change))} ({self._listed(change)})"
            case _:
                pass
        return [clause] if clause else []

    def _postgresql_clauses(self, change: Change) -> list[str]:
        column = self._name(change.column) if change.column else ""
        match change.action:
            case Action.CHANGE:
                kind = self._spelled(change.type) if change.type is not None else ""
                becomes = [f"ALTER COLUMN {column} TYPE {kind} USING {column}::{kind}"] if kind else []
                return becomes + ([f"ALTER COLUMN {column} DROP NOT NULL"] if change.nullable else [])
            case Action.ADD:
                return [f"ADD COLUMN {column} {self._spelled(change.type)}"]
            case Action.NUMBER:
                return [f"ADD COLUMN {self._name(ROW_ID)} BIGSERIAL PRIMARY KEY"]
            case Action.KEY:
                return [f"ADD {'PRIMARY KEY' if change.primary else 'UNIQUE'} ({self._listed(change)})"]
            case _:
                return []

    def _kept(self, change: Change) -> Any:
        """Return the type that a column is to have; where it keeps its own, one of text is as the table's character set has it."""
        if change.type is not None:
            return change.type
        its = self._plan.found.columns[change.column]
        if its.kind != "text":
            return its.type
        return LongText() if its.length is None or its.length > _LONGEST else sa.String(its.length)

    def _anew(self) -> Iterable[str | sa.Executable]:
        """Give the statements that put a table of SQLite as labelmill makes it in the place of the old one, with all that it holds."""
        before = list(self._connection.execute(_BESIDE, {"name": self._plan.name}).scalars())
        found = self._plan.found.columns
        for column in found.values():
            if column.name not in self._table.c:
                default = sa.text(column.default) if column.default is not None else None
                nullable = column.nullable or column.name == OLD_TARGET
                self._table.append_column(sa.Column(column.name, column.type, nullable=nullable, server_default=default))
        columns = ", ".join(self._name(name) for name in found)
        # Else views that name the table would follow the old one.
        self._connection.exec_driver_sql("PRAGMA legacy_alter_table=ON")
        yield f"ALTER TABLE {self._quoted} RENAME TO {_OLD}"
        yield CreateTable(self._table)
        yield f"INSERT INTO {self._quoted} ({columns}) SELECT {columns} FROM {_OLD}"  # noqa: S608 - quoted names of the catalogue
        yield f"DROP TABLE {_OLD}"
        yield from before
        yield from (CreateIndex(index, if_not_exists=True) for index in self._table.indexes)
        self._connection.exec_driver_sql("PRAGMA legacy_alter_table=OFF")

    @property
    def _quoted(self) -> str:
        return self._preparer.format_table(self._table)

    @property
    def _rows(self) -> sa.Table:
        if OLD_TARGET not in self._table.c:
            self._table.append_column(sa.Column(OLD_TARGET, sa.String(255)))
        return self._table

    def _index(self, change: Change) -> sa.Index:
        """Return labelmill's own index; without ``row_id`` where the rows are not numbered."""
        mine = next(index for index in self._table.indexes if index.columns.keys()[0] == change.columns[0])
        if tuple(mine.columns.keys()) == change.columns:
            return mine
        self._table.indexes.remove(mine)
        return sa.Index(None, *(self._table.c[name] for name in change.columns))

    def _name(self, name: str) -> str:
        return self._preparer.quote_identifier(name)

    def _listed(self, change: Change) -> str:
        return ", ".join(map(self._name, change.columns))

    def _spelled(self, kind: Any) -> str:
        return str(kind.compile(dialect=self._connection.dialect))


#: Characters of a VARCHAR that is widened; what is longer becomes LONGTEXT.
_LONGEST = 1_000
_BESIDE = sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :name AND type IN ('index', 'trigger') AND sql IS NOT NULL")
