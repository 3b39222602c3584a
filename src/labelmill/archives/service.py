"""The verbs on archives; each takes the connection of the caller's transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill import clock
from labelmill.annotation import service as annotation
from labelmill.archives.choices import Choices
from labelmill.archives.model import (
    ARCHIVE,
    ARCHIVER_QUEUE,
    EXPIRE,
    MEDIA_TYPE,
    Archive,
    ArchiveState,
    file_name,
    reason_of,
    state_of,
)
from labelmill.archives.tables import archives
from labelmill.datasets import service as datasets
from labelmill.errors import Conflict, NotFound
from labelmill.ids import new_id
from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, RowMapping

    from labelmill.jobs.model import Limits

__all__ = [
    "ARCHIVER_QUEUE",
    "MEDIA_TYPE",
    "Archive",
    "ArchiveState",
    "Choices",
    "cancel",
    "ensure",
    "file_name",
    "get",
    "list_archives",
    "newest_by_classifier",
    "request",
    "require_file",
]


def request(
    connection: Connection,
    dataset_id: int,
    choices: Choices,
    *,
    classifier_id: int | None = None,
    requested_by: str | None = None,
    limits: Limits | None = None,
    step_records: int | None = None,
) -> Archive:
    """Request an archive of a dataset as it is now, with a classifier of it, else its newest, else none, and submit its job.

    While one of the same is made that one is returned. A step reads ``step_records``, else as many as its time allows. Raises NotFound.
    """
    dataset = datasets.get(connection, dataset_id)
    if classifier_id is None:
        newest = learning.list_classifiers(connection, dataset_id, limit=1)
        classifier_id = newest[0].id if newest else None
    else:
        learning.get_classifier(connection, classifier_id, dataset_id=dataset_id)
    _, records_to = datasets.extent(connection, dataset_id)
    row = {
        "dataset_id": dataset_id, "classifier_id": classifier_id, "number": annotation.newest_number(connection, dataset_id),
        "records_to": records_to, "choices": choices.as_dict(),
    }  # fmt: skip
    for known in list_archives(connection, dataset_id, limit=20):
        if (
            known.is_active
            and all(getattr(known, name) == row[name] for name in row if name != "choices")
            and known.choices == choices
        ):
            return known
    job = jobs.submit(
        connection, kind=ARCHIVE, queue=ARCHIVER_QUEUE, steps=[NewStep(key="begin", name="begin", phase=0)], job_id=new_id(),
        params={"dataset": dataset_id} | ({"step_records": step_records} if step_records else {}), title=f"Archive of {dataset.name}", unit="records", created_by=requested_by, limits=limits,
    )  # fmt: skip
    connection.execute(
        sa.insert(archives).values({**row, "id": job.id, "requested_at": job.created_at, "requested_by": requested_by})
    )
    return get(connection, job.id)


def ensure(
    connection: Connection, classifier_id: int, limits: Limits | None = None, requested_by: str | None = None
) -> Archive:
    """Return a classifier's archive of the dataset as it is now: the one that is there or being made, else a new one. Raises NotFound."""
    dataset_id = learning.get_classifier(connection, classifier_id).dataset_id
    known = newest_by_classifier(connection, [classifier_id]).get(classifier_id)
    if known is not None and (known.is_active or (known.state is ArchiveState.AVAILABLE and _is_new(connection, known))):
        return known
    return request(connection, dataset_id, Choices(), classifier_id=classifier_id, limits=limits, requested_by=requested_by)


def get(connection: Connection, archive_id: str, *, dataset_id: int | None = None) -> Archive:
    """Return one archive, of that dataset where one is given; raises NotFound."""
    query = sa.select(archives).where(archives.c.id == archive_id)
    query = query if dataset_id is None else query.where(archives.c.dataset_id == dataset_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        way_out = "`labelmill archive list DATASET` shows a dataset's archives."
        raise NotFound(f"There is no archive {archive_id[:80]}.", where="archive_id", way_out=way_out)
    return _archive(connection, row)


def list_archives(connection: Connection, dataset_id: int, *, before: str | None = None, limit: int = 50) -> list[Archive]:
    """Return a dataset's archives, newest first; ``before`` is the id of the last one of the page before."""
    query = sa.select(archives).where(archives.c.dataset_id == dataset_id)
    query = query.where(archives.c.id < before) if before else query
    rows = connection.execute(query.order_by(archives.c.id.desc()).limit(limit)).mappings().all()
    return [_archive(connection, row) for row in rows]


def newest_by_classifier(connection: Connection, classifier_ids: Sequence[int]) -> dict[int, Archive]:
    """Return the newest archive of each of these classifiers that has one."""
    newest = sa.select(sa.func.max(archives.c.id)).where(archives.c.classifier_id.in_(classifier_ids))
    query = sa.select(archives).where(archives.c.id.in_(newest.group_by(archives.c.classifier_id)))
    return {row["classifier_id"]: _archive(connection, row) for row in connection.execute(query).mappings().all()}


def cancel(connection: Connection, archive_id: str) -> Archive:
    """Stop making an archive. Raises NotFound, and Conflict for one that is not being made."""
    found = get(connection, archive_id)
    if not found.is_active:
        raise Conflict(
            f"The archive is {found.state}.", where="archive", way_out="Only one that is being made can be cancelled."
        )
    jobs.cancel(connection, archive_id)
    return get(connection, archive_id)


def require_file(archive: Archive) -> str:
    """Return the blob of an archive that is available; raises Conflict for any other, NotFound for one that has expired."""
    if archive.state is ArchiveState.AVAILABLE and archive.blob is not None:
        return archive.blob
    if archive.state is ArchiveState.EXPIRED:
        raise NotFound("The archive's file is gone: it has expired.", where="archive", way_out="Request it again.")
    if archive.state is ArchiveState.FAILED:
        raise Conflict(f"The archive was not made. {archive.reason}", where="archive", way_out="Request it again.")
    raise Conflict("The archive is not ready yet.", where="archive", way_out="Ask for it again a while later.")


def keep(connection: Connection, archive_id: str, *, blob: str, size: int, days: int | None) -> None:
    """Make an archive available, and submit what removes it after so many days. Raises NotFound where its dataset was removed."""
    found = get(connection, archive_id)
    now = clock.now()
    expires_at = None if days is None else _later(now, days)
    values = {"blob": blob, "bytes": size, "made_at": now, "expires_at": expires_at}
    connection.execute(sa.update(archives).where(archives.c.id == archive_id).values(values))
    if days is not None:
        jobs.submit(
            connection, kind=EXPIRE, queue=ARCHIVER_QUEUE, steps=[NewStep(key="expire", name="expire", phase=0)],
            params={"dataset": found.dataset_id, "archive": archive_id}, title="Remove an archive that has expired",
            key=f"{EXPIRE}:{archive_id}", countdown=days * 86_400.0, unit="files",
        )  # fmt: skip


def expire(connection: Connection, archive_id: str) -> None:
    """Let go of an archive's file, which its caller removes after the commit."""
    connection.execute(sa.update(archives).where(archives.c.id == archive_id).values(blob=None))


def folder(dataset_id: int, archive_id: str) -> str:
    """Return what the names of an archive's blobs begin with."""
    return f"archives/{dataset_id}/{archive_id}/"


def _is_new(connection: Connection, known: Archive) -> bool:
    _, records_to = datasets.extent(connection, known.dataset_id)
    return known.records_to == records_to and known.number == annotation.newest_number(connection, known.dataset_id)


def _later(now: datetime, days: int) -> datetime:
    return now + timedelta(days=days)


def _archive(connection: Connection, row: RowMapping) -> Archive:
    try:
        job = jobs.glance(connection, row["id"])
    except NotFound:
        job = None
    state = state_of(job, row["blob"], row["expires_at"], clock.now())
    version = None
    if row["classifier_id"] is not None:
        version = learning.get_classifier(connection, row["classifier_id"]).version
    values: dict[str, Any] = {**row, "choices": Choices.from_dict(row["choices"])}
    return Archive(
        **values, version=version, state=state, done=job.done if job else 0, total=job.total if job else None,
        reason=reason_of(job) if state is ArchiveState.FAILED else None,
    )  # fmt: skip
