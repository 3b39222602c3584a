"""The generator of the sample: the same seed and row count give the same posts."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import polars as pl

from labelmill.demo import words
from labelmill.rules import Kind, Label, Match, Rule, RuleSet

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The share of posts by each kind of author; the last kind's authors say nothing about themselves.
AUTHORS = (("latin", 0.11), ("han", 0.09), ("kinship", 0.02), ("handle", 0.78))
TWO_YEARS = 2 * 365 * 24 * 3600
#: Posts by one author, on average.
POSTS_EACH = 6


def make_posts(rows: int, seed: int = 7) -> pl.DataFrame:
    """Return ``rows`` posts: id, s_id, s_area_id, author, title, content, post_time; one in five hundred without an author."""
    draw = random.Random(seed)  # noqa: S311 - a sample, not a secret
    people = [_author(draw) for _ in range(max(1, rows // POSTS_EACH))]
    who = _pick(draw, rows, people)
    source = pl.Series(
        "s_id", draw.choices([name for name, _, _ in words.SOURCES], [share for _, share, _ in words.SOURCES], k=rows)
    )
    seconds = pl.Series("seconds", sorted(draw.randrange(TWO_YEARS) for _ in range(rows)))
    frame = pl.DataFrame(
        {
            "number": pl.int_range(rows, eager=True),
            "s_id": source,
            "author": who,
            "title": _pick(draw, rows, words.TITLES),
            "content": _pick(draw, rows, words.CONTENTS),
            "seconds": seconds,
        }
    )
    nobody = pl.col("number") % 500 == 499  # noqa: PLR2004 - the share that the docstring gives
    return frame.select(
        id=pl.lit("P") + pl.col("number").cast(pl.String).str.zfill(9),
        s_id="s_id",
        s_area_id=pl.format("{}_{}", "s_id", pl.col("number") % 40),
        author=pl.when(nobody).then(None).otherwise("author"),
        title="title",
        content="content",
        post_time=(pl.datetime(2020, 1, 1) + pl.duration(seconds="seconds")).dt.to_string("%Y-%m-%d %H:%M:%S"),
    )


def make_rules() -> RuleSet:
    """Return rules that find the gender that an author's name or word of kinship speaks of, and whether there are children."""
    latin = [(name, label) for names, label in ((words.MALE_LATIN, "/male"), (words.FEMALE_LATIN, "/female")) for name in names]
    han = [(name, label) for names, label in ((words.MALE_HAN, "/male"), (words.FEMALE_HAN, "/female")) for name in names]
    kin = [(word, label) for found, label in ((words.MALE_WORDS, "/male"), (words.FEMALE_WORDS, "/female")) for word in found]
    return RuleSet(
        "sample-authors",
        (Label("/male", "gender"), Label("/female", "gender"), Label("/parenting", "family")),
        (
            *(_rule(name.lower(), label, Match.START) for name, label in latin),
            *(_rule(name, label, Match.PARTIALLY) for name, label in han),
            *(_rule(word, label, Match.END) for word, label in kin),
            *(_rule(word, "/parenting", Match.PARTIALLY) for word in ("爸爸", "媽媽")),
            Rule("/parenting", Kind.REGEX, None, r"\b(mom|dad) of\b"),
        ),
    )


def make_source_map() -> dict[str, list[str]]:
    """Return which sources go by which name; one source of the sample is left out of it."""
    names = dict.fromkeys(name for _, _, name in words.SOURCES if name)
    return {name: [source for source, _, named in words.SOURCES if named == name] for name in names}


def _author(draw: random.Random) -> str:
    kind = draw.choices([kind for kind, _ in AUTHORS], [share for _, share in AUTHORS])[0]
    mark = draw.choice(words.EMOJI)
    if kind == "latin":
        return f"{draw.choice(words.MALE_LATIN + words.FEMALE_LATIN)} {chr(draw.randrange(65, 91))}.{mark}"
    if kind == "han":
        return draw.choice(words.SURNAMES) + draw.choice(words.MALE_HAN + words.FEMALE_HAN) + mark
    if kind == "kinship":
        return draw.choice(words.SURNAMES) + draw.choice(words.MALE_WORDS + words.FEMALE_WORDS)
    return f"{draw.choice(words.HANDLES)}{draw.randrange(100_000)}{mark}"


def _rule(content: str, label: str, match: Match) -> Rule:
    return Rule(label, Kind.KEYWORD, match, content)


def _pick(draw: random.Random, rows: int, among: Sequence[Any]) -> pl.Series:
    return pl.Series(draw.choices(among, k=rows))
