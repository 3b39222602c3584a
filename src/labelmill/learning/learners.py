"""Learners by name: what makes a classifier of features and labels. All of them are linear, so one product scores a million records."""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labelmill.errors import BadFile, BadInput
from labelmill.learning.features.embeddings import require_installed

if TYPE_CHECKING:
    import numpy.typing as npt

    from labelmill.learning.features.matrix import Ids, Matrix

    Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Learner:
    """``features`` names the featuriser that it wants for texts; ``parameters`` go to scikit-learn's ``estimator``."""

    estimator: str
    features: str
    parameters: dict[str, Any]
    about: str


#: Each label weighs the same, however rare it is: macro-F1 rose on every set that was measured, by up to 17 points on unbalanced ones.
_BALANCED: Final = {"class_weight": "balanced"}
LEARNERS: Final = {
    "tfidf-logreg": Learner("LogisticRegression", "tfidf", {"C": 10.0, "max_iter": 1000} | _BALANCED, "TF-IDF and logistic regression"),
    "linear-svc": Learner("LinearSVC", "tfidf", {"C": 1.0, "max_iter": 10_000} | _BALANCED, "TF-IDF and a linear support vector machine"),
    "complement-nb": Learner("ComplementNB", "tfidf", {}, "TF-IDF and complement naive Bayes; its probabilities are too sure"),
    "embeddings-logreg": Learner(
        "LogisticRegression", "embeddings", {"C": 10.0, "max_iter": 1000} | _BALANCED,
        "Sentence embeddings, which tell more of a few labels and take long to make, and logistic regression; needs labelmill[embeddings]",
    ),
    "counts-logreg": Learner(
        "LogisticRegression", "counts", {"random_state": 42, "max_iter": 100_000}, "Word counts and logistic regression, as LabelForward"
    ),
}  # fmt: skip
DEFAULT: Final = "tfidf-logreg"
#: What a file that is no classifier, or a broken one, raises on its way.
_BROKEN: Final = (
    zipfile.BadZipFile, ValueError, LookupError, TypeError, AttributeError, OSError, EOFError, ImportError, MemoryError, RecursionError,
)  # fmt: skip
#: Cells of records x labels that are scored at once.
_CELLS: Final = 4_000_000


@dataclass(frozen=True)
class Trained:
    """A classifier: features @ weights + bias, softmax. ``classes`` are labels' ids in the order of its outputs."""

    learner: str
    classes: Ids
    #: Features x classes, float32.
    weights: Floats
    bias: Floats

    def probabilities(self, matrix: Matrix) -> Floats:
        """Return records x classes, float32; each row adds up to 1."""
        out = np.empty((matrix.shape[0], len(self.classes)), dtype=np.float32)
        step = max(1, _CELLS // len(self.classes))
        for start in range(0, matrix.shape[0], step):
            scores = np.asarray(matrix[start : start + step] @ self.weights, dtype=np.float32) + self.bias
            scores -= scores.max(axis=1, keepdims=True)
            np.exp(scores, out=scores)
            out[start : start + step] = scores / scores.sum(axis=1, keepdims=True)
        return out

    def predict(self, matrix: Matrix) -> Ids:
        """Return the label of each record."""
        found: Ids = self.classes[self.probabilities(matrix).argmax(axis=1)]
        return found


@dataclass(frozen=True)
class Fitted:
    """What scikit-learn made, as it is stored: ``columns`` are the features that it knows, None for all."""

    learner: str
    classes: Ids
    columns: npt.NDArray[np.int32] | None
    #: None where there is one label only.
    estimator: Any
    features: int

    def trained(self) -> Trained:
        """Return it in the form that scores."""
        if self.estimator is None:
            zeros = np.zeros((self.features, 1), dtype=np.float32)
            return Trained(self.learner, self.classes, zeros, np.zeros(1, dtype=np.float32))
        weights, bias = _linear(self.estimator)
        if self.columns is not None:
            every = np.zeros((self.features, len(self.classes)), dtype=np.float32)
            # Without any feature there is a column all the same, for the library wants one.
            every[self.columns] = weights[: len(self.columns)]
            weights = every
        return Trained(self.learner, self.classes, weights.astype(np.float32), bias.astype(np.float32))


def find(name: str) -> Learner:
    """Return a learner by name; raises BadInput."""
    if name not in LEARNERS:
        raise BadInput(
            f"There is no learner called {name[:80]!r}.", where="learner", way_out=f"There are: {', '.join(LEARNERS)}."
        )
    return LEARNERS[name]


def choose(name: str) -> Learner:
    """Return a learner by name that can be used here; raises BadInput, also where it needs an extra that is not installed."""
    found = find(name)
    if found.features == "embeddings":
        require_installed()
    return found


def fit(name: str, matrix: Matrix, labels: Ids, *, seed: int = 42) -> Fitted:
    """Return a classifier of records x features and the label of each record, at least one.

    Only the features that occur in these records are fitted: under an L2 penalty the others would be zero anyway.
    """
    if not len(labels):
        raise BadInput("There is nothing to learn from.", way_out="Label some records first.")
    from threadpoolctl import threadpool_limits

    learner, classes = find(name), np.unique(labels).astype(np.int64)
    features = matrix.shape[1]
    if len(classes) == 1:
        return Fitted(name, classes, None, None, features)
    columns, compact = _occurring(matrix)
    estimator = _estimator(learner, seed)
    # The matrices are small: a second thread of the linear algebra waits more than it works, at ten times the CPU seconds.
    with threadpool_limits(1), warnings.catch_warnings():
        # Many labels on few records look like a regression to the library.
        warnings.filterwarnings("ignore", message="The number of unique classes is greater", category=UserWarning)
        estimator.fit(compact.astype(np.float64), labels)
    return Fitted(name, classes, columns, estimator, features)


def dump(fitted: Fitted) -> bytes:
    """Return a classifier as bytes: a skops file, which holds no code."""
    import skops.io

    content: bytes = skops.io.dumps(
        {
            "learner": fitted.learner,
            "classes": fitted.classes,
            "columns": fitted.columns,
            "estimator": fitted.estimator,
            "features": fitted.features,
        }
    )
    return content


def load(content: bytes) -> Fitted:
    """Return the classifier that ``dump`` made bytes of. Raises BadFile for everything else; nothing is unpickled, no code runs."""
    import skops.io

    try:
        strange = skops.io.get_untrusted_types(data=content)
        if strange:
            raise _refused(f"it holds {', '.join(map(str, strange))[:200]}")
        kept = skops.io.loads(content, trusted=[])
        fitted = Fitted(**{name: kept[name] for name in Fitted.__dataclass_fields__})
        _check(fitted)
    except BadFile:
        raise
    except _BROKEN as error:
        raise _refused(f"{type(error).__name__}") from error
    return fitted


def _check(fitted: Fitted) -> None:
    """Raise BadFile where the parts do not fit together."""
    find(fitted.learner)
    kind = None if fitted.estimator is None else type(fitted.estimator).__name__
    if kind is not None and kind != LEARNERS[fitted.learner].estimator:
        raise _refused(f"it holds a {kind}")
    trained = fitted.trained()
    if trained.weights.shape != (fitted.features, len(fitted.classes)):
        raise _refused("its parts do not fit together")


def _refused(reason: str) -> BadFile:
    return BadFile(f"This is no classifier of labelmill: {reason}.", way_out="Train again.")


def _estimator(learner: Learner, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import ComplementNB
    from sklearn.svm import LinearSVC

    parameters = dict(learner.parameters)
    if learner.estimator == "ComplementNB":
        return ComplementNB(**parameters)
    parameters.setdefault("random_state", seed)
    return LogisticRegression(**parameters) if learner.estimator == "LogisticRegression" else LinearSVC(**parameters)


def _occurring(matrix: Matrix) -> tuple[npt.NDArray[np.int32] | None, Matrix]:
    """Return the columns that are not empty and the matrix with these alone."""
    if isinstance(matrix, np.ndarray):
        return None, matrix
    from scipy.sparse import csr_array

    occurs = np.zeros(matrix.shape[1], dtype=bool)
    occurs[matrix.indices] = True
    columns = np.flatnonzero(occurs).astype(np.int32)
    places = np.cumsum(occurs, dtype=np.int32) - 1
    compact = csr_array((matrix.data, places[matrix.indices], matrix.indptr), shape=(matrix.shape[0], max(1, len(columns))))
    if not len(columns):
        columns = np.zeros(min(1, matrix.shape[1]), dtype=np.int32)
    return columns, compact


def _linear(estimator: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return features x classes and the bias of each class."""
    if type(estimator).__name__ == "ComplementNB":
        return estimator.feature_log_prob_.T, np.zeros(len(estimator.classes_))
    weights, bias = np.atleast_2d(estimator.coef_), np.atleast_1d(estimator.intercept_)
    if len(weights) == 1:
        # Two classes share one row, which speaks for the second.
        weights, bias = np.vstack([np.zeros_like(weights), weights]), np.concatenate([np.zeros_like(bias), bias])
    return weights.T, bias
