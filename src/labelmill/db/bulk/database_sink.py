"""What can be told about a database before anything is written to it."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from labelmill.db.bulk.file_source import cannot_read
from labelmill.errors import BadFile, BadSource

if TYPE_CHECKING:
    from pathlib import Path

    from labelmill.db.bulk.location import Location

HEADER_BYTES = 100


def check_database_sink(location: Location) -> None:
    """Raise BadSource or BadFile where a SQLite file cannot be made or written; servers are asked when they are connected to.

    Nothing is made and nothing is changed. An empty file is fine: SQLite makes a database of it.
    """
    if location.format == "mysql" and location.url is not None and not (location.url.database or location.schema):
        raise BadSource("No database is named.", where=str(location), way_out="Write mariadb://user@host/database.")
    if location.format != "sqlite":
        return
    path = location.path
    if path is None or str(path) == ":memory:":
        raise BadSource("This names no file.", where=str(location), way_out="Write sqlite:///results.db.")
    if not path.parent.is_dir():
        raise BadSource("The folder does not exist.", where=str(path.parent), way_out="Make it, or name another.")
    if path.is_dir():
        raise BadSource("This is a folder, not a file.", where=str(path), way_out="Name a SQLite file in it.")
    if not _may_be_database(path):
        raise BadFile("This is not a SQLite database.", where=str(path), way_out="Name another file; this one stays as it is.")


def _may_be_database(path: Path) -> bool:
    """Tell whether the file is a SQLite database, is empty, or is still to be made."""
    try:
        size = path.stat().st_size
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except FileNotFoundError:
        return True
    except OSError as error:
        raise cannot_read(path, error) from error
    if 0 < size < HEADER_BYTES:  # SQLite takes a single byte for nothing
        return False
    # Only SQLite itself may open the file: POSIX drops every lock that this process holds on it when any descriptor of it is closed.
    # Immutable means here that it takes no lock itself and makes no file beside it.
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.DatabaseError as error:
        return error.sqlite_errorcode != sqlite3.SQLITE_NOTADB  # what else is wrong is told by who writes
    return True
