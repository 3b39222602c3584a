"""What a frame's values become in a table's columns, and which of them a column cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from labelmill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

#: As SQLAlchemy itself writes times on SQLite: six digits always, so that texts sort as times do.
TIME_FORMAT = "%Y-%m-%d %H:%M:%S%.6f"
#: Bytes that MariaDB's types of text hold.
_TEXT_BYTES = {"TINYTEXT": 255, "TEXT": 65_535, "MEDIUMTEXT": 16_777_215}


def stored_type(dialect: Dialect, column: sa.Column[Any]) -> TypeEngine[Any]:
    """Return the type that ``column`` has in the database itself, below any decorator of ours."""
    kind = column.type.dialect_impl(dialect)
    while isinstance(kind, sa.TypeDecorator):
        kind = kind.impl_instance
    return kind


def as_stored(dialect: Dialect, column: sa.Column[Any], values: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return the expression that turns ``values``, a frame's column, into what is sent to the database."""
    kind = stored_type(dialect, column)
    if isinstance(dtype, pl.Datetime):
        return _time_as_stored(values, dtype, kind, dialect)
    if dtype == pl.Date:
        return values.dt.strftime("%Y-%m-%d")
    if dtype == pl.Boolean and not (dialect.name == "postgresql" and isinstance(kind, sa.Boolean)):
        return values.cast(pl.Int8)
    if dtype == pl.Binary and dialect.name == "postgresql":
        return pl.concat_str(pl.lit("\\x"), values.bin.encode("hex"))
    if (
        dtype in (pl.Categorical, pl.Enum, pl.Null)
        or dtype.is_decimal()
        or (dtype.is_integer() and isinstance(kind, sa.String))
    ):
        return values.cast(pl.String)
    return values


def _time_as_stored(values: pl.Expr, dtype: pl.Datetime, kind: TypeEngine[Any], dialect: Dialect) -> pl.Expr:
    if dtype.time_zone is not None:
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if isinstance(kind, sa.Integer):
        return values.dt.epoch("us")
    text = values.dt.strftime(TIME_FORMAT)
    return text + "+00:00" if dialect.name == "postgresql" and getattr(kind, "timezone", False) else text


@dataclass(frozen=True)
class _Check:
    """What a column may not hold: ``wrong`` tells of each of its values whether it is so."""

    column: sa.Column[Any]
    wrong: pl.Expr
    what: str
    way_out: str


def check_values(dialect: Dialect, columns: Sequence[sa.Column[Any]], frame: pl.DataFrame) -> None:
    """Raise BadInput for the first value that the database would refuse, cut or change in silence."""
    checks = [
        check
        for place, (column, dtype) in enumerate(zip(columns, frame.dtypes, strict=True))
        for check in _checks(dialect, column, pl.nth(place), dtype)
    ]
    if not checks:
        return
    # All in one pass: a pass for each of many small frames would cost more than the looking.
    found = frame.select(check.wrong.fill_null(value=False).any().alias(str(number)) for number, check in enumerate(checks))
    for check, is_wrong in zip(checks, found.row(0), strict=True):
        if is_wrong:
            row = frame.select(check.wrong.fill_null(value=False).arg_max()).item()
            _refuse(check.column, row + 1, check.what, check.way_out)


def _checks(dialect: Dialect, column: sa.Column[Any], values: pl.Expr, dtype: pl.DataType) -> Iterator[_Check]:
    kind = stored_type(dialect, column)
    if dtype.is_nested() or dtype in (pl.Object, pl.Time, pl.Duration):
        _refuse(column, None, f"holds {dtype}, which is no column of a table", "Turn it into text first.")
    if dtype == pl.String and isinstance(kind, (sa.Integer, sa.Numeric, sa.DateTime)):
        _refuse(column, None, f"holds text where the table has {kind}", "Turn it into that type first.")
    if dtype.is_float():
        yield _Check(column, ~values.is_finite(), "is no finite number, which not every database keeps", "Write null instead.")
    if dtype == pl.String:
        yield from _text_checks(dialect, column, kind, values)


def _text_checks(dialect: Dialect, column: sa.Column[Any], kind: TypeEngine[Any], texts: pl.Expr) -> Iterator[_Check]:
    if dialect.name == "postgresql":
        has_nul = texts.str.contains("\0", literal=True)
        yield _Check(column, has_nul, "holds a NUL character, which PostgreSQL cannot store", "Remove it.")
    # SQLite reads the length of a type and lets it be.
    limited = dialect.name != "sqlite" and not isinstance(column.type, sa.Text)
    most = getattr(column.type, "length", None) if limited else None
    if most:
        what = f"is longer than the {most} characters of its column"
        yield _Check(column, texts.str.len_chars() > most, what, "Shorten it or widen the column.")
    if dialect.name == "mysql" and isinstance(kind, sa.String):
        most_bytes = _TEXT_BYTES.get(kind.compile(dialect).partition("(")[0].upper())
        if most_bytes:
            what = f"is longer than the {most_bytes} bytes of its column"
            yield _Check(column, texts.str.len_bytes() > most_bytes, what, "Shorten it or widen the column.")


def _refuse(column: sa.Column[Any], row: int | None, what: str, way_out: str) -> None:
    place = f"column {column.name!r}" if row is None else f"row {row} of this batch, column {column.name!r}"
    raise BadInput(
        f"The value {what}." if row else f"The column {what}.", where=place, way_out=way_out, column=column.name, row=row
    )
