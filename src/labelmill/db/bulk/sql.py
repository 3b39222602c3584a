"""The door to tables as sources of rows, whatever database holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.errors import BadSource, Unavailable

if TYPE_CHECKING:
    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.sql_source import SqlSource

_EXTRAS = {"postgresql": "postgres", "mysql": "mariadb"}


def open_table(location: Location) -> SqlSource:
    """Open a table or view for reading only.

    Raises BadSource where the table, the database or the right to read it is missing, Unavailable where the database does not answer or its driver
    is not installed.
    """
    try:
        return _open(location)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(location.format, "")
        raise Unavailable(
            f"The driver for {location.format} is not installed.", way_out=f"pip install 'labelmill[{extra}]'"
        ) from error


def _open(location: Location) -> SqlSource:
    if location.format == "sqlite":
        from labelmill.db.bulk.sqlite import open_sqlite

        return open_sqlite(location)
    if location.format == "postgresql":
        from labelmill.db.bulk.postgresql import open_postgresql

        return open_postgresql(location)
    if location.format == "mysql":
        from labelmill.db.bulk.mariadb import open_mariadb

        return open_mariadb(location)
    raise BadSource("This is a file, not a database.", where=str(location), way_out="Open it as a file.")
