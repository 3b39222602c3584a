"""Real people's names: the authors of a Stack Exchange site, and two million names at the frequencies of the US registry."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from labelmill import bootstrap
from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch
from labelmill.labeltasks import service
from labelmill.labeltasks.report import report
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, save
from labelmill.settings import Settings

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
MILLIONS = 2_000_000


def names() -> pl.DataFrame:
    """Name, male_share and count; where the registry is not at hand, names of our own with the same columns."""
    path = SHARED / "ssa_names" / "name_totals.csv.gz"
    if path.exists():
        frame = pl.read_csv(path)
        return frame.select("name", "male_share", count=pl.col("male") + pl.col("female")).sort(
            "count", "name", descending=True
        )
    made = [(f"Name{number:04d}", (number * 37 % 101) / 100, 5_000_000 // (number + 1)) for number in range(5000)]
    return pl.DataFrame(made, schema=["name", "male_share", "count"], orient="row")


def authors_of_posts(kind: str) -> pl.DataFrame:
    """The posts or comments of a real site, else posts of our own with names among them."""
    path = SHARED / "stackexchange_cardano" / f"{kind}.parquet"
    if path.exists():
        return pl.read_parquet(path)
    draw = random.Random(3)
    known = names()["name"].to_list()
    return pl.DataFrame(
        {
            "author": [
                draw.choice([f"{draw.choice(known)} {draw.randrange(99)}", f"user{draw.randrange(999)}", None])
                for _ in range(2000)
            ],
            "post_time": [f"2021-{draw.randrange(1, 13):02d}-01 00:00:00" for _ in range(2000)],
        }
    )


def clear_names(most: int) -> list[tuple[str, str]]:
    """The most frequent names that are given to one sex in at least 95 of 100 cases, with their label."""
    clear = names().filter((pl.col("male_share") >= 0.95) | (pl.col("male_share") <= 0.05)).head(most)
    return [
        (name.lower(), "/male" if share > 0.5 else "/female") for name, share in clear.select("name", "male_share").iter_rows()
    ]


def make_rules(most: int = 1000) -> RuleSet:
    rules = [
        Rule(label, Kind.KEYWORD, match, name + end)
        for name, label in clear_names(most)
        for match, end in ((Match.EXACTLY, ""), (Match.START, " "))
    ]
    return RuleSet("names", (Label("/male", "gender"), Label("/female", "gender")), tuple(rules))


def run(folder: Path, source: Path, **asked: Any) -> dict[str, Any]:
    app = bootstrap.build(Settings(data_dir=folder / "data"))
    try:
        places = app.places
        request = service.Request(
            source=places.reference(str(source)),
            sink=places.reference(str(folder / "out.parquet")),
            rules=make_rules(),
            text_column="author",
            **asked,
        )
        job = app.database.transact(service.start, service.prepare(request, places))
        run_or_watch(app.runtime, job.id)
        with app.database.read() as connection:
            return report(service.get(connection, job.id), jobs.list_steps(connection, job.id))
    finally:
        app.close()


@pytest.mark.parametrize("kind", ["posts", "comments"])
def test_authors_of_a_real_site(tmp_path: Path, kind: str) -> None:
    """Every author is labelled as somebody who reads the first word of the name would, and the figures add up."""
    frame = authors_of_posts(kind)
    frame.write_parquet(tmp_path / "in.parquet")
    found = run(tmp_path, tmp_path / "in.parquet")
    known = dict(clear_names(1000))
    authors = [author for author in frame["author"].to_list() if author]
    first_words = [
        author.lower() if author.lower() in known else author.lower().split(" ")[0] if " " in author else ""
        for author in authors
    ]
    expected = Counter(known[word] for word in first_words if word in known)
    assert found["labels"] == dict(expected)
    assert sum(expected.values()) > 100
    assert found["rows_read"] == frame.height
    assert found["rows_without_text"] == frame.height - len(authors)
    assert found["authors"] == {"in": len(set(authors))}
    made = pl.read_parquet(tmp_path / "out.production.parquet")
    labelled = {author for author, word in zip(authors, first_words, strict=True) if word in known}
    assert set(made["source_author"]) == labelled
    assert found["rate_of_label"] == {"in": round(len(labelled) / len(set(authors)) * 100, 2)}


def test_two_million_names_at_real_frequencies(tmp_path: Path) -> None:
    """Counts by label equal those of a join with the registry; each distinct name has one production row."""
    draw = random.Random(11)
    registry = names()
    weights = registry["count"].cum_sum()
    drawn = weights.search_sorted(pl.Series([draw.random() for _ in range(MILLIONS)]) * weights[-1]).clip(
        0, registry.height - 1
    )
    frame = pl.DataFrame({"author": registry["name"].gather(drawn)})
    frame.write_parquet(tmp_path / "in.parquet")
    found = run(tmp_path, tmp_path / "in.parquet")
    known = pl.DataFrame(clear_names(1000), schema=["name", "label"], orient="row")
    joined = frame.with_columns(name=pl.col("author").str.to_lowercase()).join(known, on="name")
    assert found["labels"] == dict(joined.group_by("label").len().iter_rows())
    assert found["rows_read"] == MILLIONS
    assert found["production"] == {"in": joined["author"].n_unique()}
    assert found["authors"] == {"in": frame["author"].n_unique()}
    sample = pl.read_parquet(tmp_path / "out.parquet").sample(200, seed=1)
    by_name = dict(known.iter_rows())
    for author, panel, meta in sample.select("match_content", "panel", "match_meta").iter_rows():
        assert by_name[author.lower()] == panel
        assert json.loads(meta) == [f"exactly:{author.lower()}"]


def test_rules_made_from_the_registry_survive_a_file(tmp_path: Path) -> None:
    """Two thousand rules written and read again label the same."""
    from labelmill.rules import load

    save(make_rules(), tmp_path / "rules.json")
    assert load(tmp_path / "rules.json").rule_set.content_hash == make_rules().content_hash
