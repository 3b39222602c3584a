"""The majorities of many records at once: the same as ``model.tally`` gives for each, by counting in arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: Cells of the table of counts (records x labels) above which slices of the records are counted one after the other.
MOST_CELLS: Final = 20_000_000


def majorities_of(votes: pl.DataFrame, *, min_label_count: int = 1, first_wins: bool = False) -> pl.DataFrame:
    """Return record_id, answers, majority_id (null without one) and is_tied for every record in ``votes``.

    ``votes`` has a row for each label of each answer that counts, in the order in which they were given: ``number`` (of the answer),
    ``record_id``, ``label_id``, ``is_settling``.
    """
    if votes.is_empty():
        return pl.DataFrame(schema={"record_id": pl.Int64, "answers": pl.Int64, "majority_id": pl.Int64, "is_tied": pl.Boolean})
    record_ids, records = _codes(votes["record_id"].to_numpy())
    label_ids, labels = _codes(votes["label_id"].to_numpy())
    numbers = votes["number"].to_numpy()
    begins = np.concatenate(([True], numbers[1:] != numbers[:-1]))
    answers = np.bincount(records[begins], minlength=len(record_ids))
    best, is_tied = _most(records, labels, len(record_ids), len(label_ids), first_wins=first_wins)
    enough = answers >= min_label_count
    majority, is_tied = np.where(enough & ~is_tied, label_ids[best], -1), is_tied & enough
    settling = votes["is_settling"].to_numpy() & begins
    if settling.any():
        # The newest comes last, and the last one that is written stays.
        majority[records[settling]] = label_ids[labels[settling]]
        is_tied[records[settling]] = False
    # In place: an expression takes as long as counting the votes of a slice.
    majority_ids = pl.Series(majority).scatter(np.flatnonzero(majority < 0), None)
    return pl.DataFrame({"record_id": record_ids, "answers": answers, "majority_id": majority_ids, "is_tied": is_tied})


def _codes(ids: Ints) -> tuple[Ints, Ints]:
    """Return the different ids in order, and for each row the place of its id among them."""
    low, high = int(ids.min()), int(ids.max())
    if high - low > 16 * len(ids) + 1024:
        found, codes = np.unique(ids, return_inverse=True)
        return found, codes
    # Ids that lie close together need no sorting.
    there = np.zeros(high - low + 1, dtype=bool)
    there[ids - low] = True
    places = np.cumsum(there) - 1
    return np.flatnonzero(there) + low, places[ids - low]


def _most(records: Ints, labels: Ints, height: int, width: int, *, first_wins: bool) -> tuple[Ints, NDArray[Any]]:
    """Return each record's label with the most votes, and whether others have as many."""
    best, is_tied = np.zeros(height, dtype=np.int64), np.zeros(height, dtype=bool)
    step = max(1, MOST_CELLS // width)
    for start in range(0, height, step):
        size = min(step, height - start)
        here = slice(None) if size == height else (records >= start) & (records < start + size)
        cells = labels[here] * size + records[here] - start
        # A row for each label: the few rows are compared as wholes.
        counts = np.bincount(cells, minlength=size * width).reshape(width, size)
        part = slice(start, start + size)
        is_most = counts == counts.max(axis=0)
        best[part] = is_most.argmax(axis=0)
        is_tied[part] = np.count_nonzero(is_most, axis=0) > 1
        if first_wins:
            # Backwards, so that the first of a record's tied labels is written last.
            among = is_most.ravel()[cells]
            best[start + cells[among][::-1] % size] = cells[among][::-1] // size
    return best, np.zeros(height, dtype=bool) if first_wins else is_tied
