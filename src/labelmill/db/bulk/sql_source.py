"""What all tables behind a database URL have in common: they are looked up, split and read in read-only connections."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from labelmill.db.bulk.arrow_stream import StreamFailed
from labelmill.db.bulk.batches import ahead, gather
from labelmill.db.bulk.location import secrets_of
from labelmill.db.bulk.model import Kind
from labelmill.db.bulk.splitting import SMALL_SHARE, Keys, Ordered, key_parts, text_parts, time_parts, within
from labelmill.errors import BadSource, LabelmillError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    import polars as pl
    from sqlalchemy.engine import Engine
    from sqlalchemy.sql.expression import ColumnElement
    from sqlalchemy.types import TypeEngine

    from labelmill.db.bulk.catalogue import Entry
    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import Part, Reject, TableInfo, TimeRange

#: Rejects that are kept with their text; all are counted.
KEPT_REJECTS = 5_000
#: Rows that are counted at most where the catalogue may not know how many there are.
COUNTED = 10_000
#: A time without a zone may be meant anywhere on Earth.
MARGIN = timedelta(days=1)
FIRST_TIME = datetime(1, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
#: What a server says when trying again cannot help.
_REFUSALS = (
    "authentication failed",
    "does not exist",
    "no pg_hba",
    "no password supplied",
    "permission denied",
    "access denied",
)
_REFUSAL_CODES = frozenset({1044, 1045, 1049, 1142, 1143, 1146, 1698})


class SqlSource:
    """The base of the sources that are tables. Each plan and each read has a connection of its own and closes it."""

    #: The type as which bounds of a key of text are sent.
    _text_type: TypeEngine[Any] = sa.Text()

    def __init__(self, location: Location, engine: Engine, entry: Entry) -> None:
        self.location = location
        self.engine = engine
        self._info = entry.info
        self._types = entry.types
        self._rejects: list[Reject] = []
        self._rejected = 0
        columns = [
            sa.column(sa.quoted_name(column.name, quote=True), entry.types.get(column.name)) for column in entry.info.columns
        ]
        schema = sa.quoted_name(entry.info.schema, quote=True) if entry.info.schema else None
        self.from_table = sa.table(sa.quoted_name(entry.info.name, quote=True), *columns, schema=schema)
        self.key: ColumnElement[Any] | None = self.from_table.c[entry.key] if entry.key else None
        self._text_key = entry.text_key

    @property
    def table(self) -> TableInfo:
        return self._info

    @property
    def rejects(self) -> Sequence[Reject]:
        return self._rejects

    @property
    def rejected(self) -> int:
        return self._rejected

    def plan(self, rows: int, time: TimeRange | None = None) -> tuple[Part, ...] | None:
        """Split by the time's index where that selects a small share of the table, else by the key, else not at all."""
        rows = max(1, rows)
        with reporting(self.location), self.engine.connect() as connection:
            keys = Keys(connection, self.from_table, self.key) if self.key is not None else None
            texts = Ordered(connection, self.from_table, self._sorted_key(), None, None) if self._text_key is not None else None
            if time is not None and time.column in self.table.indexed and (time.start or time.end):
                times = self._times(connection, time)
                whole = self._size(connection, keys, texts)
                if times is not None and (whole is None or _is_small(times, whole)):
                    return time_parts(times, rows, time.column, self._untold(times.column))
            if texts is not None:
                return text_parts(texts, rows, str(self._text_key), self._estimated_cuts(texts, rows))
            return key_parts(keys, rows, str(self.key)) if keys is not None else None

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072) -> Iterator[pl.DataFrame]:
        """Yield frames with ``columns`` of the rows of ``part``, or of all rows."""
        for name in columns:
            self.table.column(name)
        if not columns or len(set(columns)) < len(columns):
            raise BadSource(
                "Each column is read once, and at least one.", where=self.table.name, way_out="Name each column once."
            )
        condition = self._condition(part.bounds) if part is not None else None
        # The next frame is fetched while the last is worked on: drivers let others compute while they wait.
        return self._reported(ahead(gather(self._frames(list(columns), condition), max(1, batch_rows))))

    def _reported(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        with reporting(self.location):
            yield from frames

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.engine.dispose()

    def _sorted_key(self) -> ColumnElement[Any]:
        return sa.type_coerce(self.from_table.c[str(self._text_key)], self._text_type)

    def _size(self, connection: sa.Connection, keys: Keys | None, texts: Ordered | None) -> int | None:
        """Return about how many rows the table has, without counting all; None where it has no key to split it by."""
        if keys is not None:
            whole = keys.span()
            return whole.rows if whole else 0
        # The catalogue knows nothing of a table that is new.
        return max(self._estimate(connection), texts.count(sa.true(), COUNTED)) if texts is not None else None

    def _estimated_cuts(self, _texts: Ordered, _rows: int) -> Iterable[tuple[str, int]] | None:
        """Return where a table is cut by its key of text, with sizes, where the server can tell without reading it."""
        return None

    def _estimate(self, _connection: sa.Connection) -> int:
        """Return the number of rows as the catalogue has it, where there is one."""
        return 0

    def _frames(self, columns: list[str], condition: ColumnElement[bool] | None) -> Iterator[pl.DataFrame]:
        """Yield frames of any size of the rows that meet ``condition``."""
        raise NotImplementedError

    def _times(self, connection: sa.Connection, time: TimeRange) -> Ordered | None:
        """Return the look-up of a column of real times, with a margin where the zone of its times is not known."""
        if self.table.column(time.column).kind is not Kind.DATETIME:
            return None
        aware = bool(getattr(self._types[time.column], "timezone", False))
        margin = timedelta(0) if aware else MARGIN
        low = max(time.start, FIRST_TIME + margin) - margin if time.start else FIRST_TIME
        below = min(time.end, LAST_TIME - margin) + margin if time.end else LAST_TIME
        return Ordered(
            connection, self.from_table, self.from_table.c[time.column], _zoned(low, aware=aware), _zoned(below, aware=aware)
        )

    def _untold(self, time: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return the condition of the rows whose time is missing or outside of the years that Python knows."""
        aware = bool(getattr(time.type, "timezone", False))
        first, last = (sa.bindparam(None, _zoned(edge, aware=aware), time.type) for edge in (FIRST_TIME, LAST_TIME))
        return sa.or_(time.is_(None), time < first, time >= last)

    def _condition(self, bounds: dict[str, Any]) -> ColumnElement[bool]:
        try:
            if bounds["by"] == "key" and self.key is not None:
                return self.key.between(
                    sa.bindparam("first", int(bounds["first"]), sa.BigInteger),
                    sa.bindparam("last", int(bounds["last"]), sa.BigInteger),
                )
            if bounds["by"] == "text":
                return self._text_condition(bounds)
            column = self.from_table.c[self.table.column(bounds["column"]).name]
            if bounds["by"] == "untold":
                return self._untold(column)
            low, below = (self._bound(bounds[edge]) for edge in ("low", "below"))
        except (KeyError, TypeError, ValueError) as error:
            raise BadSource(
                "This part was planned for another table.", where=str(self.location), way_out="Plan the task anew."
            ) from error
        return within(column, low, below)

    def _text_condition(self, bounds: dict[str, Any]) -> ColumnElement[bool]:
        low, below = bounds["low"], bounds["below"]
        if (
            self._text_key is None
            or bounds["column"] != self._text_key
            or not all(bound is None or isinstance(bound, str) for bound in (low, below))
        ):
            raise ValueError(bounds)
        return within(self._sorted_key(), low, below)

    def _bound(self, text: str | None) -> Any:
        return datetime.fromisoformat(text) if text is not None else None


def _zoned(moment: datetime, *, aware: bool) -> datetime:
    return moment.astimezone(UTC) if aware else moment.astimezone(UTC).replace(tzinfo=None)


def _is_small(times: Ordered, whole: int) -> bool:
    most = int(whole * SMALL_SHARE)
    return times.count(within(times.column, times.low, times.below), most + 1) <= most


@contextmanager
def reporting(location: Location) -> Iterator[None]:
    """Turn what drivers raise into BadSource, where trying again cannot help, or Unavailable."""
    try:
        yield
    except LabelmillError:
        raise
    except Exception as error:
        if not _is_from_driver(error):
            raise
        raise explain(error, location) from error


def _is_from_driver(error: Exception) -> bool:
    if isinstance(error, StreamFailed):
        return True
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(modules & {"sqlalchemy", "sqlite3", "psycopg", "pymysql", "adbc_driver_manager"})


def explain(error: Exception, location: Location) -> LabelmillError:
    """Return the error to raise for ``error`` of a database driver; it shows no password."""
    original = getattr(error, "orig", None) or error
    text = " ".join(str(original).split())
    for secret in secrets_of(location.url) if location.url is not None else ():
        text = text.replace(secret, "***")
    text = text if text.endswith((".", "?", "!")) else f"{text}."
    code = original.args[0] if original.args else None
    if code in _REFUSAL_CODES or any(refusal in text.lower() for refusal in _REFUSALS):
        return BadSource(
            f"The database refuses: {text}",
            where=str(location),
            way_out="Check user, password, database name and the right to read.",
        )
    return Unavailable(
        f"The database cannot be read: {text}",
        where=str(location),
        way_out="Check that it runs and can be reached, then try again.",
    )
