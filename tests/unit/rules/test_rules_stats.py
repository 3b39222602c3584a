"""The statistics are those that counting row by row gives, however the rows come in frames."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.errors import BadSource
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, Tie, stats

LABELS = (Label("/male", "gender"), Label("/young", "age"), Label("/female", "gender"))
RULES = tuple(
    Rule(label, Kind.KEYWORD, Match(match), content, place)
    for label, match, content, place in [
        ("/male", "partially", "tom", "m:1"),
        ("/male", "start", "mr", "m:2"),
        ("/female", "partially", "amy", "f:1"),
        ("/young", "end", "kid", "y:1"),
        ("/female", "exactly", "never", "f:2"),
    ]
)
RULE_SET = RuleSet("x", LABELS, RULES)
TEXTS = ["tom", "mr tom", "tom amy", "amy kid", "amy", "none", None, ""]
GOLD = ["/male", "/male", "/female", "/young", "/male", "/female", "/female", "/typo"]


def test_counts_of_an_example_done_by_hand():
    """Eight rows: five covered, three with several rules, one with two labels of a group."""
    done = stats([pl.DataFrame({"text": TEXTS, "gold": GOLD})], RULE_SET, "text", "gold")
    assert (done.rows, done.empty, done.covered, done.overlapping, done.conflicting, done.unknown_gold) == (8, 2, 5, 3, 1, 1)
    assert done.rules.rows() == [
        ("/male", "gender", "partially:tom", "m:1", 3, 2, 1, 3, 2, 2 / 3, 2 / 3),
        ("/male", "gender", "start:mr", "m:2", 1, 1, 0, 1, 1, 1.0, 1 / 3),
        ("/female", "gender", "partially:amy", "f:1", 3, 2, 1, 2, 1, 0.5, 1 / 3),
        ("/female", "gender", "exactly:never", "f:2", 0, 0, 0, 0, 0, None, 0.0),
        ("/young", "age", "end:kid", "y:1", 1, 1, 0, 1, 1, 1.0, 1.0),
    ]
    assert done.labels.rows() == [
        ("/male", "gender", 2, 3, 1, 2, 2, 2, 3, 1.0, 2 / 3),
        ("/female", "gender", 2, 3, 1, 2, 1, 0, 3, 0.0, 0.0),
        ("/young", "age", 1, 1, 0, 1, 1, 1, 1, 1.0, 1.0),
    ]


def test_columns_are_documented_ones():
    """The names that pages and the command line show."""
    done = stats([], RULE_SET, "text")
    counted = ["judged", "correct"]
    assert [
        "label",
        "group",
        "rule",
        "place",
        "hits",
        "overlaps",
        "conflicts",
        *counted,
        "precision",
        "recall",
    ] == done.rules.columns
    assert [
        "label",
        "group",
        "rules",
        "hits",
        "conflicts",
        "labelled",
        *counted,
        "gold",
        "precision",
        "recall",
    ] == done.labels.columns
    assert (done.rows, done.rules["hits"].to_list(), done.rules["recall"].to_list()) == (0, [0] * 5, [None] * 5)


ROWS = st.lists(
    st.tuples(st.none() | st.text("tomayrkid ", max_size=9), st.sampled_from([None, "", "/male", "/female", "/young", "?"]))
)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(1, 5), st.sampled_from(list(Tie)))
def test_frames_change_nothing(rows, size, tie):
    """Rows in one frame or in many give the same statistics."""
    rows = [*rows, *zip(TEXTS, GOLD, strict=True)]
    frame = pl.DataFrame(rows, schema={"text": pl.String, "gold": pl.String}, orient="row")
    rule_set = RuleSet("x", LABELS, RULES, tie)
    whole, cut = (stats(frames, rule_set, "text", "gold") for frames in ([frame], frame.iter_slices(size)))
    assert whole.rules.equals(cut.rules)
    assert whole.labels.equals(cut.labels)
    totals = [
        (done.rows, done.empty, done.covered, done.overlapping, done.conflicting, done.unknown_gold) for done in (whole, cut)
    ]
    assert totals[0] == totals[1]
    assert whole.labels["labelled"].sum() <= whole.labels["hits"].sum()


def test_without_gold_nothing_is_rated():
    """Precision and recall are null, the counts are there."""
    done = stats([pl.DataFrame({"text": TEXTS})], RULE_SET, "text")
    assert done.rules["hits"].to_list() == [3, 1, 3, 0, 1]
    assert done.rules["precision"].null_count() == done.rules["recall"].null_count() == 5


def test_a_missing_column_is_named():
    """So is what there is."""
    for columns in (("author", None), ("text", "truth")):
        with pytest.raises(BadSource, match="The columns are: text, gold"):
            stats([pl.DataFrame({"text": TEXTS, "gold": GOLD})], RULE_SET, *columns)
