"""Rows of a source that cannot be split, written once as pieces that can be read again and again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import polars as pl

from labelmill.db.bulk.columns import check_distinct, pick_columns
from labelmill.db.bulk.file_source import FileSource, check_file
from labelmill.db.bulk.location import Location
from labelmill.db.bulk.model import Part, Reject, TableInfo
from labelmill.db.bulk.sink import save_file, save_parquet, writing
from labelmill.errors import BadFile, BadSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from labelmill.db.bulk.model import Source, TimeRange

#: Bytes beyond which a piece ends before it has its rows, so that one fits in memory.
PIECE_BYTES = 64 << 20
#: Written last: a folder without it is not complete.
LIST = "spool.json"


def spool(source: Source, columns: Sequence[str], folder: Path, rows: int) -> tuple[Part, ...]:
    """Write the source's rows to ``folder`` as pieces of at most ``rows`` rows, and what it refused; return the parts to read them by.

    A folder that is complete is not written again, one that is not starts anew: so a step that was interrupted can just be repeated.
    """
    if (folder / LIST).exists():
        return _parts(_read_list(folder, columns))
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    sizes = []
    for number, piece in enumerate(_pieces(source.read(columns), rows)):
        save_parquet(_piece_path(folder, number), piece)
        sizes.append(piece.height)
    rejects = [asdict(reject) for reject in source.rejects]
    content = {"columns": list(columns), "pieces": sizes, "rejected": source.rejected, "rejects": rejects}
    save_file(folder / LIST, json.dumps(content).encode())
    return _parts(content)


def open_spool(folder: Path, table: TableInfo) -> SpooledSource:
    """Return the pieces in ``folder`` as a source; ``table`` describes the source that they came from."""
    return SpooledSource(folder, table)


class SpooledSource(FileSource):
    def __init__(self, folder: Path, table: TableInfo) -> None:
        super().__init__(Location(format="parquet", path=folder))
        content = _read_list(folder, None)
        self._content = content
        self._table = TableInfo(
            name=table.name,
            schema=table.schema,
            columns=tuple(column for column in table.columns if column.name in content["columns"]),
            rows=sum(content["pieces"]),
        )
        self._refuse(Reject(**reject) for reject in content["rejects"])
        self._rejected = content["rejected"]

    @property
    def table(self) -> TableInfo:
        return self._table

    def plan(self, rows: int, time: TimeRange | None = None) -> tuple[Part, ...]:
        """Return one part a piece: how many rows one has was decided when it was written."""
        del rows, time
        return _parts(self._content)

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072) -> Iterator[pl.DataFrame]:
        for name in columns:
            self.table.column(name)
        check_distinct(columns, str(self.path))
        for each in (part,) if part else _parts(self._content):
            yield from self._piece(each, columns).iter_slices(batch_rows)

    def _piece(self, part: Part, columns: Sequence[str]) -> pl.DataFrame:
        path = _piece_path(self.path, part.bounds["piece"])
        check_file(path)
        try:
            frame = pick_columns(pl.scan_parquet(path, glob=False), columns).collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise _damaged(path) from error
        if frame.height != part.rows:
            raise _damaged(path)
        return frame


def _pieces(frames: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """Cut and join frames into pieces of ``rows`` rows, or fewer where these are large."""
    held: list[pl.DataFrame] = []
    for frame in frames:
        held.append(frame)
        while sum(each.height for each in held) >= rows:
            whole = pl.concat(held)
            yield whole.head(rows)
            held = [whole.slice(rows)]
        if sum(each.estimated_size() for each in held) > PIECE_BYTES:
            yield pl.concat(held)
            held = []
    if any(each.height for each in held):
        yield pl.concat(held)


def _parts(content: dict[str, Any]) -> tuple[Part, ...]:
    return tuple(
        Part(name=f"piece-{number}", bounds={"piece": number, "rows": size}, rows=size)
        for number, size in enumerate(content["pieces"])
    )


def _read_list(folder: Path, columns: Sequence[str] | None) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((folder / LIST).read_bytes())
    except FileNotFoundError as error:
        raise BadSource("The spool is not complete.", where=str(folder), way_out="Spool the source again.") from error
    except ValueError as error:
        raise _damaged(folder / LIST) from error
    if columns is not None and content["columns"] != list(columns):
        raise BadSource(
            f"The spool holds other columns: {', '.join(content['columns'])}.", where=str(folder), way_out="Use a new folder."
        )
    return content


def _piece_path(folder: Path, number: int) -> Path:
    return folder / f"piece-{number:06d}.parquet"


def _damaged(path: Path) -> BadFile:
    return BadFile(
        "A piece of the spool is damaged.", where=str(path), way_out="Delete the folder, and spool the source again."
    )
