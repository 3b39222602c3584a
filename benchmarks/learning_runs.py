"""One labelling from the first label to the last, with somebody who is always right: by an order of ours, the predecessor's way, or small-text."""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

import learning_sets
from labelmill.datasets.model import DatasetSettings
from labelmill.learning import learners, ranking, scoring

if TYPE_CHECKING:
    import numpy.typing as npt

    from learning_sets import Set

    Places = npt.NDArray[np.int64]

CHECKPOINTS = (50, 100, 200, 500, 1000)
BATCH = 50
#: Part of each batch that is drawn at random whatever the order, and labels that come before any choice, as datasets have them.
SHARE, WARM = DatasetSettings().random_share, DatasetSettings().warm_start


@dataclass(frozen=True)
class Way:
    """How records are chosen and learnt from."""

    by: str = "uncertainty"
    measure: str = "margin"
    warm: int = WARM
    share: float = SHARE
    learner: str = learners.DEFAULT
    features: str = "tfidf"
    #: The name of a query strategy of small-text, and of the classifier that it is given.
    small_text: str = ""


WAYS = {
    "uncertainty, margin": Way(),
    "uncertainty, least confidence": Way(measure="least-confidence"),
    "uncertainty, entropy": Way(measure="entropy"),
    "diverse": Way(by="diverse"),
    "ranking": Way(by="ranking"),
    "random": Way(by="random"),
    "sequential": Way(by="sequential"),
    "predecessor": Way(measure="least-confidence", warm=10, share=0.0, learner="counts-logreg", features="counts"),
}
_STRATEGIES = {"breaking ties": "BreakingTies", "least confidence": "LeastConfidence", "entropy": "PredictionEntropy"}
SMALL_TEXT = {
    f"small-text, {name}": Way(by="small-text", warm=BATCH, share=0.0, small_text=strategy)
    for name, strategy in _STRATEGIES.items()
}


def has_small_text() -> bool:
    """Tell whether small-text is there to be compared with."""
    return find_spec("small_text") is not None


def ways(name: str) -> dict[str, Way]:
    """Return what can be compared here on a set; the predecessor had no sentence vectors."""
    found = WAYS | (SMALL_TEXT if has_small_text() else {})
    if not name.endswith("vectors"):
        return found
    return {way: replace(how, learner="embeddings-logreg") for way, how in found.items() if way != "predecessor"}


def kept_run(name: str, way: Way, seed: int) -> dict[str, Any]:
    """Return ``scores`` and CPU ``seconds`` of one set, way and seed: worked out once for each state of the code that decides them.

    ``scores`` are accuracy and macro-F1 by the number of labels. A run that was ended goes on where it was.
    """
    told = json.dumps([name, asdict(way), seed, asdict(learners.find(way.learner))])
    sources = ("learning/features", "learning/learners.py", "learning/ranking.py", learning_sets.__file__, __file__)
    state = learning_sets.state_of(*sources)
    path = learning_sets.KEPT / f"scores-{state}" / f"{hashlib.sha256(told.encode()).hexdigest()[:20]}.json"
    if not path.exists():
        data, begun = learning_sets.load(name), time.process_time()
        with threadpool_limits(1):
            scores = (_with_small_text if way.small_text else _with_ours)(data, way, seed)
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps({"scores": scores, "seconds": time.process_time() - begun}), encoding="utf-8")
        part.replace(path)
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return kept | {"scores": {int(count): tuple(each) for count, each in kept["scores"].items()}}


def _kind(data: Set, way: Way) -> str:
    return way.features if way.features in data.pool else next(iter(data.pool))


def _scores(right: Places, predicted: Places) -> tuple[float, float]:
    said = scoring.summary(right, predicted)
    return said["precision"], said["macro_f1"]


def _with_ours(data: Set, way: Way, seed: int) -> dict[int, tuple[float, float]]:
    matrix, test = data.pool[_kind(data, way)], data.test[_kind(data, way)]
    # Every way begins with the same random records.
    shuffled = np.random.default_rng(seed).permutation(len(data.pool_labels))
    chosen: list[int] = []
    found: dict[int, tuple[float, float]] = {}
    trained = None
    while len(chosen) < min(CHECKPOINTS[-1], len(shuffled)):
        wanted = min(BATCH, len(shuffled) - len(chosen))
        if not chosen and way.by != "sequential":
            chosen += shuffled[: min(way.warm, BATCH)].tolist()
            wanted -= len(chosen)
        if wanted:
            chosen += _next(way, matrix, trained, shuffled, chosen, wanted=wanted, seed=seed)
        is_needed = len(chosen) in CHECKPOINTS or (len(chosen) >= way.warm and way.by not in {"random", "sequential"})
        if is_needed or len(chosen) < BATCH:
            some = np.sort(chosen)
            trained = learners.fit(way.learner, matrix[some], data.pool_labels[some], seed=seed).trained()
        if len(chosen) in CHECKPOINTS and trained is not None:
            found[len(chosen)] = _scores(data.test_labels, trained.predict(test))
    return found


def _next(way: Way, matrix: Any, trained: Any, shuffled: Places, known: list[int], *, wanted: int, seed: int) -> list[int]:
    left = shuffled[~np.isin(shuffled, known)]
    if way.by == "sequential":
        return np.sort(left)[:wanted].tolist()
    if way.by == "random" or len(known) < way.warm or trained is None:
        return left[:wanted].tolist()
    at_random = left[: round(way.share * wanted)]
    rest = left[len(at_random) :]
    probabilities = trained.probabilities(matrix[rest])
    order = ranking.order(probabilities, by=way.by, measure=way.measure)
    if way.by == "diverse":
        some = order[: ranking.DIVERSE_FROM]
        order = some[ranking.diverse(matrix[rest[some]], probabilities[some], count=wanted, seed=seed)]
    return [*at_random.tolist(), *rest[order[: wanted - len(at_random)]].tolist()]


def _with_small_text(data: Set, way: Way, seed: int) -> dict[int, tuple[float, float]]:
    """Let small-text choose and learn, with its usual classifier, on our features and the same first records."""
    import small_text
    from scipy.sparse import csr_matrix

    warnings.filterwarnings("ignore")
    np.random.seed(seed)  # noqa: NPY002 - which small-text draws from
    kind, labels = _kind(data, way), np.unique(data.pool_labels)
    right = np.searchsorted(labels, data.pool_labels)
    pool = small_text.SklearnDataset(csr_matrix(data.pool[kind]), right, target_labels=np.arange(len(labels)))
    nothing = np.zeros(len(data.test_labels), dtype=int)
    test = small_text.SklearnDataset(csr_matrix(data.test[kind]), nothing, target_labels=np.arange(len(labels)))
    factory = small_text.SklearnClassifierFactory(small_text.ConfidenceEnhancedLinearSVC(), len(labels))
    learner = small_text.PoolBasedActiveLearner(factory, getattr(small_text, way.small_text)(), pool)
    chosen = np.random.default_rng(seed).permutation(len(right))[: way.warm]
    learner.initialize_data(chosen, right[chosen])
    known, found = len(chosen), {}
    while True:
        if known in CHECKPOINTS:
            # It says the place among the labels that it has seen, which are not all of them at first.
            seen = learner.classifier.model.classes_
            found[known] = _scores(data.test_labels, labels[seen[learner.classifier.predict(test)]])
        wanted = min(BATCH, len(right) - known)
        if known >= CHECKPOINTS[-1] or wanted < BATCH:
            return found
        asked = learner.query(num_samples=wanted)
        learner.update(right[asked])
        known += wanted
