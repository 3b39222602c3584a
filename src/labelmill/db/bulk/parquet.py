"""Parquet as a source of rows.

Parts are slices by row number. Measured: polars skips the pages before a slice without decoding them, so that a slice of one large
row group costs about a tenth of decoding that whole group on top of its own rows. That stays cheap for up to some sixteen slices of a group.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from labelmill.db.bulk.file_source import FileSource, cannot_read
from labelmill.db.bulk.model import Column, Kind, Part, TableInfo
from labelmill.db.bulk.parquet_footer import check_pages, read_footer
from labelmill.errors import BadFile, BadSource, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import TimeRange
    from labelmill.db.bulk.parquet_footer import RowGroup

COLUMN_LIMIT = 10_000
#: A row group with more parts than this is not split: each part would skip too much.
PARTS_OF_GROUP = 16
SLICE_ROWS = 262_144
SLICE_BYTES = 64 << 20  # unpacked
_WAY_OUT = "Write or copy the file again; what made it may have been interrupted."


class ParquetFile(FileSource):
    def __init__(self, location: Location) -> None:
        super().__init__(location)
        try:
            self._footer = read_footer(self.path)
        except OSError as error:
            raise cannot_read(self.path, error) from error
        self._schema = self._read_schema()
        self._checked: set[tuple[int, frozenset[str]]] = set()

    @cached_property
    def table(self) -> TableInfo:
        columns = tuple(Column(name=name, kind=kind_of(dtype), declared=str(dtype)) for name, dtype in self._schema.items())
        return TableInfo(name=self.location.name, schema=None, columns=columns, rows=self._footer.rows)

    def plan(self, rows: int, time: TimeRange | None = None) -> tuple[Part, ...] | None:
        """Return slices of ``rows`` rows, or None where a row group is so large that each slice would skip too much of it."""
        del time
        if any(group.rows > rows * PARTS_OF_GROUP for group in self._footer.groups):
            return None
        starts = range(0, self._footer.rows, rows)
        sizes = [min(rows, self._footer.rows - start) for start in starts]
        return tuple(
            Part(name=f"rows-{start}", bounds={"offset": start, "rows": size}, rows=size)
            for start, size in zip(starts, sizes, strict=True)
        )

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072) -> Iterator[pl.DataFrame]:
        self._begin(columns, None)
        self._check_types(columns)
        start, rows = self._bounds(part)
        step = self._step(columns)
        for offset in range(start, start + rows, step):
            frame = self._slice(columns, offset, min(step, start + rows - offset))
            yield from frame.iter_slices(batch_rows)

    def _check_types(self, columns: Sequence[str]) -> None:
        for name in columns:
            dtype = self._schema[name]
            if dtype.is_nested() and ("Binary" in str(dtype) or "Object" in str(dtype)):
                raise BadSource(
                    f"Column {name!r} has the type {dtype}: bytes inside nested values cannot be read.",
                    where=str(self.path),
                    way_out="Leave the column out, or write its bytes as a column of their own.",
                )

    def _bounds(self, part: Part | None) -> tuple[int, int]:
        if part is None:
            return 0, self._footer.rows
        start, rows = part.bounds["offset"], part.bounds["rows"]
        if start + rows > self._footer.rows:
            raise BadSource(
                f"The file has {self._footer.rows:,} rows now; part {part.name} needs {start + rows:,}.",
                where=str(self.path),
                way_out="The file was changed after the work was planned: plan it again.",
            )
        return start, rows

    def _step(self, columns: Sequence[str]) -> int:
        """Return how many rows are decoded at once, by the size that the footer gives for these columns."""
        size = sum(chunk.unpacked for group in self._footer.groups for chunk in group.chunks if chunk.name in columns)
        return max(1, min(SLICE_ROWS, SLICE_BYTES * self._footer.rows // max(size, 1)))

    def _slice(self, columns: Sequence[str], offset: int, rows: int) -> pl.DataFrame:
        wanted = frozenset(columns)
        for number, group in enumerate(self._footer.groups):
            if group.first < offset + rows and offset < group.first + group.rows:
                self._check_pages(number, group, wanted)
        places = {name: place for place, name in enumerate(self._schema)}
        expressions = [_readable(pl.nth(places[name]), self._schema[name]).alias(name) for name in columns]
        try:
            frame = pl.scan_parquet(self.path, glob=False).slice(offset, rows).select(expressions).collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise self._damaged(error, f"rows {offset + 1:,} to {offset + rows:,}") from error
        if frame.height != rows:
            raise BadFile(
                f"The file holds fewer rows than its footer claims ({self._footer.rows:,}).",
                where=str(self.path),
                way_out=_WAY_OUT,
            )
        return frame

    def _check_pages(self, number: int, group: RowGroup, columns: frozenset[str]) -> None:
        if (number, columns) not in self._checked:
            check_pages(self.path, group, columns)
            self._checked.add((number, columns))

    def _read_schema(self) -> pl.Schema:
        try:
            schema = pl.scan_parquet(self.path, glob=False).collect_schema()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise self._damaged(error, "its schema") from error
        if len(schema) > COLUMN_LIMIT:
            raise TooLarge(
                f"The file has {len(schema):,} columns; {COLUMN_LIMIT:,} are allowed.",
                where=str(self.path),
                way_out="Keep the columns needed.",
            )
        return pl.Schema(schema)

    def _damaged(self, error: BaseException, what: str) -> BadFile:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return BadFile(f"The Parquet file cannot be read at {what}: {reason}.", where=str(self.path), way_out=_WAY_OUT)


def kind_of(dtype: pl.DataType) -> Kind:
    """Return what kind of values labelmill reads a polars type as."""
    if dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128):
        return Kind.INTEGER
    if dtype.is_float():
        return Kind.REAL
    if isinstance(dtype, pl.Datetime | pl.Date):
        return Kind.DATETIME
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return Kind.TEXT
    return {pl.Boolean(): Kind.BOOLEAN, pl.Binary(): Kind.BYTES}.get(dtype, Kind.OTHER)


def _readable(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return the column as it is read: what is no plain value becomes text, nested values as JSON."""
    if dtype.is_nested():
        wrapped = pl.struct(column.alias("v")).struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
        return pl.when(column.is_not_null()).then(wrapped)
    if isinstance(dtype, pl.Duration):
        return column.dt.to_string("iso")
    return column.cast(pl.String) if kind_of(dtype) in (Kind.TEXT, Kind.OTHER) else column
