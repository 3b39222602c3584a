"""Generations as they are stored: which one a dataset shows, and which ones are kept."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill import clock
from labelmill.db.prepared import Prepared
from labelmill.learning.model import Generation
from labelmill.learning.tables import classifiers, current_generations, generations, queue_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, RowMapping

    from labelmill.learning.model import Classifier, Queued


def current(connection: Connection, dataset_id: int) -> Generation | None:
    """Return the generation that a dataset shows, None before the first."""
    query = sa.select(generations).join(current_generations, current_generations.c.generation_id == generations.c.id)
    row = connection.execute(query.where(current_generations.c.dataset_id == dataset_id)).mappings().one_or_none()
    return _generation(row) if row else None


def is_late(connection: Connection, dataset_id: int, classifier: Classifier | None) -> bool:
    """Tell whether the generation that is shown is of a newer classifier than this one, or of any where this is None."""
    query = (
        sa.select(classifiers.c.version)
        .join(generations, generations.c.classifier_id == classifiers.c.id)
        .join(current_generations, current_generations.c.generation_id == generations.c.id)
        .where(current_generations.c.dataset_id == dataset_id)
    )
    shown = connection.scalar(query)
    return shown is not None and (classifier is None or shown > classifier.version)


def begin(connection: Connection, dataset_id: int, job_id: str, values: dict[str, Any]) -> int:
    """Store a generation that nobody sees yet, unless an earlier try of its job has, and return its id."""
    known = connection.scalar(sa.select(generations.c.id).where(generations.c.job_id == job_id))
    if known is not None:
        return int(known)
    row = {"dataset_id": dataset_id, "job_id": job_id, "created_at": clock.now()} | values
    done: Any = connection.execute(sa.insert(generations).values(row))
    return int(done.inserted_primary_key[0])


def queue_rows(generation_id: int, queued: Sequence[Queued]) -> list[dict[str, Any]]:
    """Return a queue as it is stored."""
    return [asdict(each) | {"generation_id": generation_id} for each in queued]


def empty(connection: Connection, generation_id: int, limit: int) -> bool:
    """Remove up to ``limit`` records of the queue of a generation that is not shown; return whether those were the last."""
    if _is_shown(connection, generation_id):
        return True
    mine = queue_records.c.generation_id == generation_id
    first = connection.scalar(sa.select(sa.func.min(queue_records.c.place)).where(mine))
    if first is None:
        return True
    connection.execute(sa.delete(queue_records).where(mine, queue_records.c.place < first + limit))
    return False


def add_queue(connection: Connection, generation_id: int, rows: Sequence[dict[str, Any]]) -> None:
    """Add a slice of a generation's queue: short, since who answers meanwhile waits for it."""
    if not _is_shown(connection, generation_id):
        _QUEUE.many(connection, rows)


def _is_shown(connection: Connection, generation_id: int) -> bool:
    shown = sa.select(current_generations.c.generation_id).where(current_generations.c.generation_id == generation_id)
    return connection.scalar(shown) is not None


def show(connection: Connection, dataset_id: int, generation_id: int, classifier: Classifier | None) -> bool:
    """Show a generation that is complete; return False where a newer classifier's is shown meanwhile."""
    pointer = sa.select(current_generations.c.generation_id).where(current_generations.c.dataset_id == dataset_id)
    before = connection.scalar(pointer.with_for_update())
    if before is None:
        connection.execute(sa.insert(current_generations).values(dataset_id=dataset_id, generation_id=generation_id))
        return True
    if is_late(connection, dataset_id, classifier):
        return False
    moved = sa.update(current_generations).where(current_generations.c.dataset_id == dataset_id)
    connection.execute(moved.values(generation_id=generation_id))
    return True


def predictions_blob(connection: Connection, classifier_id: int) -> str | None:
    """Return the blob with a classifier's newest predictions, None where they are gone."""
    query = sa.select(generations.c.blob).where(generations.c.classifier_id == classifier_id, generations.c.blob.is_not(None))
    found: str | None = connection.scalar(query.order_by(generations.c.id.desc()).limit(1))
    return found


def outdated(connection: Connection, dataset_id: int, *, kept: int) -> list[Generation]:
    """Return the generations beyond the newest ``kept`` that belong to no kept classifier and are not shown."""
    query = (
        sa.select(generations, classifiers.c.is_kept)
        .outerjoin(classifiers, classifiers.c.id == generations.c.classifier_id)
        .where(generations.c.dataset_id == dataset_id)
        .order_by(generations.c.id.desc())
    )
    shown = current(connection, dataset_id)
    rows = connection.execute(query.offset(kept)).mappings().all()
    return [_generation(row) for row in rows if not row["is_kept"] and (shown is None or row["id"] != shown.id)]


def forget(connection: Connection, generation_id: int, limit: int) -> bool:
    """Remove up to ``limit`` records of the queue of a generation that is not shown, then itself; return whether it is gone."""
    if not empty(connection, generation_id, limit):
        return False
    if not _is_shown(connection, generation_id):
        connection.execute(sa.delete(generations).where(generations.c.id == generation_id))
    return True


def _generation(row: RowMapping) -> Generation:
    values: dict[str, Any] = {name: row[name] for name in Generation.__dataclass_fields__}
    return Generation(**values)


_QUEUE = Prepared(sa.insert(queue_records), [each.name for each in queue_records.c])
