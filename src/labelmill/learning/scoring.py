"""How good a classifier is, with what chance may do to the figures. Pure functions of right and predicted labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from labelmill.learning.features.matrix import Ids, Matrix

    #: Features, labels -> what predicts the labels of features.
    Fit = Callable[[Matrix, Ids], Callable[[Matrix], Ids]]

#: The standard normal's quantile of 95 % intervals.
_Z: Final = 1.959963984540054
DRAWS: Final = 1000
FOLDS: Final = 5
#: No prediction; labels' ids begin with 1.
NONE: Final = -1
#: The predecessor held a tenth out, by this seed.
_HELD_OUT: Final = 0.1
_PREDECESSORS_SEED: Final = 42


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of which ``hits`` of ``total`` were seen; 0 to 1 where nothing was."""
    if total == 0:
        return 0.0, 1.0
    share, square = hits / total, _Z**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = _Z * math.sqrt(share * (1 - share) / total + square / (4 * total**2)) / (1 + square / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def confusion(right: Ids, predicted: Ids, labels: Ids) -> npt.NDArray[np.int64]:
    """Return counts, right label x predicted label, both in the order of ``labels`` (rising)."""
    cells = np.searchsorted(labels, right) * len(labels) + np.searchsorted(labels, predicted)
    counts: npt.NDArray[np.int64] = np.bincount(cells, minlength=len(labels) ** 2).reshape(len(labels), len(labels))
    return counts


def summary(right: Ids, predicted: Ids, *, seed: int = 42) -> dict[str, Any]:
    """Return the scores of predictions, with 95 % intervals.

    ``precision`` is the micro average, which with one label for each record equals the accuracy; its interval is Wilson's.
    ``macro_f1`` is the mean over the labels that occur or were predicted; its interval is bootstrapped.
    """
    if not len(right):
        return {"records": 0}
    labels = np.union1d(right, predicted)
    counts = confusion(right, predicted, labels)
    hits = int(np.trace(counts))
    low, high = wilson(hits, len(right))
    f1_low, f1_high = _bootstrapped(counts, seed)
    return {
        "records": len(right),
        "precision": hits / len(right), "precision_low": low, "precision_high": high,
        "macro_f1": _macro_f1(counts[None])[0], "macro_f1_low": f1_low, "macro_f1_high": f1_high,
        "labels": _by_label(counts, labels),
        "confusion": {"labels": labels.tolist(), "counts": counts.tolist()},
    }  # fmt: skip


def cross_fitted(matrix: Matrix, labels: Ids, folds: Ids, in_share: npt.NDArray[np.bool_], fit: Fit) -> Ids:
    """Return a prediction for each record of the share by a classifier that has not seen it: trained on all but its fold.

    NONE where there is nothing else to train on.
    """
    share = np.flatnonzero(in_share)
    out = np.zeros(len(share), dtype=np.int64)
    for fold in np.unique(folds[share]):
        mine = folds[share] == fold
        seen = ~(in_share & (folds == fold))
        if not seen.any():
            out[mine] = NONE
            continue
        out[mine] = fit(matrix[np.flatnonzero(seen)], labels[seen])(matrix[share[mine]])
    return out


def held_out(matrix: Matrix, labels: Ids, fit: Fit) -> dict[str, Any] | None:
    """Return the predecessor's figure: the micro precision on a tenth of all labels, trained on the rest; None for too few."""
    total = len(labels)
    test = math.ceil(total * _HELD_OUT)
    if total - test < 1:
        return None
    # As scikit-learn's train_test_split does it with this seed.
    order = np.random.RandomState(_PREDECESSORS_SEED).permutation(total)
    right, seen = order[:test], order[test:]
    hits = int((fit(matrix[seen], labels[seen])(matrix[right]) == labels[right]).sum())
    low, high = wilson(hits, test)
    return {"records": test, "precision": hits / test, "precision_low": low, "precision_high": high}


def _by_label(counts: npt.NDArray[np.int64], labels: Ids) -> list[dict[str, Any]]:
    hits, there, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return [
        {
            "label": int(label), "records": int(there[at]), "predicted": int(said[at]),
            "precision": float(hits[at] / said[at]) if said[at] else None,
            "recall": float(hits[at] / there[at]) if there[at] else None,
            "f1": float(2 * hits[at] / (there[at] + said[at])),
        }
        for at, label in enumerate(labels)
    ]  # fmt: skip


def _macro_f1(counts: npt.NDArray[Any]) -> list[float]:
    """Return the macro-F1 of each of draws x labels x labels; labels that neither occur nor are predicted are left out."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    return _mean_f1(hits, counts.sum(axis=2) + counts.sum(axis=1))


def _mean_f1(hits: npt.NDArray[Any], both: npt.NDArray[Any]) -> list[float]:
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(both > 0, 2 * hits / both, 0.0)
    found: list[float] = (scores.sum(axis=1) / np.maximum(1, (both > 0).sum(axis=1))).tolist()
    return found


def _bootstrapped(counts: npt.NDArray[np.int64], seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the macro-F1: records drawn again and again with replacement, which is a draw of cells."""
    right, predicted = np.nonzero(counts)
    seen = counts[right, predicted]
    draws = np.random.default_rng(seed).multinomial(seen.sum(), seen / seen.sum(), size=DRAWS)
    labels = np.arange(len(counts))
    rows, columns = (right[:, None] == labels).astype(float), (predicted[:, None] == labels).astype(float)
    scores = _mean_f1(draws @ (rows * columns), draws @ (rows + columns))
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)
