"""In which order the records of a generation are asked. Pure functions of probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from labelmill.learning.features.matrix import Ids, Matrix

    Floats = npt.NDArray[np.float32]

#: Records that the queue holds: more than people answer before the next generation.
QUEUE_RECORDS: Final = 5_000
#: Uncertain records among which those are chosen that differ from each other, and how many are chosen.
DIVERSE_FROM: Final = 2_000
DIVERSE_CHOSEN: Final = 300


@dataclass(frozen=True)
class Scores:
    """What the order depends on, for each record."""

    #: The place of the best label among the classes.
    best: npt.NDArray[np.int64]
    #: The probability of the best label, and its distance to the second best one's (1 where there is one label only).
    confidence: Floats
    margin: Floats


def scored(probabilities: Floats) -> Scores:
    """Return the scores of records x classes."""
    best = probabilities.argmax(axis=1)
    confidence = np.take_along_axis(probabilities, best[:, None], axis=1)[:, 0] if len(best) else np.empty(0, np.float32)
    if probabilities.shape[1] < 2:  # noqa: PLR2004 - there is no second best
        return Scores(best, confidence, np.ones_like(confidence))
    second = np.partition(probabilities, -2, axis=1)[:, -2]
    return Scores(best, confidence, confidence - second)


def uncertainty(probabilities: Floats, scores: Scores, measure: str) -> Floats:
    """Return how uncertain each record is, larger for less certain, by ``margin``, ``least-confidence`` or ``entropy``."""
    if measure == "margin":
        return -scores.margin
    if measure == "least-confidence":
        return -scores.confidence
    logs = np.log(np.maximum(probabilities, np.float32(1e-12)))
    entropies: Floats = -(probabilities * logs).sum(axis=1)
    return entropies


def order(
    probabilities: Floats,
    *,
    by: str = "uncertainty",
    measure: str = "margin",
    ignored: int | None = None,
    threshold: float = 1.0,
    scores: Scores | None = None,
    shuffle: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """Return the places of all records, the best asked first.

    ``by`` is ``uncertainty`` (and ``diverse``, of which this is the beginning), ``ranking`` (most certain first) or ``random`` (by
    ``shuffle``). Records whose best label is the class ``ignored`` with at least ``threshold`` as its probability come after all
    others, in the same order among themselves; with 1 there is no such rule.
    """
    scores = scores or scored(probabilities)
    if by == "random" and shuffle is not None:
        keys: npt.NDArray[np.float64] = shuffle.astype(np.float64)
    elif by == "ranking":
        keys = -scores.confidence.astype(np.float64)
    else:
        keys = -uncertainty(probabilities, scores, measure).astype(np.float64)
    places = np.argsort(keys, kind="stable")
    if ignored is None or threshold >= 1:
        return places
    late = (scores.best == ignored) & (scores.confidence >= threshold)
    return np.concatenate([places[~late[places]], places[late[places]]])


def diverse(matrix: Matrix, probabilities: Floats, *, count: int = DIVERSE_CHOSEN, seed: int = 42) -> npt.NDArray[np.int64]:
    """Return the places of ``count`` records that are uncertain and differ from each other, the most telling first.

    Two records are far from each other when a step of learning from them would change the classifier differently (BADGE): the
    product of their distance as features and as guesses. Chosen one by one as k-means++ does, at random by the squared distance.
    """
    guess = probabilities.copy()
    guess[np.arange(len(guess)), guess.argmax(axis=1)] -= 1
    lengths = _squares(matrix) * (guess**2).sum(axis=1)
    generator = np.random.default_rng(seed)
    chosen = [int(lengths.argmax())] if len(lengths) else []
    nearest = np.full(len(lengths), np.inf)
    while chosen and len(chosen) < min(count, len(lengths)):
        last = chosen[-1]
        products = _products(matrix, last) * (guess @ guess[last])
        nearest = np.minimum(nearest, np.maximum(0.0, lengths + lengths[last] - 2 * products))
        nearest[chosen] = 0.0
        total = nearest.sum()
        if total <= 0:
            break
        chosen.append(int(generator.choice(len(nearest), p=nearest / total)))
    return np.array(chosen, dtype=np.int64)


def _squares(matrix: Matrix) -> npt.NDArray[np.float64]:
    if isinstance(matrix, np.ndarray):
        return np.asarray((matrix.astype(np.float64) ** 2).sum(axis=1))
    return np.asarray(matrix.multiply(matrix).sum(axis=1), dtype=np.float64).ravel()


def _products(matrix: Matrix, row: int) -> npt.NDArray[np.float64]:
    if isinstance(matrix, np.ndarray):
        return np.asarray(matrix @ matrix[row], dtype=np.float64)
    one = np.zeros(matrix.shape[1], dtype=np.float32)
    one[matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]] = matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]]
    return np.asarray(matrix @ one, dtype=np.float64)


def places_of(ids: Ids, wanted: Ids) -> npt.NDArray[np.int64]:
    """Return where ``wanted`` stand among rising ``ids``, -1 for those that do not."""
    if not len(ids):
        return np.full(len(wanted), -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[places] == wanted, places, -1)
