"""The step of a prediction: every record by one classifier, as a generation that is switched to at once, whole."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from labelmill.datasets import service as datasets
from labelmill.db.company import let_in
from labelmill.jobs.model import StepResult
from labelmill.learning import classifiers, generations, learners, ranking, reading
from labelmill.learning.comparing import Verdict
from labelmill.learning.featuring import FeatureSet, FeatureStore
from labelmill.learning.model import Queued
from labelmill.triggers import passing

if TYPE_CHECKING:
    import numpy.typing as npt

    from labelmill.blobs import Blobs
    from labelmill.datasets.service import Dataset
    from labelmill.db.database import Database
    from labelmill.jobs.registry import StepContext
    from labelmill.learning.features.matrix import Ids
    from labelmill.learning.model import Classifier

#: Generations that stay beside those of kept classifiers.
GENERATIONS_KEPT: Final = 3
#: Records of the queue that are written in one transaction.
_QUEUE_SLICE: Final = 500


@dataclass(frozen=True, kw_only=True)
class _Predictions:
    ids: Ids
    #: Records x classes.
    probabilities: npt.NDArray[np.float32]
    scores: ranking.Scores
    #: Labels' ids in the order of the classes.
    classes: Ids


class PredictSteps:
    """The handler of a prediction's step, with what it needs."""

    def __init__(self, database: Database, blobs: Blobs, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._blobs = blobs
        self._store = FeatureStore(database, blobs)

    def predict(self, context: StepContext) -> StepResult:
        """Predict every record, keep the predictions as one file, queue the best records, and switch to them."""
        with self._database.read() as connection:
            dataset = datasets.get(connection, context.params["dataset"])
            classifier_id = context.params["classifier"]
            classifier = (
                None if classifier_id is None else classifiers.get_classifier(connection, classifier_id, dataset_id=dataset.id)
            )
            extent = reading.extent(connection, dataset.id)
            late = generations.is_late(connection, dataset.id, classifier)
        if late:
            # A newer classifier's generation is shown already: nobody should see an older one's after it.
            return StepResult(job_result={"outcome": "A newer classifier has predicted already."})
        known, trained = self._classifier(context, dataset, classifier)
        predictions = self._predicted(context, dataset, known, trained, extent.newest_record)
        blob = None
        if classifier is not None:
            blob = f"predictions/{dataset.id}/{context.step.job_id}.arrow"
            self._keep(blob, predictions)
            passing("predict.file-kept")
        queued = self._queue(dataset, known, predictions, shown=classifier is not None)
        context.fence()
        values = {
            "blob": blob,
            "records_to": extent.newest_record,
            "records": len(predictions.ids),
            "classifier_id": classifier_id,
        }
        generation = self._show(context, dataset.id, classifier, queued, values)
        self._tidy(dataset.id)
        return StepResult(done=len(predictions.ids), job_result={"generation": generation, "records": len(predictions.ids)})

    def _show(
        self, context: StepContext, dataset_id: int, classifier: Classifier | None, queued: list[Queued], values: dict[str, Any]
    ) -> int:
        """Store the generation and its queue out of sight, and switch to it at last."""
        made = self._database.transact(generations.begin, dataset_id, context.step.job_id, values)
        while not self._database.transact(generations.empty, made, _QUEUE_SLICE):
            let_in(self._database, self._folder)  # behind what an earlier try of this job has left
        rows = generations.queue_rows(made, queued)
        for start in range(0, len(rows), _QUEUE_SLICE):
            self._database.transact(generations.add_queue, made, rows[start : start + _QUEUE_SLICE])
            passing("predict.queue-slice")
            let_in(self._database, self._folder)
        context.fence()
        self._database.transact(generations.show, dataset_id, made, classifier)
        passing("predict.switched")
        return made

    def _classifier(
        self, context: StepContext, dataset: Dataset, classifier: Classifier | None
    ) -> tuple[FeatureSet, learners.Trained]:
        """Return the classifier to predict with, which for a dataset without labels is made of random ones and never kept."""
        if classifier is not None:
            trained = learners.load(self._blobs.get(classifier.blob)).trained()
            return FeatureSet.from_dict(classifier.parameters["features"]), trained
        known = FeatureSet.from_dict(context.params["features"])
        with self._database.read() as connection:
            first = reading.first_records(connection, dataset.id, max(2, dataset.settings.batch_size))
        ids, matrix = self._store.rows(known, dataset, np.sort(np.array(first, dtype=np.int64)))
        choices = np.array([label.id for label in dataset.labels if not label.is_ignored], dtype=np.int64)
        drawn = random_labels(choices, len(ids), dataset.settings.seed)
        return known, learners.fit(dataset.settings.learner, matrix, drawn, seed=dataset.settings.seed).trained()

    def _predicted(
        self, context: StepContext, dataset: Dataset, known: FeatureSet, trained: learners.Trained, to: int
    ) -> _Predictions:
        ids, made = [np.empty(0, np.int64)], [np.empty((0, len(trained.classes)), np.float32)]
        for source in (self._store.parts(known, dataset), self._store.newer(known, dataset, to)):
            for some, matrix in source:
                ids.append(np.asarray(some))
                made.append(trained.probabilities(matrix))
                context.report(sum(map(len, ids)))
        together = np.concatenate(made)
        return _Predictions(
            ids=np.concatenate(ids), probabilities=together, scores=ranking.scored(together), classes=trained.classes
        )

    def _keep(self, blob: str, predictions: _Predictions) -> None:
        with tempfile.TemporaryDirectory(prefix="labelmill-") as folder:
            path = Path(folder) / "predictions.arrow"
            as_frame(predictions).write_ipc(path, compression="uncompressed")
            self._blobs.put_file(blob, path)

    def _queue(self, dataset: Dataset, known: FeatureSet, predictions: _Predictions, *, shown: bool) -> list[Queued]:
        """Return the best records that may be asked, in their order; without ``shown`` nothing is said about them."""
        scores, found = predictions.scores, []
        order = self._order(dataset, predictions)
        for start in range(0, len(order), ranking.QUEUE_RECORDS):
            some = order[start : start + ranking.QUEUE_RECORDS]
            with self._database.read() as connection:
                wanted = reading.may_queue(connection, dataset.id, predictions.ids[some].tolist())
            found += [place for place in some.tolist() if int(predictions.ids[place]) in wanted]
            if len(found) >= ranking.QUEUE_RECORDS:
                break
        chosen = np.array(found[: ranking.QUEUE_RECORDS], dtype=np.int64)
        if dataset.settings.order == "diverse":
            chosen = self._spread(dataset, known, predictions, chosen)
        ids = predictions.ids[chosen].tolist()
        with self._database.read() as connection:
            # An answer that was taken back may have been learnt from: what is said of its record would be an echo.
            silent = reading.ever_answered(connection, dataset.id, ids) if shown else set(ids)
        return [
            Queued(
                place=number,
                record_id=record_id,
                label_id=None if record_id in silent else int(predictions.classes[scores.best[place]]),
                confidence=None if record_id in silent else float(scores.confidence[place]),
            )
            for number, (place, record_id) in enumerate(zip(chosen.tolist(), ids, strict=True))
        ]

    def _order(self, dataset: Dataset, predictions: _Predictions) -> npt.NDArray[np.int64]:
        settings = dataset.settings
        ignored = [label.id for label in dataset.labels if label.is_ignored]
        place = np.flatnonzero(np.isin(predictions.classes, ignored))
        at_random = len(predictions.classes) == 1 or (settings.order != "ranking" and self._has_lost(dataset.id))
        return ranking.order(
            predictions.probabilities, scores=predictions.scores, measure=settings.uncertainty,
            by="random" if at_random else settings.order, ignored=int(place[0]) if len(place) else None,
            threshold=settings.ignored_threshold,
            shuffle=np.random.default_rng(settings.seed).permutation(len(predictions.ids)),
        )  # fmt: skip

    def _has_lost(self, dataset_id: int) -> bool:
        """Tell whether choosing actively was worse than at random beyond chance, when that was last measured."""
        with self._database.read() as connection:
            newest = classifiers.newest_scored(connection, dataset_id)
        return newest is not None and (newest.metrics or {})["active_against_random"]["verdict"] == Verdict.RANDOM

    def _spread(
        self, dataset: Dataset, known: FeatureSet, predictions: _Predictions, chosen: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Return the chosen places with those in front that differ most from each other."""
        some = np.sort(chosen[: ranking.DIVERSE_FROM])
        ids, matrix = self._store.rows(known, dataset, predictions.ids[some])
        there = some[np.isin(predictions.ids[some], ids)]
        first = there[ranking.diverse(matrix, predictions.probabilities[there], seed=dataset.settings.seed)]
        return np.concatenate([first, chosen[~np.isin(chosen, first)]])

    def _tidy(self, dataset_id: int) -> None:
        """Remove the generations that nobody sees any more: their files first, so that a kill in between leaves none behind."""
        with self._database.read() as connection:
            old = generations.outdated(connection, dataset_id, kept=GENERATIONS_KEPT)
        for generation in old:
            if generation.blob:
                self._blobs.remove(generation.blob)
        passing("predict.old-files-removed")
        for generation in old:
            while not self._database.transact(generations.forget, generation.id, _QUEUE_SLICE):
                passing("predict.queue-slice-removed")
                let_in(self._database, self._folder)


def random_labels(choices: Ids, count: int, seed: int) -> Ids:
    """Return a label for each of ``count`` records, drawn by the seed so that at least two labels occur where that is possible."""
    drawn: Ids = np.random.default_rng(seed).permutation(choices[np.arange(count) % len(choices)])
    return drawn


def as_frame(predictions: _Predictions) -> pl.DataFrame:
    """Return predictions as columns, by the records' ids: ``record_id``, ``label_id``, ``confidence``, ``margin`` and ``p_<label>``."""
    scores, order = predictions.scores, np.argsort(predictions.ids, kind="stable")
    columns: dict[str, Any] = {
        "record_id": predictions.ids[order],
        "label_id": predictions.classes[scores.best][order],
        "confidence": scores.confidence[order],
        "margin": scores.margin[order],
    }
    every = {f"p_{label}": predictions.probabilities[order, place] for place, label in enumerate(predictions.classes)}
    return pl.DataFrame(columns | every)
