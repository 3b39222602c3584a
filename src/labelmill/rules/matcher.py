"""One vectorised pass that finds thousands of keywords in a column of texts, and scores the labels that they speak for.

Each text is lower-cased and wrapped in two anchor characters, so that one Aho-Corasick automaton answers all four kinds of match:
``<amy`` is a start, ``amy>`` an end, ``<amy>`` the whole text. The anchors are characters that no keyword holds; where a text
holds one it is replaced by a third such character, which cannot make or break a match. What was found becomes one 64-bit key per
(row, rule); rules are numbered group by group and label by label, so the sorted keys are runs of labels and all scores are counts
over runs.
"""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

import polars as pl

from labelmill.errors import BadInput, BadRules
from labelmill.rules import patterns
from labelmill.rules.casing import fold, fold_column
from labelmill.rules.model import Kind, Label, Match, Rule, RuleSet, Tie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Bytes of text and rows that one thread takes at a time: they bound what the matches of a slice can weigh.
_SLICE_BYTES: Final = 4 << 20
_SLICE_ROWS: Final = 1 << 18
#: A slice weighs at least this many times the keywords, whose automaton is built anew for each.
_SLICE_PER_PATTERN: Final = 32
#: A key is ``row * _ROW + rule``.
_ROW: Final = 1 << 32
SCHEMA: Final = pl.Schema(
    {"row": pl.UInt32, "group": pl.String, "label": pl.String, "score": pl.UInt32, "match_meta": pl.String}
)

_Part = TypeVar("_Part")


@dataclass(frozen=True)
class Counts:
    """What became of the rows of one or more batches; counts add up."""

    rows: int = 0
    #: Rows whose text is null or "": they get no label, whatever the rules.
    empty: int = 0
    #: Rows that got at least one label.
    labelled: int = 0
    #: Per group, rows for which several labels shared the best score.
    ties: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: Counts) -> Counts:
        groups = dict.fromkeys((*self.ties, *other.ties))
        return Counts(
            rows=self.rows + other.rows,
            empty=self.empty + other.empty,
            labelled=self.labelled + other.labelled,
            ties={group: self.ties.get(group, 0) + other.ties.get(group, 0) for group in groups},
        )


@dataclass(frozen=True)
class Labelled:
    """The labels of one batch: ``frame`` as ``SCHEMA`` says, ordered by row and group, and the counts."""

    frame: pl.DataFrame
    counts: Counts


class Matcher:
    """A rule set made ready for columns of text. Make it with ``compile_rules``; it holds no state and may be used by threads."""

    def __init__(self, rule_set: RuleSet) -> None:
        _refuse_unusable(rule_set)
        self.rule_set = rule_set
        groups = {group: number for number, group in enumerate(rule_set.groups)}
        self._labels = labels = sorted(rule_set.labels, key=lambda label: groups[label.group])
        position = {label.name: number for number, label in enumerate(labels)}
        distinct: dict[tuple[str, str, str], Rule] = {}
        for rule in rule_set.rules:
            distinct.setdefault(identity(rule, case_sensitive=rule_set.case_sensitive), rule)
        self._rules = sorted(distinct.values(), key=lambda rule: position[rule.label])
        self._label_names = pl.Series([label.name for label in labels], dtype=pl.String)
        self._groups = pl.Series(rule_set.groups, dtype=pl.String)
        self._facts = pl.DataFrame(
            {
                "label": [position[rule.label] for rule in self._rules],
                "group": [groups[labels[position[rule.label]].group] for rule in self._rules],
                "partial": [rule.match is Match.PARTIALLY for rule in self._rules],
                "meta": [json.dumps(rule.meta, ensure_ascii=False) for rule in self._rules],
            },
            schema={"label": pl.UInt32, "group": pl.UInt32, "partial": pl.Boolean, "meta": pl.String},
        )
        self._start, self._end, stand_in = _anchors(self._rules)
        self._exchanged = {self._start: stand_in, self._end: stand_in}
        wrapped = [(self._wrapped(rule), number) for number, rule in enumerate(self._rules) if rule.kind is Kind.KEYWORD]
        self._keywords = pl.DataFrame(wrapped, schema={"pattern": pl.String, "rule": pl.UInt64}, orient="row")
        self._patterns: list[str] = self._keywords["pattern"].unique(maintain_order=True).to_list()
        self._regexes = [
            (number, patterns.effective(rule.content, case_sensitive=rule_set.case_sensitive))
            for number, rule in enumerate(self._rules)
            if rule.kind is Kind.REGEX
        ]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The distinct rules, label by label."""
        return tuple(self._rules)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels, group by group."""
        return tuple(self._labels)

    def label(self, texts: pl.Series) -> pl.DataFrame:
        """Return the labels of ``texts`` as ``SCHEMA`` says: one row per labelled row and group, ordered by both."""
        return self.run(texts).frame

    def run(self, texts: pl.Series) -> Labelled:
        """Label a column of text of any length, null and "" included, and count what became of its rows."""
        parts = self._each_slice(texts, self._label_slice)
        frame = pl.concat([SCHEMA.to_frame(), *(part.frame for part in parts)])
        return Labelled(frame, sum((part.counts for part in parts), Counts(ties=dict.fromkeys(self._groups, 0))))

    def hits(self, texts: pl.Series) -> pl.DataFrame:
        """Return which rules hit which rows, each pair once: row, rule, label, group (all u32) and whether the rule is ``partially``.

        ``rule``, ``label`` and ``group`` are places in ``rules``, ``labels`` and the rule set's groups.
        """
        nothing = self._hits_of_slice(pl.Series(dtype=pl.String), 0)
        return pl.concat([nothing, *self._each_slice(texts, self._hits_of_slice)])

    def winners(self, hits: pl.DataFrame) -> pl.DataFrame:
        """Return what ``hits`` come to: row, group, label (places), score, rules (their number), rule (the first), rivals.

        A row and group whose best score is shared is listed with its first label; ``rivals`` is the number of labels that share it.
        """
        return _best(_scores(hits))

    def _each_slice(self, texts: pl.Series, work: Callable[[pl.Series, int], _Part]) -> list[_Part]:
        """Do ``work`` on slices (texts, first row) in threads; results in order of rows."""
        texts = _checked(texts)
        bytes_of_patterns = sum(map(len, self._patterns))
        slices = list(_slices(texts, max(_SLICE_BYTES, _SLICE_PER_PATTERN * bytes_of_patterns)))
        if len(slices) == 1:
            return [work(texts, 0)]
        with ThreadPoolExecutor(min(pl.thread_pool_size(), len(slices) or 1)) as pool:
            return list(pool.map(lambda bounds: work(texts.slice(*bounds), bounds[0]), slices))

    def _label_slice(self, texts: pl.Series, first_row: int) -> Labelled:
        hits = self._hits_of_slice(texts, 0)
        best = self.winners(hits)
        tied = best.filter(pl.col("rivals") > 1)
        won = best if self.rule_set.tie is Tie.FIRST else best.filter(pl.col("rivals") == 1)
        metas = self._metas(won, hits)
        frame = pl.select(
            (won["row"] + first_row).alias("row"),
            self._groups.gather(won["group"]).alias("group"),
            self._label_names.gather(won["label"]).alias("label"),
            won["score"],
            metas.alias("match_meta"),
        )
        ties = tied["group"].value_counts().rows()
        counts = Counts(
            rows=len(texts),
            empty=empty_texts(texts),
            labelled=won["row"].n_unique(),
            ties=dict.fromkeys(self._groups, 0) | {self._groups[group]: count for group, count in ties},
        )
        return Labelled(frame, counts)

    def _hits_of_slice(self, texts: pl.Series, first_row: int) -> pl.DataFrame:
        found = pl.concat([self._keyword_keys(texts), *self._regex_keys(texts)]).sort()
        found = found.filter((found != found.shift(1)).fill_null(value=True))
        rule = (found % _ROW).cast(pl.UInt32)
        row = (found // _ROW).cast(pl.UInt32) + first_row
        facts = [self._facts[name].gather(rule) for name in ("label", "group", "partial")]
        return pl.DataFrame([row.alias("row"), rule.alias("rule"), *facts])

    def _keyword_keys(self, texts: pl.Series) -> pl.Series:
        """Return ``row * 2**32 + rule`` (u64) of each keyword found, repeated where a keyword stands twice in a text."""
        if not self._patterns:
            return pl.Series(dtype=pl.UInt64)
        folded = fold_column(texts, case_sensitive=self.rule_set.case_sensitive, exchanged=self._exchanged)
        wrapped = pl.select(pl.format(f"{self._start}{{}}{self._end}", folded)).to_series()
        found = wrapped.str.extract_many(self._patterns, overlapping=True)
        hit = found.list.len() > 0
        rows = pl.int_range(len(texts), dtype=pl.UInt64, eager=True)
        exploded = pl.DataFrame({"row": rows.filter(hit), "pattern": found.filter(hit)}).explode("pattern")
        return exploded.join(self._keywords, on="pattern").select(pl.col("row") * _ROW + pl.col("rule")).to_series()

    def _regex_keys(self, texts: pl.Series) -> Iterator[pl.Series]:
        """Yield ``row * 2**32 + rule`` (u64) of the texts in which each regex is found; an empty text has none."""
        present = texts.replace("", None) if self._regexes else texts
        for number, pattern in self._regexes:
            yield patterns.matches(present, pattern).arg_true().cast(pl.UInt64) * _ROW + number

    def _metas(self, won: pl.DataFrame, hits: pl.DataFrame) -> pl.Series:
        """Return for each row of ``won`` the JSON list of its rules; most have one, which needs no grouping."""
        alone = ("[" + self._facts["meta"] + "]").gather(won["rule"])
        several = won["rules"] > 1
        if not several.any():
            return alone
        chosen = hits.join(won.filter(several).select("row", "label"), on=["row", "label"], how="semi", maintain_order="left")
        listed = chosen.with_columns(meta=self._facts["meta"].gather(chosen["rule"]))
        joined = listed.group_by("row", "label", maintain_order=True).agg(pl.col("meta").str.join(","))
        return alone.scatter(several.arg_true(), "[" + joined["meta"] + "]")

    def _wrapped(self, rule: Rule) -> str:
        content = fold(rule.content, case_sensitive=self.rule_set.case_sensitive)
        start = self._start if rule.match in {Match.START, Match.EXACTLY} else ""
        end = self._end if rule.match in {Match.END, Match.EXACTLY} else ""
        return f"{start}{content}{end}"


def compile_rules(rule_set: RuleSet) -> Matcher:
    """Make a rule set ready, or raise BadRules that names the first rule that cannot be used."""
    return Matcher(rule_set)


def identity(rule: Rule, *, case_sensitive: bool) -> tuple[str, str, str]:
    """Return what makes two rules one: label, type and content (of keywords: as it is compared). Such rules count once."""
    content = rule.content if rule.kind is Kind.REGEX else fold(rule.content, case_sensitive=case_sensitive)
    return rule.label, rule.type, content


def refusal_of(rule: Rule, *, case_sensitive: bool) -> patterns.Refusal | None:
    """Return why no text can be searched with a rule (an empty keyword, a regex that the engine refuses), or None."""
    if rule.kind is Kind.REGEX:
        return patterns.refusal(rule.content, case_sensitive=case_sensitive)
    return None if rule.content else patterns.Refusal("the keyword is empty", None)


def _refuse_unusable(rule_set: RuleSet) -> None:
    for rule in rule_set.rules:
        refusal = refusal_of(rule, case_sensitive=rule_set.case_sensitive)
        if refusal:
            way_out = f"{refusal.way_out} `labelmill rules check` lists all findings."
            message = f"The rule {rule.shown} cannot be used: {refusal.message}."
            raise BadRules(message, where=rule.place or rule_set.name, way_out=way_out)


def _anchors(rules: Iterable[Rule]) -> tuple[str, str, str]:
    """Return three caseless characters that no keyword holds: two anchors, and what stands in for them in texts."""
    used = set().union(*(rule.content for rule in rules if rule.kind is Kind.KEYWORD))
    controls, private = range(0x01, 0x09), range(0xE000, 0xF900)
    free = (chr(code) for code in itertools.chain(controls, private) if chr(code) not in used)
    start, end, stand_in = itertools.islice(free, 3)
    return start, end, stand_in


def empty_texts(texts: pl.Series) -> int:
    """Return how many texts are null or ""."""
    return texts.null_count() + texts.eq("").arg_true().len()


def _checked(texts: pl.Series) -> pl.Series:
    if isinstance(texts.dtype, pl.Categorical | pl.Enum | pl.Null):
        texts = texts.cast(pl.String)
    if texts.dtype != pl.String:
        raise BadInput(
            f"The column {texts.name!r} holds {texts.dtype}, not text.", way_out="Choose a column of text, or cast it."
        )
    # polars formats a series of several chunks wrongly, or panics, when one of them is empty.
    return texts.rechunk()


def _slices(texts: pl.Series, most_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield (first row, rows) of slices of about ``most_bytes`` bytes and at most ``_SLICE_ROWS`` rows, at least one."""
    ends = texts.str.len_bytes().fill_null(0).cast(pl.UInt64).cum_sum()
    first, done = 0, 0
    while first < len(texts):
        by_bytes = int(ends.search_sorted(done + most_bytes, side="right"))
        last = min(max(by_bytes, first + 1), first + _SLICE_ROWS, len(texts))
        yield first, last - first
        first, done = last, ends[last - 1]


def _scores(hits: pl.DataFrame) -> pl.DataFrame:
    """Return row, group, label, score, number of rules and first rule of each (row, label); ordered like ``hits``."""
    run = (pl.col("row").cast(pl.UInt64) * _ROW + pl.col("label")).set_sorted()
    others = (~pl.col("partial")).sum()
    return (
        hits.with_columns(run=run)
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("row", "group", "label", "rule").first(),
            score=(pl.col("partial").any().cast(pl.UInt32) + others).cast(pl.UInt32),
            rules=pl.len(),
        )
    )


def _best(scores: pl.DataFrame) -> pl.DataFrame:
    """Return the first label with the best score of each (row, group), and how many ``rivals`` share that score, itself included."""
    contest = pl.struct("row", "group").rle_id()
    best = scores.with_columns(contest=contest).filter(pl.col("score") == pl.col("score").max().over("contest"))
    return best.with_columns(rivals=pl.len().over("contest")).unique("contest", keep="first", maintain_order=True)
