"""The verbs on classifiers, their predictions and the queue, under one name: what the rest of labelmill may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.learning.classifiers import get_classifier, keep, list_classifiers
from labelmill.learning.due import after_answer, after_import, after_reordering, predictions_of, train_now
from labelmill.learning.generations import predictions_blob
from labelmill.learning.learners import choose as find_learner
from labelmill.learning.model import Classifier, Takes
from labelmill.learning.monitor import figures
from labelmill.learning.predictions import (
    generation_frame,
    predicted,
    prediction_counts,
    predictions,
    shown_blob,
    shown_predictions,
)
from labelmill.learning.queue import queue, queue_page, suggested

if TYPE_CHECKING:
    from labelmill.blobs import Blobs
    from labelmill.learning.labelling import Labelling

__all__ = [
    "Classifier",
    "Takes",
    "after_answer",
    "after_import",
    "after_reordering",
    "figures",
    "find_learner",
    "generation_frame",
    "get_classifier",
    "image_source",
    "keep",
    "labelling_of",
    "list_classifiers",
    "predicted",
    "prediction_counts",
    "predictions",
    "predictions_blob",
    "predictions_of",
    "queue",
    "queue_page",
    "shown_blob",
    "shown_predictions",
    "suggested",
    "train_now",
]


def image_source() -> str:
    """Return what makes features of an image's pixels as Python, for a script that has nothing of labelmill."""
    from labelmill.learning.features import images

    return images.source()


def labelling_of(blobs: Blobs, classifier: Classifier) -> Labelling:
    """Return one classifier, new or old, to be applied to records."""
    from labelmill.learning.labelling import Labelling

    return Labelling(blobs, classifier)
