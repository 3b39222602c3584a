"""Rows to a file that is there whole or not at all.

The file is made under another name in the same folder, brought to the disk and then renamed. What does not fit one frame is first
written as Parquet pieces and then joined as a stream, so memory stays bounded whatever the size.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl

from labelmill.db.bulk.columns import pick_columns
from labelmill.db.bulk.location import file_at
from labelmill.errors import BadSource, Conflict, Unavailable
from labelmill.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

#: Bytes of frames that are gathered before they are written as one piece.
PIECE_BYTES = 48 << 20
ROW_GROUP_ROWS = 120_000
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: How polars spells an error of the operating system.
_SYSTEM_ERROR = re.compile(r"os error (\d+)")
#: What a spreadsheet takes for the start of a formula.
_FORMULA = r"^[=+\-@\t\r]"


def check_target(path: Path, *, overwrite: bool) -> None:
    """Raise what ``write_file`` would, before any work is done.

    BadSource for a folder, an ending that cannot be written (of an unknown format, a database, or packed with gzip) or a folder that
    is not there; Conflict where the file exists and ``overwrite`` is not said.
    """
    location = file_at(path)
    if not location.is_file or path.suffix.lower() == ".gz":
        raise BadSource(
            "A file with this ending cannot be written.", where=str(path), way_out="Name a .parquet, .csv, .tsv or .jsonl file."
        )
    if path.is_dir():
        raise BadSource("This is a folder, not a file.", where=str(path), way_out="Name a file in it.")
    if not path.parent.is_dir():
        raise BadSource("There is no such folder to write to.", where=str(path.parent), way_out="Make it, or name another.")
    if path.exists() and not overwrite:
        raise Conflict(
            "The file exists already.",
            where=str(path),
            way_out="Say --overwrite, or name another file.",
        )


def write_file(
    path: Path, frames: Iterable[pl.DataFrame], schema: pl.Schema, *, overwrite: bool = False, defuse: bool = False
) -> int:
    """Write the frames, all of ``schema``, to a Parquet, CSV, TSV or JSONL file, by its ending; return the number of rows.

    No frame at all still makes a file with its header or schema. ``defuse`` is for CSV and TSV that people open in a spreadsheet: a
    text or header that starts with ``= + - @``, tab or CR gets an apostrophe before it, so that it is not run as a formula. It
    changes the data, so files for machines are written without. NaN and infinities become null in JSONL, which has no words for them.

    Raise Conflict where the file exists and ``overwrite`` is not said, BadSource for a folder or ending that cannot be written,
    Unavailable for a full disk. After any failure the old file is whole and nothing else is left.
    """
    check_target(path, overwrite=overwrite)
    with _pieces_folder(path) as folder, writing(path):
        rows, pieces, kept = _write_pieces(folder, frames, schema)
        if pieces:
            _write_piece(folder, pieces, kept)
            lazy = pl.scan_parquet(sorted(pieces), glob=False)
        else:
            lazy = pl.concat(kept).lazy() if kept else pl.DataFrame(schema=schema).lazy()
        _finish(path, lazy, overwrite=overwrite, defuse=defuse)
    return rows


def concat_parts(
    parts: Sequence[Path], path: Path, *, columns: Sequence[str] | None = None, overwrite: bool = False, defuse: bool = False
) -> None:
    """Join Parquet files of one schema, in order, into one file of any format, as a stream; as durable as ``write_file``.

    ``columns`` chooses and orders the columns; None takes all.
    """
    if not parts:
        raise BadSource(
            "There are no parts to join.", where=str(path), way_out="Use write_file to make an empty file with a schema."
        )
    check_target(path, overwrite=overwrite)
    with writing(path):
        lazy = pl.scan_parquet(list(parts), glob=False)
        _finish(path, lazy if columns is None else pick_columns(lazy, columns), overwrite=overwrite, defuse=defuse)


def save_file(path: Path, content: bytes) -> None:
    """Put a small file in place, durably, over whatever was there."""
    temporary = _temporary(path)
    try:
        with writing(path):
            temporary.write_bytes(content)
            _put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Put one frame in place as a Parquet file, durably, over whatever was there."""
    temporary = _temporary(path)
    try:
        with writing(path):
            frame.write_parquet(temporary, compression="lz4", row_group_size=ROW_GROUP_ROWS)
            _put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_pieces(
    folder: Path, frames: Iterable[pl.DataFrame], schema: pl.Schema
) -> tuple[int, list[Path], list[pl.DataFrame]]:
    """Return the rows, the pieces that were written, and the last frames, which were not."""
    rows, size = 0, 0
    pieces: list[Path] = []
    kept: list[pl.DataFrame] = []
    for frame in frames:
        if frame.schema != schema:
            raise BadSource(f"A frame has the schema {frame.schema}, not {schema}.", where=str(folder.parent))
        rows, size = rows + frame.height, size + int(frame.estimated_size())
        kept.append(frame)
        if size > PIECE_BYTES:
            _write_piece(folder, pieces, kept)
            kept, size = [], 0
    return rows, pieces, kept


def _write_piece(folder: Path, pieces: list[Path], kept: list[pl.DataFrame]) -> None:
    if kept:
        folder.mkdir(exist_ok=True)
        pieces.append(folder / f"{len(pieces):06d}.parquet")
        pl.concat(kept).write_parquet(pieces[-1], compression="lz4", row_group_size=ROW_GROUP_ROWS, statistics=False)


def _finish(path: Path, lazy: pl.LazyFrame, *, overwrite: bool, defuse: bool) -> None:
    temporary = _temporary(path)
    try:
        _sink(lazy, temporary, file_at(path).format, defuse=defuse)
        check_target(path, overwrite=overwrite)
        _put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _sink(lazy: pl.LazyFrame, path: Path, form: str, *, defuse: bool) -> None:
    if form == "parquet":
        # The lightest packing of this kind: a tenth larger than the usual one, and made in two thirds of its time.
        lazy.sink_parquet(path, compression="zstd", compression_level=1, row_group_size=ROW_GROUP_ROWS)
    elif form == "jsonl":
        lazy.sink_ndjson(path, check_extension=False)
    else:
        lazy = _defused(lazy) if defuse else lazy
        _visible_blanks(lazy).sink_csv(path, separator="\t" if form == "tsv" else ",", check_extension=False)


def _defused(lazy: pl.LazyFrame) -> pl.LazyFrame:
    texts = pl.col(pl.String)
    names = lazy.collect_schema().names()
    risky = pl.Series(names, dtype=pl.String).str.contains(_FORMULA)
    return lazy.with_columns(pl.when(texts.str.contains(_FORMULA)).then("'" + texts).otherwise(texts).name.keep()).rename(
        {name: f"'{name}" for name, is_risky in zip(names, risky, strict=True) if is_risky}
    )


def _visible_blanks(lazy: pl.LazyFrame) -> pl.LazyFrame:
    """A null in the only column would be a blank line, which nobody reads as a row: write an empty text."""
    return lazy.select(pl.all().cast(pl.String).fill_null("")) if len(lazy.collect_schema()) == 1 else lazy


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{new_id()}.tmp")


@contextmanager
def _pieces_folder(path: Path) -> Iterator[Path]:
    folder = _temporary(path)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write into Unavailable or BadSource; polars wraps some of them in an error of its own."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(path, error) from error
    except pl.exceptions.ComputeError as error:
        number = _SYSTEM_ERROR.search(str(error))
        if number is None:
            raise
        raise _cannot_write(path, OSError(int(number[1]), os.strerror(int(number[1])))) from error


def _cannot_write(path: Path, error: OSError) -> Unavailable | BadSource:
    number = _SYSTEM_ERROR.search(str(error))
    if (int(number[1]) if number else error.errno) in _FULL:
        return Unavailable(
            f"There is no room to write the file in the folder {path.parent}.",
            where=str(path),
            way_out="Free some space on the disk, then try again.",
        )
    if isinstance(error, PermissionError):
        return BadSource(
            "The file may not be written.",
            where=str(path),
            way_out="Give the user that runs labelmill the right to write there.",
        )
    return Unavailable(
        f"The file cannot be written: {error.strerror or error}.", where=str(path), way_out="Check the disk, then try again."
    )


def _put_in_place(temporary: Path, path: Path) -> None:
    _sync(temporary)
    temporary.replace(path)
    if os.name == "posix":
        _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor: Any = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
