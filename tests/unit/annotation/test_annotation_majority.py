"""Majorities of many records at once: the same as of each alone, in any order of ids."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from labelmill.annotation import majority
from labelmill.annotation.majority import majorities_of
from labelmill.annotation.model import Annotation, tally

AT = datetime(2026, 1, 1, tzinfo=UTC)
answers = st.tuples(
    st.sampled_from([3, 4, 9_000_000]),
    st.integers(0, 4).map(str),
    st.sets(st.sampled_from([1, 2, 70_000]), min_size=1, max_size=2),
    st.booleans(),
)


def frame(found: list[Annotation]) -> pl.DataFrame:
    rows = [(each.id, each.record_id, label, each.is_settling) for each in found for label in each.label_ids]
    schema = {"number": pl.Int64, "record_id": pl.Int64, "label_id": pl.Int64, "is_settling": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


@given(st.lists(answers, max_size=30, unique_by=lambda each: each[:2]), st.integers(1, 3), st.booleans())
def test_p04_many_at_once_are_as_each_alone(drawn, least, first_wins):
    found = [
        Annotation(
            id=number,
            record_id=record,
            annotator_id=who,
            label_ids=tuple(sorted(labels)),
            answered_at=AT,
            is_settling=settles and number % 5 == 0,
        )
        for number, (record, who, labels, settles) in enumerate(drawn, 1)
    ]
    expected = {}
    for record in {each.record_id for each in found}:
        alone = tally(
            [each for each in found if each.record_id == record], wanted=0, min_label_count=least, first_wins=first_wins
        )
        expected[record] = (alone.answers, alone.majority_id, alone.is_tied)
    rows = majorities_of(frame(found), min_label_count=least, first_wins=first_wins).rows()
    assert {row[0]: row[1:] for row in rows} == expected


def test_slices_of_the_table_give_the_same(monkeypatch):
    votes = random_votes(5_000, 700, 5)
    whole = majorities_of(votes)
    for first_wins in (False, True):
        whole = majorities_of(votes, first_wins=first_wins)
        monkeypatch.setattr(majority, "MOST_CELLS", 500)
        assert majorities_of(votes, first_wins=first_wins).equals(whole)
        monkeypatch.undo()


def random_votes(size: int, records: int, labels: int) -> pl.DataFrame:
    draw = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "number": np.arange(size), "record_id": draw.integers(1, records, size), "label_id": draw.integers(1, labels, size),
            "is_settling": np.zeros(size, dtype=bool),
        }
    )  # fmt: skip
