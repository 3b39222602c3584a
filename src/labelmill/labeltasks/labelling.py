"""From a part's rows to its results: filtered, labelled by every labeller, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from labelmill.db.bulk.columns import as_text
from labelmill.db.bulk.model import Reject
from labelmill.errors import BadSource
from labelmill.labeltasks import authors
from labelmill.labeltasks.figures import Figures, bounded
from labelmill.labeltasks.filters import Filters
from labelmill.labeltasks.frames import PART_SCHEMA, standard
from labelmill.labeltasks.model import MOST_UNMAPPED
from labelmill.labeltasks.names import Names
from labelmill.labeltasks.times import in_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelmill.labeltasks.model import LabelTask
    from labelmill.rules.matcher import Labelled, Matcher

#: Rows without a time, or with a NUL, that are listed, of one part; all are counted.
KEPT_TIMELESS = 5_000
_NUL = "\0"


class Labelling:
    """Labels the frames of one part and keeps what the part leaves behind: results, the authors it saw, and its figures.

    ``matchers`` are those of the task's labellers, in their order. ``refuses_nul`` says that the sink has no NUL in a text.
    """

    def __init__(
        self, task: LabelTask, matchers: Sequence[Matcher], task_id: str, *, id_prefix: str = "", first_row: int = 0,
        refuses_nul: bool = False,
    ) -> None:  # fmt: skip
        self.figures = Figures()
        #: Rows that are left out, each with its reason: bytes that are no text, no time where a range was asked for.
        self.rejects: list[Reject] = []
        self._task = task
        self._matchers = matchers
        self._filters = Filters(task.filters)
        self._task_id = task_id
        self._id_prefix = id_prefix
        self._refuses_nul = refuses_nul
        self._names = Names(task)
        self._results: list[pl.DataFrame] = []
        self._authors: list[pl.DataFrame] = []
        self._place = first_row

    def add(self, frame: pl.DataFrame) -> None:
        """Label one frame with the task's columns."""
        columns, first = self._task.columns, self._place
        also = self._task.text_columns
        rows = self._in_range(self._readable(standard(frame, columns, first, self._id_prefix, also=also)))
        if self._refuses_nul:
            rows = self._storable(rows, frame, first)
        if columns.source is not None:
            # No source id and an empty one are one source, in results, authors and rates alike.
            rows = rows.with_columns(pl.col("source").fill_null(""))
        self._place += frame.height
        self._see_authors(rows)
        texts = pl.DataFrame({name: as_text(frame, name) for name in also})
        if rows.height < frame.height:
            texts = texts[rows["place"] - first]
        if self._task.filters:
            rows, texts = self._filtered(rows, texts)
        self._label(rows, texts)

    def results(self) -> pl.DataFrame:
        """Return the part's results as ``PART_SCHEMA`` says, in the order of the source."""
        return pl.concat([PART_SCHEMA.to_frame(), *self._results])

    def authors(self, buckets: int) -> list[pl.DataFrame]:
        """Return the part's authors by bucket (see ``labelmill.labeltasks.authors``)."""
        return authors.spread(self._authors, buckets)

    def _see_authors(self, rows: pl.DataFrame) -> None:
        """Count rows and authors by name, whatever becomes of them: they are what rates are taken of."""
        by_source = rows.group_by("source").agg(rows=pl.len())
        received = self._names.attach(by_source).group_by("name").agg(pl.col("rows").sum())
        self._authors.append(authors.hashed(rows))
        self.figures += Figures(
            rows_read=rows.height, received=dict(received.iter_rows()), unmapped=self._names.unmapped(by_source)
        )
        if len(self.figures.unmapped) > MOST_UNMAPPED:
            self._bound_unmapped()

    def _bound_unmapped(self) -> None:
        if self._task.unmapped == "own":
            raise BadSource(
                f"More than {MOST_UNMAPPED} sources are not in the source map.", where=str(self._task.columns.source),
                way_out="Is this the column with the source ids? Add them to the map, leave the map out, or leave unmapped sources out.",
            )  # fmt: skip
        self.figures = bounded(self.figures)

    def _filtered(self, rows: pl.DataFrame, texts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        texts, deleted = self._filters.run(texts)
        self.figures += Figures(rows_filtered=int(deleted.sum()))
        return (rows.filter(~deleted), texts.filter(~deleted)) if deleted.any() else (rows, texts)

    def _label(self, rows: pl.DataFrame, texts: pl.DataFrame) -> None:
        runs, found = [], []
        ungrouped = self._task.ungrouped
        for labeller, matcher, own in zip(self._task.labellers, self._matchers, ungrouped, strict=True):
            # Without its name, which polars would read as a pattern where it looks like one.
            text = texts.get_column(labeller.column).alias("text")
            run = matcher.run(text)
            runs.append(run)
            labels = run.frame.with_columns(pl.col("group").replace("", own)) if own else run.frame
            found.append(self._as_results(rows, text, labels))
        results = _joined(found).select(PART_SCHEMA.names())
        self._results.append(results)
        several = len(runs) > 1
        self.figures += Figures(
            rows_without_text=_all_empty(self._task, texts) if several else runs[0].counts.empty,
            rows_labelled=pl.concat([run.frame["row"] for run in runs]).n_unique() if several else runs[0].counts.labelled,
            rows_without_author=_without_author(results) if self._task.columns.author is not None else 0,
            ties=_ties(runs, ungrouped),
            results=_count(results, "name"),
            labels=_count(results, "panel"),
        )

    def _as_results(self, rows: pl.DataFrame, text: pl.Series, labels: pl.DataFrame) -> pl.DataFrame:
        # Names come first: a row whose source has several of them is then copied once, not once more for each.
        sources = pl.DataFrame([rows["source"].gather(labels["row"]), pl.int_range(labels.height, eager=True).alias("at")])
        named = self._names.attach(sources)
        labels = labels[named["at"]]
        hit = rows[labels["row"]]
        author = pl.col("author")
        return pl.concat([hit, labels.select("group", "match_meta", panel="label")], how="horizontal").with_columns(
            named["name"],
            text.gather(labels["row"]).alias("match_content"),
            task_id=pl.lit(self._task_id),
            source_author=pl.col("source").fill_null("") + "_" + author if self._task.columns.source is not None else author,
            create_time=pl.col("time"),
            field_content=pl.col("source").fill_null(""),
        )

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

    def _storable(self, rows: pl.DataFrame, frame: pl.DataFrame, first: int) -> pl.DataFrame:
        """Leave out rows that the sink could not store, labelled or not: what is left out must not depend on the rules."""
        for name in self._task.needed:
            if name == self._task.columns.time or frame.schema[name] not in (pl.String, pl.Binary):
                continue
            held = as_text(frame, name).str.contains(_NUL, literal=True).fill_null(value=False)
            if held.any():
                broken = held[rows["place"] - first]
                found, rows = rows.filter(broken), rows.filter(~broken)
                self.figures += Figures(rows_rejected=found.height)
                reason = f"column {name!r} holds a NUL character, which PostgreSQL cannot store"
                listed = found.head(KEPT_TIMELESS).select("place", "id").iter_rows()
                self.rejects += [
                    Reject(place=place + 1, reason=reason, text=row_id.replace(_NUL, "")) for place, row_id in listed
                ]
        self.rejects.sort(key=lambda reject: reject.place)
        return rows

    def _in_range(self, rows: pl.DataFrame) -> pl.DataFrame:
        timeless = rows.filter(pl.col("time").is_null()) if self._task.columns.time is not None else rows.clear()
        self.figures += Figures(rows_without_time=timeless.height)
        if self._task.time_range is None:
            return rows
        listed = timeless.head(KEPT_TIMELESS).select("place", "id")
        reason = f"column {self._task.columns.time!r} holds no time"
        self.rejects += [Reject(place=place + 1, reason=reason, text=row_id) for place, row_id in listed.iter_rows()]
        kept = rows.filter(in_range(self._task))
        self.figures += Figures(rows_outside=rows.height - kept.height - timeless.height)
        return kept


def _joined(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the results of all labellers row by row, marking a label that an earlier one gave the same row already."""
    if len(found) == 1:
        return found[0].with_columns(again=pl.lit(value=False))
    both = pl.concat(found)
    first = pl.struct("place", "name", "group", "panel").is_first_distinct()
    return both.with_columns(again=~first).sort("place", maintain_order=True)


def _all_empty(task: LabelTask, texts: pl.DataFrame) -> int:
    empty = [texts.get_column(labeller.column).fill_null("") == "" for labeller in task.labellers]
    together = empty[0]
    for other in empty[1:]:
        together &= other
    return int(together.sum())


def _ties(runs: Sequence[Labelled], ungrouped: Sequence[str]) -> dict[str, int]:
    ties: dict[str, int] = {}
    for run, own in zip(runs, ungrouped, strict=True):
        for group, count in run.counts.ties.items():
            ties[group or own] = ties.get(group or own, 0) + count
    return ties


def _without_author(results: pl.DataFrame) -> int:
    return results.filter(pl.col("source_author").is_null())["place"].n_unique()


def _count(frame: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(frame.group_by(column).len().iter_rows())
