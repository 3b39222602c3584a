"""Classifiers as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill import clock
from labelmill.errors import NotFound
from labelmill.learning.model import Classifier
from labelmill.learning.tables import classifiers

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, RowMapping


def list_classifiers(
    connection: Connection, dataset_id: int, *, before: int | None = None, limit: int = 50
) -> list[Classifier]:
    """Return classifiers, newest first; ``before`` is the version of the last one of the page before."""
    query = sa.select(classifiers).where(classifiers.c.dataset_id == dataset_id)
    query = query.where(classifiers.c.version < before) if before else query
    rows = connection.execute(query.order_by(classifiers.c.version.desc()).limit(limit)).mappings()
    return [classifier_from(row) for row in rows]


def get_classifier(connection: Connection, classifier_id: int, *, dataset_id: int | None = None) -> Classifier:
    """Return one classifier, of that dataset where one is given; raises NotFound."""
    query = sa.select(classifiers).where(classifiers.c.id == classifier_id)
    query = query if dataset_id is None else query.where(classifiers.c.dataset_id == dataset_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(
            f"There is no classifier {classifier_id}.", way_out="`labelmill classifier list` shows a dataset's classifiers."
        )
    return classifier_from(row)


def newest(connection: Connection, dataset_id: int) -> Classifier | None:
    """Return a dataset's newest classifier."""
    found = list_classifiers(connection, dataset_id, limit=1)
    return found[0] if found else None


def newest_scored(connection: Connection, dataset_id: int) -> Classifier | None:
    """Return a dataset's newest classifier whose figures are known."""
    query = sa.select(classifiers).where(classifiers.c.dataset_id == dataset_id, classifiers.c.metrics.is_not(None))
    row = connection.execute(query.order_by(classifiers.c.version.desc()).limit(1)).mappings().one_or_none()
    return classifier_from(row) if row else None


def of_job(connection: Connection, job_id: str) -> Classifier | None:
    """Return the classifier that a job made, if it has made one already."""
    row = connection.execute(sa.select(classifiers).where(classifiers.c.job_id == job_id)).mappings().one_or_none()
    return classifier_from(row) if row else None


def add(connection: Connection, dataset_id: int, **values: Any) -> Classifier:
    """Store a classifier as the next version of its dataset.

    Of two at once the second one fails and is tried again: to hold the dataset's row would let answers wait.
    """
    query = sa.select(sa.func.coalesce(sa.func.max(classifiers.c.version), 0)).where(classifiers.c.dataset_id == dataset_id)
    row = {
        "dataset_id": dataset_id,
        "version": int(connection.scalar(query) or 0) + 1,
        "created_at": clock.now(),
        "is_kept": False,
    }
    done = connection.execute(sa.insert(classifiers).values(row | values))
    return get_classifier(connection, _key(done))


def set_metrics(connection: Connection, classifier_id: int, metrics: dict[str, Any]) -> None:
    """Store a classifier's scores."""
    connection.execute(sa.update(classifiers).where(classifiers.c.id == classifier_id).values(metrics=metrics))


def keep(connection: Connection, classifier_id: int, kept: bool = True) -> Classifier:
    """Keep a classifier's predictions, or let them go with the others; raises NotFound."""
    connection.execute(sa.update(classifiers).where(classifiers.c.id == classifier_id).values(is_kept=kept))
    return get_classifier(connection, classifier_id)


def classifier_from(row: RowMapping) -> Classifier:
    """Return the classifier of a row."""
    return Classifier(**{name: row[name] for name in Classifier.__dataclass_fields__})


def _key(done: Any) -> int:
    return int(done.inserted_primary_key[0])
