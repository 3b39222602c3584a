"""Tables of PostgreSQL, read by ADBC in Arrow batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.pool import NullPool

from labelmill.db.bulk.catalogue import inspect_entry
from labelmill.db.bulk.model import Kind
from labelmill.db.bulk.sql_source import SqlSource, reporting
from labelmill.errors import BadSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import URL, Dialect
    from sqlalchemy.sql.expression import ColumnElement

    from labelmill.db.bulk.location import Location

CONNECT_SECONDS = 5
# The base dialect: that of psycopg doubles each per cent sign, which ADBC would take as two.
_DIALECT: Dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
#: Bytes of an Arrow batch: what is held in memory of a result.
ARROW_BYTES = 4 << 20
_SESSION = "-c default_transaction_read_only=on -c timezone=UTC -c client_encoding=UTF8"
_FIRST: ColumnElement[Any] = sa.literal_column("'0001-01-01'")
_LAST: ColumnElement[Any] = sa.literal_column("'9999-12-31 23:59:59.999999'")
_NATIVE = frozenset({Kind.INTEGER, Kind.REAL, Kind.BOOLEAN, Kind.BYTES})


class EscapedText(sa.TypeDecorator[str]):
    """Text whose literals are the same text whatever the server takes a backslash for."""

    impl = sa.Text
    cache_ok = True

    def literal_processor(self, dialect: Dialect) -> Callable[[str], str]:  # noqa: ARG002 - SQLAlchemy's form
        return lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def open_postgresql(location: Location) -> SqlSource:
    """Return the table behind a PostgreSQL URL; raise BadSource or Unavailable."""
    arguments = {"options": _SESSION, "connect_timeout": CONNECT_SECONDS, "application_name": "labelmill"}
    engine = sa.create_engine(_known(location), connect_args=arguments, poolclass=NullPool)
    with reporting(location), engine.connect() as connection:
        encoding = connection.scalar(sa.text("SELECT current_setting('server_encoding')"))
        if encoding == "SQL_ASCII":
            raise BadSource(
                "The database does not say in which encoding its text is (SQL_ASCII).",
                where=str(location),
                way_out="Copy the table into a database with the encoding UTF8.",
            )
        return PostgresqlSource(location, engine, inspect_entry(connection, location))


class PostgresqlSource(SqlSource):
    """One table or view of PostgreSQL. Numbers, booleans, times and bytes come as such, everything else as PostgreSQL spells it.

    A time that is infinite or outside of the years 1 to 9999 comes as null.
    """

    _text_type = EscapedText()

    def _estimate(self, connection: sa.Connection) -> int:
        query = sa.text(
            "SELECT reltuples FROM pg_class JOIN pg_namespace AS spaces ON spaces.oid = relnamespace WHERE relname = :name AND nspname = :place"
        )
        return int(connection.scalar(query, {"name": self.table.name, "place": self.table.schema}) or 0)

    def _frames(self, columns: list[str], condition: ColumnElement[bool] | None) -> Iterator[pl.DataFrame]:
        query = sa.select(*(self._selected(name).label(sa.quoted_name(name, quote=True)) for name in columns))
        query = query.select_from(self.from_table)
        if condition is not None:
            query = query.where(condition)
        # The result comes by COPY, which takes no parameters: SQLAlchemy writes the bounds as literals.
        statement = query.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
        yield from _stream(self._conninfo(), str(statement))

    def _selected(self, name: str) -> ColumnElement[Any]:
        column = self.from_table.c[name]
        kind = self.table.column(name).kind
        if kind is Kind.DATETIME:
            return sa.case((column.between(_FIRST, _LAST), column))
        return column if kind in _NATIVE else sa.cast(column, sa.Text)

    def _conninfo(self) -> str:
        from psycopg.conninfo import make_conninfo

        _, arguments = self.engine.dialect.create_connect_args(self.engine.url)
        known: dict[str, Any] = {
            name: value for name, value in arguments.items() if isinstance(value, (str, int))
        }  # the rest is psycopg's own
        return make_conninfo(**known, options=_SESSION, connect_timeout=CONNECT_SECONDS, application_name="labelmill")


def _stream(conninfo: str, statement: str) -> Iterator[pl.DataFrame]:
    import adbc_driver_manager
    import adbc_driver_postgresql
    import nanoarrow  # type: ignore[import-untyped]

    # A statement of its own for every query: after a failed fetch a used one drops the first batch of its next result.
    with (
        adbc_driver_postgresql.connect(conninfo) as database,
        adbc_driver_manager.AdbcConnection(database) as connection,
        adbc_driver_manager.AdbcStatement(connection) as prepared,
    ):
        prepared.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(ARROW_BYTES)})
        prepared.set_sql_query(statement)
        handle, _ = prepared.execute_query()
        with nanoarrow.ArrayStream(handle) as batches:
            for batch in batches:
                yield pl.DataFrame(batch)


def _known(location: Location) -> URL:
    if location.url is None:
        raise BadSource("This names no database.", where=str(location), way_out="Write postgresql://user@host/db::table.")
    return location.url
