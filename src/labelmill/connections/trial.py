"""Tries a named connection for real: connects, and looks which tables may be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from labelmill import clock
from labelmill.connections import service
from labelmill.db.bulk.location import at_url
from labelmill.deadline import within
from labelmill.errors import BadSource, LabelmillError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from labelmill.bootstrap import App
    from labelmill.connections.model import NamedConnection

#: Seconds until a connection counts as not answering.
SECONDS = 5
MOST_TABLES = 1000
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "sqlite": {"timeout": SECONDS},
    "postgresql": {"connect_timeout": SECONDS, "options": f"-c statement_timeout={SECONDS * 1000}"},
    "mysql": {"connect_timeout": SECONDS, "read_timeout": SECONDS, "write_timeout": SECONDS},
}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a connection showed: its readable tables as ``schema.table``, and how long it took in seconds."""

    tables: tuple[str, ...]
    more: bool
    seconds: float


def try_connection(app: App, name: str) -> Trial:
    """Connect and list the tables of the readable schemas; raises BadSource with the reason when that fails."""
    with app.database.read() as connection:
        row = service.get_row(connection, name)
    found, url, started = service.get_from(row), service.opened_url(app.settings, app.keys, row), clock.monotonic()
    try:
        tables = within(SECONDS + 1, lambda: _tables(found, url), f"connection {name!r}")
    except LabelmillError as error:
        raise BadSource(error.message, where=name, way_out="Look whether host, port and firewall let us through.") from error
    except (SQLAlchemyError, OSError, ModuleNotFoundError) as error:
        raise BadSource(f"It does not work: {_reason(error, url)}", where=name) from error
    return Trial(tables=tuple(tables[:MOST_TABLES]), more=len(tables) > MOST_TABLES, seconds=clock.monotonic() - started)


def _tables(found: NamedConnection, url: URL) -> list[str]:
    place = at_url(url, table=None)
    if found.kind == "sqlite" and not (place.path and place.path.is_file()):
        raise BadSource("There is no such file.")
    engine = sa.create_engine(place.url or url, connect_args=_ARGUMENTS[found.kind], poolclass=sa.pool.NullPool)
    try:
        with engine.connect() as connection:
            catalogue = sa.inspect(connection)
            schemas = dict.fromkeys((*found.readable, *found.writable))
            return sorted(
                f"{schema}.{table}"
                for schema in schemas
                for table in (*catalogue.get_table_names(schema), *catalogue.get_view_names(schema))
            )
    finally:
        engine.dispose()


def _reason(error: Exception, url: URL) -> str:
    """Return the driver's first line; drivers do not tell passwords, and if one did it would be masked here."""
    lines = str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__]
    password = str(url.password or "")
    return (lines[0].replace(password, "********") if password else lines[0])[:500]
