"""The rows that a SQL query gives, for the local command line only: nobody else may write SQL."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from labelmill.db.bulk.file_source import FileSource
from labelmill.db.bulk.location import Location, shown_url
from labelmill.db.bulk.mariadb import abandon
from labelmill.db.bulk.model import Column, Kind, TableInfo
from labelmill.db.engine import make_engine
from labelmill.errors import BadSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection, CursorResult

    from labelmill.db.bulk.model import Part

ROWS = 2_000


class SqlQuery(FileSource):
    """Values come as text, as the database's driver spells them. The transaction is read-only and is taken back."""

    def __init__(self, location: Location, query: str) -> None:
        if location.url is None:
            raise BadSource("A query needs a database.", where=str(location), way_out="Name a database file or URL.")
        self.location = location
        self._query = sa.text(query.strip().rstrip(";").replace(":", r"\:"))
        self._url = location.url
        self._rejects, self._rejected = [], 0

    @cached_property
    def table(self) -> TableInfo:
        with self._running() as result:
            names = list(result.keys())
        if len(set(names)) < len(names):
            raise BadSource("Two columns of the query have the same name.", where="--sql", way_out="Name one with AS.")
        columns = tuple(Column(name=name, kind=Kind.TEXT) for name in names)
        return TableInfo(name="query", schema=None, columns=columns)

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072) -> Iterator[pl.DataFrame]:
        del part
        places = [[column.name for column in self.table.columns].index(self.table.column(name).name) for name in columns]
        with self._running() as result:
            for rows in result.partitions(min(batch_rows, ROWS)):
                cells = [[_as_text(row[place]) for row in rows] for place in places]
                yield pl.DataFrame([pl.Series(name, values, pl.String) for name, values in zip(columns, cells, strict=True)])

    def _running(self) -> AbstractContextManager[CursorResult[Any]]:
        return _Running(self._url, self._query)


class _Running:
    """A query's result while it is read; the connection is closed, and what it did is taken back, at the end."""

    def __init__(self, url: sa.URL, query: sa.TextClause) -> None:
        self._query = query
        self._where = shown_url(url)
        self._engine = make_engine(url, foreign=True)
        self._connection: Connection | None = None
        self._result: CursorResult[Any] | None = None

    def __enter__(self) -> CursorResult[Any]:
        try:
            self._connection = self._engine.connect().execution_options(labelmill_read=True)
            dialect = self._engine.dialect.name
            if dialect == "sqlite":
                self._connection.exec_driver_sql("PRAGMA query_only = ON")
            else:
                self._connection.exec_driver_sql(
                    "SET TRANSACTION READ ONLY" if dialect == "postgresql" else "START TRANSACTION READ ONLY"
                )
            # Only here: PostgreSQL's driver would read the statement above through a cursor, too.
            self._result = result = self._connection.execute(self._query, execution_options={"stream_results": True})
        except SQLAlchemyError as error:
            self.__exit__()
            raise self._told(error) from error
        if not result.returns_rows:
            self.__exit__()
            raise BadSource("This gives no rows.", where="--sql", way_out="Write a SELECT.")
        return result

    def __exit__(self, *_: object) -> None:
        if self._result is not None:
            if self._engine.dialect.name in ("mysql", "mariadb") and self._result.cursor is not None:
                abandon(self._result.cursor)
            self._result.close()
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
        self._engine.dispose()

    def _told(self, error: SQLAlchemyError) -> BadSource:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        return BadSource(f"The database refuses the query: {reason[:500]}", where=self._where, way_out="Mend the query.")


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
