"""The kinds of jobs of learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.jobs.registry import JobKind
from labelmill.learning.due import PREDICT, TRAIN

if TYPE_CHECKING:
    from pathlib import Path

    from labelmill.blobs import Blobs
    from labelmill.db.database import Database
    from labelmill.jobs.model import StepResult
    from labelmill.jobs.registry import Handler, StepContext
    from labelmill.jobs.waker import Waker


def kinds(database: Database, blobs: Blobs, waker: Waker, folder: Path) -> tuple[JobKind, JobKind]:
    """Return the kinds ``train`` and ``predict``; people are served from ``folder``. Their libraries are imported by the first step that runs."""

    def train(name: str) -> Handler:
        def run(context: StepContext) -> StepResult:
            from labelmill.learning.training import TrainSteps

            handler: Handler = getattr(TrainSteps(database, blobs, waker), name)
            return handler(context)

        return run

    def predict(context: StepContext) -> StepResult:
        from labelmill.learning.predicting import PredictSteps

        return PredictSteps(database, blobs, folder).predict(context)

    steps = {name: train(name) for name in ("fit", "features", "train", "score")}
    return JobKind(name=TRAIN, handlers=steps), JobKind(name=PREDICT, handlers={"predict": predict})
