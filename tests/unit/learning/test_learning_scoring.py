"""How good a classifier is, and whether active choice and more labels pay."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support
from sklearn.model_selection import train_test_split

from labelmill.learning import comparing, scoring

RIGHT = np.array([1, 1, 1, 2, 2, 3, 3, 3, 3, 3], dtype=np.int64)
SAID = np.array([1, 1, 2, 2, 3, 3, 3, 3, 3, 9], dtype=np.int64)


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"), [(0, 0, 0, 1), (10, 10, 0.7225, 1), (5, 10, 0.2366, 0.7634), (0, 10, 0, 0.2775)]
)
def test_the_interval_of_a_share_is_wilsons(hits, total, low, high):
    assert scoring.wilson(hits, total) == pytest.approx((low, high), abs=5e-4)


def test_l11_the_figures_are_scikit_learns():
    found = scoring.summary(RIGHT, SAID)
    labels = [1, 2, 3, 9]
    assert found["precision"] == 0.7
    assert found["macro_f1"] == pytest.approx(f1_score(RIGHT, SAID, average="macro", zero_division=0))
    assert found["confusion"] == {"labels": labels, "counts": confusion_matrix(RIGHT, SAID, labels=labels).tolist()}
    precision, recall, f1, records = precision_recall_fscore_support(RIGHT, SAID, labels=labels, zero_division=0)
    for at, each in enumerate(found["labels"]):
        assert each["label"] == labels[at]
        assert each["records"] == records[at]
        assert (each["precision"] or 0) == pytest.approx(precision[at])
        assert (each["recall"] or 0) == pytest.approx(recall[at])
        assert each["f1"] == pytest.approx(f1[at])


def test_what_was_never_there_has_no_recall_and_what_was_never_said_no_precision():
    found = scoring.summary(np.array([1, 1]), np.array([1, 2]))["labels"]
    assert found[1]["recall"] is None
    assert scoring.summary(np.array([1, 2]), np.array([1, 1]))["labels"][1]["precision"] is None


def test_the_macro_f1_lies_in_its_interval_which_shrinks_with_more_records():
    few = scoring.summary(RIGHT, SAID)
    many = scoring.summary(np.tile(RIGHT, 50), np.tile(SAID, 50))
    assert few["macro_f1_low"] <= few["macro_f1"] <= few["macro_f1_high"]
    assert many["macro_f1_high"] - many["macro_f1_low"] < (few["macro_f1_high"] - few["macro_f1_low"]) / 3


def test_no_records_have_no_scores():
    assert scoring.summary(np.empty(0, np.int64), np.empty(0, np.int64)) == {"records": 0}


def memory(matrix, labels):
    """Fit: remember the label of each feature value; say 0 to those that were never seen."""
    known = dict(zip(matrix[:, 0].tolist(), labels.tolist(), strict=True))
    return lambda some: np.array([known.get(value, 0) for value in some[:, 0].tolist()], dtype=np.int64)


def test_no_record_of_the_share_is_scored_by_who_has_seen_it():
    matrix = np.arange(40, dtype=np.float32)[:, None]
    labels = np.arange(40, dtype=np.int64) + 1
    in_share = np.arange(40) % 2 == 0
    predicted = scoring.cross_fitted(matrix, labels, np.arange(40) // 2 % 5, in_share, memory)
    assert predicted.tolist() == [0] * 20


def test_the_other_folds_of_the_share_are_trained_on():
    matrix = np.zeros((20, 1), dtype=np.float32)
    labels = np.full(20, 3, dtype=np.int64)
    predicted = scoring.cross_fitted(matrix, labels, np.arange(20) % 5, np.ones(20, dtype=bool), memory)
    assert predicted.tolist() == [3] * 20


def test_a_share_that_is_one_fold_and_all_there_is_has_no_predictions():
    predicted = scoring.cross_fitted(
        np.zeros((3, 1), np.float32), np.ones(3, np.int64), np.zeros(3, int), np.ones(3, dtype=bool), memory
    )
    assert predicted.tolist() == [scoring.NONE] * 3


def test_l11_the_held_out_tenth_is_the_predecessors():
    """The records that scikit-learn's train_test_split(test_size=0.1, random_state=42) sets aside."""
    labels = np.arange(57, dtype=np.int64)
    asked = []

    def fit(_matrix, theirs):
        def predict(some):
            asked.append((theirs.tolist(), some[:, 0].tolist()))
            return np.zeros(len(some), dtype=np.int64)

        return predict

    found = scoring.held_out(labels[:, None], labels, fit)
    seen, test = train_test_split(labels, test_size=0.1, random_state=42)
    assert asked == [(seen.tolist(), test.tolist())]
    assert found is not None
    assert found["records"] == 6


def test_one_label_has_no_held_out_part():
    assert scoring.held_out(np.zeros((1, 1)), np.array([1]), memory) is None


def compared(*, share: int, active: int, seed: int = 0, **how: float):
    """Compare by learners that are right as often as is said of each: ``by_active`` and ``by_random``."""
    total = 20 + share + active
    in_share = np.arange(total) < share
    generator = np.random.default_rng(seed)
    labels = generator.integers(1, 4, total)
    # The records outside the share come first, so that twenty of them are the warm start.
    given = np.argsort(np.argsort(generator.random(total) + in_share)) + 1

    def fit(matrix, _labels):
        kind = "by_random" if in_share[matrix[:, 0].astype(int)].any() else "by_active"

        def predict(some):
            right = labels[some[:, 0].astype(int)]
            luck = np.random.default_rng(len(some)).random(len(some))
            return np.where(luck < how[kind], right, 0)

        return predict

    matrix = np.arange(total, dtype=np.float64)[:, None]
    folds = np.arange(total) % 5
    return comparing.active_against_random(matrix, labels, in_share=in_share, given=given, folds=folds, warm_start=20, fit=fit)


def test_active_against_random_is_too_early_below_two_hundred_share_records():
    found = compared(share=199, active=100, by_active=0.1, by_random=0.9)
    assert found["verdict"] == "too-early"
    assert found["share_records"] == 199


def test_active_against_random_is_too_early_without_active_labels():
    assert compared(share=250, active=0, by_active=0.1, by_random=0.9)["verdict"] == "too-early"


@pytest.mark.parametrize(
    ("by_active", "by_random", "verdict"), [(0.9, 0.5, "active"), (0.5, 0.9, "random"), (0.7, 0.7, "no-difference")]
)
def test_the_verdict_follows_the_interval_of_the_difference(by_active, by_random, verdict):
    found = compared(share=250, active=100, by_active=by_active, by_random=by_random)
    assert found["verdict"] == verdict
    assert found["k"] == 100
    assert found["low"] <= found["difference"] <= found["high"]


def test_both_arms_have_the_same_warm_start_and_as_many_labels():
    sizes = []

    def fit(matrix, _labels):
        sizes.append(len(matrix))
        return lambda some: np.ones(len(some), dtype=np.int64)

    total = 400
    in_share = np.arange(total) < 220
    comparing.active_against_random(
        np.arange(total)[:, None], np.ones(total, np.int64), in_share=in_share, given=total - np.arange(total),
        folds=np.arange(total) % 5, warm_start=100, fit=fit,
    )  # fmt: skip
    assert set(sizes) == {180}


def arms(in_share, given, warm_start: int):
    """Return which records the two classifiers learn from: the active one, and that of the first fold of the share."""
    seen = []

    def fit(matrix, _labels):
        seen.append(set(matrix[:, 0].tolist()))
        return lambda some: np.ones(len(some), dtype=np.int64)

    total = len(given)
    found = comparing.active_against_random(
        np.arange(total)[:, None], np.ones(total, np.int64), in_share=in_share, given=given, folds=np.arange(total) % 5,
        warm_start=warm_start, fit=fit,
    )  # fmt: skip
    return (found, *seen[:2])


def test_labels_that_nobody_was_asked_for_are_neither_active_nor_a_part_of_the_share_but_known_to_both():
    """Init records and imported answers, however many: they are no sign of how well records are chosen."""
    in_share = np.arange(600) < 250
    given = np.where(np.arange(600) < 500, np.arange(600) + 1, 0)
    found, active, random = arms(in_share, given, warm_start=50)
    imported = set(range(500, 600))
    assert imported <= active
    assert imported <= random
    # They count for the warm start, as they do where records are served: all that was served outside the share was chosen.
    assert found["warm_start"] == 100
    assert active - imported == set(range(250, 250 + found["k"]))


def test_labels_of_the_share_count_for_the_warm_start():
    """The first fifty answers are random ones, a part of them to the share: what comes then was chosen."""
    in_share = np.arange(1000) % 4 == 0
    found, active, random = arms(in_share, np.arange(1000) + 1, warm_start=100)
    assert found["warm_start"] == 75
    assert active & random == {number for number in range(100) if number % 4}


def test_it_is_too_early_while_few_records_were_chosen():
    found, *_ = arms(np.arange(330) < 250, np.where(np.arange(330) < 250, 1000, 0) + np.arange(330) + 1, warm_start=40)
    assert (found["verdict"], found["active_records"]) == ("too-early", 40)


@pytest.mark.parametrize(
    ("better", "verdict"), [(0, "no-difference"), (5, "no-difference"), (6, "active"), (-5, "no-difference"), (-6, "random")]
)
def test_a_few_records_make_no_verdict(better, verdict):
    """Of 200 records six that only one side has right are the fewest that chance brings less than once in twenty."""
    in_share = np.arange(400) < 200

    def fit(matrix, _labels):
        is_random = in_share[matrix[:, 0]].any()
        right = better < 0 if is_random else better > 0
        return lambda some: np.where((some[:, 0] < abs(better)) & (not right), 2, 1)

    found = comparing.active_against_random(
        np.arange(400)[:, None], np.ones(400, np.int64), in_share=in_share, given=400 - np.arange(400), folds=np.arange(400) // 40 % 5,
        warm_start=50, fit=fit,
    )  # fmt: skip
    assert found["verdict"] == verdict
    assert found["difference"] == better / 200


def test_chance_alone_makes_a_verdict_less_than_once_in_twenty():
    rng = np.random.default_rng(4)
    in_share = np.arange(300) < 200
    verdicts = []
    for _ in range(300):
        hits = rng.random((2, 300)) < 0.8

        def fit(matrix, _labels, hits=hits):
            side = int(in_share[matrix[:, 0]].any())
            return lambda some: np.where(hits[side, some[:, 0]], 1, 2)

        found = comparing.active_against_random(
            np.arange(300)[:, None], np.ones(300, np.int64), in_share=in_share, given=300 - np.arange(300),
            folds=np.arange(300) % 5, warm_start=0, fit=fit,
        )  # fmt: skip
        verdicts.append(found["verdict"])
    assert 0 < 300 - verdicts.count("no-difference") <= 24


def doubled(share: int, learn):
    """Return what the second half of 4 x ``share`` labels brought; ``learn`` tells how many labels make which part of the share right."""
    total = 4 * share
    in_share = np.arange(total) % 4 == 0

    def fit(some, _labels):
        part = learn(len(some))
        return lambda tested: np.where(tested[:, 0] % 1000 < part * 1000, 1, 2)

    # The share's records are numbered so that any part of them can be right.
    matrix = np.where(in_share, np.arange(total) // 4 * 1000 // share, 0)[:, None]
    return comparing.last_doubling(
        matrix, np.ones(total, np.int64), in_share=in_share, given=np.arange(total), folds=np.arange(total) // 4 % 5, fit=fit
    )


def test_stop_advice_is_too_early_with_a_small_share():
    assert doubled(49, lambda _: 1.0) is None
    assert comparing.stop_advice(None, 100, 10)["advice"] == "too-early"


def test_stop_advice_says_what_the_last_doubling_brought():
    found = doubled(200, lambda labels: 0.9 if labels > 400 else 0.8)
    assert found["difference"] == pytest.approx(0.1, abs=0.01)
    assert found["low"] < 0.1 < found["high"]
    said = comparing.stop_advice(found, 800, 100)
    assert said["advice"] == "go-on"
    assert said["gain_of_doubling"] == found["difference"]
    assert said["expected_gain"] == pytest.approx(found["difference"] * np.log2(900 / 800))


def test_stop_advice_is_to_stop_where_the_second_half_brought_nothing():
    found = doubled(300, lambda _: 0.8)
    assert found["difference"] == 0
    assert comparing.stop_advice(found, 1200, 10)["advice"] == "stop"


def test_a_file_that_is_sorted_by_label_is_halved_at_random():
    """Imported labels have no order of their own: halved as they stand, the first half would lack half of the labels."""
    labels = np.repeat([1, 2, 3, 4], 100)
    known = []

    def fit(_matrix, theirs):
        known.append(len(np.unique(theirs)))
        return lambda some: np.ones(len(some), dtype=np.int64)

    comparing.last_doubling(
        np.zeros((400, 1)),
        labels,
        in_share=np.arange(400) % 2 == 0,
        given=np.zeros(400, np.int64),
        folds=np.arange(400) // 2 % 5,
        fit=fit,
    )
    assert known == [4] * 10


def test_stop_advice_goes_on_while_too_few_records_tell():
    """Where no record of a hundred differs, one of fifty may all the same."""
    found = doubled(100, lambda _: 0.8)
    assert found["difference"] == 0
    assert found["high"] > 0.01
    assert comparing.stop_advice(found, 400, 10)["advice"] == "go-on"
