"""How far annotators agree. Pure: frames with record_id, annotator_id and label_id go in, figures come out; None where nothing can be said.

An answer with several labels agrees with another when both have the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Annotators between whom each pair is compared: those with the most answers.
MOST_ANNOTATORS: Final = 50


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two annotators, by the records that both answered."""

    first: str
    second: str
    records: int
    percent: float
    #: Cohen's; None where chance alone would make them agree always.
    kappa: float | None


@dataclass(frozen=True, kw_only=True)
class LabelAgreement:
    """One label against all others."""

    label_id: int
    answers: int
    #: Of those who share a record with somebody who gave the label, how many gave it too.
    percent: float | None
    alpha: float | None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """``records`` are those with at least two answers."""

    records: int
    percent: float | None
    fleiss: float | None
    alpha: float | None
    pairs: list[Pair]
    labels: list[LabelAgreement]


def agreement(votes: pl.DataFrame) -> Agreement:
    """Return all figures of one dataset."""
    counts = _counts(votes)
    several = counts[counts.sum(axis=1) > 1]
    return Agreement(
        records=len(several),
        percent=_percent(counts),
        fleiss=_fleiss(counts),
        alpha=_alpha(counts),
        pairs=pairs(votes),
        labels=per_label(votes),
    )


def percent(votes: pl.DataFrame) -> float | None:
    """Return the share of equal pairs among all pairs of answers to one record."""
    return _percent(_counts(votes))


def fleiss(votes: pl.DataFrame) -> float | None:
    """Return Fleiss' kappa, over the records with at least two answers; each record counts the same, however many it has."""
    return _fleiss(_counts(votes))


def krippendorff_alpha(votes: pl.DataFrame) -> float | None:
    """Return Krippendorff's alpha for labels without an order; records may have any number of answers."""
    return _alpha(_counts(votes))


def cohen(first: pl.Series, second: pl.Series) -> float | None:
    """Return Cohen's kappa of two annotators' answers to the same records, in the same order."""
    if first.is_empty():
        return None
    labels = pl.concat([first, second]).unique().sort()
    one, two = (np.searchsorted(labels.to_numpy(), each.to_numpy()) for each in (first, second))
    shares = [np.bincount(each, minlength=len(labels)) / len(first) for each in (one, two)]
    return _kappa(float(np.mean(one == two)), float(shares[0] @ shares[1]))


def pairs(votes: pl.DataFrame) -> list[Pair]:
    """Return every two annotators who answered the same records, those with the most such records first."""
    answers = _answers(votes)
    most = answers["annotator_id"].value_counts(sort=True).head(MOST_ANNOTATORS)["annotator_id"]
    answers = answers.filter(pl.col("annotator_id").is_in(most.to_list()))
    both = answers.join(answers, on="record_id", suffix="_of_second").filter(
        pl.col("annotator_id") < pl.col("annotator_id_of_second")
    )
    found = [
        Pair(
            first=str(names[0]),
            second=str(names[1]),
            records=part.height,
            percent=float((part["answer"] == part["answer_of_second"]).mean() or 0.0),  # type: ignore[arg-type]
            kappa=cohen(part["answer"], part["answer_of_second"]),
        )
        for names, part in both.group_by("annotator_id", "annotator_id_of_second")
    ]
    return sorted(found, key=lambda pair: (-pair.records, pair.first, pair.second))


def per_label(votes: pl.DataFrame) -> list[LabelAgreement]:
    """Return for each label how far annotators agree on who has it."""
    answers = votes.group_by("record_id").agg(pl.col("annotator_id").n_unique().alias("answers"))
    found = []
    for (label_id,), part in votes.group_by("label_id"):
        with_label = part.group_by("record_id").agg(pl.col("annotator_id").n_unique().alias("label"))
        both = answers.join(with_label, on="record_id", how="left").fill_null(0)
        has = both["label"].to_numpy().astype(np.float64)
        counts = np.column_stack([has, both["answers"].to_numpy() - has])
        among = float((has * (counts.sum(axis=1) - 1)).sum())
        share = float((has * (has - 1)).sum()) / among if among else None
        found.append(LabelAgreement(label_id=int(str(label_id)), answers=int(has.sum()), percent=share, alpha=_alpha(counts)))
    return sorted(found, key=lambda label: label.label_id)


def hardest(votes: pl.DataFrame, limit: int = 20) -> pl.DataFrame:
    """Return record_id, answers and disagreement (0 to 1: the share of pairs that differ) of the records most disputed."""
    answers = _answers(votes)
    counted = answers.group_by("record_id", "answer").len().with_columns(pl.col("len").cast(pl.Float64))
    size, same = pl.col("len").sum(), (pl.col("len") * (pl.col("len") - 1)).sum()
    found = counted.group_by("record_id").agg(
        size.cast(pl.Int64).alias("answers"), (1 - same / (size * (size - 1))).alias("disagreement")
    )
    found = found.filter(pl.col("answers") > 1, pl.col("disagreement") > 0)
    return found.sort("disagreement", "answers", "record_id", descending=[True, True, False]).head(limit)


def _answers(votes: pl.DataFrame) -> pl.DataFrame:
    """Return record_id, annotator_id and answer: a number for each set of labels."""
    grouped = votes.group_by("record_id", "annotator_id", maintain_order=True).agg(pl.col("label_id").unique().sort())
    text = pl.col("label_id").list.eval(pl.element().cast(pl.String)).list.join("+")
    answer = text.rank("dense").cast(pl.Int64) - 1
    return grouped.select("record_id", "annotator_id", answer.alias("answer"))


def _counts(votes: pl.DataFrame) -> Floats:
    """Return how many gave each answer (columns) to each record (rows)."""
    answers = _answers(votes)
    if answers.is_empty():
        return np.zeros((0, 1))
    records = answers["record_id"].rank("dense").to_numpy().astype(np.int64) - 1
    codes = answers["answer"].to_numpy()
    height, width = int(records.max()) + 1, int(codes.max()) + 1
    return np.bincount(records * width + codes, minlength=height * width).reshape(height, width).astype(np.float64)


def _percent(counts: Floats) -> float | None:
    sizes = counts.sum(axis=1)
    all_pairs = float((sizes * (sizes - 1)).sum())
    return float((counts * (counts - 1)).sum()) / all_pairs if all_pairs else None


def _fleiss(counts: Floats) -> float | None:
    counts = counts[counts.sum(axis=1) > 1]
    if not len(counts):
        return None
    sizes = counts.sum(axis=1)
    observed = float(((counts * (counts - 1)).sum(axis=1) / (sizes * (sizes - 1))).mean())
    shares = counts.sum(axis=0) / counts.sum()
    return _kappa(observed, float((shares**2).sum()))


def _alpha(counts: Floats) -> float | None:
    counts = counts[counts.sum(axis=1) > 1]
    if not len(counts):
        return None
    sizes = counts.sum(axis=1)
    total, by_label = float(sizes.sum()), counts.sum(axis=0)
    disagreement = float(((sizes**2 - (counts**2).sum(axis=1)) / (sizes - 1)).sum()) / total
    expected = float(total**2 - (by_label**2).sum()) / (total * (total - 1))
    return 1 - disagreement / expected if expected else None


def _kappa(observed: float, expected: float) -> float | None:
    return (observed - expected) / (1 - expected) if expected < 1 else None
