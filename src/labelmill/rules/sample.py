"""What rules do to the first rows of a source: counts, and texts with what hit them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from labelmill.connections import below_data_dir, files_folder
from labelmill.db.bulk.open import open_source
from labelmill.deadline import within
from labelmill.errors import BadSource, LabelmillError
from labelmill.rules.explain import Explanation, explain
from labelmill.rules.matcher import compile_rules
from labelmill.rules.stats import Stats, stats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelmill.bootstrap import App
    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import Source
    from labelmill.rules.matcher import Matcher
    from labelmill.rules.model import RuleSet

#: Seconds that reading and matching may take.
SECONDS: Final = 15
MOST_ROWS: Final = 20_000
#: Texts that are shown, and the characters of each.
SHOWN: Final = 20
LONGEST: Final = 500
_FORM: Final = "Write posts.csv, posts.db::posts or @connection::schema.table."


@dataclass(frozen=True, kw_only=True)
class Sample:
    """``shown`` are the first rows that a rule hits, as (row number from 1, explanation); ``columns`` all of the source's."""

    columns: tuple[str, ...]
    stats: Stats
    shown: tuple[tuple[int, Explanation], ...]


def locate(app: App, source: str) -> Location:
    """Return where a source is that was named over HTTP: a file below the data folder's ``files``, or a named connection's table."""
    if source.startswith("@"):
        return app.places.locate(app.places.reference(source), write=False)
    path = source.partition("::")[0]
    if "://" in source or not path:
        raise BadSource("This names no source.", where=source[:200], way_out=_FORM)
    below_data_dir(app.settings, path)  # without the table, so that a link that leads out is followed and seen
    location = app.places.locate({"path": source}, write=False)
    if location.is_file and path != source:
        raise BadSource("A file of rows has no tables.", where=source[:200], way_out=_FORM)
    return location


def take(
    app: App, source: str, rule_set: RuleSet, *, text_column: str, gold_column: str | None = None, rows: int = 1_000
) -> Sample:
    """Match the first ``rows`` rows within 15 seconds. Raises BadSource, BadRules, BadInput and Unavailable."""
    matcher = compile_rules(rule_set)
    with _telling(app):
        location = locate(app, source)
        return within(SECONDS, lambda: _taken(location, matcher, text_column, gold_column, rows), "The source")


def columns_of(app: App, source: str) -> tuple[str, ...]:
    """Return the names of a source's columns, within 15 seconds."""
    with _telling(app):
        location = locate(app, source)
        return within(SECONDS, lambda: _columns(location), "The source")


@contextmanager
def _telling(app: App) -> Iterator[None]:
    """Let errors name files as they are asked for, not by their whole path here."""
    try:
        yield
    except LabelmillError as error:
        for folder in {str(files_folder(app.settings).resolve()), str(files_folder(app.settings).absolute())}:
            for field in ("message", "where", "way_out"):
                setattr(error, field, getattr(error, field).replace(f"{folder}/", "").replace(folder, "files"))
        raise


def _columns(location: Location) -> tuple[str, ...]:
    with open_source(location) as source:
        return tuple(column.name for column in source.table.columns)


def _taken(location: Location, matcher: Matcher, text_column: str, gold_column: str | None, rows: int) -> Sample:
    wanted = list(dict.fromkeys([text_column, *([gold_column] if gold_column else [])]))
    with open_source(location) as source:
        frame = _first(source, wanted, rows)
        columns = tuple(column.name for column in source.table.columns)
    counted = stats([frame], matcher, text_column, gold_column)
    return Sample(columns=columns, stats=counted, shown=_explained(matcher, frame[text_column]))


def _first(source: Source, columns: list[str], rows: int) -> pl.DataFrame:
    frames: list[pl.DataFrame] = []
    for frame in source.read(columns, batch_rows=rows):
        frames.append(frame.head(rows - sum(map(len, frames))))
        if sum(map(len, frames)) >= rows:
            break
    return pl.concat(frames, how="vertical_relaxed") if frames else pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


def _explained(matcher: Matcher, texts: pl.Series) -> tuple[tuple[int, Explanation], ...]:
    """Explain the first texts that a rule hits. Only rules that hit one are compiled for it: the others cannot change a thing."""
    hits = matcher.hits(texts)
    numbers = hits["row"].unique(maintain_order=True).head(SHOWN)
    used = sorted(set(hits.filter(hits["row"].is_in(numbers.implode()))["rule"]))
    few = compile_rules(replace(matcher.rule_set, rules=tuple(matcher.rules[rule] for rule in used)))
    return tuple((number + 1, explain(few, texts[number])) for number in numbers)
