"""Rows as text: CSV and TSV for spreadsheets, with formulas defused, and the long form for programs, as it is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from labelmill.exports.columns import Columns
from labelmill.exports.writers import encoding
from labelmill.http.spreadsheet import FORMULA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelmill.blobs import Blobs
    from labelmill.exports.formats import Request
    from labelmill.exports.reading import Reading

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # spreadsheets guess wrong without one


def write_table(reading: Reading, request: Request, blobs: Blobs, *, separator: str) -> Iterator[bytes]:  # noqa: ARG001 - as every writer
    columns = Columns(reading, request.rows)
    yield _BYTE_ORDER_MARK + _text(defused(pl.DataFrame(schema=columns.schema)), separator, header=True)
    for piece in reading.slices():
        yield _text(defused(columns.frame(piece)), separator)


write_csv = partial(write_table, separator=",")
write_tsv = partial(write_table, separator="\t")


def write_long(reading: Reading, request: Request, blobs: Blobs) -> Iterator[bytes]:  # noqa: ARG001
    """Write task, worker and label of each label of each answer, without those answers that settle a tie."""
    yield b"task,worker,label\n"
    for piece in reading.slices():
        task = pl.coalesce("given_id", pl.col("record_id").cast(pl.String))
        given = piece.answers.filter(~pl.col("is_settling")).explode("labels").drop_nulls("labels")
        named = given.join(piece.records.select("record_id", "given_id"), on="record_id", how="left", maintain_order="left")
        yield _text(named.select(task=task, worker="annotator", label="labels"), ",")


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame without nested columns: votes as a JSON object, lists as JSON arrays, times in ISO form."""
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    texts = [(encoding.votes if name == "votes" else encoding.lists)(frame[name]).alias(name) for name in nested]
    times = [pl.nth(place).dt.to_string("iso:strict") for place, kind in enumerate(frame.dtypes) if kind.is_temporal()]
    return frame.with_columns(*texts, *times)


def defused(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a flat frame in which no text is a formula to a spreadsheet: such texts, and headings, get an apostrophe in front."""
    flattened = flat(frame)
    # By place: polars takes some names for patterns.
    texts = [(place, name) for place, (name, kind) in enumerate(flattened.schema.items()) if kind == pl.String]
    safe = flattened.with_columns(_defused(pl.nth(place)).alias(name) for place, name in texts)
    return safe.rename(lambda name: f"'{name}" if name.lstrip(" \ufeff").startswith(FORMULA) else name)


def _defused(column: pl.Expr) -> pl.Expr:
    formula = column.str.strip_chars_start(" \ufeff").str.slice(0, 1).is_in(FORMULA)
    return pl.when(formula).then(pl.concat_str(pl.lit("'"), column)).otherwise(column)


def _text(frame: pl.DataFrame, separator: str, *, header: bool = False) -> bytes:
    return frame.write_csv(include_header=header, separator=separator).encode("utf-8", "replace")
