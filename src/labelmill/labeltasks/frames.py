"""From rows to results, and from results to production: pure functions of frames.

A *result* is one row per labelled record, group and name; *production* is one row per (author, label): the latest, after the
majority of an author's records has settled each group.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from labelmill.db.bulk.model import Reject
from labelmill.errors import BadSource
from labelmill.labeltasks.model import LONGEST_NAME, MOST_UNMAPPED, Columns, Figures, LabelTask
from labelmill.labeltasks.times import MOMENT, as_moments, in_range

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labelmill.rules.matcher import Matcher

#: What every result and every production row says, in the order of the written columns; the names are the predecessor's.
RESULT_COLUMNS = ("id", "task_id", "source_author", "panel", "create_time", "field_content", "match_content", "match_meta")
RESULT_SCHEMA = pl.Schema({name: MOMENT if name == "create_time" else pl.String() for name in RESULT_COLUMNS})
#: A row of a file: all names stand in one file, so each row says its own.
FILE_COLUMNS = (*RESULT_COLUMNS, "name")
FILE_SCHEMA = pl.Schema({name: RESULT_SCHEMA.get(name, pl.String()) for name in FILE_COLUMNS})
#: A result as it travels between steps: where it belongs, its group, and its place in the source for a stable order.
PART_SCHEMA = pl.Schema({"name": pl.String(), "group": pl.String(), **RESULT_SCHEMA, "place": pl.Int64()})
#: An author as two hashes of 64 bits: among a thousand million authors two share both with a chance of one in 10^20.
AUTHOR_SCHEMA = pl.Schema({"name": pl.String(), "hash": pl.UInt64(), "other_hash": pl.UInt64()})
#: The name of rows whose source id is empty or cannot name a table.
UNKNOWN = "unknown"
_AUTHOR = ["name", "source_author"]
_HASHES = {"hash": pl.col("source_author").hash(seed=7), "other_hash": pl.col("source_author").hash(seed=11)}


class Names:
    """Which names the rows of a source id belong to; an id may have several, one that the map does not know has its own."""

    def __init__(self, task: LabelTask) -> None:
        self._only = task.name if task.source_map is None else None
        pairs = dict.fromkeys((source, name) for name, sources in (task.source_map or {}).items() for source in sources)
        self._map = pl.DataFrame(list(pairs), schema={"source": pl.String, "name": pl.String}, orient="row")
        self._longest = LONGEST_NAME - len(task.production_prefix.encode())
        self._taken = [name.casefold() for name in task.source_map or {}]
        self._prefix = task.production_prefix.casefold()

    def attach(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return ``frame`` with the column ``name``; rows of an id with several names are repeated."""
        if self._only is not None:
            return frame.with_columns(pl.lit(self._only).alias("name"))
        joined = frame.join(self._map, on="source", how="left", nulls_equal=True, maintain_order="left")
        return joined.with_columns(pl.coalesce("name", self._own_name()))

    def _own_name(self) -> pl.Expr:
        """Return the source id as a name where it can be one of a table, else ``unknown``."""
        source = pl.col("source")
        folded = source.str.to_lowercase()
        fits = source.str.len_bytes().is_between(1, self._longest) & ~source.str.contains(r"[\x00-\x1f]")
        own = (
            ~folded.is_in(self._taken) & ~folded.str.starts_with(self._prefix) & ~folded.str.contains(r"^(sqlite_|labelmill_)")
        )
        return pl.when(fits & own).then(source).otherwise(pl.lit(UNKNOWN))

    def unmapped(self, counts: pl.DataFrame) -> dict[str, int]:
        """Return the rows of each source id without a name of its own; ``counts`` has source and rows."""
        if self._only is not None:
            return {}
        left = counts.join(self._map, on="source", how="anti", nulls_equal=True)
        return {source or UNKNOWN: rows for source, rows in left.select("source", "rows").iter_rows()}


class Labelling:
    """Labels the frames of one part and keeps what the part leaves behind: results, the authors it saw, and its figures."""

    def __init__(self, task: LabelTask, matcher: Matcher, task_id: str, *, id_prefix: str = "", first_row: int = 0) -> None:
        self.figures = Figures()
        #: Rows whose bytes are no text: they are left out, each with its reason.
        self.rejects: list[Reject] = []
        self._task = task
        self._matcher = matcher
        self._task_id = task_id
        self._id_prefix = id_prefix
        self._names = Names(task)
        self._results: list[pl.DataFrame] = []
        self._authors: list[pl.DataFrame] = []
        self._place = first_row

    def add(self, frame: pl.DataFrame) -> None:
        """Label one frame with the task's columns."""
        rows = self._in_range(self._readable(standard(frame, self._task.columns, self._place, self._id_prefix)))
        self._place += frame.height
        run = self._matcher.run(rows["text"])
        labels = run.frame.select("row", "group", panel="label", match_meta="match_meta")
        results = self._names.attach(self._as_results(rows, labels)).select(PART_SCHEMA.names())
        by_source = rows.group_by("source").agg(rows=pl.len())
        received = self._names.attach(by_source).group_by("name").agg(pl.col("rows").sum())
        self._results.append(results)
        authors = rows.lazy().filter(pl.col("source_author").is_not_null()).select("source", **_HASHES).collect()
        self._authors.append(self._names.attach(authors).select(AUTHOR_SCHEMA.names()))
        self.figures += Figures(
            rows_read=rows.height,
            rows_without_text=run.counts.empty,
            rows_labelled=run.counts.labelled,
            rows_without_author=_without_author(results) if self._task.columns.author is not None else 0,
            ties=run.counts.ties,
            received=dict(received.iter_rows()),
            results=_count(results, "name"),
            labels=_count(results, "panel"),
            unmapped=self._names.unmapped(by_source),
        )
        if len(self.figures.unmapped) > MOST_UNMAPPED:
            raise BadSource(
                f"More than {MOST_UNMAPPED} sources are not in the source map.", where=str(self._task.columns.source),
                way_out="Is this the column with the source ids? Add them to the map, or leave the map out.",
            )  # fmt: skip

    def results(self) -> pl.DataFrame:
        """Return the part's results as ``PART_SCHEMA`` says, in the order of the source."""
        return pl.concat([PART_SCHEMA.to_frame(), *self._results])

    def authors(self) -> pl.DataFrame:
        """Return the part's distinct authors as ``AUTHOR_SCHEMA`` says."""
        return pl.concat([AUTHOR_SCHEMA.to_frame(), *self._authors]).unique()

    def _readable(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Leave out rows with bytes that are no UTF-8; ``unread`` names their column."""
        broken = rows.filter(pl.col("unread").is_not_null()).select("place", "unread")
        if broken.height:
            self.rejects += [
                Reject(place=place + 1, reason=f"column {column!r} is not UTF-8 text") for place, column in broken.iter_rows()
            ]
            self.figures += Figures(rows_rejected=broken.height)
            rows = rows.filter(pl.col("unread").is_null())
        return rows.drop("unread")

    def _in_range(self, rows: pl.DataFrame) -> pl.DataFrame:
        without = rows["time"].null_count() if self._task.columns.time is not None else 0
        if self._task.time_range is None:
            self.figures += Figures(rows_without_time=without)
            return rows
        kept = rows.filter(in_range(self._task))
        self.figures += Figures(rows_without_time=without, rows_outside=rows.height - kept.height - without)
        return kept

    def _as_results(self, rows: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
        hit = rows[labels["row"]]
        return pl.concat([hit, labels.drop("row")], how="horizontal").with_columns(
            task_id=pl.lit(self._task_id),
            create_time=pl.col("time"),
            field_content=pl.col("source").fill_null(""),
            match_content=pl.col("text"),
        )


def standard(frame: pl.DataFrame, columns: Columns, first_place: int = 0, id_prefix: str = "") -> pl.DataFrame:
    """Return a source's frame as place, id, text, source, source_author, time and unread, whatever its columns are called.

    Rows without an id column are numbered from ``first_place`` + 1, after ``id_prefix``. An empty author is no author. ``unread``
    names the column of a row that holds bytes which are no UTF-8, null for all other rows.
    """
    place = pl.int_range(first_place, first_place + frame.height, dtype=pl.Int64, eager=True)
    roles = {"id": columns.id, "text": columns.text, "source": columns.source, "author": columns.author}
    # Columns are taken by name, never through an expression: a name like ^.*$ would be read as a pattern.
    values = {role: _text(frame, name).alias(role) for role, name in roles.items()}
    time = (
        as_moments(frame.get_column(columns.time).alias("time"))
        if columns.time is not None
        else pl.Series([None] * frame.height, dtype=MOMENT)
    )
    author = pl.col("author").replace("", None)
    numbered = pl.lit(id_prefix) + (pl.col("place") + 1).cast(pl.String)
    return pl.DataFrame([place.alias("place"), *values.values(), time.alias("time"), _unread(frame, roles.values())]).select(
        "place",
        (pl.col("id").fill_null("") if columns.id is not None else numbered).alias("id"),
        "text",
        "source",
        (pl.col("source").fill_null("") + "_" + author if columns.source is not None else author).alias("source_author"),
        "time",
        "unread",
    )


def production(results: pl.DataFrame, tie: str) -> tuple[pl.DataFrame, int]:
    """Return the production rows of complete authors and how many of their groups were tied.

    In each group the label with the most records stays, with its latest record; labels with equally many are all dropped
    (``tie`` is ``drop``) or all kept. Records at the same moment are told apart by their place in the source.
    """
    label = [*_AUTHOR, "group", "panel"]
    known = results.with_row_index("row").filter(pl.col("source_author").is_not_null())
    # Only the keys and the row numbers are sorted and grouped; the few rows that win are fetched at the end.
    in_time = known.select(*label, "create_time", "place", "row").sort("create_time", "place", maintain_order=True)
    counted = in_time.group_by(label).agg(pl.col("row").last(), records=pl.len())
    best = pl.col("records") == pl.col("records").max().over([*_AUTHOR, "group"])
    winners = counted.filter(best).with_columns(rivals=pl.len().over([*_AUTHOR, "group"]))
    tied = winners.filter(pl.col("rivals") > 1).select([*_AUTHOR, "group"]).n_unique()
    kept = winners if tie == "keep" else winners.filter(pl.col("rivals") == 1)
    return results[kept["row"]].sort("name", "source_author", "panel"), tied


def by_bucket(frame: pl.DataFrame, buckets: int) -> pl.DataFrame:
    """Return results or authors with the column ``bucket``, sorted by it: all rows of one author have the same of ``buckets`` numbers.

    Rows without an author are in the first.
    """
    own = pl.col("hash") if "hash" in frame.columns else _HASHES["hash"]
    numbered = frame.with_columns(bucket=(own % buckets).fill_null(0).cast(pl.UInt32))
    return numbered if buckets == 1 else numbered.sort("bucket", maintain_order=True)


def count_authors(authors: pl.LazyFrame) -> dict[str, int]:
    """Return how many distinct authors each name has."""
    return dict(authors.unique().group_by("name").agg(pl.len()).collect(engine="streaming").iter_rows())


def with_memory(figures: Figures, peak_memory_mb: float) -> Figures:
    """Return the figures with the step's highest memory."""
    return replace(figures, peak_memory_mb=round(peak_memory_mb, 1))


def _text(frame: pl.DataFrame, name: str | None) -> pl.Series:
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


def _unread(frame: pl.DataFrame, names: Iterable[str | None]) -> pl.Series:
    unread = pl.Series("unread", [None] * frame.height, dtype=pl.String)
    for name in dict.fromkeys(name for name in names if name is not None):
        column = frame.get_column(name)
        if column.dtype == pl.Binary:
            unread = unread.set(column.is_not_null() & _text(frame, name).is_null(), name)
    return unread


def _without_author(results: pl.DataFrame) -> int:
    return results.filter(pl.col("source_author").is_null())["place"].n_unique()


def _count(frame: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(frame.group_by(column).len().iter_rows())
