"""Values as JSON, column by column: no value becomes an object of Python."""

from __future__ import annotations

import polars as pl


def objects(frame: pl.DataFrame) -> pl.Series:
    """Return each row as a JSON object."""
    times = [
        pl.nth(place).dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ") for place, kind in enumerate(frame.dtypes) if kind.is_temporal()
    ]
    return frame.with_columns(*times).to_struct("").struct.json_encode()


def lists(column: pl.Series) -> pl.Series:
    """Return each list as a JSON array; null stays null."""
    known = column.alias("v").to_frame().to_struct("").struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
    return known.set(column.is_null(), None)


def votes(column: pl.Series) -> pl.Series:
    """Return how often each label was given as a JSON object; null stays null."""
    # An object for each label first. No quote within a name stands there unescaped: this comma is the one between the two.
    each = pl.element().struct.json_encode().str.strip_prefix('{"label":').str.strip_suffix("}")
    parts = column.list.eval(each.str.replace(',"votes":', ":", literal=True))
    return "{" + parts.list.join(",") + "}"
