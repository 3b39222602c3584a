"""A classifier as a pipeline of scikit-learn alone says what the classifier says, text by text."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import skops.io

from labelmill.learning import features, learners
from labelmill.learning.standalone import classifier_of, pipeline_of

ENGLISH = [
    "A ball, a GOAL!",
    "bread and soup 12",
    "the match   team\n\nwins",
    "soup soup oven",
    "Ball bread?",
    "x",
    "",
    "ÉCOLE école",
]
CHINESE = ["足球比賽很好看 goal", "這個湯很好喝", "球隊贏了比賽", "麵包 bread 12", "湯", "ไทย ก็ดี", "हिन्दी शब्द", ""]


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["words", "characters"])
@pytest.mark.parametrize("labels", [[1, 2] * 4, [1, 2, 3, 3] * 2, [1] * 8], ids=["two", "three", "one"])
@pytest.mark.parametrize("learner", ["tfidf-logreg", "linear-svc", "complement-nb", "counts-logreg"])
def test_the_pipeline_gives_the_same_probabilities(texts: list[str], labels: list[int], learner: str) -> None:
    series = pl.Series(texts)
    featuriser = features.fit(features.name_for("text", learners.find(learner).features), lambda: [series], lambda _name: b"")
    trained = learners.fit(learner, featuriser.transform(series), np.array(labels)).trained()
    unseen = pl.Series([*texts, "a new match 7!", "新的湯 BALL", "  \t\n"])
    names = ["good", "bad", "so so"][: len(trained.classes)]

    made = pipeline_of(features.dump(featuriser), trained, names)
    kept = skops.io.dumps(made)
    assert skops.io.get_untrusted_types(data=kept) == []
    again = skops.io.loads(kept, trusted=[])

    right = trained.probabilities(featuriser.transform(unseen))
    assert np.allclose(again.predict_proba(unseen.to_list()), right, atol=1e-5)
    assert again.predict(unseen.to_list()).tolist() == [names[place] for place in right.argmax(axis=1)]


def test_a_dataset_without_any_word_still_has_a_pipeline() -> None:
    series = pl.Series(["?", "!!"])
    featuriser = features.fit("tfidf", lambda: [series], lambda _name: b"")
    trained = learners.fit("tfidf-logreg", featuriser.transform(series), np.array([1, 2])).trained()
    made = pipeline_of(features.dump(featuriser), trained, ["a", "b"])
    assert np.allclose(
        made.predict_proba(["?", "hello"]), trained.probabilities(featuriser.transform(pl.Series(["?", "hello"]))), atol=1e-5
    )


def test_a_term_that_is_longer_than_the_rest_is_left_out() -> None:
    series = pl.Series(["short words", "w" * 5000])
    featuriser = features.fit("tfidf", lambda: [series], lambda _name: b"")
    trained = learners.fit("tfidf-logreg", featuriser.transform(series), np.array([1, 2])).trained()
    made = pipeline_of(features.dump(featuriser), trained, ["a", "b"])
    assert made.predict(["short words"]).tolist() == ["a"]


def test_a_rule_of_features_says_the_most_likely_label() -> None:
    weights, bias = np.array([[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]], np.float32), np.zeros(3, np.float32)
    made = classifier_of(weights, bias, ["a", "b", "c"])
    assert made.predict(np.array([[1.0, 0.0], [0.0, 1.0]])).tolist() == ["c", "b"]
