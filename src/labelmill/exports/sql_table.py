"""A dataset's records as rows of somebody's SQL table, by their keys: what is new is added, what differs is changed, the rest stays."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from labelmill.datasets import record_key
from labelmill.db.bulk.database_sink import check_database_sink
from labelmill.db.bulk.insert import insert_frame
from labelmill.db.bulk.sql_source import explain
from labelmill.db.engine import make_engine
from labelmill.db.turns import turn
from labelmill.db.types import LongText, Real, Whole, name
from labelmill.errors import BadSource, Conflict, Unavailable
from labelmill.exports.columns import Columns
from labelmill.exports.formats import Rows
from labelmill.exports.writers.tables import flat
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from labelmill.db.bulk.location import Location
    from labelmill.exports.reading import Labelled, Reading

#: Half of the SHA-256, in hex, of the record's id or else of its content: the same after it was imported again.
KEY: Final = "record_key"
#: Keys that one statement names.
KEYS: Final = 500
#: Another export may add the same records at this very moment.
TRIES: Final = 3
LONGEST_NAME: Final = {"postgresql": 63, "mysql": 64, "sqlite": 1_000}
#: MariaDB's names are of characters of at most three bytes, and take no space at their end.
_NO_NAME: Final = {
    "mysql": re.compile("[\U00010000-\U0010ffff\0]|\\s$"),
    "postgresql": re.compile("\0"),
    "sqlite": re.compile("\0"),
}
_TYPES: Final[dict[Any, Any]] = {pl.String(): LongText(), pl.Int64(): Whole, pl.Float64(): Real, pl.Boolean(): sa.Boolean()}
#: What a column that is there already may be for values of a kind.
_FITTING: Final[dict[Any, tuple[type[Any], ...]]] = {
    pl.String(): (sa.String,), pl.Int64(): (sa.Integer,), pl.Float64(): (sa.Float, sa.Double), pl.Boolean(): (sa.Boolean, sa.Integer),
}  # fmt: skip
_OPTIONS: Final[dict[str, Any]] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


@dataclass(kw_only=True)
class Tally:
    """What became of the records."""

    added: int = 0
    changed: int = 0
    same: int = 0

    @property
    def rows(self) -> int:
        return self.added + self.changed + self.same


class SqlTable:
    """The table that an export is written to; made where it is missing."""

    def __init__(self, location: Location, reading: Reading, fields: dict[str, Any] | None = None) -> None:
        if location.url is None or not location.table:
            raise BadSource(
                "This names no table.", where=str(location),
                way_out="Write @CONNECTION::schema.table, postgresql://user@host/db::schema.table or file.db::table.",
            )  # fmt: skip
        self._location = location
        self._name = location.table
        self._columns = Columns(reading, Rows.RECORDS, fields)
        #: What the columns are called in the table: a field that is named like the key has "field." in front, as with the others.
        self._names = {each: f"field.{each}" if each == KEY else each for each in self._columns.schema}
        check_database_sink(location)
        self._engine = make_engine(location.url, foreign=location.path is None or location.path.exists())
        self._turn = turn(location.path)

    def close(self) -> None:
        self._engine.dispose()

    def prepare(self) -> sa.Table:
        """Return the table, made where it is missing; raises Conflict for one that has other columns or another key, BadSource for a name."""
        kinds = {self._names[each]: kind for each, kind in self._written_kinds().items()}
        check_names([self._name, KEY, *kinds], self._engine.dialect.name)
        with self._connected() as connection:
            inspector = sa.inspect(connection)
            if not inspector.has_table(self._name, schema=self._location.schema):
                connection.rollback()
                self._make(connection, kinds)
            key, types = self._types(connection)
        self._check(key, types, kinds)
        return sa.Table(
            self._name,
            sa.MetaData(schema=self._location.schema),
            *(sa.Column(each, types[each]) for each in (KEY, *kinds)),
        )

    def _written_kinds(self) -> dict[str, Any]:
        """Return the columns' kinds as they are written: what is nested is text."""
        return {each: kind if kind in _TYPES else pl.String() for each, kind in self._columns.schema.items()}

    def _make(self, connection: Connection, kinds: dict[str, Any]) -> None:
        columns = [sa.Column(each, _TYPES[kind]) for each, kind in kinds.items()]
        key = sa.Column(KEY, name(32), primary_key=True)
        table = sa.Table(self._name, sa.MetaData(schema=self._location.schema), key, *columns, **_OPTIONS)
        with self._turn, connection.begin():
            table.create(connection, checkfirst=True)

    def _types(self, connection: Connection) -> tuple[list[str], dict[str, Any]]:
        """Return the primary key of the table that is there, and the types of its columns."""
        inspector, schema = sa.inspect(connection), self._location.schema
        columns = {str(each["name"]): each["type"] for each in inspector.get_columns(self._name, schema=schema)}
        if connection.dialect.name == "mysql":  # the inspector leaves a backtick doubled
            columns = {each.replace("``", "`"): kind for each, kind in columns.items()}
        return inspector.get_pk_constraint(self._name, schema=schema)["constrained_columns"], columns

    def _check(self, key: list[str], types: dict[str, Any], kinds: dict[str, Any]) -> None:
        missing = [each for each in kinds if each not in types]
        unfit = [each for each, kind in kinds.items() if each in types and not isinstance(types[each], _FITTING[kind])]
        reason, way_out = "", "Name another table."
        if key != [KEY]:
            reason = f"its primary key is not {KEY}"
        elif missing:
            reason = f"it has no column {', '.join(map(repr, missing))}"
            way_out = "Add what is missing, or name another table."
        elif unfit:
            reason = f"its column {unfit[0]!r} is {types[unfit[0]]!r}, which does not hold {kinds[unfit[0]]}"
        if reason:
            raise Conflict(f"A table {self._name!r} is there, and {reason}.", where=str(self._location), way_out=way_out)

    def write(self, table: sa.Table, piece: Labelled, tally: Tally) -> None:
        """Bring the rows of these records up to date, committed together."""
        pairs = zip(piece.records["given_id"], piece.records["content"], strict=True)
        keys = pl.Series(KEY, [record_key(given, content) for given, content in pairs], pl.String)
        frame = flat(self._columns.frame(piece)).rename(self._names).insert_column(0, keys)
        for attempt in range(1, TRIES + 1):
            try:
                with self._connected() as connection, self._turn, connection.begin():
                    added, changed = _merge(connection, table, frame)
                break
            except IntegrityError as error:
                if attempt == TRIES:
                    raise _refused(error, self._location) from error
        passing("export.slice-written")
        tally.added += added
        tally.changed += changed
        tally.same += frame.height - added - changed

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with _writing(self._location), self._engine.connect() as connection:
            yield connection


def _merge(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> tuple[int, int]:
    """Return how many rows were added and how many changed."""
    before = _stored(connection, table, frame)
    new = frame.join(before, on=KEY, how="anti", maintain_order="left")
    known = frame.join(before.select(KEY), on=KEY, how="semi", maintain_order="left")
    there = known.select(KEY).join(before, on=KEY, how="left", maintain_order="left")
    # Under names of ours: polars takes some for patterns.
    pairs = ((known.to_series(place).alias(f"v{place}"), there.to_series(place)) for place in range(1, frame.width))
    differs = pl.DataFrame([mine.ne_missing(theirs) for mine, theirs in pairs])
    changed = known.filter(differs.fold(lambda one, other: one | other)) if known.height else known
    if new.height:
        insert_frame(connection, table, new)
    if changed.height:
        _update(connection, table, changed)
    return new.height, changed.height


def _stored(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that are there for the keys of ``frame``, with its columns and kinds."""
    rows: list[Any] = []
    for keys in frame[KEY].to_frame().iter_slices(KEYS):
        rows += connection.execute(sa.select(table).where(table.c[KEY].in_(keys.to_series().to_list()))).all()
    values = list(zip(*rows, strict=True)) if rows else [()] * frame.width
    return pl.DataFrame(
        [
            pl.Series(each, list(column), pl.Int64 if kind == pl.Boolean else kind, strict=False).cast(kind)
            for (each, kind), column in zip(frame.schema.items(), values, strict=True)
        ]
    )


def _update(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    numbered = [column for column in table.columns if column.name != KEY]
    values = {column.name: sa.bindparam(f"v{place}", type_=column.type) for place, column in enumerate(numbered)}
    statement = sa.update(table).where(table.c[KEY] == sa.bindparam("k")).values(values)
    names = ["k", *(f"v{place}" for place in range(len(numbered)))]
    connection.execute(statement, [dict(zip(names, row, strict=True)) for row in frame.iter_rows()])


def check_names(names: list[str], dialect: str) -> None:
    """Raise BadSource for a name of the table (the first) or of a column that the database does not take, or takes for another's."""
    seen: dict[str, str] = {}
    for place, each in enumerate(names):
        what = "table" if place == 0 else "column"
        if not each or len(each.encode()) > LONGEST_NAME[dialect] or _NO_NAME[dialect].search(each):
            raise BadSource(
                f"The database takes no {what} with the name {each[:100]!r}.", where=what,
                way_out=f"Names have 1 to {LONGEST_NAME[dialect]} bytes; export to Parquet or JSONL, which take any." if place else "Give it another.",
            )  # fmt: skip
        if place == 0 and dialect == "sqlite" and each.casefold().startswith("sqlite_"):
            raise BadSource(f"SQLite keeps names like {each!r} for itself.", where=what, way_out="Name the table otherwise.")
        other = seen.setdefault(each.casefold(), each) if place else each
        if other != each:
            raise BadSource(
                f"The columns {other!r} and {each!r} would be one: databases do not tell capitals apart.", where=what,
                way_out="Export to Parquet or JSONL, which do.",
            )  # fmt: skip


@contextmanager
def _writing(location: Location) -> Iterator[None]:
    """Turn what a driver raises into BadSource, where trying again cannot help, or Unavailable."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        found = explain(error, location)
        reason = found.message.partition(": ")[2]
        if isinstance(found, BadSource) or isinstance(error, ProgrammingError) or "readonly" in reason:
            raise BadSource(
                f"The database refuses: {reason}", where=str(location),
                way_out="Check user, password, names and the rights to make the table and to write to it.",
            ) from error  # fmt: skip
        raise Unavailable(
            f"The database does not answer: {reason}", where=str(location), way_out="Check the URL and the server."
        ) from error


def _refused(error: IntegrityError, location: Location) -> BadSource:
    reason = str(error.orig).splitlines()[0]
    return BadSource(
        f"The table refuses the rows: {reason}",
        where=str(location),
        way_out="It has a rule that exports do not follow: change it.",
    )
