"""Whether choosing records by the classifier pays, and whether more labels do. Pure."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from labelmill.learning.features.matrix import Ids, Matrix
    from labelmill.learning.scoring import Fit

#: Labelled records of the random share below which nothing can be said about active against random.
ENOUGH: Final = 200
#: Labels that were chosen, below which there is nothing to compare.
ENOUGH_CHOSEN: Final = 50
#: Records of the share below which nothing can be said about stopping, and labels that can be halved.
ENOUGH_SCORED: Final = 50
FEWEST: Final = 2
#: Twice as many labels that bring less than this are not worth their while.
WORTH: Final = 0.01
_Z: Final = 1.959963984540054


class Verdict(StrEnum):
    #: Too few records of the share are labelled.
    TOO_EARLY = "too-early"
    #: The 95 % interval of the difference holds zero.
    NO_DIFFERENCE = "no-difference"
    ACTIVE = "active"
    RANDOM = "random"


class Advice(StrEnum):
    TOO_EARLY = "too-early"
    GO_ON = "go-on"
    STOP = "stop"


def active_against_random(
    matrix: Matrix, labels: Ids, *, in_share: npt.NDArray[np.bool_], given: Ids, folds: Ids, warm_start: int, fit: Fit
) -> dict[str, Any]:
    """Compare k labels that were chosen actively with k labels of the random share, on top of one warm start.

    ``given`` says in which order the labels came; 0 is one whose record was not served: init records, imported answers. The warm start
    is all of these and what else is among the first ``warm_start`` labels, as records are served; the labels after it are the active
    ones. Both classifiers are scored on the same records: each fold of the share, whose random ones come from its other folds.
    ``difference`` is the active one's precision minus the random one's, with the 95 % interval over the records.
    """
    import numpy as np

    share = np.flatnonzero(in_share)
    found: dict[str, Any] = {"verdict": Verdict.TOO_EARLY, "share_records": len(share), "enough": ENOUGH}
    if len(share) < ENOUGH:
        return found
    order = np.argsort(given, kind="stable")
    is_warm = given == 0
    is_warm[order[:warm_start]] = True
    others = order[~in_share[order]]
    warm, active = others[is_warm[others]], others[~is_warm[others]]
    names = np.unique(folds[share])
    k = min(len(active), *(int((folds[share] != fold).sum()) for fold in names)) if len(names) > 1 else 0
    if k < ENOUGH_CHOSEN:
        return found | {"active_records": len(active)}
    chosen = np.concatenate([warm, active[:k]])
    by_active = fit(matrix[chosen], labels[chosen])
    differences = np.zeros(len(share), dtype=np.int64)
    for fold in names:
        test = share[folds[share] == fold]
        drawn = share[folds[share] != fold]
        both = np.concatenate([warm, drawn[np.argsort(given[drawn], kind="stable")][:k]])
        by_random = fit(matrix[both], labels[both])
        hits = [(predict(matrix[test]) == labels[test]).astype(np.int64) for predict in (by_active, by_random)]
        differences[np.isin(share, test)] = hits[0] - hits[1]
    return {"k": k, "warm_start": len(warm), "share_records": len(share)} | _judged(differences)


def _judged(differences: npt.NDArray[np.int64]) -> dict[str, Any]:
    mean, low, high = _interval(differences)
    verdict = Verdict.ACTIVE if low > 0 else Verdict.RANDOM if high < 0 else Verdict.NO_DIFFERENCE
    return {"verdict": verdict, "difference": mean, "low": low, "high": high}


def _interval(differences: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    """Return the mean of differences of -1, 0 or 1, and its 95 % interval (Bonett and Price, 2012).

    Its ends are those of one more record each way: where few differ, the usual interval is far too narrow.
    """
    total = len(differences) + 2
    better, worse = (float((differences == side).sum() + 1) / total for side in (1, -1))
    half = _Z * math.sqrt((better + worse - (better - worse) ** 2) / total)
    return float(differences.mean()), better - worse - half, better - worse + half


def last_doubling(
    matrix: Matrix, labels: Ids, *, in_share: npt.NDArray[np.bool_], given: Ids, folds: Ids, fit: Fit
) -> dict[str, Any] | None:
    """Return what the second half of the labels brought: the precision with all of them less that with the first half.

    Both on the same records, each fold of the share by classifiers that have not seen it: so far fewer records are needed to see a
    difference than between the scores of two versions. None below ``ENOUGH_SCORED`` records. ``given`` is as for
    ``active_against_random``; among those that were not served the order is drawn, since files are often sorted by label.
    """
    import numpy as np

    share = np.flatnonzero(in_share)
    order = np.lexsort((np.random.default_rng(0).permutation(len(given)), given))
    if len(share) < ENOUGH_SCORED:
        return None
    differences = np.zeros(len(share), dtype=np.int64)
    for fold in np.unique(folds[share]):
        mine = folds[share] == fold
        seen = order[~(in_share & (folds == fold))[order]]
        if len(seen) < FEWEST:
            return None
        first = seen[: len(seen) // 2]
        by_all, by_half = (
            fit(matrix[some], labels[some])(matrix[share[mine]]) == labels[share[mine]] for some in (seen, first)
        )
        differences[mine] = by_all.astype(np.int64) - by_half
    mean, low, high = _interval(differences)
    return {"records": len(share), "difference": mean, "low": low, "high": high}


def stop_advice(doubling: Mapping[str, Any] | None, labels: int, batch_size: int) -> dict[str, Any]:
    """Return what more labels promise, by what ``last_doubling`` found with ``labels`` of them.

    The precision is taken to rise with the logarithm of the number of labels, as it did last. ``expected_gain`` is that of the next
    batch, ``gain_of_doubling`` that of as many labels again, each with an upper end. The advice is to stop when even the upper end
    of the latter is not worth it.
    """
    if doubling is None or labels < 1:
        return {"advice": Advice.TOO_EARLY, "enough": ENOUGH_SCORED}
    part = math.log2((labels + batch_size) / labels)
    return {
        "advice": Advice.STOP if doubling["high"] < WORTH else Advice.GO_ON,
        "labels": labels,
        "expected_gain": doubling["difference"] * part, "expected_gain_high": doubling["high"] * part,
        "gain_of_doubling": doubling["difference"], "gain_of_doubling_high": doubling["high"],
        "worth": WORTH,
    }  # fmt: skip
