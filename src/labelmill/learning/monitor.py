"""The figures of learning: what the classifiers scored, whether choosing actively pays, and whether to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from labelmill.jobs.model import ACTIVE
from labelmill.jobs.tables import jobs as job_rows
from labelmill.learning import classifiers, comparing, due, generations, predictions

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.blobs import Blobs
    from labelmill.datasets.model import Dataset
    from labelmill.learning.model import Classifier

#: Versions of the learning curve.
MOST_VERSIONS: Final = 200
_POINT: Final = ("records", "precision", "precision_low", "precision_high", "macro_f1", "macro_f1_low", "macro_f1_high")


def figures(connection: Connection, blobs: Blobs, dataset: Dataset) -> dict[str, Any]:
    """Return a dataset's figures of learning; labels are named by their ids.

    - ``curve``: for each version, oldest first, ``version``, ``labels`` it was trained on, and its scores on the random share;
    - ``share``: the newest scores in full, by label, with the confusion matrix; None before the first;
    - ``held_out``: the predecessor's precision of the newest classifier; None for too few labels;
    - ``active_against_random`` (``verdict``: too-early, no-difference, active, random) and ``advice`` (too-early, go-on, stop);
    - ``predicted``: how many records the classifier would give each label; ``generation``: what is shown; ``training``: what runs.
    """
    known = classifiers.list_classifiers(connection, dataset.id, limit=MOST_VERSIONS)
    scored = next((each for each in known if each.metrics), None)
    metrics = (scored.metrics if scored else None) or {}
    points = curve(known)
    shown = generations.current(connection, dataset.id)
    return {
        "curve": points,
        "scored_version": scored.version if scored else None,
        "share": metrics.get("share"),
        "held_out": metrics.get("held_out"),
        "active_against_random": metrics.get("active_against_random", {"verdict": comparing.Verdict.TOO_EARLY, "share_records": 0}),
        "advice": comparing.stop_advice(metrics.get("doubling"), metrics.get("labels", 0), dataset.settings.batch_size),
        "predicted": {str(label): count for label, count in predictions.prediction_counts(connection, blobs, dataset.id).items()},
        "generation": None if shown is None else {
            "id": shown.id, "classifier_id": shown.classifier_id, "records": shown.records, "created_at": shown.created_at.isoformat(),
        },
        "training": _running(connection, dataset.id),
    }  # fmt: skip


def curve(newest_first: list[Classifier]) -> list[dict[str, Any]]:
    """Return the points of the learning curve, oldest first: those of classifiers whose scores are known."""
    points = []
    for each in reversed(newest_first):
        share = (each.metrics or {}).get("share") or {}
        if share.get("records"):
            labels = int(each.data["records"]) + int(each.data["init_records"])
            points.append({"version": each.version, "labels": labels} | {name: share[name] for name in _POINT})
    return points


def _running(connection: Connection, dataset_id: int) -> list[dict[str, Any]]:
    keys = [job_rows.c.key.startswith(f"{kind}:{dataset_id}:") for kind in (due.TRAIN, due.PREDICT)]
    query = sa.select(job_rows.c.id, job_rows.c.kind, job_rows.c.state).where(job_rows.c.state.in_(ACTIVE), sa.or_(*keys))
    return [dict(row) for row in connection.execute(query.order_by(job_rows.c.id)).mappings()]
