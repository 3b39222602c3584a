"""All tables of labelmill as of one moment, column by column, whatever database holds them."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import sqlalchemy as sa

import labelmill
from labelmill.db import migrate
from labelmill.db.bulk.batches import fetch_frames, gather
from labelmill.db.database import answering
from labelmill.db.tables import METADATA
from labelmill.db.types import Bytes, Flag, Json, LongText, UtcTime
from labelmill.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

#: What a slice of a table holds at most.
SLICE_ROWS: Final = 100_000
SLICE_BYTES: Final = 16 << 20
#: Processes that are alive now, which no other installation has; and blobs that lie in the database, which a backup holds as files.
LEFT_OUT: Final = frozenset({"workers", "blobs", "blob_chunks"})
_MOMENT: Final = pl.Datetime("us", "UTC")
#: What each type of ours is in a file: the same, whichever database it came from.
_KINDS: Final[tuple[tuple[type[Any], Any], ...]] = (
    (UtcTime, _MOMENT), (Flag, pl.Boolean), (Bytes, pl.Binary), (Json, pl.String), (LongText, pl.String), (sa.Integer, pl.Int64),
    (sa.Float, pl.Float64), (sa.String, pl.String),
)  # fmt: skip


def catalogue() -> dict[str, sa.Table]:
    """Return every table of labelmill that a backup holds, by name."""
    folder = Path(labelmill.__file__).parent
    for path in sorted(folder.glob("*/tables.py")):
        import_module(f"{labelmill.__name__}.{path.parent.name}.tables")
    return {name: table for name, table in METADATA.tables.items() if name not in LEFT_OUT}


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees one moment until the end, while others write; raises Unavailable."""
    reading = engine.execution_options(labelmill_read=True)
    if engine.dialect.name != "sqlite":  # whose transactions are like this anyway
        reading = reading.execution_options(isolation_level="REPEATABLE READ")
    with answering(), reading.connect() as connection:
        if engine.dialect.name == "mysql":
            # A reader that packs what it got may be slow: the usual patience of a minute would end the stream in its midst.
            connection.exec_driver_sql("SET SESSION net_write_timeout = 3600")
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        elif engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("SELECT 1 FROM alembic_version")  # the first look is what decides the moment
        yield connection


def stored_tables(connection: Connection, revision: str) -> list[sa.Table]:
    """Return the tables that the database has, with the types of ours and the columns that its revision knows.

    Raises Conflict for a database of a newer version, or with a column that only another version understands.
    """
    if revision not in migrate.revisions():
        raise Conflict(
            f"The database is at revision {revision}, which this version does not know.",
            way_out="A newer version made it: run that one.",
        )
    known = catalogue()
    inspector = sa.inspect(connection)
    there = set(inspector.get_table_names())
    return [_as_stored(known[name], inspector) for name in sorted(known) if name in there]


def _as_stored(table: sa.Table, inspector: Any) -> sa.Table:
    names = [each["name"] for each in inspector.get_columns(table.name)]
    unknown = [name for name in names if name not in table.columns]
    if unknown:
        raise Conflict(
            f"This version does not know the column {unknown[0]!r}.", where=table.name,
            way_out="Make the backup with the version that the database belongs to, or run `labelmill db upgrade` first.",
        )  # fmt: skip
    return sa.Table(table.name, sa.MetaData(), *(sa.Column(name, table.columns[name].type) for name in names))


def count(connection: Connection, table: sa.Table) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def read_slices(connection: Connection, table: sa.Table) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table, in bounded memory, as columns of the kinds that stand in a file."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    names = ", ".join(quote(column.name) for column in table.columns)
    statement = f"SELECT {names} FROM {quote(table.name)}"  # noqa: S608 - names of the catalogue, quoted
    # Values as the driver gives them: types of ours would take each of them in hand.
    with connection.execution_options(stream_results=True).exec_driver_sql(statement) as result:
        frames = fetch_frames(result, partial(_frame, table, connection.dialect.name))
        yield from gather(frames, SLICE_ROWS, SLICE_BYTES)


def _frame(table: sa.Table, dialect: str, columns: list[list[Any]]) -> pl.DataFrame:
    return pl.DataFrame([_series(column, values, dialect) for column, values in zip(table.columns, columns, strict=True)])


def _series(column: sa.Column[Any], values: list[Any], dialect: str) -> pl.Series:
    kind = kind_of(column)
    if kind == _MOMENT and dialect == "sqlite":
        return pl.Series(column.name, values, pl.Int64).cast(kind)
    if kind == _MOMENT and dialect == "mysql":
        return pl.Series(column.name, values, pl.Datetime("us")).dt.replace_time_zone("UTC")
    if kind == pl.Boolean:
        return pl.Series(column.name, values, pl.Int64).cast(kind)
    return pl.Series(column.name, values, kind)


def kind_of(column: sa.Column[Any]) -> Any:
    """Return the polars type of a column of ours."""
    for ours, kind in _KINDS:
        if isinstance(column.type, ours):
            return kind
    raise AssertionError(f"{column.table.name}.{column.name} has the type {column.type!r}, which no backup holds yet")
