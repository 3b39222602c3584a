"""The schema of labelmill's own database, as a line of revisions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from labelmill.errors import Conflict

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_FOLDER = Path(__file__).parent / "migrations"


def head() -> str:
    """Return the newest revision that this version of labelmill knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    return revision or ""


def revisions() -> list[str]:
    """Return every revision, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def current(engine: Engine) -> str | None:
    """Return the revision that the database is at, None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database to ``revision``. Processes that do this at once wait for each other."""
    with engine.connect() as connection, _alone(connection):
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the database back to ``revision`` (``base`` for empty)."""
    with engine.connect() as connection, _alone(connection):
        command.downgrade(_config(connection), revision)


def require_current(engine: Engine) -> None:
    """Raise Conflict unless the database has the schema that this version of labelmill works on."""
    found = current(engine)
    if found == head():
        return
    known = found is None or found in revisions()
    way_out = "Run `labelmill db upgrade`." if known else "It was made by a newer version: run that one."
    raise Conflict(f"The database is at revision {found or 'none'}, this version needs {head()}.", way_out=way_out)


class _alone:  # noqa: N801 - used as a statement
    """Holds the database's own lock for schema changes until the end of the block."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql("SELECT pg_advisory_lock(7205759)")
        elif self._connection.dialect.name == "mysql":
            self._connection.exec_driver_sql("SELECT GET_LOCK('labelmill-schema', 60)")

    def __exit__(self, *_: object) -> None:
        self._connection.commit()
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql("SELECT pg_advisory_unlock(7205759)")
        elif self._connection.dialect.name == "mysql":
            self._connection.exec_driver_sql("SELECT RELEASE_LOCK('labelmill-schema')")
        self._connection.commit()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
