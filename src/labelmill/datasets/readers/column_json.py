"""Column-oriented JSON, as pandas writes it: ``{"data": {"0": "first text", "1": "second text"}, "label": {...}}``."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from labelmill.db.bulk.file_source import FileSource
from labelmill.db.bulk.json_rows import LineParser
from labelmill.db.bulk.model import Column, Kind, Reject, TableInfo
from labelmill.db.bulk.text_blocks import byte_chunks
from labelmill.errors import BadFile, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import Part

#: The whole file is one value, which has to be in memory at once.
MOST_BYTES = 256 << 20
_WAY_OUT = 'Write it like {"data": {"0": "first text", "1": "second text"}}, or as CSV or JSON Lines.'


class ColumnJsonFile(FileSource):
    """Rows are those of the first column, in the order of the file. Everything is text: ``"007"`` stays ``007``."""

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        self._columns = self._read()

    @cached_property
    def table(self) -> TableInfo:
        names = list(self._columns)
        columns = tuple(Column(name=name, kind=Kind.TEXT, declared="text") for name in names)
        return TableInfo(name=self.location.name, schema=None, columns=columns, rows=len(self._columns[names[0]]))

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072) -> Iterator[pl.DataFrame]:
        self._begin(columns, part)
        first = next(iter(self._columns.values()))
        series = []
        for name in columns:
            values = self._columns[name]
            series.append(pl.Series(name, [_as_text(values.get(row)) for row in first], dtype=pl.String))
        yield from pl.DataFrame(series).iter_slices(batch_rows)
        lost = [row for values in self._columns.values() for row in values if row not in first]
        self._refuse(
            Reject(place=0, reason="the first column has no row of this name", text=row[:100]) for row in dict.fromkeys(lost)
        )

    def _read(self) -> dict[str, dict[str, Any]]:
        found, rejects = LineParser().parse([self._text()], 1)
        if not found:
            raise self._bad(rejects[0].reason if rejects else "it is empty")
        columns = found[0]
        wrong = next((name for name, values in columns.items() if not isinstance(values, dict)), None)
        if wrong is not None or not columns:
            raise self._bad(f"{wrong!r} holds no rows" if wrong is not None else "it has no columns")
        return columns

    def _text(self) -> bytes:
        held, size = [], 0
        for chunk in byte_chunks(self.path):
            held.append(chunk)
            size += len(chunk)
            if size > MOST_BYTES:
                raise TooLarge(
                    f"One JSON value of more than {MOST_BYTES >> 20} MB has to be in memory at once.",
                    where=str(self.path),
                    way_out="Write it as CSV, JSON Lines or Parquet.",
                )
        return b"".join(held).removeprefix(b"\xef\xbb\xbf").replace(b"\n", b" ")

    def _bad(self, reason: str) -> BadFile:
        return BadFile(f"This is no column-oriented JSON: {reason}.", where=str(self.path), way_out=_WAY_OUT)


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
