"""The schema of labelmill's own database, as a line of revisions."""

from __future__ import annotations

import logging
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from labelmill.db.database import answering
from labelmill.errors import Conflict, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from sqlalchemy.engine import Connection, Engine

#: Seconds to wait for another process that changes the schema.
WAIT_SECONDS = 60
#: The library tells of each look at the revision; nobody who runs a verb wants to read that.
logging.getLogger("alembic").setLevel(logging.WARNING)
_FOLDER = Path(__file__).parent / "migrations"
_VERSION = sa.table("alembic_version", sa.column("version_num", sa.String))


def head() -> str:
    """Return the newest revision that this version of labelmill knows."""
    return revisions()[-1]


@cache
def revisions() -> tuple[str, ...]:
    """Return every revision, oldest first: the names of their files begin with them."""
    return tuple(sorted(path.stem.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py")))


def current(engine: Engine) -> str | None:
    """Return the revision that the database is at, None for an empty one."""
    with answering(), engine.execution_options(labelmill_read=True).connect() as connection:
        return _current(connection)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database to ``revision``. Processes that do this at once wait for each other.

    Raises Conflict for a database that a newer version has made or that a LabelForward has, and Unavailable when another process holds
    it for too long.
    """
    wanted = head() if revision == "head" else revision
    if current(engine) == wanted:
        return
    with _alone(engine) as connection:
        _require_known(_current(connection))
        _require_own(connection)
        # Loaded here only: nearly every process finds the schema as it should be, and the library takes a while to load.
        from alembic import command

        command.upgrade(_config(connection), revision)


def _require_own(connection: Connection) -> None:
    """Raise Conflict for the database of a LabelForward, to which its old environment leads: some tables of both have the same names."""
    if _current(connection) is None and {"text_data", "labels"} <= set(sa.inspect(connection).get_table_names()):
        raise Conflict(
            "This is the database of a LabelForward; nothing in it was changed.",
            way_out="Make another one on the same server and name that (PGDATABASE); `labelmill adopt labelforward` reads this one.",
        )


def downgrade(engine: Engine, revision: str) -> None:
    """Take the database back to ``revision`` (``base`` for empty); raises as ``upgrade`` does."""
    with _alone(engine) as connection:
        _require_known(_current(connection))
        from alembic import command

        command.downgrade(_config(connection), revision)


def require_known(engine: Engine) -> None:
    """Raise Conflict for a database that a newer version has made."""
    _require_known(current(engine))


def require_current(engine: Engine) -> None:
    """Raise Conflict unless the database has the schema that this version of labelmill works on."""
    found = current(engine)
    _require_known(found)
    if found != head():
        raise Conflict(
            f"The database is at revision {found or 'none'}, this version needs {head()}.",
            way_out="Run `labelmill db upgrade`.",
        )


def _require_known(found: str | None) -> None:
    if found is not None and found not in revisions():
        raise Conflict(
            f"The database is at revision {found}, which this version does not know.",
            way_out="A newer version made it: run that one.",
        )


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Give a connection that holds the database's own lock for schema changes until its one transaction has ended.

    SQLite's lock is the transaction itself. MariaDB commits at every change of the schema, so its lock is the session's.
    """
    with answering(), engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {WAIT_SECONDS * 1000}")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7205759)")
        with _mysql_lock(connection) if connection.dialect.name == "mysql" else nullcontext():
            yield connection


@contextmanager
def _mysql_lock(connection: Connection) -> Iterator[None]:
    # Such locks belong to the whole server, and their names have at most 64 characters.
    name = "'labelmill-schema-', LEFT(SHA2(DATABASE(), 256), 40)"
    if connection.exec_driver_sql(f"SELECT GET_LOCK(CONCAT({name}), {WAIT_SECONDS})").scalar() != 1:
        raise Unavailable("Another process changes the schema.", way_out="Try again when it has ended.")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"DO RELEASE_LOCK(CONCAT({name}))")


def _current(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table(_VERSION.name):
        return None
    return connection.scalar(sa.select(_VERSION.c.version_num))


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
