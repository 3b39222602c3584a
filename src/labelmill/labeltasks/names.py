"""Which names the results of a source id go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from labelmill.labeltasks.model import LONGEST_NAME

if TYPE_CHECKING:
    from labelmill.labeltasks.model import LabelTask

#: The name of rows whose source id is empty or cannot name a table.
UNKNOWN = "unknown"
#: What no table's name may have on one database or another.
_NO_NAME = r"[\x00-\x1f]|[^\x{0}-\x{ffff}]|\s$"


class Names:
    """Which names the rows of a source id belong to; an id may have several, one that the map does not know its own or none."""

    def __init__(self, task: LabelTask) -> None:
        self._drops_unmapped = task.unmapped == "leave-out"
        self._only = task.name if task.source_map is None else None
        pairs = dict.fromkeys((source, name) for name, sources in (task.source_map or {}).items() for source in sources)
        self._map = pl.DataFrame(list(pairs), schema={"source": pl.String, "name": pl.String}, orient="row")
        self._longest = LONGEST_NAME - len(task.production_prefix.encode())
        self._taken = [name.casefold() for name in (*(task.source_map or {}), task.state_table) if name]
        self._prefix = task.production_prefix.casefold()

    def attach(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return ``frame`` with the column ``name``; rows of an id with several names are repeated, of one without left out."""
        if self._only is not None:
            return frame.with_columns(pl.lit(self._only).alias("name"))
        # Rows are many and ids are few: how an id is named is found once, not for each of its rows.
        named = self._named(frame.select(pl.col("source").unique()))
        return frame.join(named, on="source", how="inner", nulls_equal=True, maintain_order="left")

    def _named(self, sources: pl.DataFrame) -> pl.DataFrame:
        """Return the names of source ids, which are given once each."""
        if self._drops_unmapped:
            return sources.join(self._map, on="source", how="inner", maintain_order="left_right")
        joined = sources.join(self._map, on="source", how="left", nulls_equal=True, maintain_order="left_right")
        return joined.with_columns(pl.coalesce("name", self._own_name()))

    def _own_name(self) -> pl.Expr:
        """Return the source id as a name where it can be one of a table, else ``unknown``."""
        source = pl.col("source")
        folded = source.str.to_lowercase()
        fits = source.str.len_bytes().is_between(1, self._longest) & ~source.str.contains(_NO_NAME)
        own = (
            ~folded.is_in(self._taken) & ~folded.str.starts_with(self._prefix) & ~folded.str.contains(r"^(sqlite_|labelmill_)")
        )
        return pl.when(fits & own).then(source).otherwise(pl.lit(UNKNOWN))

    def unmapped(self, counts: pl.DataFrame) -> dict[str, int]:
        """Return the rows of each source id without a name of its own; ``counts`` has source and rows."""
        if self._only is not None:
            return {}
        left = counts.join(self._map, on="source", how="anti", nulls_equal=True)
        # Ids that are NULL or empty are listed together.
        shown = pl.col("source").fill_null("").replace("", UNKNOWN)
        return dict(left.group_by(shown, maintain_order=True).agg(pl.col("rows").sum()).iter_rows())
