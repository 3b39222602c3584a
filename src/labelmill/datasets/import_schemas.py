"""What goes over HTTP about imports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from labelmill.datasets.imports import LabelUse, Mapping, Preview, usual_mapping
from labelmill.datasets.model import RecordKind
from labelmill.db.bulk.files import FileOptions
from labelmill.jobs.model import Job, JobState

Name = Annotated[str, Field(min_length=1, max_length=1024)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ImportSource(_In):
    """An upload, a file below the data folder's `files`, or a table of a named connection."""

    upload: str | None = Field(default=None, pattern="^[0-9a-f]{32}$", description="What an upload answered.")
    path: Name | None = Field(default=None, examples=["posts.csv"])
    sheet: Name | None = Field(default=None, description="Of a spreadsheet; the first one where it is left out.")
    connection: Name | None = None
    schema_name: Name | None = Field(default=None, alias="schema")
    table: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.upload, self.path, self.connection)) != 1:
            raise ValueError("give one of upload, path and connection")
        return self

    def reference(self) -> dict[str, Any]:
        """Return the reference that a job keeps."""
        if self.connection is not None:
            return {"connection": self.connection, "schema": self.schema_name, "table": self.table}
        if self.upload is not None:
            return {"upload": self.upload} | ({"sheet": self.sheet} if self.sheet else {})
        path = f"{self.path}::{self.table}" if self.table else self.path
        return {"path": path} | ({"sheet": self.sheet} if self.sheet else {})


class FileIn(_In):
    """How a text file is written, where that is not to be found out."""

    encoding: Name | None = None
    separator: str | None = Field(default=None, max_length=1)
    quoting: bool | None = None

    def options(self) -> FileOptions:
        return FileOptions(**self.model_dump())


class LookIn(_In):
    source: ImportSource
    file: FileIn = FileIn()


class NewImport(LookIn):
    """What the columns mean; where no columns are named, what a preview guesses holds."""

    columns: list[Name] | None = Field(
        default=None, max_length=1000, description="The column with the text, several, or the fields of a row."
    )
    id_column: Name | None = None
    label_column: Name | None = None
    label_use: LabelUse = LabelUse.INIT
    label_separator: str | None = Field(default=None, min_length=1, max_length=10)
    annotator_column: Name | None = None
    annotator: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(default=None, description="Of all labels.")
    time_column: Name | None = None

    def mapping(self, kind: RecordKind, preview: Preview) -> Mapping:
        """Return the mapping that is asked for, or the one that is guessed where no columns are named."""
        if self.columns is None:
            return usual_mapping(preview, kind)
        values = self.model_dump(exclude={"source", "file", "columns"})
        return Mapping(kind=kind, columns=tuple(self.columns), **values)


class MappingOut(BaseModel):
    kind: RecordKind
    columns: list[str]
    id_column: str | None
    label_column: str | None
    label_use: LabelUse
    label_separator: str | None
    annotator_column: str | None
    annotator: str | None
    time_column: str | None


class ImportColumn(BaseModel):
    name: str
    kind: str


class PreviewOut(BaseModel):
    """What a source shows, and what its columns probably mean."""

    name: str
    format: str
    dialect: str = Field(description="Encoding, separator, quotes and line ends of a text file.")
    encoding: str | None
    columns: list[ImportColumn]
    rows: list[dict[str, str | None]] = Field(description="The first ones, each value as text and cut where it is long.")
    total: int | None = Field(description="Null where they were not counted.")
    mapping: MappingOut

    @classmethod
    def of(cls, preview: Preview, mapping: Mapping) -> Self:
        columns = [ImportColumn(name=column.name, kind=column.kind) for column in preview.columns]
        return cls(
            name=preview.name, format=preview.format, dialect=preview.dialect, encoding=preview.encoding, columns=columns,
            rows=list(preview.rows), total=preview.total, mapping=MappingOut(**mapping.as_dict()),
        )  # fmt: skip


class UploadOut(BaseModel):
    upload: str = Field(description="For `source.upload`; it is kept for three days, or until its import has ended.")
    preview: PreviewOut


class ImportOut(BaseModel):
    """An import: its job, and what became of its rows."""

    id: str
    state: JobState
    title: str
    created_at: datetime
    finished_at: datetime | None
    done: int
    total: int | None
    rows: int = Field(description="Rows that could be read and used.")
    added: int
    known: int = Field(description="Rows that were there already.")
    init: int
    answers: int
    repeated: int = Field(description="Earlier answers of the same annotator to the same record.")
    conflicts: int = Field(description="Rows whose id is there with another content, which stays.")
    rejected: int
    labels: int
    error: dict[str, Any] | None

    @classmethod
    def of(cls, job: Job, figures: dict[str, int]) -> Self:
        same = {
            name: getattr(job, name) for name in ("id", "state", "title", "created_at", "finished_at", "done", "total", "error")
        }
        return cls(**same, **figures)


class ImportPage(BaseModel):
    items: list[ImportOut]
    next: str | None = None


class ImportReject(BaseModel):
    place: int = Field(description="The line or row of the source, from 1.")
    reason: str
    text: str


class ImportRejects(BaseModel):
    rejected: int
    items: list[ImportReject] = Field(description="The first few thousand.")
