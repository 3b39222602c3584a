"""What can be told about a database before anything is written to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.errors import BadFile, BadSource

if TYPE_CHECKING:
    from labelmill.db.bulk.location import Location

_HEADER = b"SQLite format 3\0"


def check_database_sink(location: Location) -> None:
    """Raise BadSource or BadFile where a SQLite file cannot be made or written; servers are asked when they are connected to."""
    path = location.path
    if path is None:
        return
    if not path.parent.is_dir():
        raise BadSource("The folder does not exist.", where=str(path.parent), way_out="Make it first.")
    if path.is_dir():
        raise BadSource("This is a folder.", where=str(path), way_out="Name a SQLite file in it.")
    if path.exists():
        with path.open("rb") as file:
            start = file.read(len(_HEADER))
        if start not in (b"", _HEADER):
            raise BadFile(
                "This is not a SQLite database.", where=str(path), way_out="Name another file; this one stays as it is."
            )
