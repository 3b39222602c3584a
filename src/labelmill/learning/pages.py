"""The monitor: what a lead asks of a dataset, in the order in which it is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Final

import sqlalchemy as sa
from fastapi import Path, Request, Response

from labelmill import clock
from labelmill.accounts import Action, Role, may
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import service as datasets
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.http.charts import shade
from labelmill.http.datasets import dataset_frame
from labelmill.http.sheets import csv_of
from labelmill.jobs.model import ACTIVE
from labelmill.jobs.tables import jobs as job_rows
from labelmill.learning import comparing, due, monitor_sheets, monitor_view, service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.blobs import Blobs
    from labelmill.datasets import Dataset
    from labelmill.learning.model import Classifier

router = page_router()
DatasetId = Annotated[int, Path(ge=1, le=2**53)]
ClassifierId = Annotated[int, Path(ge=1, le=2**53)]
MOST_CLASSIFIERS: Final = 50
HARDEST: Final = 15
#: Answers up to which those figures are worked out at every look that read all of them.
LIVE: Final = 200_000


@dataclass(frozen=True, kw_only=True)
class People:
    """Who does what. Names are given to those who ask for them and may know them; else everybody has a number."""

    progress: annotation.Progress
    names: dict[str, str]
    numbers: dict[str, int]

    def called(self, annotator_id: str) -> str:
        """Return what somebody is called in a CSV file."""
        return self.names.get(annotator_id) or f"annotator {self.numbers.get(annotator_id, '?')}"


@router.get("/datasets/{dataset_id}/monitor")
def monitor_page(
    request: Request, app: TheApp, actor: SignedIn, dataset_id: DatasetId, *, names: bool = False, full: bool = False
) -> Response:
    """Show how far a dataset is, how good its classifier, how people agree, who does what, and what the machine did.

    Each table is sorted by ``?sort=`` and given as CSV by ``?csv=``.
    """
    frame = dataset_frame(app, actor, dataset_id)
    inside, dataset, counts = frame["inside"], frame["dataset"], frame["counts"]
    live, labels = full or counts.annotations <= LIVE, {label.id: label for label in dataset.labels}
    with app.database.read() as connection:
        classifiers = service.list_classifiers(connection, dataset_id, limit=MOST_CLASSIFIERS)
        context: dict[str, Any] = {"classifiers": classifiers, "training": _training(connection, dataset_id)}
        context |= _learnt(dataset, classifiers)
        context |= _spread(connection, app.blobs, dataset)
        if live:
            context |= _people(connection, dataset, inside, counts, names=names)
            context |= _agreement(connection, dataset, inside)
    if not may(inside, Action.SETTLE) and live:
        context["agreement"] = replace(context["agreement"], pairs=[])
    tables = monitor_sheets.sheets(request, context, {key: label.name for key, label in labels.items()})
    return csv_of(request, tables.values()) or render(
        request, "learning/monitor.html", **frame, **context, live=live, tables=tables, named=names and may(inside, Action.VIEW_ANNOTATORS),
        changes=may(inside, Action.CHANGE_DATASET) and dataset.archived_at is None, shade=shade,
        label_names=labels,
    )  # fmt: skip


@router.post("/datasets/{dataset_id}/train")
def train(app: TheApp, actor: SignedIn, dataset_id: DatasetId) -> Response:
    """Train on what there is, without waiting for the next batch."""

    def verb(connection: Connection) -> str:
        accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
        return service.train_now(connection, datasets.get(connection, dataset_id), created_by=actor.annotator_id).id

    app.runtime.wake(app.database.transact(verb))
    return see_other(f"/datasets/{dataset_id}/monitor#classifiers")


@router.post("/datasets/{dataset_id}/classifiers/{classifier_id}/keep")
def keep(app: TheApp, actor: SignedIn, dataset_id: DatasetId, classifier_id: ClassifierId) -> Response:
    """Keep a classifier's predictions, or let them go with the others where they were kept."""

    def verb(connection: Connection) -> None:
        accounts.require_in(connection, actor, Action.CHANGE_DATASET, dataset_id)
        known = service.get_classifier(connection, classifier_id, dataset_id=dataset_id)
        service.keep(connection, classifier_id, not known.is_kept)

    app.database.transact(verb)
    return see_other(f"/datasets/{dataset_id}/monitor#classifiers")


def _learnt(dataset: Dataset, classifiers: list[Classifier]) -> dict[str, Any]:
    """Return what is known of the classifiers' quality; ``scored`` is the newest one that has scores."""
    curve = monitor_view.curve_of(classifiers)
    scored = next((each for each in classifiers if (each.metrics or {}).get("share", {}).get("records")), None)
    metrics: Mapping[str, Any] = (scored.metrics or {}) if scored else {}
    share = metrics.get("share") or {}
    labels = {label.id: label.name for label in dataset.labels}
    cells = share.get("confusion")
    return {
        "scored": scored, "share": share, "held_out": metrics.get("held_out"), "compared": metrics.get("active_against_random"),
        "curve": [each for each in curve if each.get("records")],
        "advice": comparing.stop_advice(metrics.get("doubling"), metrics.get("labels", 0), dataset.settings.batch_size),
        "enough_chosen": comparing.ENOUGH_CHOSEN,
        "matrix": monitor_view.matrix_of(cells["labels"], cells["counts"], labels) if cells else None,
        "curve_chart": monitor_view.curve_chart,
    }  # fmt: skip


def _spread(connection: Connection, blobs: Blobs, dataset: Dataset) -> dict[str, Any]:
    """Return how labels are distributed, of people and of the machine."""
    by_people = annotation.majorities(connection, dataset.id).group_by("label_id").len()
    human = {int(label): int(count) for label, count in by_people.iter_rows()}
    machine = service.prediction_counts(connection, blobs, dataset.id) or None
    return {"spread": monitor_view.shares(dataset.labels, human, machine)}


def _people(connection: Connection, dataset: Dataset, inside: Actor, counts: datasets.Counts, *, names: bool) -> dict[str, Any]:
    """Return who does what, answers per day, and how long it takes at this pace."""
    progress, today = annotation.progress(connection, dataset), clock.now().date()
    known = {}
    if names and may(inside, Action.VIEW_ANNOTATORS):
        known = {each.id: each.name or each.email for each in accounts.list_annotators(connection)}
    numbers = {each.annotator_id: number for number, each in enumerate(progress.annotators, 1)}
    days = monitor_view.filled_days(progress.days, today)
    return {
        "people": People(progress=progress, names=known, numbers=numbers), "days": days, "day_chart": monitor_view.day_chart(days),
        "forecast": monitor_view.forecast(
            progress.days, today, records=counts.records, per_record=dataset.settings.labels_per_record,
            answers=counts.annotations, annotators=len(progress.annotators),
        ),
    }  # fmt: skip


def _agreement(connection: Connection, dataset: Dataset, inside: Actor) -> dict[str, Any]:
    """Return how far people agree; which records they dispute is shown to nobody who still answers them."""
    votes = annotation.votes(connection, dataset.id)
    hard: list[monitor_view.Hard] = []
    if inside.role is not Role.ANNOTATOR:
        hard = monitor_view.with_votes(annotation.hardest(votes, HARDEST), votes)
    contents = {each.record_id: datasets.get_record(connection, dataset.id, each.record_id) for each in hard}
    compared = annotation.compared(connection, dataset)
    return {"agreement": annotation.agreement(votes), "consensus": compared, "hard": hard, "contents": contents}


def _training(connection: Connection, dataset_id: int) -> str | None:
    """Return the id of a training that is queued or running."""
    mine = job_rows.c.kind == due.TRAIN, job_rows.c.key.startswith(f"train:{dataset_id}:"), job_rows.c.state.in_(ACTIVE)
    found: str | None = connection.scalar(sa.select(job_rows.c.id).where(*mine).order_by(job_rows.c.id).limit(1))
    return found
