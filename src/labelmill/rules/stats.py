"""What a rule set does to a source: hits, coverage, overlap and conflict, and with a gold column precision and recall."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from labelmill.errors import BadSource
from labelmill.rules.matcher import Matcher, compile_rules, empty_texts
from labelmill.rules.model import RuleSet, Tie

if TYPE_CHECKING:
    from collections.abc import Iterable

_COUNTED: Final = ("hits", "overlaps", "conflicts", "judged", "correct")
_OF_RULES: Final = pl.Schema({"rule": pl.UInt32, **dict.fromkeys(_COUNTED, pl.Int64)})
_OF_LABELS: Final = pl.Schema(
    {"label": pl.UInt32, **dict.fromkeys(("hits", "conflicts", "labelled", "judged", "correct", "gold"), pl.Int64)}
)


@dataclass(frozen=True)
class Stats:
    """Counts of rows. *Covered* rows are hit by a rule, *overlapping* by two or more, *conflicting* by two labels of one group.

    ``rules`` has a row per distinct rule: label, group, rule, place, hits, overlaps, conflicts, judged, correct, precision, recall.
    ``labels`` has a row per label: label, group, rules, hits, conflicts, labelled, judged, correct, gold, precision, recall.

    A row is *judged* when its gold value is a label of the same group; ``unknown_gold`` counts the rows whose gold value is no label
    of the rule set. Precision is correct / judged (of hits, or of labels given), recall is correct / gold rows of the label; null
    where nothing was judged or there is no such gold row.
    """

    rows: int
    empty: int
    covered: int
    overlapping: int
    conflicting: int
    unknown_gold: int
    rules: pl.DataFrame
    labels: pl.DataFrame


def stats(frames: Iterable[pl.DataFrame], rules: RuleSet | Matcher, text_column: str, gold_column: str | None = None) -> Stats:
    """Count what the rules do in all ``frames``, one frame in memory at a time. Raises BadRules, BadSource and BadInput."""
    matcher = rules if isinstance(rules, Matcher) else compile_rules(rules)
    totals = dict.fromkeys(("rows", "empty", "covered", "overlapping", "conflicting", "unknown_gold"), 0)
    of_rules, of_labels = _OF_RULES.to_frame(), _OF_LABELS.to_frame()
    for frame in frames:
        texts = _column(frame, text_column)
        gold = _gold(matcher, _column(frame, gold_column) if gold_column else pl.Series([None] * len(frame), dtype=pl.String))
        hits = _judged(matcher.hits(texts), gold)
        given = _judged(_given(matcher, hits), gold)
        for name, count in _totals(texts, hits, gold).items():
            totals[name] += count
        of_rules = _added(of_rules, _per_rule(hits))
        of_labels = _added(of_labels, _per_label(hits, given, gold))
    labels = _label_table(matcher, of_labels)
    return Stats(**totals, rules=_rule_table(matcher, of_rules, labels), labels=labels)


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    if name not in frame.columns:
        raise BadSource(f"There is no column {name!r}.", way_out=f"The columns are: {', '.join(frame.columns)}.")
    return frame[name]


def _gold(matcher: Matcher, column: pl.Series) -> pl.DataFrame:
    """Return row, gold (place of the label, null when unknown), gold_group, and whether there is a value that is no label."""
    groups = {group: number for number, group in enumerate(matcher.rule_set.groups)}
    names = pl.DataFrame(
        {
            "name": [label.name for label in matcher.labels],
            "gold": range(len(matcher.labels)),
            "gold_group": [groups[label.group] for label in matcher.labels],
        },
        schema={"name": pl.String, "gold": pl.UInt32, "gold_group": pl.UInt32},
    )
    values = column.cast(pl.String).alias("name").to_frame().with_row_index("row")
    known = values.join(names, on="name", how="left", maintain_order="left")
    unknown = pl.col("gold").is_null() & pl.col("name").is_not_null() & (pl.col("name") != "")
    return known.select("row", "gold", "gold_group", unknown=unknown)


def _judged(found: pl.DataFrame, gold: pl.DataFrame) -> pl.DataFrame:
    """Add to rows with ``row``, ``label`` and ``group`` whether gold judges them, and whether they are correct."""
    judged = (pl.col("group") == pl.col("gold_group")).fill_null(value=False)
    correct = (pl.col("label") == pl.col("gold")).fill_null(value=False)
    joined = found.join(gold.drop("unknown"), on="row", how="left", maintain_order="left")
    return joined.with_columns(judged=judged, correct=correct).drop("gold", "gold_group")


def _given(matcher: Matcher, hits: pl.DataFrame) -> pl.DataFrame:
    best = matcher.winners(hits)
    won = best if matcher.rule_set.tie is Tie.FIRST else best.filter(pl.col("rivals") == 1)
    return won.select("row", "label", "group")


def _totals(texts: pl.Series, hits: pl.DataFrame, gold: pl.DataFrame) -> dict[str, int]:
    marked = _marked(hits)
    return {
        "rows": len(texts),
        "empty": empty_texts(texts.cast(pl.String)),
        "covered": hits["row"].n_unique(),
        "overlapping": marked.filter("overlap")["row"].n_unique(),
        "conflicting": marked.filter("conflict")["row"].n_unique(),
        "unknown_gold": gold.filter("unknown").height,
    }


def _marked(hits: pl.DataFrame) -> pl.DataFrame:
    rivals = pl.col("label").min() != pl.col("label").max()
    return hits.with_columns(overlap=pl.len().over("row") > 1, conflict=rivals.over("row", "group"))


def _per_rule(hits: pl.DataFrame) -> pl.DataFrame:
    sums = {"overlaps": "overlap", "conflicts": "conflict", "judged": "judged", "correct": "correct"}
    return _marked(hits).group_by("rule").agg(hits=pl.len(), **{name: pl.col(column).sum() for name, column in sums.items()})


def _per_label(hits: pl.DataFrame, given: pl.DataFrame, gold: pl.DataFrame) -> pl.DataFrame:
    rows = _marked(hits).unique(["row", "label"])
    found = rows.group_by("label").agg(hits=pl.len(), conflicts=pl.col("conflict").sum())
    won = given.group_by("label").agg(labelled=pl.len(), judged=pl.col("judged").sum(), correct=pl.col("correct").sum())
    support = gold.drop_nulls("gold").group_by(label="gold").agg(gold=pl.len())
    return pl.concat([found, won, support], how="diagonal_relaxed")


def _added(total: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    key = total.columns[0]
    return pl.concat([total, more], how="diagonal_relaxed").group_by(key).sum().cast(total.schema)


def _label_table(matcher: Matcher, counted: pl.DataFrame) -> pl.DataFrame:
    rules = Counter(rule.label for rule in matcher.rules)
    names = pl.DataFrame(
        {
            "number": range(len(matcher.labels)),
            "label": [label.name for label in matcher.labels],
            "group": [label.group for label in matcher.labels],
            "rules": [rules[label.name] for label in matcher.labels],
        },
        schema={"number": pl.UInt32, "label": pl.String, "group": pl.String, "rules": pl.Int64},
    )
    table = names.join(counted.rename({"label": "number"}), on="number", how="left", maintain_order="left").drop("number")
    return _rated(table.with_columns(pl.col(pl.Int64).fill_null(0)))


def _rule_table(matcher: Matcher, counted: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    names = pl.DataFrame(
        {
            "number": range(len(matcher.rules)),
            "label": [rule.label for rule in matcher.rules],
            "rule": [rule.meta for rule in matcher.rules],
            "place": [rule.place for rule in matcher.rules],
        },
        schema={"number": pl.UInt32, "label": pl.String, "rule": pl.String, "place": pl.String},
    )
    table = names.join(counted.rename({"rule": "number"}), on="number", how="left", maintain_order="left").drop("number")
    table = table.join(labels.select("label", "group", "gold"), on="label", how="left", maintain_order="left")
    return _rated(table.with_columns(pl.col(pl.Int64).fill_null(0))).select(
        "label", "group", pl.exclude("label", "group", "gold")
    )


def _rated(table: pl.DataFrame) -> pl.DataFrame:
    def rate(part: str, whole: str) -> pl.Expr:
        return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))

    return table.with_columns(precision=rate("correct", "judged"), recall=rate("correct", "gold"))
