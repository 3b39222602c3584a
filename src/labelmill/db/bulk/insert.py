"""Frames into tables, fast, in the transaction that a connection has open: all of a frame or nothing of it."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlalchemy.exc import DBAPIError

from labelmill.db.bulk.insert_refusal import explained, locate
from labelmill.db.bulk.insert_values import as_stored, check_values
from labelmill.db.bulk.savepoint import savepoint
from labelmill.db.bulk.sqlite_insert import insert_sqlite
from labelmill.db.local_files import may_send, sending
from labelmill.errors import BadInput, BadSource

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.engine import Connection

#: Rows that are Python objects at one time.
CHUNK_ROWS = 20_000
#: Rows that are written as text at one time.
COPIED_ROWS = 65_536


def insert_frame(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> int:
    """Insert all rows of ``frame``, whose columns are some of ``table``'s, and return how many they are.

    Nothing is committed: that is for the caller, together with whatever else the transaction holds. After an error the transaction
    holds what it held before, or has ended where the database itself took it back (a full disk, a deadlock). Raises BadInput that
    names the column and the row (1-based, of this frame) of a value that the table cannot hold, and BadSource
    where the table or a column is missing. Rows that break a constraint raise SQLAlchemy's IntegrityError.
    """
    columns = [_column(table, name) for name in frame.columns]
    if frame.is_empty():
        return 0
    check_values(connection.dialect, columns, frame)
    ready = frame.select(
        as_stored(connection.dialect, column, pl.nth(place), dtype).alias(column.name)
        for place, (column, dtype) in enumerate(zip(columns, frame.dtypes, strict=True))
    )
    _begin(connection)
    write = _WAYS.get(connection.dialect.name, _insert)
    try:
        with explained(table), savepoint(connection):
            write(connection, table, ready)
    except BadInput as error:
        raise locate(connection, table, ready, write) or error from error
    return frame.height


def _column(table: sa.Table, name: str) -> sa.Column[Any]:
    for column in table.columns:
        if column.name == name:
            return column
    known = ", ".join(column.name for column in table.columns)
    raise BadSource(f"There is no column {name!r}.", where=table.name, way_out=f"The columns are: {known}.")


def _begin(connection: Connection) -> None:
    """Make sure that a transaction is open: a savepoint outside of one would commit by itself on SQLite."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("SELECT 1")
        if not getattr(connection.connection.dbapi_connection, "in_transaction", True):
            connection.exec_driver_sql("BEGIN")
    elif connection.dialect.name == "mysql":
        # Strict: else long texts are cut and wrong values changed, with a warning at most. Zero: else 0 becomes the next number of a counting key.
        mode = str(connection.exec_driver_sql("SELECT @@SESSION.sql_mode").scalar())
        if missing := {"STRICT_ALL_TABLES", "NO_AUTO_VALUE_ON_ZERO"} - set(mode.split(",")):
            wanted = ",".join([*filter(None, mode.split(",")), *sorted(missing)])
            connection.exec_driver_sql("SET SESSION sql_mode = %s", (wanted,))


def _insert(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    quote = connection.dialect.identifier_preparer
    names = ", ".join(quote.quote_identifier(name) for name in frame.columns)
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * frame.width)
    statement = f"INSERT INTO {_quoted(connection, table)} ({names}) VALUES ({marks})"  # noqa: S608 - identifiers of the catalogue, quoted
    for chunk in frame.iter_slices(CHUNK_ROWS):
        connection.exec_driver_sql(statement, chunk.rows())


def _quoted(connection: Connection, table: sa.Table) -> str:
    quote = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(part) for part in (table.schema, table.name) if part)


def _copy(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    import psycopg
    from psycopg import sql

    place = sql.Identifier(*(part for part in (table.schema, table.name) if part))
    names = sql.SQL(", ").join(sql.Identifier(name) for name in frame.columns)
    # Every text is quoted and a null is nothing at all, so the empty text and the null stay apart.
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, NULL '', ENCODING 'UTF8')").format(place, names)
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for piece in frame.iter_slices(COPIED_ROWS):
                lines = io.BytesIO()
                piece.write_csv(lines, include_header=False, quote_style="non_numeric", null_value="")
                copy.write(lines.getvalue())
    except psycopg.Error as error:
        raise DBAPIError.instance("COPY", None, error, psycopg.Error, dialect=connection.dialect) from error


def _insert_mariadb(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    if _may_load(connection, frame):
        with savepoint(connection) as attempt:
            if _load(connection, table, frame):
                return
            attempt.rollback()
    # INSERT is strict: it tells what is wrong where LOAD DATA LOCAL would have changed a value or left out a row with a warning.
    _insert(connection, table, frame)


def _may_load(connection: Connection, frame: pl.DataFrame) -> bool:
    """Tell whether both sides allow a file of the client to be loaded, and all values can be written as text."""
    if not may_send(connection.connection.driver_connection) or pl.Binary in frame.dtypes:
        return False
    return bool(connection.exec_driver_sql("SELECT @@GLOBAL.local_infile").scalar())


def _load(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> bool:
    """Load ``frame`` by a file; return False where anything gave a warning."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    names = ", ".join(quote(name) for name in frame.columns)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        # Texts are quoted, so the bare word NULL is a null and nothing else.
        frame.write_csv(path, include_header=False, quote_style="non_numeric", null_value="NULL")
        place = path.as_posix().replace("'", "''").replace("%", "%%")
        with sending(connection.connection.driver_connection, path):
            written = connection.exec_driver_sql(
                f"LOAD DATA LOCAL INFILE '{place}' INTO TABLE {_quoted(connection, table)} CHARACTER SET utf8mb4 "
                f"FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY X'0A' ({names})"
            ).rowcount
    return written == frame.height and connection.exec_driver_sql("SHOW WARNINGS LIMIT 1").first() is None


_WAYS = {"postgresql": _copy, "mysql": _insert_mariadb, "sqlite": insert_sqlite}
