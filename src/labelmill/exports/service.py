"""The verb of exports: what somebody asks for, as a file that is made while it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelmill.accounts import Action, Role, may
from labelmill.accounts import service as accounts
from labelmill.errors import Forbidden
from labelmill.exports.columns import Columns, fields_of
from labelmill.exports.formats import KINDS, Naming, Request, file_name
from labelmill.exports.keeping import copied, fields_from, kept_fields, kept_moment, moment_of
from labelmill.exports.reading import Labelled, Moment, Reading
from labelmill.exports.writers.parquet import Stitched
from labelmill.exports.writers.parquet import as_file as parquet_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labelmill.accounts import Actor
    from labelmill.blobs import Blobs
    from labelmill.db.bulk.location import Location
    from labelmill.db.database import Database

__all__ = [
    "Columns",
    "Export",
    "Labelled",
    "Moment",
    "Reading",
    "Request",
    "Stitched",
    "TableExport",
    "copied",
    "export",
    "export_to_table",
    "fields_from",
    "fields_of",
    "kept_fields",
    "kept_moment",
    "moment_of",
    "parquet_file",
    "require_export",
]


@dataclass(frozen=True, kw_only=True)
class Export:
    #: What the file is called.
    name: str
    media_type: str
    #: Its bytes, made as they are taken; whoever is slow holds no transaction and little memory.
    chunks: Iterator[bytes]
    #: The newest annotation that is in it.
    number: int


@dataclass(frozen=True, kw_only=True)
class TableExport:
    """What became of the rows of a table; those of records that were not exported stay as they were."""

    added: int
    changed: int
    same: int
    #: The newest annotation that is in it.
    number: int


def export(database: Database, blobs: Blobs, dataset_id: int, request: Request) -> Export:
    """Begin an export of a dataset as it is now. Raises NotFound, and BadInput for what the format cannot hold."""
    from labelmill.exports.writers import WRITERS

    reading = Reading.begin(database, blobs, dataset_id, request)
    return Export(
        name=file_name(reading.dataset.name, request), media_type=KINDS[request.format].media_type,
        chunks=WRITERS[request.format](reading, request, blobs), number=reading.number,
    )  # fmt: skip


def export_to_table(reading: Reading, location: Location, tell: Callable[[int, int | None], None]) -> TableExport:
    """Bring a SQL table up to a dataset's records, slice by slice, each committed; broken off, it can be run again.

    Raises BadSource and Conflict for a table or a name that cannot be written to.
    """
    from labelmill.exports.sql_table import SqlTable, Tally

    sink = SqlTable(location, reading)
    tally = Tally()
    try:
        table = sink.prepare()
        for piece in reading.slices():
            sink.write(table, piece, tally)
            tell(tally.rows, reading.dataset.records)
    finally:
        sink.close()
    return TableExport(added=tally.added, changed=tally.changed, same=tally.same, number=reading.number)


def require_export(database: Database, actor: Actor, dataset_id: int, naming: Naming) -> Actor:
    """Return who asks with their role in the dataset; raises Forbidden for those who may not see what others answered, or who."""
    with database.read() as connection:
        inside = accounts.require_in(connection, actor, Action.VIEW_DATASET, dataset_id)
    if inside.role is Role.ANNOTATOR:
        raise Forbidden("This would tell what others answered.", way_out="A manager or a viewer of the dataset may export it.")
    if naming is not Naming.PSEUDONYM and not may(inside, Action.VIEW_ANNOTATORS):
        raise Forbidden("This would tell who annotators are.", where="annotators", way_out="Ask for pseudonyms.")
    return inside
