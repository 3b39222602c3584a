"""Engines: one place that knows how each database must be spoken to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import NoSuchModuleError

from labelmill.db.mariadb_connection import share_tls
from labelmill.errors import Unavailable

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

#: Seconds until a database that does not answer is reported as such.
CONNECT_SECONDS = 5
#: Seconds that a statement waits for a lock before it is given up (and tried again).
LOCK_SECONDS = 8
DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}


def make_engine(url: str | URL, *, pool_size: int = 5, foreign: bool = False) -> Engine:
    """Return an engine for labelmill's own tables on SQLite, PostgreSQL or MariaDB; it connects when first used.

    ``foreign`` is for a database that is somebody else's: a SQLite file keeps its own journal mode then.
    Raises Unavailable where the driver is not installed, saying which extra brings it.
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    parsed = parsed.set(drivername=DRIVERS.get(backend, backend))
    try:
        engine = _MAKERS[parsed.get_backend_name()](parsed, pool_size)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        extra = {"postgresql": "postgres", "mysql": "mariadb"}.get(parsed.get_backend_name(), "")
        raise Unavailable(f"The driver for {backend} is not installed.", way_out=f"pip install 'labelmill[{extra}]'") from error
    if foreign and engine.dialect.name == "sqlite":
        event.remove(engine, "connect", _prepare_sqlite)
    return engine


def _make_sqlite(url: URL, pool_size: int) -> Engine:
    # In-memory databases are for one connection only; files get a pool so that readers do not wait for the writer.
    arguments: dict[str, Any] = {"timeout": LOCK_SECONDS, "check_same_thread": False, "isolation_level": None}
    engine = sa.create_engine(url, connect_args=arguments, pool_size=pool_size, max_overflow=20, poolclass=sa.pool.QueuePool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # The driver's own BEGIN is deferred: two writers that both read first would deadlock, so a writer says so at once.
    reading = connection.get_execution_options().get("labelmill_read", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _make_postgresql(url: URL, pool_size: int) -> Engine:
    options = f"-c lock_timeout={LOCK_SECONDS * 1000} -c timezone=UTC"
    arguments = {"connect_timeout": CONNECT_SECONDS, "options": options, "application_name": "labelmill"}
    return sa.create_engine(
        url, connect_args=arguments, pool_size=pool_size, max_overflow=10, pool_pre_ping=True, pool_timeout=CONNECT_SECONDS
    )


def _make_mysql(url: URL, pool_size: int) -> Engine:
    from pymysql.constants import CLIENT

    start = (
        "SET SESSION time_zone='+00:00', sql_mode='STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO', "
        f"innodb_lock_wait_timeout={LOCK_SECONDS}"
    )
    arguments = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": 3600,
        "charset": "utf8mb4",
        "init_command": start,
        # Loading files is agreed on, but none is sent before ``local_files.sending`` names it. Found rows: as SQLAlchemy counts.
        "local_infile": False,
        "client_flag": CLIENT.LOCAL_FILES | CLIENT.FOUND_ROWS,
    }
    if url.password:
        arguments["password"] = str(url.password).encode()  # a text would be sent as Latin 1
    engine = sa.create_engine(
        url,
        connect_args=arguments,
        pool_size=pool_size,
        max_overflow=10,
        pool_pre_ping=True,
        pool_timeout=CONNECT_SECONDS,
        pool_recycle=1800,
        isolation_level="READ COMMITTED",
    )
    share_tls(engine)
    return engine


_MAKERS = {"sqlite": _make_sqlite, "postgresql": _make_postgresql, "mysql": _make_mysql}
