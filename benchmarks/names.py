"""The names that authors and rules are made of: lists of real names where they are at hand, else made-up ones."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

from labelmill.rules import Kind, Label, Match, Rule, RuleSet

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
#: Each label with its group, and how many of its keywords are Latin names or beginnings of Chinese and Japanese ones.
LABELS = {
    "/male": ("gender", 250), "/female": ("gender", 250), "/young": ("age", 140), "/senior": ("age", 140),
    "/chinese": ("region", 100), "/japanese": ("region", 100),
}  # fmt: skip
#: How Chinese and Japanese names of one gender end.
ENDS = {"/male": "郎夫雄彦男介助太史龍", "/female": "子美香奈恵代里芳玉貞"}
#: A Latin name of so many letters is looked for anywhere; a shorter one, which other words hold, as the first word only.
LONG = 6
#: Which Latin names each label takes, one after the other; ``year`` is the mean year of birth.
LATIN = {
    "/young": pl.col("year") >= 1995, "/senior": pl.col("year") <= 1945,
    "/male": pl.col("male_share") >= 0.9, "/female": pl.col("male_share") <= 0.1,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Names:
    #: name, male_share, year (mean of birth) and count, most frequent first.
    latin: pl.DataFrame
    chinese: pl.Series
    japanese: pl.Series
    origin: str


@cache
def names() -> Names:
    """Return the lists: US registry and Chinese-Names-Corpus, or made-up ones where one of the two is missing."""
    if not (SHARED / "ssa_names").exists() or not (SHARED / "chinese_names_corpus").exists():
        return _made_up()
    by_year = pl.scan_parquet(SHARED / "ssa_names" / "names_by_year.parquet")
    births = pl.col("count").cast(pl.Int64)
    latin = by_year.group_by("name").agg(
        male_share=births.filter(pl.col("sex") == "M").sum() / births.sum(),
        year=(pl.col("year") * births).sum() / births.sum(),
        count=births.sum(),
    )
    return Names(
        latin=latin.sort("count", "name", descending=True).collect(),
        chinese=_corpus("ancient_names_25w"),
        japanese=_corpus("japanese_names_18w"),
        origin="US registry of first names by frequency, Chinese-Names-Corpus",
    )


def _corpus(name: str) -> pl.Series:
    """Return the names of one list of the corpus, without its three lines of preamble."""
    text = gzip.decompress((SHARED / "chinese_names_corpus" / f"{name}.txt.gz").read_bytes()).decode("utf-8-sig")
    return pl.Series("name", text.splitlines()[3:])


def _made_up() -> Names:
    """Return names of random syllables; the n-th Latin one is n times rarer than the first."""
    number = pl.DataFrame({"number": range(3000)})
    syllables = pl.Series(["ka", "ron", "mi", "tel", "so", "lan", "vi", "dor", "ne", "bur", "gal", "pim", "ze", "hof"])
    parts = [syllables.gather(number["number"] // 14**place % 14) for place in range(3)]
    latin = number.select(
        name=pl.concat_str(parts).str.to_titlecase(),
        male_share=(pl.col("number") % 2).cast(pl.Float64),
        year=pl.col("number") % 120 + 1900.0,
        count=1_000_000 // (pl.col("number") + 1),
    )
    first, second, last = [chr(0x5300 + 23 * place) for place in range(120)], "鈴木佐藤高橋田中村山", "明之元德卿子美郎雄芳"
    chinese = [one + two + three for one in first for two in last for three in last]
    japanese = [one + two + three for one in second for two in second for three in last]
    return Names(latin=latin, chinese=pl.Series(chinese), japanese=pl.Series(japanese), origin="made up")


def make_rules() -> RuleSet:
    """Return the rules of ``LABELS``: 1,000 keywords, the same ones every time."""
    lists = names()
    rest, rules = lists.latin.filter(pl.col("name").str.len_chars() >= 3), []
    for label, which in LATIN.items():
        chosen = rest.filter(which).head(LABELS[label][1])
        rest = rest.join(chosen, on="name", how="anti", maintain_order="left")
        rules += [_latin(label, name.lower()) for name in chosen["name"]]
    rules += _beginnings("/chinese", lists.chinese, 1) + _beginnings("/japanese", lists.japanese, 2)
    rules += [Rule(label, Kind.KEYWORD, Match.END, sign) for label, signs in ENDS.items() for sign in signs]
    return RuleSet("names", tuple(Label(label, group) for label, (group, _) in LABELS.items()), tuple(rules))


def _latin(label: str, name: str) -> Rule:
    long = len(name) >= LONG
    return Rule(label, Kind.KEYWORD, Match.PARTIALLY if long else Match.START, name if long else f"{name} ")


def _beginnings(label: str, full: pl.Series, characters: int) -> list[Rule]:
    """Return the rules for the most frequent beginnings of full names: family names, most of them."""
    counted = full.str.slice(0, characters).alias("start").value_counts().sort("count", "start", descending=True)
    return [Rule(label, Kind.KEYWORD, Match.START, start) for start in counted["start"].head(LABELS[label][1])]
