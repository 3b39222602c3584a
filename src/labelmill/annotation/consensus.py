"""Which label a record has by the option of its dataset: the majority of its answers, or the likeliest by Dawid and Skene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from labelmill.annotation.dawid_skene import dawid_skene
from labelmill.annotation.reading import current_votes, majorities
from labelmill.datasets import Consensus

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.datasets import Dataset


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """Of how many records a label is the answer."""

    label_id: int
    majority: int
    dawid_skene: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The majority beside Dawid-Skene. ``labels`` has every label that is the answer of a record by either."""

    #: What the dataset goes by: what its classifiers learn from.
    option: Consensus
    #: Records with a label by Dawid-Skene, by the majority, and those with another one by each.
    dawid_skene: int
    majority: int
    differ: int
    labels: list[LabelCounts]


def consensus(connection: Connection, dataset: Dataset) -> pl.DataFrame:
    """Return record_id and label_id of the records that have a label by the dataset's option."""
    if dataset.settings.consensus == Consensus.MAJORITY:
        return majorities(connection, dataset.id)
    return likeliest(connection, dataset).select("record_id", "label_id")


def likeliest(connection: Connection, dataset: Dataset) -> pl.DataFrame:
    """Return record_id, label_id and probability by Dawid-Skene of the records that have enough answers.

    What settled a tie decides alone, as it does for the majority.
    """
    votes = current_votes(connection, dataset.id)
    answers = pl.col("number").n_unique().over("record_id")
    votes = votes.filter(answers >= dataset.settings.min_label_count)
    settling = pl.col("is_settling")
    settled = votes.filter(settling).filter(pl.col("number") == pl.col("number").max().over("record_id"))
    settled = settled.unique("record_id", keep="first", maintain_order=True)
    judged = dawid_skene(votes.filter(~settling).select("record_id", "annotator_id", "label_id"))
    decided = settled.select("record_id", "label_id", probability=pl.lit(1.0))
    return pl.concat([judged.join(decided, on="record_id", how="anti"), decided]).sort("record_id")


def compared(connection: Connection, dataset: Dataset) -> Comparison:
    """Return how far the majority and Dawid-Skene are apart, by today's answers."""
    likely, most = likeliest(connection, dataset), majorities(connection, dataset.id)
    both = likely.join(most, on="record_id", suffix="_most")
    counts = (
        most.group_by("label_id").len("majority").join(
            likely.group_by("label_id").len("dawid_skene"), on="label_id", how="full", coalesce=True
        )
    )  # fmt: skip
    return Comparison(
        option=dataset.settings.consensus,
        dawid_skene=likely.height,
        majority=most.height,
        differ=both.filter(pl.col("label_id") != pl.col("label_id_most")).height,
        labels=[LabelCounts(**row) for row in counts.fill_null(0).sort("label_id").iter_rows(named=True)],
    )
