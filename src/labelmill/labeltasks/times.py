"""Times as the sources spell them, made into one kind: microseconds without a zone, meaning UTC where a zone was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from labelmill.labeltasks.model import LabelTask

MOMENT = pl.Datetime("us")
_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
)
#: Whole numbers below this are seconds since 1970, below its thousandfold milliseconds, else microseconds.
_SECONDS_BELOW = 100_000_000_000
_ZONED = r"(?:[zZ]|[+-]\d{2}:?\d{2})$"


def as_moments(values: pl.Series) -> pl.Series:
    """Return ``values`` as moments; what cannot be read as a time is null."""
    kind = values.dtype
    if isinstance(kind, pl.Datetime):
        return (values.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if kind.time_zone else values).cast(MOMENT)
    if kind == pl.Date:
        return values.cast(MOMENT)
    if kind.is_integer():
        return _from_numbers(values.cast(pl.Int64, strict=False))
    if kind == pl.String:
        return _from_text(values)
    return pl.Series(values.name, [None] * len(values), dtype=MOMENT)


def _from_numbers(values: pl.Series) -> pl.Series:
    value = pl.col("value")
    size = value.abs()
    microseconds = (
        pl.when(size < _SECONDS_BELOW)
        .then(value * 1_000_000)
        .when(size < _SECONDS_BELOW * 1000)
        .then(value * 1000)
        .otherwise(value)
    )
    return values.to_frame("value").select(microseconds.cast(MOMENT))["value"].alias(values.name)


def _from_text(values: pl.Series) -> pl.Series:
    text = values.str.strip_chars().str.replace("T", " ", literal=True)
    moments = text.str.to_datetime(_FORMATS[0], strict=False, time_unit="us")
    for layout in _FORMATS[1:]:
        if moments.null_count() == text.null_count():
            return moments
        moments = _fill(moments, text.str.to_datetime(layout, strict=False, time_unit="us"))
    zoned = text.str.contains(_ZONED) & moments.is_null()
    if zoned.any():
        moments = _fill(moments, _from_zoned(text.set(~zoned.fill_null(value=False), None)))
    return moments


def _from_zoned(text: pl.Series) -> pl.Series:
    text = text.str.replace(r"\s*[zZ]$", "+00:00")
    moments = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", strict=False, time_unit="us", time_zone="UTC")
    compact = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", strict=False, time_unit="us", time_zone="UTC")
    return _fill(moments, compact).dt.replace_time_zone(None)


def _fill(moments: pl.Series, others: pl.Series) -> pl.Series:
    return moments.zip_with(moments.is_not_null(), others)


def in_range(task: LabelTask) -> pl.Expr:
    """Return the condition on the column ``time`` that the task's half-open range makes; null for a null time."""
    condition = pl.lit(value=True)
    if task.start is not None:
        condition &= pl.col("time") >= pl.lit(task.start.replace(tzinfo=None), dtype=MOMENT)
    if task.end is not None:
        condition &= pl.col("time") < pl.lit(task.end.replace(tzinfo=None), dtype=MOMENT)
    return condition
