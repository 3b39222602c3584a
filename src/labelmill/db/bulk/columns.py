"""Columns of frames by their exact names.

polars reads ``*`` and ``^...$`` as patterns wherever a column is named. In somebody's file they are names like any other, so columns
are asked for by their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import polars as pl

from labelmill.errors import BadSource

if TYPE_CHECKING:
    from collections.abc import Sequence


@overload
def pick_columns(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame: ...
@overload
def pick_columns(frame: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame: ...
def pick_columns(frame: pl.DataFrame | pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame | pl.LazyFrame:
    """Return the columns of these names, in this order; raise BadSource for one that is not there."""
    places = {name: place for place, name in enumerate(frame.collect_schema().names())}
    missing = [name for name in names if name not in places]
    if missing:
        raise BadSource(f"There is no column {missing[0]!r}.", way_out=f"The columns are: {', '.join(places)}.")
    return frame.select(pl.nth(places[name]).alias(name) for name in names)


def check_distinct(names: Sequence[str], where: str) -> None:
    """Raise BadSource where a column is asked for twice: a frame has each name once."""
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise BadSource(f"Column {twice!r} is asked for twice.", where=where, way_out="Name each column once.")


def as_text(frame: pl.DataFrame, name: str | None) -> pl.Series:
    """Return a source's column as text; nulls without one, and for bytes that are no UTF-8."""
    if name is None:
        return pl.Series([None] * frame.height, dtype=pl.String)
    column = frame.get_column(name)
    if column.dtype == pl.Binary:
        # polars refuses the whole column for one value that is no UTF-8.
        return pl.Series([_decoded(value) for value in column.to_list()], dtype=pl.String)
    return column.cast(pl.String, strict=False)


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
