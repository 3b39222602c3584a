"""When a training or a prediction is due. It is counted in the database, so that any number of annotators start one job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill.annotation import answers_since, newest_number
from labelmill.db.prepared import Prepared
from labelmill.jobs import service as jobs
from labelmill.jobs.model import ACTIVE, Limits, NewStep
from labelmill.jobs.tables import jobs as job_rows
from labelmill.learning import classifiers, reading
from labelmill.learning.model import LEARNER_QUEUE, PREDICTOR_QUEUE
from labelmill.learning.tables import classifiers as classifier_rows
from labelmill.learning.tables import current_generations, generations

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.datasets.model import Dataset
    from labelmill.db.database import Database
    from labelmill.jobs.model import Job
    from labelmill.learning.model import Classifier

TRAIN = "train"
PREDICT = "predict"
#: Labels, and records, without which there is nothing to tell apart.
FEWEST = 2
#: A step reads, fits and scores everything; half a million records with 77 labels stay below.
LIMITS = Limits(seconds=3600.0, memory_mb=4096)


def after_answer(connection: Connection, dataset: Dataset) -> str | None:
    """Return the id of a training job that is due now, None for none; to be called in the transaction of an answer.

    A training is due when as many annotations as the dataset's batch size have come after the newest that was trained on. Whoever
    counts first submits the job, and everybody else who counts the same finds it by its key. A training that failed or found nothing
    to learn is followed by another after as many annotations again.
    """
    since = _trained_to(connection, dataset.id)
    while answers_since(connection, dataset.id, since, dataset.settings.batch_size) >= dataset.settings.batch_size:
        known = _by_key(connection, _key(dataset.id, since))
        if known is None:
            return _submit_training(connection, dataset, key=_key(dataset.id, since)).id
        if known.state in ACTIVE or known.params["to"] <= since:
            return None
        since = known.params["to"]
    return None


def train_now(connection: Connection, dataset: Dataset, *, created_by: str | None = None) -> Job:
    """Submit a training of what there is and return its job; while one is queued or running, return that one."""
    query = sa.select(job_rows.c.id).where(
        job_rows.c.kind == TRAIN, job_rows.c.state.in_(ACTIVE), job_rows.c.key.startswith(f"train:{dataset.id}:")
    )
    active = connection.scalar(query.order_by(job_rows.c.id).limit(1))
    if active is not None:
        return jobs.get(connection, active)
    number = connection.scalar(sa.select(sa.func.count()).where(job_rows.c.key.startswith(f"train:{dataset.id}:")))
    return _submit_training(connection, dataset, key=f"train:{dataset.id}:now-{number}", created_by=created_by)


def after_import(connection: Connection, dataset: Dataset) -> str | None:
    """Return the id of a job that new records or init records ask for; to be called once an import is complete.

    With init records a first training; with a classifier the prediction of the new records; and without any label a first order.
    """
    seen = reading.extent(connection, dataset.id)
    if not seen.records and not seen.init_records:
        return None
    classifier = classifiers.newest(connection, dataset.id)
    if classifier is not None and not _has_new_init(classifier, seen):
        if _predicted_to(connection, dataset.id) >= seen.newest_record:
            return None
        return submit_prediction(
            connection, dataset, classifier.id, key=f"predict:{dataset.id}:{classifier.id}-{seen.newest_record}"
        ).id
    key = f"train:{dataset.id}:import-{seen.newest_record}-{seen.newest_init}"
    known = _by_key(connection, key)
    return None if known else _submit_training(connection, dataset, key=key).id


def after_reordering(connection: Connection, dataset: Dataset) -> str | None:
    """Return the id of the prediction that makes the queue anew for a dataset's changed order, None before the first classifier."""
    classifier = classifiers.newest(connection, dataset.id)
    if classifier is None:
        return None
    key = f"{PREDICT}:{dataset.id}:{classifier.id}-order-{dataset.revision}"
    return submit_prediction(connection, dataset, classifier.id, key=key).id


def submit_prediction(
    connection: Connection, dataset: Dataset, classifier_id: int | None, *, key: str, features: dict[str, Any] | None = None
) -> Job:
    """Submit the prediction of all records by a classifier, or without one the first order of a dataset without labels."""
    return jobs.submit(
        connection,
        kind=PREDICT,
        steps=[NewStep(key="predict", name="predict", phase=0)],
        params={"dataset": dataset.id, "classifier": classifier_id, "features": features},
        title=f"Predict {dataset.name}",
        queue=PREDICTOR_QUEUE,
        unit="records",
        key=key,
        limits=LIMITS,
    )


def predictions_of(database: Database, dataset_id: int) -> list[Job]:
    """Return the predictions of a dataset that are queued or running."""
    active = sa.select(job_rows.c.id).where(job_rows.c.state.in_(ACTIVE), job_rows.c.key.startswith(f"{PREDICT}:{dataset_id}:"))
    with database.read() as connection:
        return [jobs.get(connection, job_id) for job_id in connection.scalars(active.order_by(job_rows.c.id)).all()]


def can_begin(connection: Connection, dataset: Dataset) -> bool:
    """Tell whether a dataset without any label can be given a first order: it has none, two labels and two records."""
    has_order = connection.scalar(
        sa.select(current_generations.c.dataset_id).where(current_generations.c.dataset_id == dataset.id)
    )
    choices = [label for label in dataset.labels if not label.is_ignored]
    return has_order is None and len(choices) >= FEWEST and reading.extent(connection, dataset.id).records >= FEWEST


def _submit_training(connection: Connection, dataset: Dataset, *, key: str, created_by: str | None = None) -> Job:
    params = {"dataset": dataset.id, "to": newest_number(connection, dataset.id)}
    return jobs.submit(
        connection,
        kind=TRAIN,
        steps=[NewStep(key="fit", name="fit", phase=0)],
        params=params,
        title=f"Train on {dataset.name}",
        queue=LEARNER_QUEUE,
        unit="records",
        key=key,
        created_by=created_by,
        limits=LIMITS,
    )


def _has_new_init(classifier: Classifier, seen: reading.Extent) -> bool:
    return int(classifier.data["init_records"]) != seen.init_records


def _predicted_to(connection: Connection, dataset_id: int) -> int:
    query = sa.select(generations.c.records_to).join(
        current_generations, current_generations.c.generation_id == generations.c.id
    )
    return int(connection.scalar(query.where(current_generations.c.dataset_id == dataset_id)) or 0)


def _trained_to(connection: Connection, dataset_id: int) -> int:
    return int(_TRAINED_TO.scalar(connection, {"this_dataset": dataset_id}) or 0)


def _key(dataset_id: int, since: int) -> str:
    return f"train:{dataset_id}:{since}"


def _by_key(connection: Connection, key: str) -> Any:
    return _BY_KEY.first(connection, {"this_key": key})


# With every answer.
_TRAINED_TO = Prepared(
    sa.select(sa.func.max(classifier_rows.c.trained_to)).where(classifier_rows.c.dataset_id == sa.bindparam("this_dataset"))
)
_BY_KEY = Prepared(sa.select(job_rows.c.state, job_rows.c.params).where(job_rows.c.key == sa.bindparam("this_key")))
