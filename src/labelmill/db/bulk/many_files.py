"""Several files of one format as one source: their rows one file after another, in the order of the files' names.

What one step reads is one file of perhaps thousands, so nothing is looked for or opened before it is needed. The set of files is
fixed by ``plan``: each part names its files.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from labelmill.db.bulk.delimited import FileOptions
from labelmill.db.bulk.file_source import FileSource
from labelmill.db.bulk.files import open_file
from labelmill.db.bulk.location import file_at, format_of
from labelmill.db.bulk.model import Column, Kind, Part, TableInfo
from labelmill.errors import BadSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import TimeRange

#: Files of each format that an error names.
SHOWN = 3
#: Parts of files that are joined to one part at most.
MOST_JOINED = 100
_READ_AS_TEXT = frozenset({Kind.TEXT, Kind.OTHER})
_DETECT = FileOptions()


class ManyFiles(FileSource):
    """Columns are those of the first file, and every file has them, in any order. Lines of JSON may leave keys out, and so may files of them."""

    def __init__(self, location: Location, options: FileOptions = _DETECT) -> None:
        super().__init__(location)
        if location.pattern is None:
            raise BadSource("This is no pattern of files.", where=str(location))
        self._pattern = location.pattern
        self._options = options
        self._held: dict[str, FileSource] = {}

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The files' names, relative to the pattern's fixed folder; raises BadSource where there is none, or several formats."""
        found = self._pattern.files()
        formats: dict[str, list[str]] = {}
        for file in found:
            formats.setdefault(format_of(self._pattern.path_of(file)) or "unknown", []).append(file)
        if len(formats) > 1 or "unknown" in formats:
            listed = "; ".join(f"{name} ({len(files):,}): {_some(files)}" for name, files in sorted(formats.items()))
            raise BadSource(
                f"The files are not all of one format that is known. {listed}.",
                where=str(self._pattern),
                way_out="End the pattern with the ending of one format, such as *.csv or *.csv.gz.",
            )
        self.location = replace(self.location, format=next(iter(formats)))
        return found

    @cached_property
    def table(self) -> TableInfo:
        """Look at every file; raises BadSource where one has other columns than the first."""
        return self._columns.table(self.location.name)

    def plan(self, rows: int, time: TimeRange | None = None) -> tuple[Part, ...] | None:
        """Return the parts of every file, those of small files joined, or None where one of the files cannot be split."""
        joined: list[list[dict[str, Any]]] = []
        room = 0
        for file in self._columns.files:
            planned = self._open(file).plan(rows, time)
            if planned is None:
                return None
            for part in planned:
                if not joined or part.rows > room or len(joined[-1]) == MOST_JOINED:
                    joined.append([])
                    room = max(rows, part.rows)
                joined[-1].append({"file": file, **vars(part)})
                room -= part.rows
        return tuple(map(_join, joined))

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072) -> Iterator[pl.DataFrame]:
        """Yield frames as every source does. A part's frames have the types of their own file; without a part all have the same."""
        if part is not None:
            self._rejects, self._rejected = [], 0
            for file, own in self._planned(part):
                yield from self._read_file(file, columns, own, batch_rows)
            return
        self._begin(columns, None)
        targets = {name: self._columns.target(name) for name in columns}
        for file in self.files:
            for frame in self._read_file(file, columns, None, batch_rows):
                yield pl.DataFrame([_as(frame.get_column(name), target) for name, target in targets.items()])

    @cached_property
    def _columns(self) -> _Columns:
        files = self.files
        columns = _Columns(optional=self.location.format == "jsonl")
        for file in files:
            columns.add(file, self._open(file).table, where=str(self._pattern.path_of(file)))
        return columns

    def _planned(self, part: Part) -> Iterator[tuple[str, Part]]:
        """Yield the files that a part is of, each with its part there; raises BadSource for one that is not there any more."""
        if "of" not in part.bounds:
            raise BadSource(
                "This part was planned for one file, not for a pattern.", where=str(self.path), way_out="Plan the work again."
            )
        for own in part.bounds["of"]:
            path = self._pattern.path_of(own["file"])
            if not path.exists():
                raise BadSource(
                    "This file was there when the work was planned, and is gone now.",
                    where=str(path),
                    way_out="Put it back and go on, or start again with the files that are left.",
                )
            yield own["file"], Part(name=own["name"], bounds=own["bounds"], rows=own["rows"])

    def _read_file(self, file: str, columns: Sequence[str], part: Part | None, batch_rows: int) -> Iterator[pl.DataFrame]:
        source = self._open(file)
        there = {column.name for column in source.table.columns}
        lacking = [name for name in columns if name not in there]
        if lacking and source.location.format != "jsonl":
            raise _lacks(lacking[0], file, str(source.path))
        # Of a file with none of the columns any other one is read, so that its rows are counted.
        wanted = [name for name in columns if name in there] or sorted(there)[:1]
        try:
            for frame in source.read(wanted, part, batch_rows=batch_rows):
                yield _filled(frame, columns) if lacking else frame
        finally:
            self._refuse(replace(reject, reason=f"{file}: {reject.reason}") for reject in source.rejects)
            self._rejected += source.rejected - len(source.rejects)

    def _open(self, file: str) -> FileSource:
        if file in self._held:
            return self._held[file]
        source = open_file(file_at(self._pattern.path_of(file)), options=self._options)
        if source.location.format == "jsonl":
            # Its columns are known only after reading all of it: that is not done twice. Others are opened again in no time.
            self._held[file] = source
        return source


class _Columns:
    """The columns that the files have in common, and which kinds of values each has among them."""

    def __init__(self, *, optional: bool) -> None:
        self.files: list[str] = []
        self._optional = optional
        self._first: dict[str, Column] = {}
        self._seen: dict[str, set[tuple[Kind, str]]] = {}
        self._files_with: Counter[str] = Counter()
        self._rows: int | None = 0

    def add(self, file: str, table: TableInfo, *, where: str) -> None:
        """Add a file; raises BadSource where its columns are not those of the first."""
        columns = {column.name: column for column in table.columns}
        if self.files and not self._optional:
            self._check(file, columns, where)
        for name, column in columns.items():
            self._first.setdefault(name, column)
            # The declared type of JSON only lists what was found: what is read follows from the kind.
            self._seen.setdefault(name, set()).add((column.kind, "" if self._optional else column.declared))
        self._files_with.update(columns.keys())
        self._rows = None if self._rows is None or table.rows is None else self._rows + table.rows
        self.files.append(file)

    def table(self, name: str) -> TableInfo:
        return TableInfo(name=name, schema=None, columns=tuple(map(self._column, self._first.values())), rows=self._rows)

    def target(self, name: str) -> pl.DataType | None:
        """Return the type in which the values of all files come, None where each file's own is that of the others."""
        # What is neither number, time nor bytes is read as text; so is nothing, where a file lacks the column.
        types = {(Kind.TEXT, "") if kind in _READ_AS_TEXT else (kind, declared) for kind, declared in self._seen[name]}
        if self._files_with[name] < len(self.files):
            types.add((Kind.TEXT, ""))
        if len(types) == 1:
            return None
        return pl.Binary() if any(kind is Kind.BYTES for kind, _ in types) else pl.String()

    def _column(self, column: Column) -> Column:
        target = self.target(column.name)
        if target is None:
            return column
        declared = " or ".join(sorted({declared or str(kind) for kind, declared in self._seen[column.name]}))
        return Column(name=column.name, kind=Kind.BYTES if target == pl.Binary() else Kind.TEXT, declared=declared)

    def _check(self, file: str, columns: dict[str, Column], where: str) -> None:
        lacking = next((name for name in self._first if name not in columns), None)
        if lacking is not None:
            raise _lacks(lacking, file, where)
        more = next((name for name in columns if name not in self._first), None)
        if more is not None:
            raise BadSource(
                f"{file} has the column {more!r}, which {self.files[0]} has not.",
                where=where,
                way_out="Files of one pattern have the same columns, in any order: name fewer files, or write this one again.",
            )


def _join(parts: list[dict[str, Any]]) -> Part:
    first = parts[0]
    return Part(name=f"{first['file']} {first['name']}", bounds={"of": parts}, rows=sum(part["rows"] for part in parts))


def _lacks(column: str, file: str, where: str) -> BadSource:
    return BadSource(
        f"{file} has no column {column!r}.",
        where=where,
        way_out="Files of one pattern have the same columns, in any order: name fewer files, or write this one again.",
    )


def _some(files: list[str]) -> str:
    return ", ".join(files[:SHOWN]) + (", ..." if len(files) > SHOWN else "")


def _filled(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, frame.height)
    return pl.DataFrame([frame.get_column(name) if name in frame.columns else nothing.alias(name) for name in columns])


def _as(values: pl.Series, target: pl.DataType | None) -> pl.Series:
    """Return the values as text or bytes, moments with their zone spelled as numbers."""
    if target is None or values.dtype == target:
        return values
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
        values = values.dt.convert_time_zone("UTC").dt.to_string("iso")
    return values.cast(pl.String, strict=False).cast(target)
