"""From rows to results, and from results to production: pure functions of frames.

A *result* is one row per labelled record, group and name; *production* is one row per (author, label): the latest, after the
majority of an author's records has settled each group.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from labelmill.db.bulk.columns import as_text
from labelmill.labeltasks.times import MOMENT, as_moments

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labelmill.labeltasks.figures import Figures
    from labelmill.labeltasks.model import Columns

#: What every result and every production row says, in the order of the written columns; the names are the predecessor's.
RESULT_COLUMNS = ("id", "task_id", "source_author", "panel", "create_time", "field_content", "match_content", "match_meta")
RESULT_SCHEMA = pl.Schema({name: MOMENT if name == "create_time" else pl.String() for name in RESULT_COLUMNS})
#: A row of a file: all names stand in one file, so each row says its own.
FILE_COLUMNS = (*RESULT_COLUMNS, "name")
FILE_SCHEMA = pl.Schema({name: RESULT_SCHEMA.get(name, pl.String()) for name in FILE_COLUMNS})
#: A result as it travels between steps: where it belongs, its group, its place in the source for a stable order, and whether an
#: earlier labeller gave the same record the same label already.
PART_SCHEMA = pl.Schema(
    {"name": pl.String(), "group": pl.String(), **RESULT_SCHEMA, "place": pl.Int64(), "again": pl.Boolean()}
)
_AUTHOR = ["name", "source_author"]


def standard(
    frame: pl.DataFrame, columns: Columns, first_place: int = 0, id_prefix: str = "", *, also: Sequence[str] = ()
) -> pl.DataFrame:
    """Return a source's frame as place, id, source, author, time and unread, whatever its columns are called.

    Rows without an id column are numbered from ``first_place`` + 1, after ``id_prefix``. An empty author is no author. ``unread``
    names the column of a row, one of these or of ``also``, that holds bytes which are no UTF-8, null for all other rows.
    """
    place = pl.int_range(first_place, first_place + frame.height, dtype=pl.Int64, eager=True)
    roles = {"id": columns.id, "source": columns.source, "author": columns.author}
    # Columns are taken by name, never through an expression: a name like ^.*$ would be read as a pattern.
    values = {role: as_text(frame, name).alias(role) for role, name in roles.items()}
    time = (
        as_moments(frame.get_column(columns.time).alias("time"))
        if columns.time is not None
        else pl.Series([None] * frame.height, dtype=MOMENT)
    )
    numbered = pl.lit(id_prefix) + (pl.col("place") + 1).cast(pl.String)
    return pl.DataFrame(
        [place.alias("place"), *values.values(), time.alias("time"), _unread(frame, [*roles.values(), *also])]
    ).select(
        "place",
        (pl.col("id").fill_null("") if columns.id is not None else numbered).alias("id"),
        "source",
        pl.when(pl.col("author") != "").then(pl.col("author")),
        "time",
        "unread",
    )


def production(results: pl.DataFrame, tie: str) -> tuple[pl.DataFrame, int]:
    """Return the production rows of complete authors and how many of their groups were tied.

    In each group the label with the most records stays, with its latest record; labels with equally many are all dropped
    (``tie`` is ``drop``) or all kept. Records at the same moment are told apart by their place in the source.
    """
    label = [*_AUTHOR, "group", "panel"]
    # Only the keys and the row numbers are sorted and grouped; the rows that win are fetched at the end, in the order of the source.
    keys = results.select(*label, "create_time", "place", "again").with_row_index("row")
    known = keys.filter(pl.col("source_author").is_not_null())
    # Most authors have one record, which wins alone. Those who only share their hash with another are looked at with the rest.
    alone = known.select(pl.col("name").hash(seed=1) ^ pl.col("source_author").hash(seed=2)).to_series().is_unique()
    in_time = known.filter(~alone).sort("create_time", "place", maintain_order=True)
    counted = in_time.group_by(label).agg(pl.col("row").last(), records=(~pl.col("again")).sum())
    best = pl.col("records") == pl.col("records").max().over([*_AUTHOR, "group"])
    winners = counted.filter(best).with_columns(rivals=pl.len().over([*_AUTHOR, "group"]))
    tied = winners.filter(pl.col("rivals") > 1).select([*_AUTHOR, "group"]).n_unique()
    kept = winners if tie == "keep" else winners.filter(pl.col("rivals") == 1)
    return results[pl.concat([known["row"].filter(alone), kept["row"]]).sort()], tied


def by_bucket(results: pl.DataFrame, buckets: int) -> list[pl.DataFrame]:
    """Return results in ``buckets`` parts: all rows of one author are in the same. Rows without an author are in the first."""
    if buckets == 1:
        return [results]
    bucket = (results["source_author"].hash(seed=7) % buckets).fill_null(0)
    return [results.filter(bucket == number) for number in range(buckets)]


def with_memory(figures: Figures, peak_memory_mb: float) -> Figures:
    """Return the figures with the step's highest memory."""
    return replace(figures, peak_memory_mb=round(peak_memory_mb, 1))


def _unread(frame: pl.DataFrame, names: Iterable[str | None]) -> pl.Series:
    unread = pl.Series("unread", [None] * frame.height, dtype=pl.String)
    for name in dict.fromkeys(name for name in names if name is not None):
        column = frame.get_column(name)
        if column.dtype == pl.Binary:
            unread = unread.set(column.is_not_null() & as_text(frame, name).is_null(), name)
    return unread
