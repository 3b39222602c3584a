"""Tables of PostgreSQL, read by ADBC in Arrow batches."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from labelmill.db.bulk.arrow_stream import read_stream
from labelmill.db.bulk.catalogue import inspect_entry
from labelmill.db.bulk.model import Kind
from labelmill.db.bulk.postgresql_adbc import EscapedText, connect, written_out
from labelmill.db.bulk.sql_source import SqlSource, reporting
from labelmill.db.engine import CONNECT_SECONDS
from labelmill.errors import BadSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    import polars as pl
    from adbc_driver_manager import AdbcConnection
    from sqlalchemy.engine import URL
    from sqlalchemy.sql.expression import ColumnElement

    from labelmill.db.bulk.catalogue import Entry
    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.splitting import Ordered

#: Bytes of an Arrow batch: what is held in memory of a result.
ARROW_BYTES = 4 << 20
_READ_ONLY = "-c default_transaction_read_only=on"
#: Pages that are looked at of each range of keys: the rows of one page are neighbours, so it is their number that makes ranges even.
SAMPLED_PAGES = 200
#: Where more of a table's pages than this would be looked at, walking along the key is no dearer.
MOST_SAMPLED = 0.1
#: The first and the last moment that Python knows, in microseconds.
_YEARS = (-62_135_596_800_000_000, 253_402_300_799_999_999)
_NATIVE = frozenset({Kind.INTEGER, Kind.REAL, Kind.BOOLEAN, Kind.DATETIME, Kind.BYTES})


def open_postgresql(location: Location) -> SqlSource:
    """Return the table behind a PostgreSQL URL; raise BadSource or Unavailable."""
    arguments = {
        "options": f"{_READ_ONLY} -c timezone=UTC",
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "labelmill",
    }
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

    def __init__(self, location: Location, engine: sa.Engine, entry: Entry) -> None:
        super().__init__(location, engine, entry)
        #: Connections of reads that came to their end, each with what closes it: the next read need not make one.
        self._idle: list[tuple[ExitStack, AdbcConnection]] = []

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        while self._idle:
            self._idle.pop()[0].close()
        super().__exit__(kind, error, trace)

    def _estimate(self, connection: sa.Connection) -> int:
        return int(self._counted(connection)[0])

    def _counted(self, connection: sa.Connection) -> tuple[float, int]:
        """Return rows and pages as they were when the server last counted; negative or 0 where it never did."""
        query = sa.text(
            "SELECT reltuples, relpages FROM pg_class JOIN pg_namespace AS spaces ON spaces.oid = relnamespace "
            "WHERE relname = :name AND nspname = :place"
        )
        found = connection.execute(query, {"name": self.table.name, "place": self.table.schema}).first()
        return (found[0], found[1]) if found else (0, 0)

    def _estimated_cuts(self, texts: Ordered, rows: int) -> Iterable[tuple[str, int]] | None:
        """Cut by the keys of pages drawn at random: a hundredth of the table instead of the whole index of the key."""
        counted, pages = self._counted(texts.connection)
        share = SAMPLED_PAGES * counted / pages / rows if counted > 0 and pages > 0 else 1.0
        if share > MOST_SAMPLED:
            return None
        drawn = self.from_table.tablesample(sa.func.system(100 * share))
        key = drawn.c[str(self._text_key)]
        numbered = sa.select(
            key.label("key"), (sa.func.row_number().over(order_by=key) - 1).label("place"), sa.func.count().over().label("keys")
        ).subquery()
        wanted = round(rows * share)
        # The server counts them off: all of them here would be more of them the larger the table is.
        begins = sa.and_(numbered.c.place > 0, numbered.c.place % wanted == 0)
        cuts = texts.connection.execute(sa.select(numbered).where(begins).order_by(numbered.c.place))
        return [(cut.key, round(min(wanted, cut.keys - cut.place) / share)) for cut in cuts]

    def _frames(self, columns: list[str], condition: ColumnElement[bool] | None) -> Iterator[pl.DataFrame]:
        query = sa.select(*(self._selected(name).label(sa.quoted_name(name, quote=True)) for name in columns))
        query = query.select_from(self.from_table)
        if condition is not None:
            query = query.where(condition)
        moments = [name for name in columns if self.table.column(name).kind is Kind.DATETIME]
        for frame in self._stream(written_out(query)):
            yield frame.with_columns(_in_known_years(frame.get_column(name)) for name in moments)

    def _selected(self, name: str) -> ColumnElement[Any]:
        column = self.from_table.c[name]
        return column if self.table.column(name).kind in _NATIVE else sa.cast(column, sa.Text)

    def _stream(self, statement: str) -> Iterator[pl.DataFrame]:
        import adbc_driver_manager

        # A statement of its own for every query: after a failed fetch a used one drops the first batch of its next result.
        with self._connection() as connection, adbc_driver_manager.AdbcStatement(connection) as prepared:
            prepared.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(ARROW_BYTES)})
            prepared.set_sql_query(statement)
            handle, _ = prepared.execute_query()
            yield from read_stream(handle)

    @contextmanager
    def _connection(self) -> Iterator[AdbcConnection]:
        """Give a connection that nobody else uses; it is kept for the next read unless this one breaks off."""
        held, connection = self._idle.pop() if self._idle else self._opened()
        try:
            yield connection
        except BaseException:
            held.close()
            raise
        self._idle.append((held, connection))

    def _opened(self) -> tuple[ExitStack, AdbcConnection]:
        with ExitStack() as stack:
            connection = stack.enter_context(connect(self.engine, _READ_ONLY))
            return stack.pop_all(), connection


def _in_known_years(moments: pl.Series) -> pl.Series:
    """Return moments without those that are infinite or of years that Python does not know."""
    known = moments.to_physical().is_between(*_YEARS)
    return moments if known.all() else moments.zip_with(known, moments.clear(moments.len()))


def _known(location: Location) -> URL:
    if location.url is None:
        raise BadSource("This names no database.", where=str(location), way_out="Write postgresql://user@host/db::table.")
    return location.url
