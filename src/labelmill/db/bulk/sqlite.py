"""Tables of SQLite files, read by the standard library's ``sqlite3`` and by nothing else in this process."""

from __future__ import annotations

import sqlite3
from contextlib import closing, nullcontext
from datetime import MAXYEAR, MINYEAR
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.pool import NullPool

from labelmill.db.bulk.batches import fetch_frames
from labelmill.db.bulk.catalogue import Entry, TableName, pick_table
from labelmill.db.bulk.model import Column, Kind, Reject, TableInfo
from labelmill.db.bulk.splitting import ONE, Ordered
from labelmill.db.bulk.sql_source import KEPT_REJECTS, MARGIN, SqlSource, reporting
from labelmill.db.bulk.sqlite_blocks import Blocks
from labelmill.errors import BadFile, BadSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.sql.expression import ColumnElement

    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import TimeRange

#: Seconds that a read waits while somebody else writes to a file without a write-ahead log.
LOCK_SECONDS = 8
_ROWID_NAMES = ("rowid", "_rowid_", "oid")
#: The kinds whose columns SQLite leaves free to hold other values, and the storage classes that belong to them.
_STORAGE = {
    Kind.INTEGER: ("integer", "null"),
    Kind.REAL: ("real", "integer", "null"),
    Kind.BYTES: ("blob", "text", "null"),
}
_DTYPES = {Kind.INTEGER: pl.Int64(), Kind.REAL: pl.Float64(), Kind.BYTES: pl.Binary()}
_TABLES = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite^_%' ESCAPE '^' AND type <> 'shadow' ORDER BY name"
_COLUMNS = "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid"
_INDEXED = (
    "SELECT columns.name FROM pragma_index_list(?) AS indexes, pragma_index_info(indexes.name) AS columns "
    "WHERE indexes.partial = 0 AND columns.seqno = 0 AND columns.name IS NOT NULL"
)


def open_sqlite(location: Location) -> SqlSource:
    """Return the table of a SQLite file; raise BadSource where there is none, BadFile where the file is no database."""
    path = _check_path(location)
    with closing(_connect(path, location)) as connection, reporting(location):
        entry, rowid = _inspect(connection, location)
    engine = sa.create_engine("sqlite://", creator=lambda: _connect(path, location), poolclass=NullPool)
    return SqliteSource(location, engine, entry, path, rowid)


#: What SQLite says of a file whose last writer left something to be taken back, or to be taken in, by who may write.
_UNFINISHED = frozenset({sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY, sqlite3.SQLITE_READONLY_CANTINIT})


class SqliteSource(SqlSource):
    """One table or view of a SQLite file.

    SQLite keeps values of any kind in a column of any type. Texts and times come as text; a column of numbers comes as numbers where
    all its values in the part are such, else as text, with nothing lost. A text that is not UTF-8 refuses its row.
    """

    def __init__(self, location: Location, engine: sa.Engine, entry: Entry, path: Path, rowid: str | None) -> None:
        super().__init__(location, engine, entry)
        self._path = path
        self._whole_key = entry.key
        if rowid is not None:
            self.key = sa.literal_column(rowid, sa.BigInteger)

    def _frames(self, columns: list[str], condition: ColumnElement[bool] | None) -> Iterator[pl.DataFrame]:
        kinds = {self.table.column(name).kind for name in columns}
        by_key = condition is None or getattr(condition, "left", None) is self.key
        if self.key is not None and by_key and kinds <= {Kind.TEXT, Kind.DATETIME}:
            yield from self._blocks(self.key, columns, condition)
        else:
            yield from self._rows(columns, condition)

    def _blocks(
        self, key: ColumnElement[Any], columns: list[str], condition: ColumnElement[bool] | None
    ) -> Iterator[pl.DataFrame]:
        with closing(_connect(self._path, self.location)) as connection:
            connection.text_factory = bytes
            connection.execute("BEGIN")  # all blocks are of one moment
            # Of a part only its edges matter: with two lower bounds SQLite would begin each block at the part's own.
            edges = {} if condition is None else condition.compile(dialect=sqlite_dialect()).params
            numbers = {name: self.table.column(name).kind is not Kind.TEXT for name in columns}
            table = sqlite_dialect().identifier_preparer.quote_identifier(self.table.name)
            blocks = Blocks(table, str(key.compile(dialect=sqlite_dialect())), numbers, **edges)
            for block in blocks.read(connection):
                if block.frame is not None:
                    yield block.frame
                    continue
                low, high = (sa.bindparam(None, edge, sa.BigInteger) for edge in (block.first, block.last))
                yield from self._rows(columns, key.between(low, high), connection)

    def _rows(
        self, columns: list[str], condition: ColumnElement[bool] | None, opened: sqlite3.Connection | None = None
    ) -> Iterator[pl.DataFrame]:
        kinds = {name: self.table.column(name).kind for name in columns}
        query = sa.select(*(self.from_table.c[name] for name in columns)).select_from(self.from_table)
        if self.key is not None:
            query = query.add_columns(self.key)
        if condition is not None:
            query = query.where(condition)
        with nullcontext(opened) if opened else closing(_connect(self._path, self.location)) as connection:
            mixed = self._mixed(connection, kinds, condition)
            dtypes = {name: pl.String() if name in mixed else _DTYPES.get(kind, pl.String()) for name, kind in kinds.items()}
            # Bytes instead of str: one text that is not UTF-8 must not end the whole read.
            connection.text_factory = bytes
            seen = 0

            def build(values: list[list[Any]]) -> pl.DataFrame:
                nonlocal seen
                count = len(values[0])
                places = values.pop() if self.key is not None else range(seen + 1, seen + count + 1)
                seen += count
                return self._frame(dtypes, values, places)

            yield from fetch_frames(_execute(connection, query), build)

    def _mixed(self, connection: sqlite3.Connection, kinds: dict[str, Kind], condition: ColumnElement[bool] | None) -> set[str]:
        """Return the columns of numbers or bytes that hold something else too, somewhere in the rows that meet ``condition``."""
        mixed = set()
        for name, kind in kinds.items():
            if kind not in _STORAGE or name == self._whole_key:
                continue
            stray = sa.func.typeof(self.from_table.c[name]).not_in(_STORAGE[kind])
            query = sa.select(ONE).select_from(self.from_table).where(stray).limit(1)
            if condition is not None:
                query = query.where(condition)
            if _execute(connection, query).fetchone():
                mixed.add(name)
        return mixed

    def _frame(self, dtypes: dict[str, pl.DataType], values: list[list[Any]], places: Any) -> pl.DataFrame:
        series = []
        bad: dict[int, Reject] = {}
        for (name, dtype), column in zip(dtypes.items(), values, strict=True):
            if dtype == pl.String:
                texts, wrong = _texts(name, column)
                series.append(texts)
                for row in wrong:
                    reason = f"column {name!r} holds bytes that are not UTF-8"
                    bad.setdefault(row, Reject(place=int(places[row]), reason=reason, text=repr(column[row])[:500]))
            else:
                series.append(pl.Series(name, column, dtype=dtype, strict=True))
        frame = pl.DataFrame(series)
        if not bad:
            return frame
        self._rejected += len(bad)
        self._rejects += [bad[row] for row in sorted(bad)][: max(0, KEPT_REJECTS - len(self._rejects))]
        return frame.filter([row not in bad for row in range(frame.height)])

    def _times(self, connection: sa.Connection, time: TimeRange) -> Ordered | None:
        """Return the look-up of a column of ISO texts, or None where one of its values is something else."""
        column = self.from_table.c[self.table.column(time.column).name]
        day = sa.func.substr(column, 1, 10)
        # Without "+0 days" SQLite gives back 31 February as it stands.
        is_iso = sa.and_(
            sa.func.typeof(column) == "text", sa.func.date(day, "+0 days") == day, sa.func.datetime(column).is_not(None)
        )
        other = sa.select(ONE).select_from(self.from_table).where(column.is_not(None), is_iso.is_not(sa.true())).limit(1)
        if connection.scalar(other):
            return None
        # Days only, and a day of margin on either side: whatever zone and separator the stored text has, it sorts by its day first.
        low = (time.start - MARGIN).date().isoformat() if time.start and time.start.year > MINYEAR else None
        below = (time.end + 2 * MARGIN).date().isoformat() if time.end and time.end.year < MAXYEAR else None
        return Ordered(connection, self.from_table, column, low, below)

    def _untold(self, time: ColumnElement[Any]) -> ColumnElement[bool]:
        return time.is_(None)

    def _bound(self, text: str | None) -> str | None:
        return text if text is None or isinstance(text, str) else str(text)


def _texts(name: str, values: list[Any]) -> tuple[pl.Series, list[int]]:
    """Return ``values`` as text, and the indexes of those that are no text (null in the series)."""
    try:
        return pl.Series(name, values, dtype=pl.Binary, strict=True).cast(pl.String), []
    except (TypeError, pl.exceptions.PolarsError):  # a number among them, or bytes that are not UTF-8
        texts = [_text(value) for value in values]
        wrong = [row for row, text in enumerate(texts) if text is None and values[row] is not None]
        return pl.Series(name, texts, dtype=pl.String), wrong


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _check_path(location: Location) -> Path:
    path = location.path
    if path is None or str(path) in ("", ":memory:"):
        raise BadSource("This names no file.", where=str(location), way_out="Write sqlite:///posts.db::posts.")
    if not path.exists():
        raise BadSource(
            "There is no such file.", where=str(path), way_out="Check the name and the folder that it is looked up in."
        )
    if path.is_dir():
        raise BadSource("This is a folder, not a file.", where=str(path), way_out="Name one file in it.")
    return path


def _connect(path: Path, location: Location) -> sqlite3.Connection:
    try:
        try:
            connection = _opened(path, "ro")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in _UNFINISHED:
                raise
            # A writer was killed: what it had begun is taken back by whoever opens the file next and may write to it.
            _opened(path, "rw").close()
            connection = _opened(path, "ro")
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.OperationalError as error:
        raise BadSource(
            f"The file cannot be opened: {error}.", where=str(path), way_out="Check that it may be read."
        ) from error
    except sqlite3.DatabaseError as error:
        raise BadFile(f"This is not a SQLite database: {error}.", where=str(location), way_out="Name a SQLite file.") from error
    return connection


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    """Return a connection that has read the catalogue; a missing file is refused, never made."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _execute(connection: sqlite3.Connection, query: sa.Select[Any]) -> sqlite3.Cursor:
    compiled = query.compile(dialect=sqlite_dialect(), compile_kwargs={"render_postcompile": True})
    return connection.execute(str(compiled), [compiled.params[name] for name in compiled.positiontup or ()])


def _inspect(connection: sqlite3.Connection, location: Location) -> tuple[Entry, str | None]:
    """Return the catalogue entry and the name by which the rowid can be asked for, or None."""
    names = [TableName(None, name) for (name,) in connection.execute(_TABLES)]
    name = pick_table(location, names).name
    described = connection.execute(_COLUMNS, (name,)).fetchall()
    columns = tuple(Column(name=column, kind=_kind(declared), declared=declared) for column, declared, _ in described)
    keys = [(column, declared.upper()) for column, declared, place in described if place]
    sort, without_rowid = connection.execute(
        "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", (name,)
    ).fetchone()
    has_rowid = sort == "table" and not without_rowid
    key = keys[0][0] if has_rowid and len(keys) == 1 and keys[0][1] == "INTEGER" else None
    indexed = frozenset(column for (column,) in connection.execute(_INDEXED, (name,))) | {column for column, _ in keys[:1]}
    taken = {column.name.lower() for column in columns}
    rowid = next((spelling for spelling in _ROWID_NAMES if spelling not in taken), None) if has_rowid else None
    return Entry(info=TableInfo(name=name, schema=None, columns=columns, indexed=indexed), key=key, types={}), rowid


def _kind(declared: str) -> Kind:
    """Return what a declared type stands for, by SQLite's own rules of affinity; times stay the text that they are stored as."""
    name = declared.upper()
    if "BOOL" in name or "INT" in name:
        return Kind.INTEGER
    if any(word in name for word in ("CHAR", "CLOB", "TEXT")):
        return Kind.TEXT
    if "DATE" in name or "TIME" in name:
        return Kind.DATETIME
    if "BLOB" in name:
        return Kind.BYTES
    return Kind.REAL if any(word in name for word in ("REAL", "FLOA", "DOUB")) else Kind.OTHER
