"""The tables that label tasks write, as they are defined, checked and made in somebody's database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.exc import DBAPIError

from labelmill.db.bulk.postgresql_adbc import BinaryInsert
from labelmill.db.types import Json, LongText, Real, UtcTime, Whole, name
from labelmill.errors import BadSource, Conflict
from labelmill.labeltasks.frames import RESULT_COLUMNS, RESULT_SCHEMA
from labelmill.labeltasks.model import LONGEST_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

LEDGER = "labelmill_steps"
#: Hexadecimal digits: compared as bytes, which an index does much quicker than by the words of a language.
TASK_ID = name(32).with_variant(sa.String(32, collation="C"), "postgresql")
#: MariaDB would cut the fraction of a second off, without a word.
_MOMENT = sa.DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")
#: Its names are of characters of at most three bytes, and it takes no space at their end.
_NO_NAME_ON_MARIADB = re.compile("[\U00010000-\U0010ffff]|\\s$")
#: Texts are compared byte by byte, as the predecessor's tables do.
_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_STATE_TEXTS = ("date_range", "result", "uniq_source_author", "rate_of_label", "error_message", "check_step")
_STATE_COUNTS = ("length_receive_table", "length_output_table", "length_prod_table", "revision")
_STATE_TIMES = ("create_time", "check_point", "update_time")
_STATE_NUMBERS = ("peak_memory", "run_time", "progress")
_STATE_NAMES = {"stat": 32, "prod_stat": 10, "model_type": 255, "predict_type": 255, "target_table": 255}
#: The columns of the state table: the predecessor's seventeen, and from error_message on those that it lacked.
STATE_COLUMNS = (
    "task_id", "stat", "prod_stat", "model_type", "predict_type", "date_range", "target_table", "create_time", "peak_memory",
    "length_receive_table", "length_output_table", "length_prod_table", "result", "uniq_source_author", "rate_of_label",
    "run_time", "check_point", "error_message", "progress", "check_step", "update_time", "revision",
)  # fmt: skip


class ResultTables:
    """The definitions of the tables in one schema, each made once."""

    def __init__(self, schema: str | None, *, named_by: str = "name", one_key: bool = False) -> None:
        #: What the names come from, for errors.
        self.named_by = named_by
        # PostgreSQL keeps keys apart from the rows: there one of both columns does for two.
        self._one_key = one_key
        self._metadata = sa.MetaData(schema=schema)
        self.ledger = sa.Table(
            LEDGER, self._metadata,
            sa.Column("task_id", name(32), primary_key=True), sa.Column("step", name(64), primary_key=True),
            sa.Column("rows", Whole, nullable=False), sa.Column("written_at", UtcTime, nullable=False),
            # The tables that the step wrote to: what a task that is taken back or begun again removes its rows from.
            sa.Column("tables", Json, nullable=False),
            **_OPTIONS,
        )  # fmt: skip

    def results(self, table_name: str) -> sa.Table:
        """Return the table of results or of production with this name."""
        known = self._known(table_name)
        if known is not None:
            return known
        kinds: dict[str, Any] = {"id": name(255), "task_id": TASK_ID, "panel": name(200), "create_time": _MOMENT}
        columns = [sa.Column(each, kinds.get(each, LongText), nullable=each in _NULLABLE) for each in RESULT_COLUMNS]
        # By task, and within it by row: a few rows at random places are found without reading the others.
        index = sa.Index(None, "task_id", "row_id", unique=self._one_key)
        # Numbers are drawn a few at a time: each draw would be a record of its own in the log.
        key = (sa.Identity(cache=100),) if self._one_key else ()
        number = sa.Column("row_id", Whole, *key, primary_key=not self._one_key, nullable=False)
        return sa.Table(table_name, self._metadata, number, *columns, index, **_OPTIONS)

    def state(self, table_name: str) -> sa.Table:
        """Return the table that shows the state of each task."""
        known = self._known(table_name)
        if known is not None:
            return known
        kinds: dict[str, Any] = {each: name(length) for each, length in _STATE_NAMES.items()}
        kinds |= dict.fromkeys(_STATE_TEXTS, LongText) | dict.fromkeys(_STATE_COUNTS, Whole)
        kinds |= dict.fromkeys(_STATE_TIMES, sa.DateTime()) | dict.fromkeys(_STATE_NUMBERS, Real)
        rest = [sa.Column(each, kinds[each]) for each in STATE_COLUMNS[1:]]
        key = sa.Column("task_id", name(32), primary_key=True)
        return sa.Table(table_name, self._metadata, key, *rest, sa.Index(None, "create_time"), **_OPTIONS)

    def _known(self, table_name: str) -> sa.Table | None:
        key = f"{self._metadata.schema}.{table_name}" if self._metadata.schema else table_name
        return self._metadata.tables.get(key)

    def make(self, connection: Connection, tables: Sequence[sa.Table], where: str) -> None:
        """Create what is missing, in a transaction of its own; raises Conflict for a table that is somebody else's."""
        there = self.check(sa.inspect(connection), tables, where)
        connection.rollback()
        # Each commit waits for the disk. In one order: workers that make the same tables must not wait for each other in a ring.
        missing = sorted((table for table in tables if table.name not in there), key=lambda table: table.name)
        if not _created(connection, missing):
            for table in missing:
                _create(connection, table)

    def of_own_types(self, connection: Connection, tables: Sequence[sa.Table]) -> list[str]:
        """Return the names of those of ``tables`` whose columns take results in binary form: they have the types that we give them."""
        found = sa.inspect(connection).get_multi_columns(self._metadata.schema, [table.name for table in tables])
        connection.rollback()
        kinds = {name: {column["name"]: column["type"] for column in columns} for (_, name), columns in found.items()}
        return [
            name
            for name, kind in kinds.items()
            if all(each in kind and BinaryInsert.takes(kind[each], dtype) for each, dtype in RESULT_SCHEMA.items())
        ]

    def seal(self, connection: Connection, tables: Sequence[sa.Table]) -> None:
        """Give tables of results their index where it is missing: made by hand, or MariaDB's worker was killed before it."""
        inspector = sa.inspect(connection)
        schema, names = self._metadata.schema, [table.name for table in tables]
        indexes = {name: found for (_, name), found in inspector.get_multi_indexes(schema, names).items()}
        columns = {name: found for (_, name), found in inspector.get_multi_columns(schema, names).items()}
        connection.rollback()
        for table in tables:
            known = [index["column_names"] for index in indexes.get(table.name, [])]
            there = {column["name"] for column in columns.get(table.name, [])}
            wanted = [name for name in ("task_id", "row_id") if name in there]
            if wanted and not any(each[: len(wanted)] == wanted for each in known):
                _index(connection, table, wanted, unique=self._one_key and len(wanted) > 1)

    def check(self, inspector: sa.Inspector, tables: Sequence[sa.Table], where: str) -> set[str]:
        """Return which tables exist; raise BadSource for a name that no database takes, Conflict for a table that is no label task's."""
        for table in tables:
            self._check_name(inspector, table)
        found = inspector.get_multi_columns(self._metadata.schema, [table.name for table in tables])
        columns = {name: {column["name"] for column in of_table} for (_, name), of_table in found.items()}
        for table in tables:
            if table.name in columns:
                _check_columns(table, columns[table.name], where)
        return set(columns)

    def _check_name(self, inspector: sa.Inspector, table: sa.Table) -> None:
        if len(table.name.encode()) > LONGEST_NAME:
            raise BadSource(
                f"The table name {table.name!r} is longer than {LONGEST_NAME} bytes.", where=self.named_by,
                way_out="Give a shorter name: --name, --production-prefix, or the name in the source map.",
            )  # fmt: skip
        if inspector.dialect.name == "mysql" and _NO_NAME_ON_MARIADB.search(table.name):
            raise BadSource(
                f"MariaDB has no tables with a name like {table.name!r}.", where=self.named_by,
                way_out="Give a name without emoji that does not end in a space: --name, or the name in the source map.",
            )  # fmt: skip


def _check_columns(table: sa.Table, found: set[str], where: str) -> None:
    # A table that somebody made by hand need not number its rows.
    lacking = {column.name for column in table.columns} - found - {"row_id"}
    if lacking:
        is_state = set(STATE_COLUMNS) <= set(table.columns.keys())
        other = "set LABELMILL_STATE_TABLE to another name" if is_state else "give the results another --name"
        raise Conflict(
            f"The table {table.name!r} exists already and is not one of a label task: it has no {', '.join(sorted(lacking))}.",
            where=where,
            way_out=f"Write to another schema, or {other}; tables of an Audience API are taken over by `labelmill adopt audience`.",
        )  # fmt: skip


def _index(connection: Connection, table: sa.Table, columns: Sequence[str], *, unique: bool) -> None:
    """Create an index unless another worker makes it at this very moment."""
    bare = table.to_metadata(sa.MetaData(schema=table.schema))
    index = sa.Index(None, *(bare.c[column] for column in columns), unique=unique)
    try:
        with connection.begin():
            index.create(connection)
    except DBAPIError:
        names = [each["name"] for each in sa.inspect(connection).get_indexes(table.name, schema=table.schema)]
        connection.rollback()
        if index.name not in names:
            raise


def _created(connection: Connection, tables: Sequence[sa.Table]) -> bool:
    """Create tables at one go and return whether all went well: another worker may make one of them at this very moment."""
    try:
        with connection.begin():
            for table in tables:
                table.create(connection, checkfirst=False)
    except DBAPIError:
        connection.rollback()
        return False
    return True


def _create(connection: Connection, table: sa.Table) -> None:
    """Create a table unless it is there, or is made by another worker at this very moment."""
    try:
        with connection.begin():
            table.create(connection, checkfirst=True)
    except DBAPIError:
        is_there = sa.inspect(connection).has_table(table.name, schema=table.schema)
        connection.rollback()
        if not is_there:
            raise


_NULLABLE = frozenset({"source_author", "create_time", "match_content", "match_meta"})


def check_distinct(names: Sequence[str]) -> None:
    """Raise BadSource where two tables would be one: databases differ in whether they tell capitals apart, so nothing relies on it."""
    seen: dict[str, str] = {}
    for each in names:
        other = seen.setdefault(each.casefold(), each)
        repeated = names.count(each) > 1
        if other != each or repeated or each.casefold().startswith("sqlite_"):
            other = f"is also that of {other!r}" if other != each else "is taken by something else"
            raise BadSource(
                f"The table name {each!r} {other}.", where="names of the results",
                way_out="Give the results other names: --name, or the names in the source map. Ids that the map does not know "
                "and that differ in capitals only share no table: name them in the map, or leave unmapped sources out.",
            )  # fmt: skip
