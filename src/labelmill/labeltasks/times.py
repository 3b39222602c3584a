"""Times as the sources spell them, made into one kind: microseconds without a zone, meaning UTC where a zone was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from labelmill.labeltasks.model import LabelTask

MOMENT = pl.Datetime("us")
_USUAL = "%Y-%m-%d %H:%M:%S"
_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
)
_ZONED_FORMATS = ("%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M%:z", "%Y/%m/%d %H:%M:%S%.f%:z")
#: Whole numbers below this are seconds since 1970, below its thousandfold milliseconds, else microseconds.
_SECONDS_BELOW = 100_000_000_000
#: Whole numbers of eight digits in this range are days written as 20200131.
_FIRST_DAY, _LAST_DAY = 19000101, 21991231


def as_moments(values: pl.Series) -> pl.Series:
    """Return ``values`` as moments; what cannot be read as a time is null."""
    kind = values.dtype
    if isinstance(kind, pl.Datetime):
        return (values.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if kind.time_zone else values).cast(MOMENT)
    if kind == pl.Date:
        return values.cast(MOMENT)
    if kind.is_integer() or kind.is_float():
        return _from_numbers(values)
    if kind == pl.String:
        return _from_text(values)
    return pl.Series(values.name, [None] * len(values), dtype=MOMENT)


def _from_numbers(values: pl.Series) -> pl.Series:
    numbers = values.cast(pl.Float64, strict=False) if values.dtype.is_float() else values.cast(pl.Int64, strict=False)
    if numbers.dtype == pl.Float64:
        numbers = numbers.set(~numbers.is_finite().fill_null(value=True), None)
    value = pl.col("value")
    size = value.abs()
    scaled = (
        pl.when(size < _SECONDS_BELOW)
        .then(value * 1_000_000)
        .when(size < _SECONDS_BELOW * 1000)
        .then(value * 1000)
        .otherwise(value)
    )
    moments = numbers.to_frame("value").select(scaled.cast(pl.Int64, strict=False).cast(MOMENT))["value"]
    days = numbers.is_between(_FIRST_DAY, _LAST_DAY).fill_null(value=False)
    if not days.any():
        return moments
    written = numbers.cast(pl.Int64).cast(pl.String).str.to_datetime("%Y%m%d", strict=False, time_unit="us")
    return moments.zip_with(~days | written.is_null(), written)


def _from_text(values: pl.Series) -> pl.Series:
    """Read the usual spelling first, and only what is left as the others."""
    # Times hardly repeat: to look each up among the last ones costs as much as to read it.
    moments = values.str.to_datetime(_USUAL, strict=False, time_unit="us", cache=False)
    if moments.null_count() == values.null_count():
        return moments
    text = _plain(values.set(moments.is_not_null(), None))
    for layout in _FORMATS:
        moments = _fill(moments, text.str.to_datetime(layout, strict=False, time_unit="us"))
    for layout in _ZONED_FORMATS:
        zoned = text.str.to_datetime(layout, strict=False, time_unit="us", time_zone="UTC")
        moments = _fill(moments, zoned.dt.replace_time_zone(None))
    digits = text.str.contains(r"^-?\d{8,16}$")
    return _fill(moments, _from_numbers(text.set(~digits.fill_null(value=False), None).cast(pl.Int64, strict=False)))


def _plain(text: pl.Series) -> pl.Series:
    """Spell times one way: a blank between day and time, a point before the fraction, a zone like +08:00."""
    text = text.str.strip_chars().str.replace(r"^(\d{4}[-/]\d{1,2}[-/]\d{1,2})[tT]", "$1 ")
    text = text.str.replace(r"(:\d{2}),(\d+)", "$1.$2").str.replace(r"(?i)\s*(?:z|utc|gmt)$", "+00:00")
    text = text.str.replace(r"(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)\s+([+-]\d{2})", "$1$2")
    return text.str.replace(r"(:\d{2}(?:\.\d+)?[+-]\d{2})$", "$1:00").str.replace(r"([+-]\d{2})(\d{2})$", "$1:$2")


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
