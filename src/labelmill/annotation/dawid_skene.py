"""Labels from answers of annotators who err each in their own way (Dawid and Skene, 1979)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MOST_STEPS: Final = 100
#: Change of any probability below which it ends.
ENOUGH: Final = 1e-4
#: Answers that every annotator is thought to have given of each kind: nobody is taken for infallible.
SMOOTHING: Final = 0.01


def dawid_skene(votes: pl.DataFrame) -> pl.DataFrame:
    """Return record_id, label_id and probability (0 to 1) of the likeliest label of each record.

    ``votes`` has record_id, annotator_id and label_id. Each annotator's errors are estimated from everybody's answers, in turn with the
    labels, beginning from the shares of the votes.
    """
    if votes.is_empty():
        return pl.DataFrame(schema={"record_id": pl.Int64, "label_id": pl.Int64, "probability": pl.Float64})
    (records, of_record), (people, of_person), (labels, of_label) = (
        np.unique(votes[name].to_numpy(), return_inverse=True) for name in ("record_id", "annotator_id", "label_id")
    )
    shares = np.zeros((len(records), len(labels)))
    np.add.at(shares, (of_record, of_label), 1.0)
    shares /= shares.sum(axis=1, keepdims=True)
    # What somebody says is one of people x labels; the rest are products with one sparse matrix of records by what was said.
    said = of_person * len(labels) + of_label
    for _ in range(MOST_STEPS):
        log_errors = _log_errors(shares, of_record, said, len(people), len(labels))
        new = np.log(shares.mean(axis=0) + 1e-300) + _sums(log_errors[said], of_record, len(records))
        new = np.exp(new - new.max(axis=1, keepdims=True))
        new /= new.sum(axis=1, keepdims=True)
        change, shares = np.abs(new - shares).max(), new
        if change < ENOUGH:
            break
    best = shares.argmax(axis=1)
    return pl.DataFrame({"record_id": records, "label_id": labels[best], "probability": shares.max(axis=1)})


def _log_errors(shares: Floats, of_record: Ints, said: Ints, people: int, labels: int) -> Floats:
    """Return the logarithm of how often each annotator says each label (rows) where each label is right (columns)."""
    counts = _sums(shares[of_record], said, people * labels).reshape(people, labels, labels) + SMOOTHING
    logs: Floats = np.log(counts / counts.sum(axis=1, keepdims=True))
    return logs.reshape(people * labels, labels)


def _sums(rows: Floats, groups: Ints, height: int) -> Floats:
    """Return the sum of the rows of each group."""
    columns = [np.bincount(groups, weights=rows[:, each], minlength=height) for each in range(rows.shape[1])]
    return np.column_stack(columns)
