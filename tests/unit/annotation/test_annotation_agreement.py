"""Figures of agreement against worked examples from the literature."""

from __future__ import annotations

import polars as pl
import pytest

from labelmill.annotation import agreement
from labelmill.annotation.dawid_skene import dawid_skene


def votes(rows: list[tuple[int, str, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"record_id": pl.Int64, "annotator_id": pl.String, "label_id": pl.Int64}, orient="row")


def from_counts(counts: list[list[int]]) -> pl.DataFrame:
    """Return votes of which ``counts`` says how many gave each label (columns) to each record (rows)."""
    rows = []
    for record, row in enumerate(counts):
        labels = [label for label, number in enumerate(row) for _ in range(number)]
        rows += [(record, f"annotator {place}", label) for place, label in enumerate(labels)]
    return votes(rows)


def from_coders(*coders: str) -> pl.DataFrame:
    """Return votes of coders, a text each, with a digit for each record and * for none."""
    return votes(
        [
            (record, f"coder {number}", int(digit))
            for number, text in enumerate(coders)
            for record, digit in enumerate(text)
            if digit != "*"
        ]
    )


#: Ten records, fourteen raters, five labels.
FLEISS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


class TestFleiss:
    def test_the_worked_example(self):
        assert agreement.fleiss(from_counts(FLEISS)) == pytest.approx(0.20993, abs=1e-5)

    def test_it_is_one_where_all_agree_and_unknown_where_nothing_can_be_said(self):
        assert agreement.fleiss(from_counts([[3, 0], [0, 3]])) == 1
        assert agreement.fleiss(from_counts([[3, 0], [3, 0]])) is None
        assert agreement.fleiss(from_counts([[1, 0], [0, 1]])) is None


class TestKrippendorff:
    def test_the_example_of_2011_with_four_observers_and_missing_answers(self):
        """Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), C."""
        found = agreement.krippendorff_alpha(from_coders("123321412***", "1233224125*3", "*3332342251*", "12332441251*"))
        assert found == pytest.approx(0.743, abs=5e-4)

    def test_the_example_with_three_coders(self):
        found = agreement.krippendorff_alpha(from_coders("*****34121133*3", "1*213343*******", "**21344*21133*4"))
        assert found == pytest.approx(0.691, abs=5e-4)

    def test_for_two_coders_without_gaps(self):
        """The same paper, A: two observers, two labels, ten units."""
        assert agreement.krippendorff_alpha(from_coders("0100000010", "1110010000")) == pytest.approx(0.095, abs=5e-4)


class TestCohen:
    def test_the_worked_example(self):
        """Fifty grants: both yes 20, both no 15, the first alone 5, the second alone 10."""
        first = pl.Series([1] * 25 + [0] * 25)
        second = pl.Series([1] * 20 + [0] * 5 + [1] * 10 + [0] * 15)
        assert agreement.cohen(first, second) == pytest.approx(0.4)

    def test_each_pair_by_the_records_that_both_answered(self):
        found = agreement.pairs(from_coders("0011*", "0010*", "***01"))
        assert [(pair.first, pair.second, pair.records, pair.percent) for pair in found] == [
            ("coder 0", "coder 1", 4, 0.75), ("coder 0", "coder 2", 1, 0.0), ("coder 1", "coder 2", 1, 1.0),
        ]  # fmt: skip
        assert found[0].kappa == pytest.approx(0.5)

    def test_labels_with_gaps_between_their_numbers(self):
        assert agreement.cohen(pl.Series([7, 900, 7]), pl.Series([7, 900, 900])) == pytest.approx(0.4)


class TestAll:
    def test_percent_is_the_share_of_equal_pairs(self):
        assert agreement.percent(from_coders("00", "01", "01")) == pytest.approx(4 / 6)

    def test_answers_with_several_labels_agree_when_all_are_the_same(self):
        rows = [(1, "a", 1), (1, "a", 2), (1, "b", 2), (1, "b", 1), (2, "a", 1), (2, "b", 1), (2, "b", 2)]
        assert agreement.percent(votes(rows)) == 0.5

    def test_one_label_against_the_others(self):
        first, second = agreement.per_label(from_coders("0011", "0010"))
        assert (first.label_id, first.answers, second.answers) == (0, 5, 3)
        assert (first.percent, second.percent) == (pytest.approx(4 / 5), pytest.approx(2 / 3))
        assert first.alpha == second.alpha == agreement.krippendorff_alpha(from_coders("0011", "0010"))

    def test_the_records_that_are_most_disputed(self):
        found = agreement.hardest(from_coders("0011*", "0101*", "02110"))
        assert found.rows() == [(1, 3, 1.0), (2, 3, pytest.approx(2 / 3))]

    def test_without_answers_nothing_is_said(self):
        found = agreement.agreement(votes([]))
        assert (found.records, found.percent, found.fleiss, found.alpha, found.pairs, found.labels) == (
            0,
            None,
            None,
            None,
            [],
            [],
        )


class TestDawidSkene:
    def test_who_errs_always_the_same_way_is_understood(self):
        """Two good annotators and three who say 1 whatever it is: the majority is 1 everywhere."""
        truth = [0, 1] * 20
        good = "".join(map(str, truth))
        found = dawid_skene(from_coders(good, good, good[:36] + "1111", "1" * 40, "1" * 40)).sort("record_id")
        assert found["label_id"].to_list()[:36] == truth[:36]

    def test_nothing_comes_of_nothing(self):
        assert dawid_skene(votes([])).is_empty()

    def test_probabilities(self):
        found = dawid_skene(from_coders("0011", "0011", "0010"))
        assert found["probability"].is_between(0.5, 1).all()
