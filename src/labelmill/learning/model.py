"""Classifiers, their predictions and the queue as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime

#: The queues of the two kinds of jobs, on which a worker can run alone.
LEARNER_QUEUE: Final = "learner"
PREDICTOR_QUEUE: Final = "predictor"


class Takes(StrEnum):
    """What a classifier labels."""

    TEXTS = "texts"
    #: Of fields.
    ROWS = "rows"
    IMAGES = "images"


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """One trained classifier; what it was made of never changes."""

    id: int
    dataset_id: int
    #: 1, 2, 3 ... in its dataset.
    version: int
    created_at: datetime
    #: The newest annotation that it was trained on.
    trained_to: int
    #: Learner, its parameters, seed, featuriser, versions of libraries.
    parameters: dict[str, Any]
    #: ``records``, ``init_records``, ``by_label`` (counts by the label's id) and ``classes`` (labels' ids in the order of its outputs).
    data: dict[str, Any]
    #: See labelmill.learning.scoring; None until they are known.
    metrics: dict[str, Any] | None
    blob: str
    job_id: str
    #: Kept classifiers keep their predictions.
    is_kept: bool


@dataclass(frozen=True, kw_only=True)
class Generation:
    """All predictions of one classifier."""

    id: int
    dataset_id: int
    #: None for the order that a dataset without any label begins with.
    classifier_id: int | None
    created_at: datetime
    #: Records up to this id have a prediction.
    records_to: int
    records: int
    blob: str | None


@dataclass(frozen=True, kw_only=True)
class Queued:
    """A record of the queue, with what would be suggested for it."""

    place: int
    record_id: int
    #: None where there is nothing to show.
    label_id: int | None
    confidence: float | None


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What the current generation says of one record."""

    label_id: int
    #: The probability of its label, 0 to 1.
    confidence: float
    #: The distance to the second best label's probability.
    margin: float
    probabilities: dict[int, float] = field(default_factory=dict)
