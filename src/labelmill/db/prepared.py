"""Statements that are put together once and then go straight to the driver: for what people do all day long.

Around a statement that finds a row by its key SQLAlchemy takes ten times as long as SQLite takes for it. What it says of the columns
still holds: values are bound and read by their types, and what the driver raises comes as SQLAlchemy's errors.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import sqlalchemy as sa
    from sqlalchemy.engine import Connection, Dialect
    from sqlalchemy.engine.interfaces import DBAPICursor

    Process = Callable[[Any], Any] | None


class Prepared:
    """A statement whose open values come with each call, by name; ``columns`` are those that an insert fills.

    A list stands for the elements of an IN. Rows have their columns as attributes.
    """

    def __init__(self, statement: sa.Select[Any] | sa.Insert | sa.Update | sa.Delete, columns: Sequence[str] = ()) -> None:
        self._statement = statement
        self._columns = columns
        self._texts: dict[tuple[Any, ...], _Text] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Return the rows that are found, or with RETURNING changed."""
        text, cursor = self._execute(connection, values)
        found = cursor.fetchall()
        read = text.read or text.reader(connection.dialect, self._statement, cursor)
        cursor.close()
        return [read(row) for row in found]

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """Return the first row that is found, None for none."""
        found = self.rows(connection, values)
        return found[0] if found else None

    def scalar(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """Return the first value of the first row that is found, None for none."""
        found = self.rows(connection, values)
        return found[0][0] if found else None

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Change rows and return how many it concerned."""
        _, cursor = self._execute(connection, values)
        concerned = cursor.rowcount
        cursor.close()
        return concerned

    def many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Change rows by many sets of values, none of which holds a list."""
        if rows:
            text = self._text(connection.dialect, rows[0])
            execute(connection, text.sql, [text.bound(values) for values in rows])

    def _execute(self, connection: Connection, values: Mapping[str, Any]) -> tuple[_Text, DBAPICursor]:
        text = self._text(connection.dialect, values)
        return text, execute(connection, text.sql, text.bound(values))

    def _text(self, dialect: Dialect, values: Mapping[str, Any]) -> _Text:
        key = (dialect.name, *[len(value) for value in values.values() if type(value) is list])
        if key not in self._texts:
            self._texts[key] = _Text.of(self._statement, dialect, self._columns, values)
        return self._texts[key]


def execute(connection: Connection, sql: str, values: Any = ()) -> DBAPICursor:
    """Return the driver's cursor after ``sql``, in the transaction that is begun where none is; raises SQLAlchemy's errors.

    A list has values for executing it many times.
    """
    if not connection.in_transaction():
        connection.begin()
    cursor = connection.connection.cursor()
    is_many = type(values) is list
    for listen in connection.dispatch.before_cursor_execute:
        listen(connection, cursor, sql, values, None, is_many)
    try:
        (cursor.executemany if is_many else cursor.execute)(sql, values)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _translated(connection, cursor, sql, error) from error
    return cursor


def _translated(connection: Connection, cursor: DBAPICursor, sql: str, error: Exception) -> BaseException:
    dialect = connection.dialect
    is_gone = dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor)  # type: ignore[arg-type]
    if is_gone:
        connection.invalidate(error)
    # Without the values: rows of data must not reach the log.
    return DBAPIError.instance(sql, None, error, dialect.loaded_dbapi.Error, connection_invalidated=is_gone, dialect=dialect)


@dataclass(kw_only=True)
class _Text:
    """A statement as a driver takes it."""

    sql: str
    #: Of each mark the name of its value, and what makes the value one of the driver's.
    marks: list[tuple[str, Process]]
    #: Values that are always the same.
    constants: Mapping[str, Any]
    #: The names of a list's elements, by the name of the list.
    lists: Mapping[str, Sequence[str]]
    is_positional: bool
    #: What makes a row of the driver's one of ours; known once there was one.
    read: Callable[[Sequence[Any]], Any] | None = None

    @classmethod
    def of(cls, statement: Any, dialect: Dialect, columns: Sequence[str], values: Mapping[str, Any]) -> Self:
        compiled = statement.compile(dialect=dialect, column_keys=list(columns) or None)
        expanded = compiled.construct_expanded_state(values, escape_names=False)
        processes: dict[str, Process] = {}
        for parameter, name in compiled.bind_names.items():
            process = parameter.type.dialect_impl(dialect).bind_processor(dialect)
            processes |= dict.fromkeys(expanded.parameter_expansion.get(name, [name]), process)
        names = expanded.positiontup if compiled.positional else list(expanded.parameters)
        return cls(
            sql=expanded.statement,
            marks=[(name, processes[name]) for name in names],
            constants={name: each.value for each, name in compiled.bind_names.items() if not each.required},
            lists=expanded.parameter_expansion,
            is_positional=compiled.positional,
        )

    def bound(self, values: Mapping[str, Any]) -> Any:
        given = {**self.constants, **values}
        for name, elements in self.lists.items():
            given.update(zip(elements, values[name], strict=True))
        if self.is_positional:
            return tuple([given[name] if process is None else process(given[name]) for name, process in self.marks])
        return {name: given[name] if process is None else process(given[name]) for name, process in self.marks}

    def reader(self, dialect: Dialect, statement: Any, cursor: DBAPICursor) -> Callable[[Sequence[Any]], Any]:
        names, columns = zip(*statement.exported_columns.items(), strict=True)
        row = namedtuple("row", [str(name) for name in names], rename=True)  # type: ignore[misc]  # noqa: PYI024
        told = [each[1] for each in cursor.description]
        processes = [
            column.type.dialect_impl(dialect).result_processor(dialect, kind)
            for column, kind in zip(columns, told, strict=True)
        ]

        def read(values: Sequence[Any]) -> Any:
            return row._make(
                [each if process is None else process(each) for each, process in zip(values, processes, strict=True)]
            )

        self.read = read if any(processes) else row._make
        return self.read
