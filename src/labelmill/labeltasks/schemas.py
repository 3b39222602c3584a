"""What goes over HTTP about label tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from labelmill import clock
from labelmill.jobs.model import Job, JobState, progress
from labelmill.labeltasks.filters import Action, Filter
from labelmill.labeltasks.model import BATCH_ROWS, STEP_ROWS, LabelTask, utc

#: Further labellers, and filters, of one task.
MOST_PARTS = 20
Name = Annotated[str, Field(min_length=1, max_length=300)]


class Strict(BaseModel):
    """Refuses what it does not know: a misspelt field must not be left out in silence."""

    model_config = ConfigDict(extra="forbid")


class SinkIn(Strict):
    """A file below the data folder's `files`, or a schema of a named connection."""

    path: Name | None = Field(default=None, description="Like `2024/labels.csv` or `labels.db`.", examples=["labels.csv"])
    connection: Name | None = Field(default=None, description="The name of a connection.")
    schema_name: Name | None = Field(default=None, alias="schema", description="Needed where several may be used.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.connection is None):
            raise ValueError("give either a path or a connection")
        if self.path is not None and self.schema_name is not None:
            raise ValueError("a path has no schema")
        return self


class SourceIn(SinkIn):
    """A file below the data folder's `files`, or a table of one or of a named connection."""

    table: Name | None = Field(default=None, description="Needed where the database holds several.")


class ColumnsIn(Strict):
    """The columns to read. What is not named is taken from the usual names, where the source has them."""

    text: Name | None = Field(default=None, description="The column to label.  Usual: `content`.", examples=["author"])
    id: Name | None = Field(default=None, description="Names a row; else rows are numbered.  Usual: `id`.")
    source: Name | None = Field(default=None, description="The source id.  Usual: `s_id`.")
    author: Name | None = Field(default=None, description="Usual: `author`.")
    time: Name | None = Field(default=None, description="Usual: `post_time`.")


class RangeIn(Strict):
    """Half open: rows at the start belong to it, rows at the end do not. Times without a zone are UTC."""

    start: datetime | None = None
    end: datetime | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        start, end = utc(self.start), utc(self.end)
        if start and end and start >= end:
            raise ValueError("the start must be earlier than the end")
        return self


class LimitsIn(Strict):
    """What one step may use before it is stopped, and how often it is tried; the settings decide what is left out."""

    seconds: float | None = Field(default=None, gt=0, le=86_400)
    memory_mb: int | None = Field(default=None, ge=128, le=1_048_576)
    tries: int | None = Field(default=None, ge=1, le=20)


class FileIn(Strict):
    """How a text file is written, where that is not to be found out."""

    encoding: str | None = Field(default=None, max_length=40)
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    quoting: bool | None = None


class LabellerIn(Strict):
    """A further rule set, and the column that it labels."""

    rules: dict[str, Any] = Field(description="As `rules` of the task.")
    text: Name | None = Field(
        default=None, description="The column to label; else that of the first rules.", examples=["content"]
    )


class FilterIn(Strict):
    """What is done to rows before they are labelled: those that the rules match are left out, or lose the matched parts."""

    action: Action = Field(description="`delete` leaves the row out, `alter` removes the matched parts from the text.")
    column: Name | None = Field(default=None, description="The column that it looks at; else that of the first rules.")
    rules: dict[str, Any] = Field(
        description="As `rules` of the task; they need no labels.",
        examples=[{"rules": [{"kind": "keyword", "match": "partially", "content": "advertisement"}]}],
    )


class NewLabelTask(Strict):
    source: SourceIn
    sink: SinkIn
    rules: dict[str, Any] = Field(
        description="A rule set as JSON (`labels`, `rules`); or `name` (and `version`) of a stored one; or the `task` whose rules are meant,"
        " with its `part` where it has several: `rules`, `also.0` or `filters.0` and so on.",
        examples=[{"labels": ["/male"], "rules": [{"label": "/male", "kind": "keyword", "match": "start", "content": "tom"}]}],
    )
    columns: ColumnsIn = ColumnsIn()
    also: list[LabellerIn] = Field(
        default=[], max_length=MOST_PARTS, description="Further labellers: each adds its labels to those of `rules`."
    )
    filters: list[FilterIn] = Field(default=[], max_length=MOST_PARTS, description="What is done to rows first, in this order.")
    where: RangeIn = Field(default=RangeIn(), description="Which rows, by the time column.")
    source_map: dict[Name, list[str]] | None = Field(default=None, description="From a name to the source ids it stands for.")
    name: Annotated[str, Field(min_length=1, max_length=63)] | None = Field(
        default=None, description="What results are called where there is no source map."
    )
    unmapped: Literal["own", "leave-out"] = Field(
        default="own",
        description="Sources that the map does not know: their results go by their own id, or they are only counted.",
    )
    production_prefix: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        default="wh_panel_mapping_", description="What the names of production tables begin with."
    )
    production_tie: Literal["drop", "keep"] = Field(
        default="drop", description="What becomes of an author's labels with equally many records."
    )
    production_after: float = Field(
        default=0.0, ge=0, le=604_800, description="Seconds between the last result and the begin of production."
    )
    overwrite: bool = Field(default=False, description="Replace a file that is there.")
    step_rows: int = Field(default=STEP_ROWS, ge=1000, le=10_000_000, description="Rows of one committed step.")
    batch_rows: int = Field(default=BATCH_ROWS, ge=100, le=1_000_000, description="Rows that are in memory at one time.")
    queue: str = Field(default="default", max_length=64)
    countdown: float = Field(default=0.0, ge=0, le=604_800, description="Seconds to wait before it begins.")
    limits: LimitsIn = LimitsIn()
    file: FileIn = FileIn()


class TaskProgress(BaseModel):
    done: int = Field(description="Rows done.")
    total: int | None = Field(description="Rows in all, once planned.")
    unit: str
    seconds: float = Field(description="Since the task began.")
    rate: float | None = Field(description="Rows a second since the task began.")
    share: float | None = Field(description="From 0 to 1.")
    seconds_left: float | None


class LabellerOut(BaseModel):
    rule_set: str
    text: str = Field(description="The column that it labels.")


class FilterOut(BaseModel):
    action: Action
    column: str
    rule_set: str
    rules: int = Field(description="How many rules it has; `GET /v1/label-tasks/{id}/rules?part=filters.0` returns them.")


class LabelTaskOut(BaseModel):
    id: str
    title: str
    state: JobState
    queue: str
    created_at: datetime
    created_by: str | None
    started_at: datetime | None
    finished_at: datetime | None
    source: dict[str, Any]
    sink: dict[str, Any]
    columns: dict[str, str | None]
    where: RangeIn
    name: str
    rule_set: str = Field(description="The rules that label `columns.text`.")
    also: list[LabellerOut] = Field(description="The further labellers.")
    filters: list[FilterOut]
    unmapped: str
    production_prefix: str
    production_tie: str
    production_after: float
    state_table: dict[str, Any] | None = Field(
        description="The table beside the results that shows the task's state, as a source names it; null where results are files."
    )
    progress: TaskProgress
    error: dict[str, Any] | None

    @classmethod
    def of(cls, job: Job, *, source: dict[str, Any], sink: dict[str, Any], error: dict[str, Any] | None) -> Self:
        """Return what is shown of a task; its places and its error are given as they may be shown."""
        task = LabelTask.from_params(job.params)
        same = ("id", "title", "state", "queue", "created_at", "created_by", "started_at", "finished_at")
        asked = ("name", "unmapped", "production_prefix", "production_tie", "production_after")
        return cls(
            **{name: getattr(job, name) for name in same}, **{name: getattr(task, name) for name in asked}, source=source, sink=sink, error=error,
            columns=vars(task.columns), where=RangeIn(start=task.start, end=task.end), rule_set=str(task.rules.get("name", "")),
            also=[LabellerOut(rule_set=str(one.rules.get("name", "")), text=one.column) for one in task.also],
            filters=[_filter_out(one) for one in task.filters],
            state_table=sink | {"table": task.state_table} if task.state_table else None,
            progress=TaskProgress(**vars(progress(job, clock.now()))),
        )  # fmt: skip


def _filter_out(one: Filter) -> FilterOut:
    rules = one.rules.get("rules", ())
    return FilterOut(action=one.action, column=one.column, rule_set=str(one.rules.get("name", "")), rules=len(rules))


class LabelTaskPage(BaseModel):
    items: list[LabelTaskOut]
    next: str | None = Field(description="The cursor of the next page, null on the last one.")


class NameFigures(BaseModel):
    """The figures of one name that results go by."""

    name: str
    rows_read: int
    results: int
    authors: int | None = Field(description="Null where no author is known, now or at all.")
    production: int | None
    rate_of_label: float | None = Field(description="Production rows per hundred authors.")


class LeftOut(BaseModel):
    rows: int
    reason: str


class LabelTaskReport(LabelTaskOut):
    """A task with its figures: of the steps done so far while it runs, of all once it has ended."""

    check_point: str | None = Field(description="The first unfinished step; null when every step is done.")
    rows_per_second: int | None
    rows_read: int
    rows_labelled: int
    coverage: float | None = Field(description="Rows with a label, in percent of the rows read.")
    labels: dict[str, int]
    names: list[NameFigures]
    left_out: list[LeftOut] = Field(description="Why rows have no result, with counts.")
    rows_filtered: int = Field(description="Rows that a filter left out before labelling.")
    rows_rejected: int
    peak_memory_mb: float
    written: list[str] = Field(description="Tables, or paths below the data folder's `files`; once it has succeeded.")


class SampleRow(BaseModel):
    name: str
    id: str
    task_id: str
    source_author: str | None
    panel: str = Field(description="The label.")
    create_time: datetime | None
    field_content: str
    match_content: str
    match_meta: str = Field(description="The rules that matched, as a JSON list.")

    _with_zone = field_validator("create_time")(utc)


class Sample(BaseModel):
    items: list[SampleRow]


class RejectedRow(BaseModel):
    place: int = Field(description="Line or row number in the source, from 1.")
    reason: str
    text: str


class Rejects(BaseModel):
    rejected: int = Field(
        description="All of them; `items` are the first few thousand. With a time range, rows without a time are among them."
    )
    items: list[RejectedRow]


class FileOut(BaseModel):
    path: str = Field(description="Below the data folder's `files`.")
    is_folder: bool
    size: int | None = Field(description="Bytes; null for a folder.")
    modified_at: datetime


class FileList(BaseModel):
    items: list[FileOut]
    next: str | None = Field(description="The cursor of the next page, null on the last one.")


class ColumnOut(BaseModel):
    name: str
    kind: str
    declared: str
    indexed: bool


class SourceColumns(BaseModel):
    name: str
    format: str
    tables: list[str] = Field(description="The tables there are, where none was named and there are several.")
    columns: list[ColumnOut]
    usual: dict[str, str | None] = Field(description="Which column is probably text, id, source, author and time.")
    rows: int | None = Field(description="Where it is known without counting.")
    dialect: str | None = Field(description="How a text file is written, as found out.")
    preview: list[dict[str, str | None]] = Field(description="The first rows; long values are cut.")
