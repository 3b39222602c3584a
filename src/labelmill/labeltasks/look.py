"""A look at a source before a task is made of it: its columns, which of them are probably meant, and its first rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from labelmill.db.bulk.files import FileOptions
from labelmill.db.bulk.many_files import ManyFiles
from labelmill.db.bulk.model import Kind
from labelmill.db.bulk.open import open_source
from labelmill.deadline import within
from labelmill.errors import BadSource, Unavailable
from labelmill.labeltasks.model import USUAL_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import Source, TableInfo

#: Seconds that a look may take.
SECONDS = 15
ROWS = 20
LONGEST_VALUE = 300
MOST_TABLES = 500
_TEXTS = ("author", "name", "title", "text", "content", "body", "comment")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a source showed. ``tables`` are named where it holds several and none was chosen; then there is no ``table``."""

    location: Location
    table: TableInfo | None
    tables: tuple[str, ...] = ()
    dialect: str | None = None
    preview: tuple[dict[str, str | None], ...] = ()


def look(location: Location, options: FileOptions | None = None) -> Look:
    """Return what the file or table at ``location`` shows within 15 seconds.

    Raises BadSource, BadFile, or Unavailable where it does not answer.
    """
    return within(SECONDS, lambda: _look(location, options or FileOptions()), "The source")


def usual_columns(table: TableInfo) -> dict[str, str | None]:
    """Return which column is probably text, id, source, author and time."""
    names = [column.name for column in table.columns]
    lower = {name.lower(): name for name in reversed(names)}
    usual: dict[str, str | None] = {role: name if name in names else None for role, name in USUAL_COLUMNS.items()}
    texts = [column.name for column in table.columns if column.kind is Kind.TEXT]
    usual["text"] = next((lower[name] for name in _TEXTS if name in lower), texts[0] if texts else None)
    return usual


def _look(location: Location, options: FileOptions) -> Look:
    if not location.is_file and location.table is None:
        tables = _tables(location)
        if len(tables) != 1:
            return Look(location=location, table=None, tables=tables)
    with open_source(location, options=options) as source:
        preview = _preview(source)
        dialect = str(source.dialect) if hasattr(source, "dialect") else None
        found = source.location if isinstance(source, ManyFiles) else location  # of several files the format is known by now
        return Look(location=found, table=source.table, dialect=dialect, preview=preview)


def _preview(source: Source) -> tuple[dict[str, str | None], ...]:
    names = [column.name for column in source.table.columns]
    rows: list[dict[str, str | None]] = []
    for frame in islice(source.read(names, batch_rows=ROWS), ROWS):
        rows += _shown(frame.head(ROWS - len(rows)))
        if len(rows) == ROWS:
            break
    return tuple(rows)


def _shown(frame: pl.DataFrame) -> Sequence[dict[str, str | None]]:
    return [{name: _text(value) for name, value in row.items()} for row in frame.iter_rows(named=True)]


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = value[:LONGEST_VALUE].hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _tables(location: Location) -> tuple[str, ...]:
    """Return the names of the tables and views of a database's schema."""
    if location.url is None or (location.format == "sqlite" and not (location.path and location.path.is_file())):
        raise BadSource("There is no such file.", where=str(location), way_out="Check the name.")
    engine = sa.create_engine(location.url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            catalogue = sa.inspect(connection)
            names = (*catalogue.get_table_names(location.schema), *catalogue.get_view_names(location.schema))
    except ModuleNotFoundError as error:
        raise Unavailable(f"The driver for {location.format} is not installed.", where=str(location)) from error
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise BadSource(
            f"It cannot be read: {reason}.", where=str(location), way_out="Check the file or the connection."
        ) from error
    finally:
        engine.dispose()
    return tuple(sorted(names)[:MOST_TABLES])
