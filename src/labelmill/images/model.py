"""What a catalogue is: a table of products by id, each with its image if there is one, in versions that never change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from labelmill.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime

LOAD: Final = "catalogue"
IMAGE_TASK: Final = "image-task"
#: The columns of every catalogue's file; those of its table follow as c0, c1 ...: a column of any name meets none of these.
ID, FILE = "id", "file"
LONGEST_NAME: Final = 100
#: What a load counts.
COUNTS: Final = ("rows", "rejected", "rows_without_image", "images_without_row")


class ColumnKind(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"


DTYPE: Final = {ColumnKind.TEXT: pl.String(), ColumnKind.INTEGER: pl.Int64(), ColumnKind.REAL: pl.Float64()}


@dataclass(frozen=True, kw_only=True)
class CatalogueColumn:
    """A column of the table, the id's left out. ``key`` is what the catalogue's file calls it."""

    key: str
    name: str
    kind: ColumnKind


@dataclass(frozen=True, kw_only=True)
class Version:
    """What one load of a catalogue found. ``id`` is that of its job."""

    id: str
    number: int
    made_at: datetime
    id_column: str
    columns: tuple[CatalogueColumn, ...]
    rows: int
    #: Rows of the table that were left out: broken lines, ids that are missing, repeated or no names of files.
    rejected: int
    rows_without_image: int
    images_without_row: int
    #: Where the images are, as a job keeps it.
    images: dict[str, Any]

    @property
    def blob(self) -> str:
        return f"catalogues/{self.id}.parquet"

    def column(self, name: str) -> CatalogueColumn:
        """Return the column of exactly this name, that of the id too; raises NotFound that says which ones there are."""
        if name == self.id_column:
            return CatalogueColumn(key=ID, name=name, kind=ColumnKind.TEXT)
        for column in self.columns:
            if column.name == name:
                return column
        known = ", ".join([self.id_column, *(column.name for column in self.columns)])
        raise NotFound(f"The catalogue has no column {name!r}.", where="where", way_out=f"The columns are: {known}.")


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    id: int
    name: str
    created_at: datetime
    #: The newest version; None until the first load is done.
    version: Version | None
