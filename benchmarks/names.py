"""Author names at real frequencies, and rules that find about a fifth of them; the same every time."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl

from labelmill.rules import Kind, Label, Match, Rule, RuleSet

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
OUT = ROOT / "benchmarks" / "out"
#: The share of authors whose name holds a given name; the others are handles that no rule knows.
NAMED = 0.22
#: One in so many of the named is Chinese.
CHINESE_EVERY = 4
KEYWORDS = 1000
_SURNAMES = "陳林黃張李王吳劉蔡楊許鄭謝郭洪曾邱廖賴徐"


def given_names() -> pl.DataFrame:
    """Return name, male_share and count, most frequent first: the US registry where it is at hand, else a made-up list."""
    path = SHARED / "ssa_names" / "name_totals.csv.gz"
    if path.exists():
        frame = pl.read_csv(path)
        return frame.select("name", "male_share", count=pl.col("male") + pl.col("female")).sort(
            "count", "name", descending=True
        )
    made = [
        (f"{first}{last}{number}", number % 2, 1_000_000 // (number + 1))
        for number in range(3000)
        for first, last in [("ka", "ron")]
    ]
    return pl.DataFrame(made, schema=["name", "male_share", "count"], orient="row")


def make_posts(rows: int, seed: int = 7) -> pl.DataFrame:
    """Return ``rows`` posts (id, s_id, author, post_time) by about rows / 1.4 distinct authors; about 20 % carry a name of the rules."""
    draw = random.Random(seed)
    names = given_names()
    weights = names["count"].cum_sum()
    uniform = pl.Series([draw.random() for _ in range(rows)])
    number = pl.Series([draw.randrange(rows) for _ in range(rows)])
    name = names["name"].gather(weights.search_sorted(uniform * weights[-1]).clip(0, names.height - 1))
    surname = pl.Series(list(_SURNAMES)).gather(number % len(_SURNAMES))
    frame = pl.DataFrame(
        {"number": number, "name": name, "surname": surname, "kind": pl.Series([draw.random() for _ in range(rows)])}
    )
    chinese = pl.Series(list("明美芬華玲偉雅志")).gather(number % 8)
    return frame.with_columns(given=chinese).select(
        id=pl.format("{}_F", pl.int_range(pl.len()).cast(pl.String).str.zfill(9)),
        s_id=pl.format("WH_F{}", (pl.col("number") % 7).cast(pl.String).str.zfill(4)),
        author=pl.when(pl.col("kind") < NAMED * (1 - 1 / CHINESE_EVERY))
        .then(pl.format("{} {}", "name", pl.col("number") % 900))
        .when(pl.col("kind") < NAMED)
        .then(pl.format("{}{}{}", "surname", "given", pl.col("number") % 50))
        .otherwise(pl.format("user_{}_xq", "number")),
        post_time=(pl.datetime(2020, 1, 1) + pl.duration(seconds=pl.int_range(pl.len()) * 25 % 63_000_000)).dt.cast_time_unit(
            "us"
        ),
    )


def make_rules(keywords: int = KEYWORDS) -> RuleSet:
    """Return ``keywords`` given names, Latin at the start and Chinese anywhere, for /male and /female."""
    top = given_names().filter(pl.col("name").str.len_chars() >= 3).head(keywords - 8)
    latin = [
        Rule("/male" if share > 0.5 else "/female", Kind.KEYWORD, Match.START, f"{name.lower()} ")
        for name, share in top.select("name", "male_share").iter_rows()
    ]
    chinese = [
        Rule("/male" if sign in "明華偉志" else "/female", Kind.KEYWORD, Match.PARTIALLY, sign) for sign in "明美芬華玲偉雅志"
    ]
    return RuleSet("names", (Label("/male", "gender"), Label("/female", "gender")), (*latin, *chinese))


def parquet_of(rows: int) -> Path:
    """Return a Parquet file of so many posts, made when it is not there."""
    path = OUT / f"posts-{rows}.parquet"
    if not path.exists():
        OUT.mkdir(parents=True, exist_ok=True)
        make_posts(rows).write_parquet(path)
    return path
