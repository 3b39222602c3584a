"""What goes over HTTP about catalogues and image tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr, model_validator

from labelmill import clock
from labelmill.db.bulk.files import FileOptions
from labelmill.images.filters import Condition
from labelmill.images.formats import ImageFormat
from labelmill.images.model import LONGEST_NAME, Catalogue, CatalogueColumn, ColumnKind
from labelmill.images.task import CHUNK, MOST_CHUNK, Delivery, Pack
from labelmill.images.transforms import LONGEST_SIDE, Transform
from labelmill.jobs.model import Job, JobState, progress

#: Conditions of one query, and values that one column is to be one of.
MOST_CONDITIONS = 100
MOST_AMONG = 200
Name = Annotated[str, Field(min_length=1, max_length=300)]
Path = Annotated[str, Field(min_length=1, max_length=1024)]
Value = StrictInt | StrictFloat | Annotated[StrictStr, Field(max_length=1000)]


class _In(BaseModel):
    """Refuses what it does not know: a misspelt field must not be left out in silence."""

    model_config = ConfigDict(extra="forbid")


class TableIn(_In):
    """A file below the data folder's `files`, or a table of a named connection."""

    path: Path | None = Field(default=None, examples=["shop/styles.csv"])
    sheet: Name | None = Field(default=None, description="Of a spreadsheet; the first one where it is left out.")
    connection: Name | None = Field(default=None, description="The name of a connection.")
    schema_name: Name | None = Field(default=None, alias="schema")
    table: Name | None = Field(default=None, description="Of a connection, or of a SQLite file.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.connection is None):
            raise ValueError("give either a path or a connection")
        if self.path is not None and ("://" in self.path or "::" in self.path):
            raise ValueError("URLs are not taken here: name a file below the data folder's `files`, and its table in `table`")
        if (self.path is None and self.sheet) or (self.connection is None and self.schema_name):
            raise ValueError("a file has no schema, and a connection no sheet")
        return self

    def reference(self) -> dict[str, Any]:
        """Return the reference that a job keeps."""
        if self.path is None:
            return {"connection": self.connection, "schema": self.schema_name, "table": self.table}
        path = f"{self.path}::{self.table}" if self.table else self.path
        return {"path": path} | ({"sheet": self.sheet} if self.sheet else {})


class ImagesIn(_In):
    """A folder or a ZIP below the data folder's `files`."""

    path: Path = Field(examples=["shop/images"], description="With a file `<id>.jpg`, `.png` or `.webp` for each row.")


class TextFileIn(_In):
    """How a text file is written, where that is not to be found out."""

    encoding: Name | None = None
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    quoting: bool | None = None

    def options(self) -> FileOptions:
        return FileOptions(**self.model_dump())


class NewCatalogue(_In):
    """A catalogue to load: a new one, or a new version of the one of this name."""

    name: str = Field(
        min_length=1, max_length=LONGEST_NAME, pattern=r"^[^/\\]*$", examples=["fashion"], description="Without slashes."
    )
    table: TableIn
    images: ImagesIn
    id_column: Name | None = Field(default=None, description="The column with the ids; else `id`.")
    file: TextFileIn = TextFileIn()


class ProgressOut(BaseModel):
    done: int
    total: int | None = Field(description="In all, once it is known.")
    unit: str
    seconds: float = Field(description="Since it began.")
    rate: float | None = Field(description="Units a second since it began: of an image task images.")
    share: float | None = Field(description="From 0 to 1.")
    seconds_left: float | None

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(**vars(progress(job, clock.now())))


class LoadOut(BaseModel):
    """The load of a catalogue: a job, which `/v1/jobs/{id}` follows, cancels and retries."""

    id: str
    state: JobState
    created_at: datetime
    progress: ProgressOut
    error: dict[str, Any] | None

    @classmethod
    def of(cls, job: Job, error: dict[str, Any] | None) -> Self:
        return cls(id=job.id, state=job.state, created_at=job.created_at, progress=ProgressOut.of(job), error=error)


class LoadStarted(BaseModel):
    catalogue: str
    load: LoadOut


class CatalogueColumnOut(BaseModel):
    name: str
    kind: ColumnKind

    @classmethod
    def of(cls, column: CatalogueColumn) -> Self:
        return cls(name=column.name, kind=column.kind)


class CatalogueOut(BaseModel):
    """A catalogue and its newest version; without one its first load is not done."""

    id: int
    name: str
    created_at: datetime
    version: int | None
    made_at: datetime | None
    rows: int | None
    rejected: int | None = Field(description="Rows of the table that were left out.")
    rows_without_image: int | None
    images_without_row: int | None

    @classmethod
    def of(cls, one: Catalogue, **more: Any) -> Self:
        same = ("made_at", "rows", "rejected", "rows_without_image", "images_without_row")
        known = {name: getattr(one.version, name, None) for name in same}
        version = one.version.number if one.version else None
        return cls(id=one.id, name=one.name, created_at=one.created_at, version=version, **known, **more)


class CatalogueDetail(CatalogueOut):
    id_column: str | None
    columns: list[CatalogueColumnOut] = Field(description="Those that conditions can name, the id's left out.")
    load: LoadOut | None = Field(description="The last load, where it is not long ago.")


class CataloguePage(BaseModel):
    items: list[CatalogueOut]
    next: str | None = Field(description="The cursor of the next page, null on the last one.")


class RowCount(BaseModel):
    catalogue: str
    version: int
    rows: int = Field(description="Rows that meet all conditions.")


class ValueCount(BaseModel):
    value: int | float | str
    rows: int


class ColumnValues(BaseModel):
    """What a column holds in the rows that meet all conditions."""

    column: str
    kind: ColumnKind
    rows: int = Field(description="Rows that meet all conditions.")
    missing: int = Field(description="Those of them without a value.")
    distinct: int
    values: list[ValueCount] = Field(description="The most frequent ones.")


class RejectedRow(BaseModel):
    place: int = Field(description="Line or row number in the table, from 1.")
    reason: str
    text: str


class CatalogueRejects(BaseModel):
    rejected: int = Field(description="All of them; `items` are the first few thousand.")
    items: list[RejectedRow]


class ConditionIn(_In):
    """What is asked of one column. A row without a value meets no condition."""

    column: Name = Field(examples=["season"])
    among: Annotated[list[Value], Field(min_length=1, max_length=MOST_AMONG)] | None = Field(
        default=None, description="The value is one of these.", examples=[["Fall", "Winter"]]
    )
    least: Value | None = Field(default=None, description="The value is at least this.")
    most: Value | None = Field(default=None, description="The value is at most this.")
    holds: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="The text holds this, capitals or not."
    )

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if all(each is None for each in (self.among, self.least, self.most, self.holds)):
            raise ValueError("give among, least, most or holds")
        return self

    def condition(self) -> Condition:
        among = None if self.among is None else tuple(self.among)
        return Condition(column=self.column, among=among, least=self.least, most=self.most, holds=self.holds)


Equal = Annotated[
    dict[Name, Value | Annotated[list[Value], Field(min_length=1, max_length=MOST_AMONG)]], Field(max_length=MOST_CONDITIONS)
]


class TransformIn(_In):
    """Each image is turned upright, cropped at a random place, resized and written anew."""

    crop: float = Field(default=0.8, gt=0, le=1, description="The share of each side that stays.")
    width: int = Field(default=256, ge=1, le=LONGEST_SIDE)
    height: int = Field(default=256, ge=1, le=LONGEST_SIDE)
    format: ImageFormat = ImageFormat.JPEG
    quality: int = Field(default=75, ge=1, le=100)
    seed: int = Field(default=0, ge=-(2**63), le=2**63 - 1, description="The same seed gives the same crops.")

    def transform(self) -> Transform:
        return Transform(**self.model_dump())


class NewImageTask(_In):
    """Deliver the images of the rows that meet all conditions; without any, of all rows."""

    catalogue: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)] = Field(
        examples=["fashion"], description="Its name or number."
    )
    where: Equal | Annotated[list[ConditionIn], Field(max_length=MOST_CONDITIONS)] = Field(
        default={},
        description="What columns equal, one value or one of several; or a list of conditions.",
        examples=[{"gender": "Men", "season": ["Fall", "Winter"], "year": 2010}, [{"column": "year", "least": 2010}]],
    )
    transform: TransformIn | None = Field(default=None, description="Else images go as they are.")
    pack: Pack = Field(default=Pack.FOLDER, description="Single files, one ZIP, or shards for training as tar files.")
    chunk: int = Field(default=CHUNK, ge=1, le=MOST_CHUNK, description="Images of one step, and of one shard.")

    def conditions(self) -> list[Condition]:
        if isinstance(self.where, list):
            return [each.condition() for each in self.where]
        listed = {name: value if isinstance(value, list) else [value] for name, value in self.where.items()}
        return [Condition(column=name, among=tuple(values)) for name, values in listed.items()]

    def delivery(self) -> Delivery:
        """Return it with a place of labelmill's own: nobody names one over HTTP."""
        transform = None if self.transform is None else self.transform.transform()
        return Delivery(transform=transform, pack=self.pack, chunk=self.chunk)


class ImageTaskReport(BaseModel):
    """What became of the images; the first thousand that were skipped are listed, all of them in `skipped.csv`."""

    selected: int
    delivered: int
    skipped: int
    bytes: int
    reasons: dict[str, int] = Field(description="Why images were skipped, with counts.")
    skipped_images: list[dict[str, str]]


class ImageTaskOut(BaseModel):
    id: str
    title: str
    state: JobState
    catalogue: str | None = Field(description="Null where it was removed.")
    version: int | None = Field(description="The version of the catalogue that it began with.")
    where: list[dict[str, Any]]
    transform: TransformIn | None
    pack: Pack
    chunk: int
    created_at: datetime
    created_by: str | None
    started_at: datetime | None
    finished_at: datetime | None
    progress: ProgressOut
    error: dict[str, Any] | None

    @classmethod
    def of(cls, job: Job, catalogue: tuple[str, int] | None, error: dict[str, Any] | None, **more: Any) -> Self:
        """Return what is shown of a task; ``catalogue`` is its catalogue's name and version."""
        same = ("id", "title", "state", "created_at", "created_by", "started_at", "finished_at")
        name, version = catalogue or (job.params.get("name"), None)  # one that waits for a load has its name only
        asked = {each: job.params["delivery"][each] for each in ("transform", "pack", "chunk")}
        return cls(
            **{each: getattr(job, each) for each in same}, **asked, catalogue=name, version=version, where=job.params["where"],
            progress=ProgressOut.of(job), error=error, **more,
        )  # fmt: skip


class ImageTaskDetail(ImageTaskOut):
    report: ImageTaskReport | None = Field(description="Null until it has succeeded.")


class ImageTaskPage(BaseModel):
    items: list[ImageTaskOut]
    next: str | None = Field(description="The cursor of the next page, null on the last one.")


class DeliveredFile(BaseModel):
    name: str
    size: int = Field(description="Bytes.")


class DeliveredFiles(BaseModel):
    items: list[DeliveredFile]
    next: str | None = Field(description="The cursor of the next page, null on the last one.")
