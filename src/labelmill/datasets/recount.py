"""What answers come to, derived anew after a merge of labels or a change of settings: the first at once, the rest by a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from labelmill.datasets.rows import dataset_of
from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep
from labelmill.jobs.tables import jobs as job_rows

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.datasets.model import Dataset

KIND: Final = "recount"
#: Records of one transaction.
SLICE: Final = 1_000
# Answers are another feature's: named here with the few columns that are counted.
_CURRENT: Final = sa.table("current_annotations", sa.column("dataset_id"), sa.column("annotation_id"))
_LABELS: Final = sa.table("annotation_labels", sa.column("annotation_id"), sa.column("label_id"))


def begin(connection: Connection, dataset_id: int) -> str | None:
    """Derive the first records anew, and return the id of the job that does the rest, None where there is no more."""
    last = step(connection, dataset_id, 0)
    if last is None or step(connection, dataset_id, last, limit=1) is None:
        return None
    dataset = dataset_of(connection, dataset_id)
    steps = [NewStep(key="all", name="derive", phase=0, payload={"after": last})]
    title = f"Count the answers of {dataset.name} anew"
    return jobs.submit(
        connection, kind=KIND, steps=steps, params={"dataset": dataset_id}, title=title, unit="records", key=_key(dataset)
    ).id


def job_of(connection: Connection, dataset: Dataset) -> str | None:
    """Return the id of the job that the newest change of a dataset asked for."""
    return connection.scalar(sa.select(job_rows.c.id).where(job_rows.c.key == _key(dataset)))


def _key(dataset: Dataset) -> str:
    # The revision is that of the change, which makes the job that follows from it one of a kind.
    return f"{KIND}:{dataset.id}:{dataset.revision}"


def step(connection: Connection, dataset_id: int, after: int, limit: int | None = None) -> int | None:
    """Derive the next records with answers after the record ``after`` anew; return the last one, None where there is none."""
    from labelmill.annotation import service as annotation  # stands on this feature

    return annotation.rederive(connection, dataset_of(connection, dataset_id), after=after, limit=limit or SLICE)


def answers(connection: Connection, dataset_id: int) -> int:
    """Return how many answers of a dataset count."""
    query = sa.select(sa.func.count()).select_from(_CURRENT).where(_CURRENT.c.dataset_id == dataset_id)
    return int(connection.scalar(query) or 0)


def has_answers(connection: Connection, label_id: int) -> bool:
    """Tell whether an answer that counts has the label."""
    joined = sa.select(_LABELS.c.annotation_id).join(_CURRENT, _CURRENT.c.annotation_id == _LABELS.c.annotation_id)
    return connection.scalar(joined.where(_LABELS.c.label_id == label_id).limit(1)) is not None
