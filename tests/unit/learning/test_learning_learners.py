"""Learners by name, and classifiers as files that hold no code."""

from __future__ import annotations

import io
import pickle  # noqa: TID251 - to be refused
import zipfile

import joblib
import numpy as np
import polars as pl
import pytest
import skops.io
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from labelmill.errors import BadFile, BadInput
from labelmill.learning import learners
from labelmill.learning.features.counts import CountFeatures
from labelmill.learning.features.text import TextFeatures

NAMES = list(learners.LEARNERS)
WORDS = {1: "ball goal match team coach", 2: "soup bread cook taste oven", 3: "song choir drum note band"}


def corpus(count: int = 90) -> tuple[list[str], np.ndarray]:
    generator = np.random.default_rng(5)
    labels = np.array([1 + number % 3 for number in range(count)], dtype=np.int64)
    texts = [" ".join([*generator.permutation(WORDS[label].split())[:2], f"w{generator.integers(20)}"]) for label in labels]
    return texts, labels


def matrix_of(texts: list[str], kind=TextFeatures):
    made = kind.fit(lambda: [pl.Series(texts)])
    return made.transform(pl.Series(texts))


@pytest.mark.parametrize("name", NAMES)
def test_every_learner_learns_what_is_easy(name):
    texts, labels = corpus()
    matrix = matrix_of(texts)
    made = learners.fit(name, matrix[:45], labels[:45]).trained()
    assert (made.predict(matrix[45:]) == labels[45:]).all()
    probabilities = made.probabilities(matrix)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_two_labels_are_no_special_case(name):
    texts, labels = corpus()
    some = labels != 3
    matrix = matrix_of(texts)[np.flatnonzero(some)]
    made = learners.fit(name, matrix, labels[some]).trained()
    assert made.probabilities(matrix).shape == (60, 2)
    assert (made.predict(matrix) == labels[some]).all()


@pytest.mark.parametrize("name", NAMES)
def test_one_label_only_is_predicted_for_every_record(name):
    texts, _ = corpus()
    matrix = matrix_of(texts)
    made = learners.load(learners.dump(learners.fit(name, matrix, np.full(90, 7, dtype=np.int64)))).trained()
    assert made.classes.tolist() == [7]
    assert made.probabilities(matrix).tolist() == [[1.0]] * 90


def test_no_labels_are_a_clear_error():
    with pytest.raises(BadInput, match="nothing to learn from"):
        learners.fit("tfidf-logreg", matrix_of(["a b"])[:0], np.empty(0, dtype=np.int64))


@pytest.mark.parametrize("name", NAMES)
def test_records_without_any_feature_can_be_learnt_from(name):
    made = learners.fit(name, matrix_of(["one word", "two", "", "x"])[[2, 3]], np.array([1, 2])).trained()
    assert made.probabilities(matrix_of(["one word", "two", "", "x"])).shape == (4, 2)


@pytest.mark.parametrize("name", NAMES)
def test_rows_whose_fields_are_all_empty_have_no_features_and_are_learnt_from(name):
    matrix = csr_array((6, 0), dtype=np.float32)
    made = learners.fit(name, matrix, np.array([1, 2, 2, 2, 2, 2], dtype=np.int64))
    again = learners.load(learners.dump(made)).trained()
    assert again.probabilities(matrix).shape == (6, 2)
    assert np.isfinite(again.probabilities(matrix)).all()
    assert set(again.predict(matrix)) <= {1, 2}


def test_an_unknown_learner_is_named_with_those_there_are():
    with pytest.raises(BadInput, match="tfidf-logreg"):
        learners.find("nosuch")


def test_l10_the_predecessors_preset_gives_its_predictions():
    """Word counts and LogisticRegression(random_state=42, max_iter=100000), as its learner makes them."""
    texts, labels = corpus(120)
    vectoriser = CountVectorizer()
    counts = vectoriser.fit_transform(texts)
    theirs = LogisticRegression(random_state=42, max_iter=100_000).fit(counts[:70], labels[:70])
    ours = learners.fit("counts-logreg", matrix_of(texts, CountFeatures)[:70], labels[:70], seed=1).trained()
    assert (ours.predict(matrix_of(texts, CountFeatures)) == theirs.predict(counts)).all()
    np.testing.assert_allclose(ours.probabilities(matrix_of(texts, CountFeatures)), theirs.predict_proba(counts), atol=2e-3)


def test_columns_that_no_labelled_record_has_change_nothing():
    """Under an L2 penalty their weights are zero."""
    texts, labels = corpus()
    matrix = matrix_of(texts)
    fitted = learners.fit("tfidf-logreg", matrix[:12], labels[:12])
    assert fitted.columns is not None
    assert len(fitted.columns) < matrix.shape[1]
    every = LogisticRegression(C=10, max_iter=1000, random_state=42, class_weight="balanced").fit(
        matrix[:12].astype(np.float64), labels[:12]
    )
    np.testing.assert_allclose(fitted.trained().probabilities(matrix), every.predict_proba(matrix), atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_labels_make_the_same_classifier(name):
    texts, labels = corpus()
    both = [learners.fit(name, matrix_of(texts), labels, seed=3).trained() for _ in range(2)]
    assert (both[0].weights == both[1].weights).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_classifier_that_was_kept_predicts_the_same(name):
    texts, labels = corpus()
    matrix = matrix_of(texts)
    made = learners.fit(name, matrix, labels)
    again = learners.load(learners.dump(made))
    assert (again.trained().probabilities(matrix) == made.trained().probabilities(matrix)).all()


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def _skops_with(state: str) -> bytes:
    """Return a skops file whose schema is ``state``."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("schema.json", state)
    return out.getvalue()


CALL = (
    '{"__class__": "object", "__module__": "builtins", "__loader__": "ObjectNode", "__id__": 1, "content": null,'
    ' "protocol": 2, "_skops_version": "0.16.0"}'
)


def test_p22_a_hostile_pickle_runs_nothing(tmp_path):
    sentinel = tmp_path / "sentinel"
    for content in (
        pickle.dumps(Hostile(str(sentinel))),
        b"\x80\x04" + pickle.dumps({"estimator": Hostile(str(sentinel))})[2:],
    ):
        with pytest.raises(BadFile):
            learners.load(content)
    assert not sentinel.exists()


def test_p22_what_the_hostile_pickle_would_do_is_done_by_who_opens_it(tmp_path):
    """Else the tests around this one could not fail."""
    sentinel = tmp_path / "sentinel"
    pickle.loads(pickle.dumps(Hostile(str(sentinel)))).close()
    assert sentinel.exists()


def test_p22_a_hostile_joblib_file_and_arrays_of_objects_run_nothing(tmp_path):
    sentinel = tmp_path / "sentinel"
    joblib_file, skops_file = io.BytesIO(), io.BytesIO()
    joblib.dump(Hostile(str(sentinel)), joblib_file)
    with pytest.raises(BadFile):
        learners.load(joblib_file.getvalue())
    # An array in a skops file is a file of numpy, which may hold a pickle.
    array = io.BytesIO()
    np.save(array, np.array([Hostile(str(sentinel))], dtype=object), allow_pickle=True)
    good = learners.dump(learners.fit("tfidf-logreg", matrix_of(corpus()[0]), corpus()[1]))
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(skops_file, "w") as target:
        arrays = [name for name in source.namelist() if name.endswith(".npy")]
        for name in source.namelist():
            target.writestr(name, array.getvalue() if name in arrays else source.read(name))
    assert arrays
    with pytest.raises(BadFile):
        learners.load(skops_file.getvalue())
    assert not sentinel.exists()


def test_p22_a_skops_file_with_a_foreign_type_runs_nothing(tmp_path):
    sentinel = tmp_path / "sentinel"
    made = {
        "learner": "tfidf-logreg",
        "classes": np.array([1, 2]),
        "columns": None,
        "estimator": Hostile(str(sentinel)),
        "features": 3,
    }
    with pytest.raises(BadFile, match="Hostile"):
        learners.load(skops.io.dumps(made))
    assert not sentinel.exists()


def test_p22_a_skops_file_that_names_a_function_runs_nothing(tmp_path):
    sentinel = tmp_path / "sentinel"
    state = CALL.replace('"object"', '"system"').replace('"builtins"', '"posix"').replace("null", f'"touch {sentinel}"')
    with pytest.raises(BadFile):
        learners.load(_skops_with(state))
    assert not sentinel.exists()


@pytest.mark.parametrize("content", [b"", b"not a zip", _skops_with("{}"), _skops_with("[1"), _skops_with(CALL)], ids=range(5))
def test_p22_what_is_no_classifier_is_refused(content):
    with pytest.raises(BadFile):
        learners.load(content)


def test_p22_a_classifier_of_another_kind_is_refused():
    fitted = learners.fit("linear-svc", matrix_of(corpus()[0]), corpus()[1])
    with pytest.raises(BadFile, match="LinearSVC"):
        learners.load(
            learners.dump(learners.Fitted("complement-nb", fitted.classes, fitted.columns, fitted.estimator, fitted.features))
        )


def test_p22_a_classifier_whose_parts_do_not_fit_is_refused():
    fitted = learners.fit("tfidf-logreg", matrix_of(corpus()[0]), corpus()[1])
    for columns, features in ((fitted.columns, 2), (np.array([10**9]), fitted.features)):
        with pytest.raises(BadFile):
            learners.load(learners.dump(learners.Fitted(fitted.learner, fitted.classes, columns, fitted.estimator, features)))
