"""Reads a LabelForward's tables, as of one moment and without a way to write."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import sqlalchemy as sa

from labelmill.datasets.adopt.model import Text, User
from labelmill.db.bulk.sql_source import reporting
from labelmill.db.engine import make_engine
from labelmill.errors import BadSource, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from labelmill.db.bulk.location import Location

#: Each table that is read, with the columns that it must have.
TABLES: Final = {
    "text_data": ("text_id", "text_data", "labels", "users"),
    "labels": ("label_id", "label"),
    "users": ("user_id", "email", "password"),
    "accessors": ("acc_id", "email"),
    "init_data": ("init_id", "text_data", "label"),
    "sample_timestamps": ("user_id", "text_id", "start_time", "end_time"),
}
#: Without these it is no LabelForward; of the others an old one may have fewer.
NEEDED: Final = ("text_data", "labels")


class Source:
    """An open LabelForward. All that it reads is as of the moment at which it was opened."""

    def __init__(self, connection: Connection, location: Location) -> None:
        self._connection = connection
        self._found = self._look(location)

    @classmethod
    @contextmanager
    def opened(cls, location: Location) -> Iterator[Self]:
        """Give the source at a location. Raises BadSource where that is no PostgreSQL, NotFound where it holds no LabelForward."""
        if location.url is None or location.format != "postgresql" or location.table is not None:
            raise BadSource(
                "This is not a PostgreSQL database.", where=str(location), way_out="Write postgresql://user@host/database."
            )
        engine = make_engine(location.url, pool_size=1, foreign=True)
        try:
            with reporting(location), engine.connect() as opened:
                connection = opened.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                if location.schema:
                    connection.execute(
                        sa.text("SELECT set_config('search_path', :schema, true)"),
                        {"schema": connection.dialect.identifier_preparer.quote_identifier(location.schema)},
                    )
                yield cls(connection, location)
        finally:
            engine.dispose()

    def texts(self, size: int) -> Iterator[list[Text]]:
        """Give all texts in the order of their ids, ``size`` at a time."""
        for rows in self._pages("text_data", size):
            yield [
                Text(id=row["text_id"], content=row["text_data"] or "", labels=row["labels"] or [], users=row["users"] or [])
                for row in rows
            ]

    def labels(self) -> list[str | None]:
        """Return the names of the labels in their order, as often as they stand there."""
        return [row["label"] for rows in self._pages("labels", 1000) for row in rows]

    def users(self) -> list[User]:
        """Return everybody who has an account."""
        rows = [row for page in self._pages("users", 1000) for row in page]
        return [User(id=row["user_id"], email=row["email"] or "", password=row["password"] or "") for row in rows]

    def accessors(self) -> list[str]:
        """Return the addresses that may sign up."""
        return [row["email"] or "" for rows in self._pages("accessors", 1000) for row in rows]

    def init_data(self, size: int) -> Iterator[list[tuple[int, str, str | None]]]:
        """Give id, text and label of all labelled data, ``size`` at a time."""
        for rows in self._pages("init_data", size):
            yield [(row["init_id"], row["text_data"] or "", row["label"]) for row in rows]

    def stamps(self) -> Iterator[tuple[int, int, datetime | None, datetime | None]]:
        """Give, by user's and text's id, when it was first shown and when it was answered, as they stand there."""
        if "sample_timestamps" not in self._found:
            return
        query = sa.text(
            "SELECT user_id, text_id, min(start_time), max(end_time) FROM sample_timestamps "
            "WHERE end_time IS NOT NULL GROUP BY user_id, text_id"
        )
        for row in self._connection.execution_options(yield_per=5000).execute(query):
            yield tuple(row)

    def _pages(self, table: str, size: int) -> Iterator[list[dict[str, Any]]]:
        """Give a table's rows in the order of its key."""
        if table not in self._found:
            return
        names = TABLES[table]
        # The names are ours.
        query = sa.text(f"SELECT {', '.join(names)} FROM {table} WHERE {names[0]} > :after ORDER BY {names[0]} LIMIT :size")  # noqa: S608
        after = -(2**31) - 1
        while rows := [dict(row) for row in self._connection.execute(query, {"after": after, "size": size}).mappings()]:
            yield rows
            after = rows[-1][names[0]]

    def _look(self, location: Location) -> frozenset[str]:
        """Return which of the tables are there. Raises NotFound where too few are."""
        query = sa.text(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = ANY (current_schemas(false)) AND table_name = ANY (:tables)"
        )
        columns: dict[str, set[str]] = {}
        for table, column in self._connection.execute(query, {"tables": list(TABLES)}):
            columns.setdefault(table, set()).add(column)
        found = frozenset(table for table, names in TABLES.items() if set(names) <= columns.get(table, set()))
        missing = [table for table in NEEDED if table not in found]
        if missing:
            raise NotFound(
                f"There is no LabelForward: no table {missing[0]} with {', '.join(TABLES[missing[0]])}.", where=str(location),
                way_out="Name the database that PGDATABASE named; ::schema after it where it is not in public.",
            )  # fmt: skip
        return found
