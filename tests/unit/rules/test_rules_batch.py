"""The pure function takes what speaks Arrow and gives a frame that does."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest

import labelmill.rules
from labelmill.errors import BadInput, BadSource
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, compile_rules, label

RULE_SET = RuleSet("x", (Label("/female"),), (Rule("/female", Kind.KEYWORD, Match.PARTIALLY, "amy"),))
TEXTS = ["Amy", None, "tom", "xamyx"]
BATCHES = {
    "series": pl.Series(TEXTS),
    "frame": pl.DataFrame({"id": [1, 2, 3, 4], "text": TEXTS}),
    "table": pa.table({"text": TEXTS}),
    "chunks": pa.chunked_array([["Amy", None], ["tom", "xamyx"]]),
    "large": pa.table({"text": pa.array(TEXTS, pa.large_string())}),
    "reader": pa.table({"text": TEXTS}).to_reader(),
    "dictionary": pa.table({"text": pa.array(TEXTS).dictionary_encode()}),
}


@pytest.mark.parametrize("kind", sorted(set(BATCHES) - {"chunks", "reader"}))
@pytest.mark.parametrize("rules", [RULE_SET, compile_rules(RULE_SET)], ids=["rule set", "matcher"])
def test_every_kind_of_batch_gives_the_same_labels(kind, rules):
    """Polars and pyarrow, small and large strings and dictionaries."""
    done = label(BATCHES[kind], rules)
    assert done.rows() == [(0, "", "/female", 1, '["partially:amy"]'), (3, "", "/female", 1, '["partially:amy"]')]
    assert pa.table(done)["row"].to_pylist() == [0, 3]


def test_a_stream_is_read_once():
    """A record batch reader is a batch too."""
    assert label(pa.table({"text": TEXTS}).to_reader(), RULE_SET).height == 2


def test_the_column_is_named():
    """Another one than ``text`` is given by name; a missing one is refused with those that there are."""
    assert label(pl.DataFrame({"author": TEXTS}), RULE_SET, "author").height == 2
    with pytest.raises(BadSource, match=r"no column 'text'.*The columns are: author"):
        label(pl.DataFrame({"author": TEXTS}), RULE_SET)


def test_what_does_not_speak_arrow_is_refused():
    """A list of strings is not guessed at."""
    with pytest.raises(BadInput, match="type list"):
        label(TEXTS, RULE_SET)


def test_the_public_names_are_sorted_and_there():
    """``__all__`` is the interface."""
    assert sorted(labelmill.rules.__all__) == labelmill.rules.__all__
    assert all(hasattr(labelmill.rules, name) for name in labelmill.rules.__all__)
