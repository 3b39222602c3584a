"""The steps of a training: features, the classifier, and its scores."""

from __future__ import annotations

from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
import polars as pl
import sqlalchemy as sa

from labelmill.annotation import newest_number
from labelmill.datasets import service as datasets
from labelmill.jobs import leases
from labelmill.jobs.model import NewStep, StepResult
from labelmill.jobs.tables import jobs as job_rows
from labelmill.jobs.waker import PollingWaker
from labelmill.learning import classifiers, comparing, due, features, learners, reading, scoring
from labelmill.learning import examples as known_labels
from labelmill.learning.featuring import FeatureSet, FeatureStore, Part, with_parts
from labelmill.triggers import passing

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.blobs import Blobs
    from labelmill.datasets.model import Dataset
    from labelmill.db.database import Database
    from labelmill.jobs.registry import StepContext
    from labelmill.jobs.waker import Waker
    from labelmill.learning.features.matrix import Ids, Matrix
    from labelmill.learning.model import Classifier

_NOTHING: Final = {"outcome": "There is nothing to learn from: no records."}


class TrainSteps:
    """The handlers of a training's steps, with what they need."""

    def __init__(self, database: Database, blobs: Blobs, waker: Waker) -> None:
        self._database = database
        self._blobs = blobs
        self._waker = waker
        self._store = FeatureStore(database, blobs)

    def fit(self, context: StepContext) -> StepResult:
        """Fit a featuriser, or take the one there is, and add a step for each part that has no features yet."""
        dataset = self._dataset(context)
        with self._database.read() as connection:
            extent = reading.extent(connection, dataset.id)
            known = known_features(connection, dataset.id)
        if not extent.records and not extent.init_records:
            return StepResult(job_result=_NOTHING)
        name = features.name_for(dataset.kind, learners.find(dataset.settings.learner).features)
        folder = f"features/{dataset.id}/{context.step.job_id}"
        if known is None or not self._store.still_fits(known, dataset, name):
            known = self._store.fit(dataset, name, f"{folder}/featuriser.json", lambda: context.report(0))
        parts = self._store.missing(known, dataset, folder)
        context.fence()
        shared = {"features": known.as_dict()}
        steps = [
            NewStep(
                key=f"features-{number:05d}",
                name="features",
                phase=1,
                payload=shared | {"part": asdict(part)},
                units=part.records,
            )
            for number, part in enumerate(parts)
        ]
        train = NewStep(key="train", name="train", phase=2, payload={"features": with_parts(known, parts).as_dict()})
        return StepResult(steps=(*steps, train))

    def features(self, context: StepContext) -> StepResult:
        """Make the features of one part."""
        part = Part(**context.payload["part"])
        self._store.make(FeatureSet.from_dict(context.payload["features"]), self._dataset(context), part)
        passing("train.features-made")
        return StepResult(done=part.records)

    def train(self, context: StepContext) -> StepResult:
        """Train on every label there is, store the classifier, and submit the prediction of all records."""
        dataset, known = self._dataset(context), FeatureSet.from_dict(context.payload["features"])
        examples = self._examples(context, dataset)
        matrix, labels, _frame = self._matrix(dataset, known, examples)
        result: dict[str, Any] = {"features": known.as_dict()}
        steps: tuple[NewStep, ...] = ()
        job_id: str | None
        if len(labels):
            fitted = learners.fit(dataset.settings.learner, matrix, labels, seed=dataset.settings.seed)
            passing("train.fitted")
            blob = f"classifiers/{dataset.id}/{context.step.job_id}.skops"
            self._blobs.put(blob, learners.dump(fitted))
            passing("train.model-kept")
            context.fence()
            values = self._values(context, dataset, known, fitted, examples) | {"blob": blob}
            made, job_id = self._database.transact(_store_classifier, dataset, values)
            result |= {"classifier": made.id, "version": made.version}
            steps = (NewStep(key="score", name="score", phase=3, payload=context.payload | {"classifier": made.id}),)
        else:
            context.fence()
            job_id = self._database.transact(_begin_without_labels, dataset, context.step.job_id, known)
            result["outcome"] = (
                "No record has a label yet." if job_id else "There is nothing to learn from: too few labels or records."
            )
        passing("train.stored")
        self._wake(job_id)
        return StepResult(done=len(labels), steps=steps, job_result=result)

    def score(self, context: StepContext) -> StepResult:
        """Score the classifier's kind on the random share, and remove what no training needs any more."""
        dataset, known = self._dataset(context), FeatureSet.from_dict(context.payload["features"])
        matrix, labels, frame = self._matrix(dataset, known, self._examples(context, dataset))
        metrics = scores(dataset, matrix, labels, frame)
        context.fence()
        self._database.transact(classifiers.set_metrics, context.payload["classifier"], metrics)
        passing("train.scored")
        self._tidy(context, dataset, known)
        return StepResult()

    def _dataset(self, context: StepContext) -> Dataset:
        with self._database.read() as connection:
            return datasets.get(connection, context.params["dataset"])

    def _examples(self, context: StepContext, dataset: Dataset) -> dict[str, Any]:
        """Return the labels that this training is about: read once, so that a second try trains on the same."""
        name = f"training/{dataset.id}/{context.step.job_id}.json"
        if not self._blobs.exists(name):
            with self._database.read() as connection:
                merged = datasets.merged_labels(connection, dataset.id)
                allowed = [*(label.id for label in dataset.labels), *merged]
                # First the number, then the labels: what comes between the two counts for the next training as well, not for none.
                number = newest_number(connection, dataset.id)
                init = _merged(known_labels.init_labels(connection, dataset.id, allowed), merged)
                labelled = _merged(known_labels.labelled(connection, dataset, allowed), merged)
            kept = {"to": number, "init": init.to_dict(as_series=False), "labelled": labelled.to_dict(as_series=False)}
            self._blobs.put(name, orjson.dumps(kept))
        passing("train.examples-kept")
        found: dict[str, Any] = orjson.loads(self._blobs.get(name))
        return found

    def _matrix(self, dataset: Dataset, known: FeatureSet, examples: dict[str, Any]) -> tuple[Matrix, Ids, pl.DataFrame]:
        """Return features, labels and what else is known of each example: init records first, then records, both by id."""
        frames, rows = [], []
        for init, name in ((True, "init"), (False, "labelled")):
            frame = example_frame(examples[name])
            ids, found = self._store.rows(known, dataset, frame["record_id"].to_numpy(), init=init)
            if len(ids):
                frames.append(frame.filter(pl.col("record_id").is_in(ids.tolist())))
                rows.append(found)
        if not rows:
            return None, np.empty(0, np.int64), example_frame({})
        together = pl.concat(frames)
        return features.stack(rows), together["label_id"].to_numpy(), together

    def _values(
        self, context: StepContext, dataset: Dataset, known: FeatureSet, fitted: learners.Fitted, examples: dict[str, Any]
    ) -> dict[str, Any]:
        counts = pl.concat([example_frame(examples[name]) for name in ("init", "labelled")])["label_id"].value_counts()
        learner = learners.find(dataset.settings.learner)
        versions = {name: metadata.version(name) for name in ("scikit-learn", "skops", "numpy", "polars")}
        return {
            "trained_to": examples["to"],
            "job_id": context.step.job_id,
            "parameters": {
                "learner": dataset.settings.learner, "estimator": learner.estimator, "parameters": learner.parameters,
                "seed": dataset.settings.seed, "features": known.as_dict(), "versions": versions,
            },
            "data": {
                "records": len(examples["labelled"]["record_id"]), "init_records": len(examples["init"]["record_id"]),
                "by_label": {str(label): count for label, count in counts.sort("label_id").iter_rows()},
                "classes": fitted.classes.tolist(),
            },
        }  # fmt: skip

    def _wake(self, job_id: str | None) -> None:
        if job_id is not None and not isinstance(self._waker, PollingWaker):
            with self._database.read() as connection:
                free = leases.free_of_job(connection, job_id)
            self._waker.wake(free)

    def _tidy(self, context: StepContext, dataset: Dataset, known: FeatureSet) -> None:
        with self._database.read() as connection:
            before = known_features(connection, dataset.id, before=context.step.job_id)
        if before is not None and before.blob != known.blob:
            self._store.drop_parts(before)
        self._blobs.remove(f"training/{dataset.id}/{context.step.job_id}.json")


def _merged(frame: pl.DataFrame, into: dict[int, int]) -> pl.DataFrame:
    """Return examples with the labels that count for those that were merged: majorities are derived anew a while later."""
    return frame.with_columns(pl.col("label_id").replace(into)) if into else frame


def scores(dataset: Dataset, matrix: Matrix, labels: Ids, frame: pl.DataFrame) -> dict[str, Any]:
    """Return a classifier's figures: on the random share (each record by a classifier that has not seen it), and beside them.

    ``share``, ``held_out`` (the predecessor's precision, None for too few) and ``active_against_random``.
    """
    settings = dataset.settings

    def fit(some: Matrix, theirs: Ids) -> Any:
        return learners.fit(settings.learner, some, theirs, seed=settings.seed).trained().predict

    in_share, folds = frame["in_share"].to_numpy(), frame["shuffle"].to_numpy() % scoring.FOLDS
    predicted = scoring.cross_fitted(matrix, labels, folds, in_share, fit)
    right, predicted = labels[in_share][predicted != scoring.NONE], predicted[predicted != scoring.NONE]
    parts: dict[str, Any] = {"in_share": in_share, "given": frame["given"].to_numpy(), "folds": folds, "fit": fit}
    return {
        "share": scoring.summary(right, predicted, seed=settings.seed),
        "held_out": scoring.held_out(matrix, labels, fit),
        "active_against_random": comparing.active_against_random(matrix, labels, **parts, warm_start=settings.warm_start),
        "doubling": comparing.last_doubling(matrix, labels, **parts),
        "labels": len(labels),
    }


def example_frame(columns: dict[str, Any]) -> pl.DataFrame:
    """Return examples as columns ``record_id``, ``label_id``, ``in_share``, ``shuffle`` and ``given``."""
    schema = {"record_id": pl.Int64, "label_id": pl.Int64, "in_share": pl.Boolean, "shuffle": pl.Int64, "given": pl.Int64}
    length = len(columns.get("record_id", []))
    rest = {"in_share": [False] * length, "shuffle": [0] * length, "given": [0] * length}
    return pl.DataFrame({name: columns.get(name, rest.get(name, [])) for name in schema}, schema=schema)


def known_features(connection: Connection, dataset_id: int, *, before: str | None = None) -> FeatureSet | None:
    """Return the feature set of a dataset's newest training that has one; ``before`` leaves out a job and those after it."""
    query = sa.select(job_rows.c.result).where(
        job_rows.c.kind == due.TRAIN, job_rows.c.key.startswith(f"train:{dataset_id}:"), job_rows.c.result.is_not(None)
    )
    query = query.where(job_rows.c.id < before) if before else query
    for result in connection.scalars(query.order_by(job_rows.c.id.desc()).limit(20)):
        if "features" in result:
            return FeatureSet.from_dict(result["features"])
    return None


def _store_classifier(connection: Connection, dataset: Dataset, values: dict[str, Any]) -> tuple[Classifier, str]:
    """Store a classifier, unless an earlier try of its job has, and submit its prediction; both or nothing."""
    made = classifiers.of_job(connection, values["job_id"]) or classifiers.add(connection, dataset.id, **values)
    job = due.submit_prediction(connection, dataset, made.id, key=f"predict:{dataset.id}:{made.id}")
    return made, job.id


def _begin_without_labels(connection: Connection, dataset: Dataset, job_id: str, known: FeatureSet) -> str | None:
    """Submit what gives the queue of a dataset without labels its first order; None where that cannot be or is there already."""
    if not due.can_begin(connection, dataset):
        return None
    key = f"predict:{dataset.id}:begin-{job_id}"
    return due.submit_prediction(connection, dataset, None, key=key, features=known.as_dict()).id
