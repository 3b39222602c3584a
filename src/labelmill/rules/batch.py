"""The pure function: a batch in, its labels out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from labelmill.errors import BadInput, BadSource
from labelmill.rules.matcher import Matcher, compile_rules

if TYPE_CHECKING:
    from labelmill.rules.model import RuleSet


class ArrowStream(Protocol):
    """Anything that speaks the Arrow PyCapsule interface: frames and tables of polars, pyarrow, pandas 3, DuckDB ..."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


def label(batch: ArrowStream | pl.Series, rules: RuleSet | Matcher, text_column: str = "text") -> pl.DataFrame:
    """Return the labels of a batch as a frame: row (u32, 0-based), group, label, score (u32), match_meta (JSON list of rules).

    Only rows that got a label are listed, ordered by row and group. ``batch`` is a column, or a frame that has ``text_column``. Who
    has many batches compiles the rule set once and gives the Matcher. Raises BadRules, BadSource and BadInput.
    """
    matcher = rules if isinstance(rules, Matcher) else compile_rules(rules)
    return matcher.label(_column(batch, text_column))


def _column(batch: ArrowStream | pl.Series, name: str) -> pl.Series:
    if isinstance(batch, pl.Series):
        return batch
    if not hasattr(batch, "__arrow_c_stream__"):
        way_out = "Give a polars Series or DataFrame, a pyarrow Table, a pandas (3) DataFrame or another Arrow stream."
        raise BadInput(f"A batch of type {type(batch).__name__} does not speak Arrow.", way_out=way_out)
    read: Any = batch if isinstance(batch, pl.DataFrame) else pl.DataFrame(batch)
    if name not in read.columns:
        raise BadSource(f"There is no column {name!r}.", way_out=f"The columns are: {', '.join(read.columns)}.")
    column: pl.Series = read[name]
    return column
