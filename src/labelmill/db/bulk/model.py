"""What a source of rows is, whatever holds it: its columns, how it splits into parts, and the stream of its frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from types import TracebackType

    import polars as pl


class Kind(StrEnum):
    """What a column holds, as far as labelmill needs to tell."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    BYTES = "bytes"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Column:
    name: str
    kind: Kind
    #: The declared type as the source spells it; only shown to people.
    declared: str = ""


@dataclass(frozen=True, kw_only=True)
class TableInfo:
    """The inspected catalogue entry of one table or file: the only place that identifiers in statements come from."""

    name: str
    schema: str | None
    columns: tuple[Column, ...]
    #: Row count where it is known without a scan.
    rows: int | None = None
    #: Columns that are the first of an index.
    indexed: frozenset[str] = field(default_factory=frozenset)

    def column(self, name: str) -> Column:
        """Return the column of exactly this name, or raise BadSource that says which ones there are."""
        for column in self.columns:
            if column.name == name:
                return column
        from labelmill.errors import BadSource

        known = ", ".join(column.name for column in self.columns)
        raise BadSource(f"There is no column {name!r}.", where=self.name, way_out=f"The columns are: {known}.")


@dataclass(frozen=True, kw_only=True)
class TimeRange:
    """Half open, [start, end), both with the UTC zone or None for open."""

    column: str
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of a source that is always read as the same rows: a key range, a time range, a slice of a file.

    ``bounds`` is JSON-able and means something only to the source that planned it. It is stored with a job's step, so that a step
    that runs again, perhaps elsewhere, reads the same rows.
    """

    name: str
    bounds: dict[str, Any]
    #: Estimated number of rows; for progress only.
    rows: int


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A row that could not be read: its place in the source (line or row number, 1-based) and why."""

    place: int
    reason: str
    text: str = ""


class Source(Protocol):
    """Rows of one table or file, opened read-only."""

    @property
    def table(self) -> TableInfo: ...

    #: Rows refused so far by ``read``, in order; at most a few thousand are kept, all are counted in ``rejected``.
    @property
    def rejects(self) -> Sequence[Reject]: ...

    @property
    def rejected(self) -> int: ...

    def plan(self, rows: int, time: TimeRange | None = None) -> tuple[Part, ...] | None:
        """Split into parts of about ``rows`` rows that together hold every row of ``time`` once, or None where the source cannot be split.

        With ``time`` the parts may hold rows outside of it too (and rows without a readable time, which somebody counts): the
        reader of the frames filters exactly.
        """
        ...

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072) -> Iterator[pl.DataFrame]:
        """Yield frames of at most ``batch_rows`` rows with exactly ``columns``, in bounded memory.

        Values keep their own type; text stays text (``007`` stays ``007``). A column whose values are of several kinds comes as
        text. Columns are checked against ``table``: an unknown one raises BadSource.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
