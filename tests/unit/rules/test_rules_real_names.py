"""On names at their real frequencies the matcher gives what looking at each name gives, at a hit share like that of real use."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import polars as pl
import pytest

from labelmill.rules import Kind, Label, Match, Rule, RuleSet, compile_rules, load, save, stats

NAMES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "ssa_names" / "name_totals.csv.gz"


def totals() -> list[tuple[str, int, int]]:
    """Return (name, male, female) of the real list, or of a made-up one of the same shape where that is missing."""
    if NAMES.exists():
        with gzip.open(NAMES, "rt", encoding="utf-8", newline="") as file:
            return [(row["name"], int(row["male"]), int(row["female"])) for row in csv.DictReader(file)]
    letters = random.Random(1)
    names = ["".join(letters.choices("aeioulmnrst", k=letters.randint(3, 8))).title() for _ in range(20_000)]
    return [(name, *letters.sample([10_000_000 // (rank + 1), rank % 7], 2)) for rank, name in enumerate(names)]


@pytest.fixture(scope="module")
def people() -> tuple[pl.DataFrame, RuleSet]:
    """20,000 authors with the sex that most bearers of the name have, and 1,000 rules made from the names' totals."""
    listed = sorted(totals(), key=lambda row: -row[1] - row[2])
    draw = random.Random(11)
    drawn = draw.choices(listed, [male + female for _, male, female in listed], k=20_000)
    authors = [draw.choice(["{}", "{}77", "{} Smith", "x_{}", "王{}"]).format(name) for name, _, _ in drawn]
    gold = ["/male" if male > female else "/female" for _, male, female in drawn]
    sure = [
        (name, male > female) for name, male, female in listed if len(name) > 3 and max(male, female) > 19 * min(male, female)
    ]
    rules = [
        Rule("/male" if is_male else "/female", Kind.KEYWORD, list(Match)[number % 4], name)
        for number, (name, is_male) in enumerate(sure[100:1_100])
    ]
    return pl.DataFrame({"author": authors, "gold": gold}), RuleSet("names", (Label("/male"), Label("/female")), tuple(rules))


def looked_at(rule_set: RuleSet, text: str) -> str | None:
    """Return the label of one text, by looking at rule after rule."""
    text, partially, others = text.lower(), set(), dict.fromkeys(("/male", "/female"), 0)
    for rule in rule_set.rules:
        word = rule.content.lower()
        if rule.match is Match.PARTIALLY and word in text:
            partially.add(rule.label)
        starts, ends = rule.match is Match.START and text.startswith(word), rule.match is Match.END and text.endswith(word)
        others[rule.label] += starts or ends or (rule.match is Match.EXACTLY and text == word)
    male, female = (others[label] + (label in partially) for label in ("/male", "/female"))
    return None if male == female else "/male" if male > female else "/female"


def test_a_thousand_keywords_label_real_names_as_looking_at_each_does(people):
    """Every one of a sample of 2,000 authors, labelled or not."""
    frame, rule_set = people
    sample = frame["author"].head(2_000)
    labels = dict(compile_rules(rule_set).label(sample).select("row", "label").rows())
    assert [labels.get(row) for row in range(2_000)] == [looked_at(rule_set, author) for author in sample]


def test_rules_made_from_totals_are_right_about_most_names(people):
    """More than nine labels of ten are those of the name's bearers, and a fair share of the rows gets one."""
    frame, rule_set = people
    done = stats(frame.iter_slices(3_000), rule_set, "author", "gold")
    assert done.rows == 20_000
    assert 0.05 < done.labels["labelled"].sum() / done.rows < 0.6
    assert min(done.labels["precision"]) > 0.9
    assert done.unknown_gold == 0


@pytest.mark.parametrize("file", ["rules", "rules.csv", "rules.json"])
def test_a_rule_set_from_a_file_labels_the_same(people, tmp_path, file):
    """Whatever form it went through: the order of labels may change, their rows do not."""
    frame, rule_set = people
    save(rule_set, tmp_path / file)
    columns = ["row", "label", "score", "match_meta"]
    again = compile_rules(load(tmp_path / file).rule_set).label(frame["author"])
    assert again.select(columns).equals(compile_rules(rule_set).label(frame["author"]).select(columns))
