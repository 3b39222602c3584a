"""JSON Lines as a source of rows: one object a line, its keys are columns.

The file is read twice: first to learn all keys and the kinds of all their values, so that a key or a kind that turns up late is
neither lost nor different from one frame to the next; then for the rows.
"""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from labelmill.db.bulk.file_source import FileSource
from labelmill.db.bulk.json_rows import INT64, LineParser
from labelmill.db.bulk.model import Column, Kind, TableInfo
from labelmill.db.bulk.text_blocks import LINE_LIMIT, byte_chunks
from labelmill.errors import BadFile, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import Part

KEY_LIMIT = 10_000
_EXACT_REAL = 2**53
_BLOCK_ROWS = 32_768
_SIMPLE = {str: Kind.TEXT, int: Kind.INTEGER, float: Kind.REAL, bool: Kind.BOOLEAN}
_POLARS: dict[Kind, type[pl.DataType]] = {Kind.INTEGER: pl.Int64, Kind.REAL: pl.Float64, Kind.BOOLEAN: pl.Boolean}


class JsonLinesFile(FileSource):
    def __init__(self, location: Location) -> None:
        super().__init__(location)
        start = next(byte_chunks(self.path), b"")[:4]
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise BadFile(
                "JSON Lines are UTF-8; this file is UTF-16.", where=str(self.path), way_out="Write it again as UTF-8."
            )

    @cached_property
    def table(self) -> TableInfo:
        """Read the whole file once; raise BadFile where no line of it is a JSON object, TooLarge beyond 10,000 keys."""
        kinds = _Kinds()
        rows = refused = 0
        first = ""
        parser = LineParser()
        for lines, line in self._blocks():
            objects, rejects = parser.parse(lines, line)
            kinds.add(objects)
            rows, refused = rows + len(objects), refused + len(rejects)
            first = first or (f"Line {rejects[0].place:,}: {rejects[0].reason}." if rejects else "")
            if len(kinds.types) > KEY_LIMIT:
                raise self._too_large(
                    f"The rows have more than {KEY_LIMIT:,} different keys.", "Nest the keys in one object, or leave some out."
                )
        if not rows:
            raise BadFile(
                f"No line is a JSON object. {first}".strip(), where=str(self.path), way_out="Write one object a line, as UTF-8."
            )
        columns = tuple(Column(name=name, kind=kinds.kind(name), declared=kinds.declared(name)) for name in kinds.types)
        return TableInfo(name=self.location.name, schema=None, columns=columns, rows=rows)

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072) -> Iterator[pl.DataFrame]:
        self._begin(columns, part)
        kinds = {name: self.table.column(name).kind for name in columns}
        parser = LineParser()
        for lines, line in self._blocks():
            objects, places, rejects = parser.placed(lines, line)
            self._refuse(rejects)
            try:
                frame = pl.DataFrame([_series(name, objects, kind) for name, kind in kinds.items()])
            except TypeError as error:
                raise BadFile(
                    f"The values at or after line {line:,} are of another kind than when the file was inspected: it was changed.",
                    where=str(self.path),
                    way_out="Open it again.",
                ) from error
            yield from self._placed(frame, places, batch_rows)

    def _blocks(self) -> Iterator[tuple[list[bytes], int]]:
        """Yield some lines and the number of the first."""
        line, lines = 1, self._lines()
        while block := list(islice(lines, _BLOCK_ROWS)):
            yield block, line
            line += len(block)

    def _lines(self) -> Iterator[bytes]:
        held, started = b"", False
        for chunk in byte_chunks(self.path):
            *whole, rest = (chunk if started else chunk.removeprefix(b"\xef\xbb\xbf")).split(b"\n")
            started = True
            if whole:
                whole[0] = held + whole[0]
                yield from whole
                held = rest
            else:
                held += rest
            if len(held) > LINE_LIMIT:
                raise self._too_large(f"A line is longer than {LINE_LIMIT:,} bytes.", "Write one object a line.")
        if held:
            yield held

    def _too_large(self, message: str, way_out: str) -> TooLarge:
        return TooLarge(message, where=str(self.path), way_out=way_out)


class _Kinds:
    """The Python types seen under each key, in the order in which the keys turned up."""

    def __init__(self) -> None:
        self.types: dict[str, set[type]] = {}
        self._large: set[str] = set()

    def add(self, rows: list[dict[str, Any]]) -> None:
        for keys in set(map(tuple, rows)):
            for key in keys:
                self.types.setdefault(key, set())
        if len(self.types) > KEY_LIMIT:
            return
        for key, types in self.types.items():
            values = [row.get(key) for row in rows]
            found = set(map(type, values)) - {type(None)}
            types.update(found)
            if int in found and any(abs(value) > _EXACT_REAL for value in values if isinstance(value, int)):
                self._large.add(key)

    def kind(self, key: str) -> Kind:
        types = self.types[key]
        if types == {int, float}:
            return Kind.TEXT if key in self._large else Kind.REAL
        if types <= {dict, list} and types:
            return Kind.OTHER
        return _SIMPLE.get(next(iter(types)), Kind.TEXT) if len(types) == 1 else Kind.TEXT

    def declared(self, key: str) -> str:
        return " or ".join(sorted(kind.__name__ for kind in self.types[key])) or "null"


def _series(name: str, rows: list[dict[str, Any]], kind: Kind) -> pl.Series:
    values = [row.get(name) for row in rows]
    if kind in _POLARS:
        return pl.Series(name, values, dtype=_POLARS[kind], strict=kind is not Kind.REAL)
    if set(map(type, values)) <= {str, type(None)}:
        return pl.Series(name, values, dtype=pl.String)
    return pl.Series(name, list(map(_as_text, values)), dtype=pl.String)


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > INT64:
        return str(value)
    return orjson.dumps(value).decode()
