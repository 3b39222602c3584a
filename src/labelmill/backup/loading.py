"""A backup's tables into an empty database of any kind: all of them, in one transaction, or nothing."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from labelmill.backup.reading import LEFT_OUT, catalogue, count
from labelmill.db import migrate
from labelmill.db.bulk.insert import insert_frame
from labelmill.errors import BadFile, Conflict
from labelmill.jobs import leases
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection, Engine

    from labelmill.backup.container import Reader
    from labelmill.backup.model import Manifest
    from labelmill.db.database import Database


def check_target(engine: Engine, manifest: Manifest) -> None:
    """Raise Conflict unless the database is empty, and of no version that is newer than this one; and for a backup that is newer."""
    if manifest.revision not in migrate.revisions():
        raise Conflict(
            f"The backup is at revision {manifest.revision}, which this version does not know.", where="manifest.json",
            way_out=f"A newer version made it ({manifest.labelmill}): restore it with that one.",
        )  # fmt: skip
    unknown = manifest.tables.keys() - catalogue().keys()
    if unknown:
        raise BadFile(f"The backup holds the table {min(unknown)!r}, which labelmill does not have.", where="manifest.json")
    if migrate.current(engine) is None:
        return
    migrate.require_known(engine)
    with engine.execution_options(labelmill_read=True).connect() as connection:
        _require_empty(connection)


def prepare(engine: Engine, revision: str) -> None:
    """Give an empty database the schema that the backup was made with."""
    found = migrate.current(engine)
    if found is not None and found > revision:
        migrate.downgrade(engine, revision)
    else:
        migrate.upgrade(engine, revision)


def load(database: Database, backup: Reader, tell: Callable[[int], None]) -> int:
    """Load all tables and return how many steps of jobs were freed; raises Conflict where rows of others appear meanwhile.

    Nothing of it is there unless all of it is.
    """
    manifest = backup.manifest
    with database.write() as connection:
        tables = _tables(connection, manifest)
        _shut_out_others(connection, tables)
        _require_empty(connection)
        for table in tables:
            for member in manifest.of_table(table.name):
                frame = pl.read_parquet(io.BytesIO(b"".join(backup.chunks(member))))
                rows = insert_frame(connection, table, frame)
                passing("restore.slice-loaded")
                tell(rows)
            _count_on(connection, table)
        freed = leases.free_all(connection)
        passing("restore.before-compare")
        _compare(connection, tables, manifest)
    return freed


def _tables(connection: Connection, manifest: Manifest) -> list[sa.Table]:
    """Return the tables as the database has them, each after those that it refers to."""
    reflected = sa.MetaData()
    reflected.reflect(connection, only=lambda name, _: name in manifest.tables)
    missing = manifest.tables.keys() - reflected.tables.keys()
    if missing:
        raise BadFile(f"Revision {manifest.revision} has no table {min(missing)!r}.", where="manifest.json")
    return list(reflected.sorted_tables)


def _shut_out_others(connection: Connection, tables: list[sa.Table]) -> None:
    """Let nobody write meanwhile, where the database can; SQLite takes one writer at a time, MariaDB is counted afterwards."""
    if connection.dialect.name == "postgresql":
        quote = connection.dialect.identifier_preparer.quote_identifier
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(quote(table.name) for table in tables)} IN EXCLUSIVE MODE")


def _require_empty(connection: Connection) -> None:
    there = set(sa.inspect(connection).get_table_names()) - LEFT_OUT
    for name, table in catalogue().items():
        if name in there and connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            raise Conflict(
                "This is no empty installation: nothing was changed.", where=name,
                way_out="Restore into an empty database and an empty folder (LABELMILL_DATABASE_URL, LABELMILL_DATA_DIR).",
            )  # fmt: skip


def _count_on(connection: Connection, table: sa.Table) -> None:
    """Let the next row get a number after those that were loaded: PostgreSQL counts beside the table."""
    key: Any = table.autoincrement_column
    if connection.dialect.name != "postgresql" or key is None:
        return
    place = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(f'"{table.name}"', key.name)))
    if place is not None:
        last = sa.select(sa.func.max(key)).scalar_subquery()
        connection.execute(sa.select(sa.func.setval(place, sa.func.coalesce(last, 1), last.is_not(None))))


def _compare(connection: Connection, tables: list[sa.Table], manifest: Manifest) -> None:
    for table in tables:
        found, wanted = count(connection, table), manifest.tables[table.name]
        if found != wanted:
            raise Conflict(
                f"It has {found} rows now and the backup {wanted}: somebody else writes to this database. Nothing was changed.",
                where=table.name, way_out="Stop every process of labelmill that uses it, then restore again.",
            )  # fmt: skip
