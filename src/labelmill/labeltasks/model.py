"""What a label task is: which columns it reads, which rows, where results go, and the figures of its report. Pure values."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from labelmill.db.bulk.model import TimeRange
from labelmill.errors import BadInput, BadSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labelmill.db.bulk.model import TableInfo

#: Columns that are taken without being named, where the table has them.
USUAL_COLUMNS = {"id": "id", "source": "s_id", "author": "author", "time": "post_time"}
#: More distinct sources without a place in the source map than this are a mistake in the map or the column.
MOST_UNMAPPED = 1000
#: PostgreSQL's limit of a table's name in bytes is the shortest; the others allow as many characters.
LONGEST_NAME = 63


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names of the columns that a label task reads; None where the source has none."""

    text: str
    id: str | None = None
    source: str | None = None
    author: str | None = None
    time: str | None = None

    @property
    def needed(self) -> list[str]:
        """Each column once, in a fixed order."""
        return list(
            dict.fromkeys(name for name in (self.id, self.source, self.author, self.text, self.time) if name is not None)
        )


def choose_columns(asked: Mapping[str, str | None], table: TableInfo) -> Columns:
    """Return the columns to read: those asked for, else the usual ones that the table has.

    Raises BadSource for a column that was asked for and is not there.
    """
    names = {column.name for column in table.columns}
    chosen: dict[str, str | None] = {}
    for role in ("text", *USUAL_COLUMNS):
        name = asked.get(role)
        if name is not None:
            table.column(name)
        usual = USUAL_COLUMNS.get(role)
        chosen[role] = name or (usual if usual in names else None)
    text = chosen.pop("text")
    if text is None:
        known = ", ".join(sorted(names))
        raise BadSource(
            "No text column was named.", where=table.name, way_out=f"Name one with --text-column; there are: {known}."
        )
    return Columns(text=text, **chosen)


@dataclass(frozen=True, kw_only=True)
class LabelTask:
    """Everything that a label task was asked to do; it is stored with its job as JSON (``as_params``)."""

    source: dict[str, Any]
    sink: dict[str, Any]
    rules: dict[str, Any]
    columns: Columns
    #: What the results are called where there is no source map.
    name: str
    #: The table that is read, as its catalogue spells it; the same table is never written to.
    source_table: str = ""
    start: datetime | None = None
    end: datetime | None = None
    #: From a name to the source ids that it stands for; None where everything has one name.
    source_map: dict[str, list[str]] | None = None
    production_prefix: str = "wh_panel_mapping_"
    #: ``drop`` or ``keep``: what becomes of an author's labels of one group that have equally many records.
    production_tie: str = "drop"
    step_rows: int = 250_000
    overwrite: bool = False
    #: How a text file is written, where that is not to be detected: encoding, separator, quoting.
    file: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.start and self.end and self.start >= self.end:
            raise BadInput(
                "The start must be earlier than the end.", where=f"{self.start.isoformat()} - {self.end.isoformat()}",
                way_out="The range is half open: the start belongs to it, the end does not.",
            )  # fmt: skip
        if (self.start or self.end) and not self.columns.time:
            raise BadInput("A time range needs a time column.", way_out="Name it with --time-column.")
        if self.production_tie not in ("drop", "keep"):
            raise BadInput(
                f"{self.production_tie!r} is no way to settle a tie.", where="production_tie", way_out="Say drop or keep."
            )

    @property
    def time_range(self) -> TimeRange | None:
        """The range to read, None for all rows."""
        if self.columns.time is None or (self.start is None and self.end is None):
            return None
        return TimeRange(column=self.columns.time, start=self.start, end=self.end)

    def as_params(self) -> dict[str, Any]:
        """Return the task as JSON."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        times = {name: values[name].isoformat() if values[name] else None for name in ("start", "end")}
        return values | times | {"columns": asdict(self.columns)}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """Return the task that ``as_params`` wrote."""
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in params.items() if name in known}
        times = {name: datetime.fromisoformat(values[name]) if values.get(name) else None for name in ("start", "end")}
        return cls(**values | times | {"columns": Columns(**values["columns"])})


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The counts of one step or, added up, of a task. Every row read is in exactly one of them or labelled."""

    #: Rows in the time range.
    rows_read: int = 0
    #: Rows whose text is NULL or empty.
    rows_without_text: int = 0
    #: Rows whose time is NULL or cannot be read; they are left out when a time range was asked for.
    rows_without_time: int = 0
    #: Rows that were read and lie outside of the time range. A source with an index on the time need not read them all.
    rows_outside: int = 0
    #: Rows that the source could not give (broken lines, undecodable text), each listed with its reason.
    rows_rejected: int = 0
    rows_labelled: int = 0
    #: Rows that carry a label but no author: they have a result and no part in production.
    rows_without_author: int = 0
    #: Rows written, by name; a row with labels of two groups counts twice.
    results: dict[str, int] = field(default_factory=dict)
    #: Rows read, by name.
    received: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    #: Per group, rows for which several labels shared the best score.
    ties: dict[str, int] = field(default_factory=dict)
    #: Source ids that the source map does not know, with their rows.
    unmapped: dict[str, int] = field(default_factory=dict)
    authors: dict[str, int] = field(default_factory=dict)
    production: dict[str, int] = field(default_factory=dict)
    #: Authors whose labels of one group had equally many records.
    production_ties: int = 0
    peak_memory_mb: float = 0.0

    def __add__(self, other: Figures) -> Figures:
        values: dict[str, Any] = {}
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            values[item.name] = dict(Counter(mine) + Counter(theirs)) if isinstance(mine, dict) else mine + theirs
        values["peak_memory_mb"] = max(self.peak_memory_mb, other.peak_memory_mb)
        return Figures(**values)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def rates(self) -> dict[str, float]:
        """Return the rate of label by name: production rows per hundred distinct authors, with two decimals."""
        return {name: rate_of_label(self.production.get(name, 0), self.authors.get(name, 0)) for name in self.received}


def total(figures: Iterable[Mapping[str, Any]]) -> Figures:
    """Return the sum of the figures of several steps."""
    return sum((Figures(**values) for values in figures), Figures())


def rate_of_label(production_rows: int, authors: int) -> float:
    """Return production rows per hundred distinct authors, rounded to two decimals; 0 where nobody wrote."""
    return round(production_rows / authors * 100, 2) if authors else 0.0


def utc(moment: datetime | None) -> datetime | None:
    """Return a moment with the UTC zone; one without a zone means UTC."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
