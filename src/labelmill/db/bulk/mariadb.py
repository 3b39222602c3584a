"""Tables of MariaDB and MySQL, streamed from the wire without holding the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from labelmill.db.bulk.bisecting import cut_texts
from labelmill.db.bulk.catalogue import inspect_entry
from labelmill.db.bulk.mariadb_wire import fetch_columns
from labelmill.db.bulk.model import Kind
from labelmill.db.bulk.splitting import ONE, within
from labelmill.db.bulk.sql_source import SqlSource, reporting
from labelmill.db.mariadb_connection import share_tls
from labelmill.errors import BadSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pymysql.cursors import SSCursor
    from sqlalchemy.sql.expression import ColumnElement

    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.splitting import Ordered

CONNECT_SECONDS = 5
#: Seconds that the server waits for a reader that works on what it has; the usual 60 would end a stream in its midst.
PATIENCE_SECONDS = 3_600
#: Of this many rows it is quicker to ask the server for estimates than to walk along the key.
LARGE_ROWS = 200_000
_SESSION = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    f"SET SESSION time_zone = '+00:00', net_write_timeout = {PATIENCE_SECONDS}",
)
_TIME_FORMAT = "%Y-%m-%d %H:%M:%S%.f"


def open_mariadb(location: Location) -> SqlSource:
    """Return the table behind a MariaDB or MySQL URL; raise BadSource or Unavailable."""
    if location.url is None:
        raise BadSource("This names no database.", where=str(location), way_out="Write mariadb://user@host/db::table.")
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": PATIENCE_SECONDS,
        "charset": "utf8mb4",
        "local_infile": False,
    }
    if location.url.password:
        arguments["password"] = str(location.url.password).encode()  # a text would be sent as Latin 1
    engine = sa.create_engine(location.url, connect_args=arguments, poolclass=NullPool)
    share_tls(engine)
    event.listen(engine, "connect", _prepare)
    with reporting(location), engine.connect() as connection:
        return MariadbSource(location, engine, inspect_entry(connection, location))


class MariadbSource(SqlSource):
    """One table or view of MariaDB or MySQL. Numbers, times and bytes come as such, everything else as text.

    A time that is no day of the calendar (0000-00-00) comes as null, a value without a text (a point, bits) as hexadecimal digits.
    """

    def _estimate(self, connection: sa.Connection) -> int:
        query = sa.text("SELECT table_rows FROM information_schema.tables WHERE table_schema = :place AND table_name = :name")
        return int(connection.scalar(query, {"name": self.table.name, "place": self.table.schema}) or 0)

    def _estimated_cuts(self, texts: Ordered, rows: int) -> Iterable[tuple[str, int]] | None:
        whole = self._estimate(texts.connection)
        if whole < max(LARGE_ROWS, 2 * rows):
            return None

        def estimate(low: str, below: str) -> int:
            query = sa.select(ONE).select_from(texts.table).where(within(texts.column, low, below))
            query = query.with_hint(texts.table, "FORCE INDEX (PRIMARY)")
            compiled = query.compile(dialect=texts.connection.dialect)
            plan = texts.connection.exec_driver_sql(f"EXPLAIN {compiled}", compiled.params).mappings().one()
            # InnoDB doubles what it guesses of more than a few pages, but says no more than half of the table.
            guess = int(plan["rows"] or 0)
            return whole if guess >= whole // 2 else guess // 2

        return cut_texts(texts, rows, estimate)

    def _frames(self, columns: list[str], condition: ColumnElement[bool] | None) -> Iterator[pl.DataFrame]:
        query = sa.select(*(self.from_table.c[name] for name in columns)).select_from(self.from_table)
        if condition is not None:
            query = query.where(condition)
        compiled = query.compile(dialect=self.engine.dialect)

        connection = self.engine.raw_connection()
        try:
            cursor = _unbuffered(connection.driver_connection)
            cursor.execute(str(compiled), compiled.params)
            try:
                for values in fetch_columns(connection.driver_connection, len(columns)):
                    yield pl.DataFrame(list(map(self._series, columns, values, _spoken(cursor))))
            finally:
                abandon(cursor)
        finally:
            connection.invalidate()  # closing it properly would first fetch all rows that nobody asked for

    def _series(self, name: str, values: pl.Series, is_text: bool) -> pl.Series:
        kind = self.table.column(name).kind
        if kind is Kind.BYTES:
            return values.alias(name)
        texts = (values if is_text else values.bin.encode("hex")).cast(pl.String)
        if kind is Kind.INTEGER:
            unsigned = getattr(self._types[name], "unsigned", False)
            return texts.cast(pl.UInt64 if unsigned else pl.Int64).alias(name)
        if kind is Kind.REAL:
            return texts.cast(pl.Float64).alias(name)
        if kind is Kind.DATETIME:
            texts = texts.str.to_datetime(_TIME_FORMAT, strict=False, time_unit="us")
        # Named last: polars reads a name such as ^.*$ as a pattern.
        return texts.alias(name)


def _prepare(connection: Any, _entry: Any) -> None:
    with connection.cursor() as cursor:
        for statement in _SESSION:
            cursor.execute(statement)


def _unbuffered(connection: Any) -> SSCursor:
    from pymysql.cursors import SSCursor

    return SSCursor(connection)


def _spoken(cursor: Any) -> list[bool]:
    """Tell of each column whether its values are text; the others (bits, a point) are bytes that say nothing to people."""
    return [encoding is not None for encoding, _ in cursor._result.converters]  # noqa: SLF001 - PyMySQL offers no other way


def abandon(cursor: Any) -> None:
    """Make the driver forget what is still to come, which it would else read to the end."""
    result = cursor._result  # noqa: SLF001 - PyMySQL offers no other way
    if result is not None:
        result.unbuffered_active = False
        result.connection = None
    cursor.connection = None
