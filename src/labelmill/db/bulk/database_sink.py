"""What can be told about a database before anything is written to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.db.bulk.file_source import cannot_read
from labelmill.errors import BadFile, BadSource

if TYPE_CHECKING:
    from pathlib import Path

    from labelmill.db.bulk.location import Location

_HEADER = b"SQLite format 3\0"


def check_database_sink(location: Location) -> None:
    """Raise BadSource or BadFile where a SQLite file cannot be made or written; servers are asked when they are connected to.

    Nothing is made and nothing is changed. An empty file is fine: SQLite makes a database of it.
    """
    if location.format != "sqlite":
        return
    path = location.path
    if path is None or str(path) == ":memory:":
        raise BadSource("This names no file.", where=str(location), way_out="Write sqlite:///results.db.")
    if not path.parent.is_dir():
        raise BadSource("The folder does not exist.", where=str(path.parent), way_out="Make it, or name another.")
    if path.is_dir():
        raise BadSource("This is a folder, not a file.", where=str(path), way_out="Name a SQLite file in it.")
    if _start(path) not in (b"", _HEADER):
        raise BadFile("This is not a SQLite database.", where=str(path), way_out="Name another file; this one stays as it is.")


def _start(path: Path) -> bytes:
    """Return the first bytes of the file; none where it is still to be made."""
    try:
        with path.open("rb") as file:
            return file.read(len(_HEADER))
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise cannot_read(path, error) from error
