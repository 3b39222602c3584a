"""What a label task is: which columns it reads, which rows, where results go. Pure values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from labelmill.db.bulk.model import TimeRange
from labelmill.errors import BadInput, BadSource
from labelmill.labeltasks.filters import Filter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelmill.db.bulk.model import TableInfo

#: Columns that are taken without being named, where the table has them; the names are the predecessor's.
USUAL_TEXT = "content"
USUAL_COLUMNS = {"id": "id", "source": "s_id", "author": "author", "time": "post_time"}
#: More distinct sources without a place in the source map than this are a mistake in the map or the column.
MOST_UNMAPPED = 1000
#: PostgreSQL's limit of a table's name in bytes is the shortest; the others allow as many characters.
LONGEST_NAME = 63
#: Rows of one committed step: a few seconds of work.
STEP_ROWS = 200_000
#: Rows of a frame: small enough that long texts stay within the memory bound, and a step is some whole frames.
BATCH_ROWS = 50_000


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names of the columns that a label task reads; None where the source has none."""

    #: What the first labeller labels.
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
        usual = USUAL_COLUMNS.get(role, USUAL_TEXT)
        chosen[role] = name or (usual if usual in names else None)
    text = chosen.pop("text")
    if text is None:
        known = ", ".join(sorted(names))
        raise BadSource(
            "No text column was named.", where=table.name, way_out=f"Name one with --text-column; there are: {known}."
        )
    return Columns(text=text, **chosen)


@dataclass(frozen=True, kw_only=True)
class Labeller:
    """A rule set as JSON and the column that it labels."""

    rules: dict[str, Any]
    column: str

    @property
    def model_type(self) -> str:
        """What the predecessor calls such rules."""
        kinds = {rule.get("kind") for rule in self.rules.get("rules", ())}
        return "rule_model" if kinds == {"regex"} else "keyword_model"


@dataclass(frozen=True, kw_only=True)
class LabelTask:
    """Everything that a label task was asked to do; it is stored with its job as JSON (``as_params``)."""

    source: dict[str, Any]
    sink: dict[str, Any]
    #: The rules of the first labeller, which labels ``columns.text``.
    rules: dict[str, Any]
    columns: Columns
    #: Further labellers, each with a column of its own.
    also: tuple[Labeller, ...] = ()
    #: What is done to rows before they are labelled, in this order.
    filters: tuple[Filter, ...] = ()
    #: What the results are called where there is no source map.
    name: str
    #: The table that is read, as its catalogue spells it; the same table is never written to.
    source_table: str = ""
    #: The schema or database that it stands in; a file's name.
    source_schema: str = ""
    start: datetime | None = None
    end: datetime | None = None
    #: From a name to the source ids that it stands for; None where everything has one name.
    source_map: dict[str, list[str]] | None = None
    #: ``own`` or ``leave-out``: whether rows of sources that are not in the map go by their own id, or are only counted.
    unmapped: str = "own"
    production_prefix: str = "wh_panel_mapping_"
    #: ``drop`` or ``keep``: what becomes of an author's labels of one group that have equally many records.
    production_tie: str = "drop"
    #: Seconds between the last result and the begin of production.
    production_after: float = 0.0
    step_rows: int = STEP_ROWS
    batch_rows: int = BATCH_ROWS
    #: The table beside the results that shows this task's state; None where results go to files.
    state_table: str | None = None
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
        if self.unmapped not in ("own", "leave-out"):
            raise BadInput(
                f"{self.unmapped!r} is nothing to do with unmapped sources.", where="unmapped", way_out="Say own or leave-out."
            )

    @property
    def labellers(self) -> tuple[Labeller, ...]:
        """Every labeller, at least one."""
        return (Labeller(rules=self.rules, column=self.columns.text), *self.also)

    @property
    def ungrouped(self) -> list[str]:
        """What the group of each labeller's labels without a group is called: those of different rule sets do not compete."""
        if not self.also:
            return [""]
        names = [str(labeller.rules.get("name") or "rules") for labeller in self.labellers]
        return [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, start=1)]

    @property
    def text_columns(self) -> list[str]:
        """The columns that labellers and filters look at, each once."""
        labelled = [labeller.column for labeller in self.labellers]
        return list(dict.fromkeys([*labelled, *(each.column for each in self.filters)]))

    @property
    def needed(self) -> list[str]:
        """Every column that is read, once, in a fixed order."""
        return list(dict.fromkeys([*self.columns.needed, *self.text_columns]))

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
        parts = {"columns": asdict(self.columns), "also": [asdict(each) for each in self.also]}
        return values | times | parts | {"filters": [each.as_params() for each in self.filters]}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """Return the task that ``as_params`` wrote."""
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in params.items() if name in known}
        times = {name: datetime.fromisoformat(values[name]) if values.get(name) else None for name in ("start", "end")}
        also = tuple(Labeller(**each) for each in values.get("also", ()))
        filters = tuple(Filter.from_params(each) for each in values.get("filters", ()))
        return cls(**values | times | {"columns": Columns(**values["columns"]), "also": also, "filters": filters})


def utc(moment: datetime | None) -> datetime | None:
    """Return a moment with the UTC zone; one without a zone means UTC."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
