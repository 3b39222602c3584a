"""Databases with labelmill's schema, lent to one test after the other.

To make one, to migrate it and to drop it takes a server about a second, to empty it a few milliseconds. One whose schema a test has
changed is not lent again.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

import fresh
from labelmill import bootstrap
from labelmill.db import migrate
from labelmill.db.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from labelmill.bootstrap import App
    from labelmill.settings import Settings

#: Everything that a test could change of a schema, without its rows.
SHAPE = {
    "postgresql": (
        """SELECT c.relname, c.relkind::text, c.relacl::text, a.attname, a.atttypid::regtype::text, a.atttypmod, a.attnotnull,
                  pg_get_expr(d.adbin, d.adrelid)
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
           WHERE c.relnamespace = 'public'::regnamespace""",
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
           WHERE connamespace = 'public'::regnamespace""",
        "SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'",
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace UNION ALL SELECT tgname FROM pg_trigger",
        "SELECT datacl::text FROM pg_database WHERE datname = current_database()",
        "SELECT setconfig::text FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()",
    ),
    "mysql": (
        """SELECT table_name, column_name, column_type, is_nullable, column_default, collation_name, extra
           FROM information_schema.columns WHERE table_schema = DATABASE()""",
        """SELECT table_name, index_name, non_unique, seq_in_index, column_name, sub_part
           FROM information_schema.statistics WHERE table_schema = DATABASE()""",
        """SELECT table_name, constraint_name, referenced_table_name, delete_rule
           FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE()""",
        "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
        "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()",
    ),
}
LOCK_SECONDS = 20
ROOM_MB = 16_384


@dataclass(frozen=True)
class Loan:
    """A database and the shape that it must have when it is lent again."""

    url: str
    stack: ExitStack
    tables: tuple[str, ...]
    shape: Any


class Lender:
    """Lends databases; those that are free are dropped at the end."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._free: defaultdict[str, list[Loan]] = defaultdict(list)

    @contextmanager
    def lend(self, kind: str, server_url: str) -> Iterator[str]:
        """Give the URL of a database with the newest schema and no rows, of the kind ``postgresql`` or ``mariadb``."""
        loan = self._again(kind) or self._new(kind, server_url)
        try:
            yield loan.url
        finally:
            self._free[kind].append(loan)

    def _again(self, kind: str) -> Loan | None:
        # Emptied as late as can be: a process of the test before may have written until its very end.
        while self._free[kind]:
            loan = self._free[kind].pop()
            if _emptied(loan):
                return loan
            loan.stack.close()
        return None

    def _new(self, kind: str, server_url: str) -> Loan:
        with ExitStack() as stack:
            url = stack.enter_context(fresh.database(kind, server_url, self._worker))
            engine = make_engine(url)
            migrate.upgrade(engine)
            tables = tuple(name for name in sa.inspect(engine).get_table_names() if name != "alembic_version")
            with engine.connect() as connection:
                shape = _shape(connection)
            engine.dispose()
            return Loan(url, stack.pop_all(), tables, shape)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for loan in (each for loans in self._free.values() for each in loans):
            loan.stack.close()


def _emptied(loan: Loan) -> bool:
    """Empty a database, and tell whether it is then as it was when it was made."""
    engine = sa.create_engine(loan.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            fresh.end_connections(connection, make_url(loan.url).database)
            if _shape(connection) != loan.shape:
                return False
            _EMPTY[connection.dialect.name](connection, _full(connection, loan.tables))
    except DBAPIError:  # something holds it that could not be ended
        return False
    return True


def _shape(connection: Connection) -> Any:
    found = [sorted(map(str, connection.exec_driver_sql(query))) for query in SHAPE[connection.dialect.name]]
    return [*found, connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()]


def _full(connection: Connection, tables: tuple[str, ...]) -> list[str]:
    """Return the quoted names of the tables that hold rows."""
    quote = connection.dialect.identifier_preparer.quote
    queries = (f"(SELECT '{name}' FROM {quote(name)} LIMIT 1)" for name in tables)
    return [quote(row[0]) for row in connection.exec_driver_sql(" UNION ALL ".join(queries))]


def _empty_postgresql(connection: Connection, full: list[str]) -> None:
    # TRUNCATE makes new files for each table and index: ten times the work of deleting a test's few rows.
    deletes = "; ".join(f"DELETE FROM {name}" for name in full)
    used = connection.exec_driver_sql("SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL").scalars().all()
    restarts = "; ".join(f"ALTER SEQUENCE {name} RESTART" for name in used)
    connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_SECONDS}s'; SET session_replication_role = replica")
    connection.exec_driver_sql(f"BEGIN; {deletes}; {restarts}; COMMIT")


def _empty_mysql(connection: Connection, full: list[str]) -> None:
    connection.exec_driver_sql(f"SET lock_wait_timeout = {LOCK_SECONDS}, foreign_key_checks = 0")
    for name in full:
        connection.exec_driver_sql(f"TRUNCATE {name}")


_EMPTY = {"postgresql": _empty_postgresql, "mysql": _empty_mysql}


def build(settings: Settings) -> App:
    """Return the app for these settings, on a database that has its schema.

    Its jobs run in the test's own process, which holds what thousands of tests left: their limit of memory is that of no user.
    """
    lay_down(settings.database_url)
    roomy = settings if "memory_mb" in settings.model_fields_set else settings.model_copy(update={"memory_mb": ROOM_MB})
    return bootstrap.build(roomy)


def lay_down(url: str) -> None:
    """Bring a database to the newest schema; a SQLite file that is not there yet begins as a copy of one that is."""
    path = Path(make_url(url).database or "")
    if not url.startswith("sqlite"):
        _migrate(url)
    elif not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_sqlite())


def _migrate(url: str) -> None:
    engine = make_engine(url)
    migrate.upgrade(engine)
    engine.dispose()


@cache
def _sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.db"
        _migrate(f"sqlite:///{path}")  # the last connection that closes takes the log into the file
        return path.read_bytes()
