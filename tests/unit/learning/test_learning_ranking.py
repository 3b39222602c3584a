"""In which order records are asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from labelmill.learning import ranking

#: Records x labels; the last label stands for ``ignored`` where one does.
P = np.array([[0.50, 0.45, 0.05], [0.90, 0.05, 0.05], [0.40, 0.31, 0.29], [0.60, 0.10, 0.30]], dtype=np.float32)


def test_l13_the_least_certain_comes_first_by_each_measure():
    assert ranking.order(P, measure="margin").tolist() == [0, 2, 3, 1]
    assert ranking.order(P, measure="least-confidence").tolist() == [2, 0, 3, 1]
    assert ranking.order(P, measure="entropy").tolist() == [2, 3, 0, 1]


def test_l14_the_most_certain_comes_first_in_ranking():
    assert ranking.order(P, by="ranking").tolist() == [1, 3, 0, 2]


def test_random_follows_the_shuffled_numbers():
    assert ranking.order(P, by="random", shuffle=np.array([30, 10, 40, 20])).tolist() == [1, 3, 0, 2]


#: Records 0 and 2 are predicted ``ignored`` (label 1), with 0.25 and 0.8.
Q = np.array([[0.20, 0.25, 0.15], [0.50, 0.20, 0.30], [0.10, 0.80, 0.10], [0.90, 0.05, 0.05]], dtype=np.float32)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.2, [1, 3, 0, 2]),  # both come after all others
        (0.5, [0, 1, 3, 2]),  # only the one that is predicted so with at least a half
        (1.0, [0, 1, 2, 3]),  # off
        (0.0, [1, 3, 0, 2]),
    ],
)
def test_l15_records_predicted_ignored_come_after_all_others_by_the_threshold(threshold, expected):
    assert ranking.order(Q, ignored=1, threshold=threshold).tolist() == expected


def test_l15_the_rule_holds_in_ranking_too():
    assert ranking.order(Q, by="ranking", ignored=1, threshold=0.2).tolist() == [3, 1, 2, 0]


def test_l15_a_record_as_likely_ignored_as_something_else_is_late_only_when_ignored_is_its_best_label():
    tied = np.array([[0.5, 0.5], [0.1, 0.9]], dtype=np.float32)
    assert ranking.order(tied, ignored=1, threshold=0.2).tolist() == [0, 1]


def test_l15_without_ignored_among_the_labels_nothing_is_late():
    assert ranking.order(Q, ignored=None, threshold=0.2).tolist() == ranking.order(Q).tolist()


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 99), st.sampled_from(["uncertainty", "ranking"]), st.floats(0, 1))
def test_every_record_is_in_the_order_once(records, labels, seed, by, threshold):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(labels), records).astype(np.float32)
    found = ranking.order(probabilities, by=by, ignored=labels - 1, threshold=threshold)
    assert sorted(found.tolist()) == list(range(records))
    late = [bool(probabilities[at].argmax() == labels - 1 and probabilities[at].max() >= threshold < 1) for at in found]
    assert late == sorted(late)


def test_one_label_and_no_record_are_no_error():
    one = ranking.scored(np.ones((3, 1), np.float32))
    assert one.margin.tolist() == [1, 1, 1]
    assert ranking.order(np.ones((3, 1), np.float32)).tolist() == [0, 1, 2]
    assert ranking.order(np.empty((0, 4), np.float32)).tolist() == []


def test_diverse_records_come_from_every_corner():
    """Four heaps of equal records, all uncertain: the first four that are chosen come from four heaps."""
    heaps = np.repeat(np.eye(4, dtype=np.float32), 25, axis=0)
    probabilities = np.full((100, 3), 1 / 3, dtype=np.float32)
    for matrix in (heaps, csr_array(heaps)):
        chosen = ranking.diverse(matrix, probabilities, count=4, seed=1)
        assert sorted((chosen // 25).tolist()) == [0, 1, 2, 3]


def test_diverse_prefers_uncertain_records():
    matrix = np.random.default_rng(1).normal(size=(200, 8)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    sure = np.tile(np.array([0.98, 0.02], np.float32), (200, 1))
    sure[:50] = [0.5, 0.5]
    chosen = ranking.diverse(matrix, sure, count=20, seed=1)
    assert (chosen < 50).mean() > 0.9
    assert len(set(chosen.tolist())) == 20


def test_diverse_ends_when_all_records_are_alike():
    chosen = ranking.diverse(np.ones((9, 2), np.float32), np.full((9, 2), 0.5, np.float32), count=5)
    assert len(chosen) == 1
    assert len(ranking.diverse(np.empty((0, 2), np.float32), np.empty((0, 2), np.float32))) == 0
