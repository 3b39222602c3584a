"""Conditions on the columns of a catalogue: one of several values, a range, a part of a text. All of them hold together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from labelmill.errors import BadInput
from labelmill.images.model import ColumnKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labelmill.images.model import CatalogueColumn, Version

Value = str | int | float
_WRITTEN: Final = re.compile(r"(?P<column>.*?)(?P<operator>>=|<=|~|=|>|<)(?P<value>.*)", re.DOTALL)
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]{1,300}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
_WAY_OUT: Final = "Write COLUMN=VALUE, COLUMN>=VALUE, COLUMN<=VALUE or COLUMN~PART, such as gender=Men."


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What is asked of one column; what is None is not asked. Capitals count in values, but not in a part of a text."""

    column: str
    #: The value is one of these.
    among: tuple[Value, ...] | None = None
    #: The value is at least, at most this.
    least: Value | None = None
    most: Value | None = None
    #: The text holds this, wherever.
    holds: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what is asked, as JSON."""
        values = {"column": self.column, "among": self.among and list(self.among), "least": self.least, "most": self.most}
        return {name: value for name, value in (values | {"holds": self.holds}).items() if value is not None}

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> Condition:
        """Return what ``as_dict`` wrote."""
        among = known.get("among")
        return cls(**known | {"among": None if among is None else tuple(among)})


def parse(texts: Iterable[str]) -> tuple[Condition, ...]:
    """Return the conditions that people write: ``gender=Men``, ``year>=2010``, ``productDisplayName~shirt``.

    Several values that one column is to be equal to are one condition: any of them will do.
    """
    values: dict[str, list[Value]] = {}
    others: list[Condition] = []
    for text in texts:
        found = _WRITTEN.fullmatch(text)
        if found is None or not found["column"].strip():
            raise BadInput(f"{text!r} is no condition.", where="--where", way_out=_WAY_OUT)
        column, value = found["column"].strip(), found["value"]
        match found["operator"]:
            case "=":
                values.setdefault(column, []).append(value)
            case "~":
                others.append(Condition(column=column, holds=value))
            case ">=":
                others.append(Condition(column=column, least=value))
            case "<=":
                others.append(Condition(column=column, most=value))
            case strict:
                raise BadInput(f"There is no {strict}.", where=text, way_out=f"Write {strict}=, which takes the value in.")
    return (*(Condition(column=column, among=tuple(among)) for column, among in values.items()), *others)


def expression(version: Version, conditions: Sequence[Condition]) -> pl.Expr:
    """Return whether a row of the version's file meets all conditions.

    Raises NotFound for a column that is not there, and BadInput for a value that is none of its kind.
    """
    return reduce(and_, (_expression(version.column(each.column), each) for each in conditions), pl.lit(value=True))


def _expression(column: CatalogueColumn, condition: Condition) -> pl.Expr:
    stored, parts = pl.col(column.key), []
    if condition.among is not None:
        values = [_value(column, value) for value in condition.among]
        parts.append(reduce(or_, (stored == pl.lit(value) for value in values), pl.lit(value=False)))
    if condition.least is not None:
        parts.append(stored >= pl.lit(_value(column, condition.least)))
    if condition.most is not None:
        parts.append(stored <= pl.lit(_value(column, condition.most)))
    if condition.holds is not None:
        parts.append(stored.cast(pl.String).str.to_lowercase().str.contains(condition.holds.lower(), literal=True))
    if not parts:
        raise BadInput("A condition asks nothing.", where=condition.column, way_out="Give among, least, most or holds.")
    # A value that is missing meets no condition.
    return reduce(and_, parts).fill_null(value=False)


def _value(column: CatalogueColumn, value: Value) -> Value:
    """Return a value as the column's kind compares it: a whole number stays one, however long."""
    if column.kind is ColumnKind.TEXT:
        if not isinstance(value, str):
            raise BadInput(f"{value!r} is no text.", where=column.name, way_out="Give a text.")
        return value
    text = str(value).strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    if not _NUMBER.fullmatch(text):
        raise BadInput(f"{value!r} is no number.", where=column.name, way_out="Give a number, such as 2010.")
    return float(text)
