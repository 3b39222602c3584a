"""The verbs on catalogues and image tasks; each takes the connection of the caller's transaction."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from labelmill import clock
from labelmill.errors import BadInput, Conflict, NotFound
from labelmill.ids import new_id
from labelmill.images.filters import expression
from labelmill.images.model import IMAGE_TASK, LOAD, LONGEST_NAME, Catalogue, CatalogueColumn, ColumnKind, Version
from labelmill.images.tables import catalogue_versions, catalogues
from labelmill.jobs import service as jobs
from labelmill.jobs.model import ACTIVE, JobState, NewStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection, RowMapping

    from labelmill.images.filters import Condition
    from labelmill.images.task import Delivery
    from labelmill.jobs.model import Job, Limits

#: Loads that are looked through for the last one of a catalogue.
NEWEST_LOADS: Final = 200


#: Jobs that are looked at together.
PIECE = 500


def load(
    connection: Connection,
    name: str,
    *,
    table: dict[str, Any],
    images: dict[str, Any],
    id_column: str | None = None,
    options: dict[str, Any] | None = None,
    created_by: str | None = None,
    limits: Limits | None = None,
) -> Job:
    """Submit the load of a new version of a catalogue, which is made where there is none of this name.

    ``table`` and ``images`` are references. The version in use stays that until the new one is whole.
    """
    catalogue = _ensure(connection, _checked(name), created_by)
    running = _load_of(connection, catalogue)
    if running is not None:
        raise Conflict(
            f"The catalogue {name!r} is being loaded.",
            where="name",
            way_out=f"`labelmill jobs cancel {running.id}` stops that.",
        )
    params = {"catalogue": catalogue, "table": table, "images": images, "id_column": id_column, "options": options or {}}
    return jobs.submit(
        connection, kind=LOAD, steps=[NewStep(key="load", name="load", phase=0)], params=params, title=f"Load the catalogue {name}",
        unit="rows", created_by=created_by, limits=limits,
    )  # fmt: skip


def keep_version(connection: Connection, catalogue_id: int, version: Version) -> None:
    """Make a version the one that the catalogue is from now on; a second time changes nothing. Raises NotFound."""
    if connection.scalar(sa.select(catalogue_versions.c.number).where(catalogue_versions.c.id == version.id)) is not None:
        return
    if connection.scalar(sa.select(catalogues.c.id).where(catalogues.c.id == catalogue_id).with_for_update()) is None:
        raise NotFound("The catalogue was removed while it was loaded.", way_out="Load it again.")
    newest = connection.scalar(
        sa.select(sa.func.max(catalogue_versions.c.number)).where(catalogue_versions.c.catalogue_id == catalogue_id)
    )
    row = {
        "id": version.id, "catalogue_id": catalogue_id, "number": (newest or 0) + 1, "made_at": version.made_at,
        "id_column": version.id_column, "columns": [asdict(column) for column in version.columns], "rows": version.rows,
        "rejected": version.rejected, "rows_without_image": version.rows_without_image,
        "images_without_row": version.images_without_row, "images": version.images,
    }  # fmt: skip
    connection.execute(sa.insert(catalogue_versions).values(row))


def find(connection: Connection, which: str) -> Catalogue:
    """Return the catalogue of this name or number; raises NotFound that says which ones there are."""
    by_name = connection.execute(sa.select(catalogues).where(catalogues.c.name == which)).mappings().one_or_none()
    if by_name is None and which.isascii() and which.isdigit() and len(which) < 19:  # noqa: PLR2004 - digits of a 64-bit number
        by_name = connection.execute(sa.select(catalogues).where(catalogues.c.id == int(which))).mappings().one_or_none()
    if by_name is None:
        known = ", ".join(connection.scalars(sa.select(catalogues.c.name).order_by(catalogues.c.name).limit(20)))
        way_out = f"There are: {known}." if known else "`labelmill catalogue load FILE --images FOLDER --name NAME` makes one."
        raise NotFound(f"There is no catalogue {which[:LONGEST_NAME]!r}.", way_out=way_out)
    return _catalogue(connection, by_name)


def list_catalogues(connection: Connection, *, after: str = "", limit: int | None = None) -> list[Catalogue]:
    """Return catalogues by name, those after the name ``after``; all of them without a limit."""
    query = sa.select(catalogues).where(catalogues.c.name > after).order_by(catalogues.c.name).limit(limit)
    return [_catalogue(connection, row) for row in connection.execute(query).mappings().all()]


def last_load(connection: Connection, catalogue: Catalogue) -> Job | None:
    """Return the newest load of a catalogue, where it is among the newest ones of all."""
    loads = jobs.list_jobs(connection, kind=LOAD, limit=NEWEST_LOADS)
    return next((job for job in loads if job.params["catalogue"] == catalogue.id), None)


def get_task(connection: Connection, task_id: str) -> Job:
    """Return an image task; raises NotFound, also for a job of another kind."""
    job = jobs.get(connection, task_id)
    if job.kind != IMAGE_TASK:
        raise NotFound(f"There is no image task {task_id!r}.", way_out="`labelmill images list` shows the tasks.")
    return job


def versions_of(connection: Connection, tasks: Sequence[Job]) -> dict[str, tuple[str, int]]:
    """Return the catalogue's name and version of each of these image tasks by its id; of a removed catalogue nothing."""
    wanted = {task.id: task.params["version"] for task in tasks if task.params["version"]}
    query = (
        sa.select(catalogue_versions.c.id, catalogues.c.name, catalogue_versions.c.number)
        .join(catalogues, catalogues.c.id == catalogue_versions.c.catalogue_id)
        .where(catalogue_versions.c.id.in_(set(wanted.values())))
    )
    known = {version: (name, number) for version, name, number in connection.execute(query)}
    return {task: known[version] for task, version in wanted.items() if version in known}


def get_version(connection: Connection, version_id: str) -> Version:
    """Return one version; raises NotFound."""
    row = (
        connection.execute(sa.select(catalogue_versions).where(catalogue_versions.c.id == version_id)).mappings().one_or_none()
    )
    if row is None:
        raise NotFound("This version of the catalogue was removed.", way_out="Load the catalogue again.")
    return _version(row)


def require_version(catalogue: Catalogue) -> Version:
    """Return the version in use; raises Conflict for a catalogue whose first load is not done."""
    if catalogue.version is None:
        raise Conflict(
            f"The catalogue {catalogue.name!r} is not loaded yet.", way_out="`labelmill jobs list` shows how far it is."
        )
    return catalogue.version


def remove(connection: Connection, catalogue: Catalogue) -> list[str]:
    """Forget a catalogue and return the blobs of its versions, which are to be removed once this is committed.

    Raises Conflict while it is loaded or an image task reads it.
    """
    versions = (
        connection.execute(sa.select(catalogue_versions).where(catalogue_versions.c.catalogue_id == catalogue.id))
        .mappings()
        .all()
    )
    ids = {row["id"] for row in versions}
    for kind in (LOAD, IMAGE_TASK):
        for job in _active(connection, kind):
            if job.params.get("catalogue") == catalogue.id or job.params.get("version") in ids:
                raise Conflict(
                    f"The job {job.id} works with this catalogue.", way_out=f"Wait for it, or `labelmill jobs cancel {job.id}`."
                )
    connection.execute(sa.delete(catalogue_versions).where(catalogue_versions.c.catalogue_id == catalogue.id))
    connection.execute(sa.delete(catalogues).where(catalogues.c.id == catalogue.id))
    return [_version(row).blob for row in versions]


def query(
    connection: Connection,
    catalogue: Catalogue,
    conditions: Sequence[Condition],
    delivery: Delivery,
    *,
    created_by: str | None = None,
    limits: Limits | None = None,
) -> Job:
    """Submit an image task: deliver the images of the rows that meet all conditions. Raises NotFound, BadInput or Conflict."""
    version = require_version(catalogue)
    expression(version, conditions)  # what it refuses is told now
    params = {"version": version.id}
    return _submit(
        connection, catalogue.name, params, conditions=conditions, delivery=delivery, created_by=created_by, limits=limits
    )


def query_later(
    connection: Connection,
    name: str,
    conditions: Sequence[Condition],
    delivery: Delivery,
    *,
    created_by: str | None = None,
    limits: Limits | None = None,
) -> Job:
    """Submit an image task over a catalogue as it is when the task begins; a load that runs now is waited for.

    Nothing is refused here: that there is no such catalogue or column fails the task.
    """
    catalogue = connection.scalar(sa.select(catalogues.c.id).where(catalogues.c.name == name))
    loading = None if catalogue is None else _load_of(connection, catalogue)
    params = {"version": None, "name": name, "catalogue": catalogue, "after": loading and loading.id}
    return _submit(connection, name, params, conditions=conditions, delivery=delivery, created_by=created_by, limits=limits)


def choose_version(connection: Connection, task_id: str) -> Version | None:
    """Have a task of ``query_later`` keep to the version in use now, which is returned; None while a load is waited for.

    Raises NotFound, and Conflict for a catalogue that was never loaded.
    """
    task = jobs.get(connection, task_id)
    loading = jobs.get(connection, task.params["after"]) if task.params["after"] else None
    if loading is not None and loading.state in ACTIVE:
        return None
    catalogue = find(connection, task.params["name"])
    if catalogue.version is None and loading is not None and loading.error:
        raise Conflict(f"The catalogue {catalogue.name!r} could not be loaded: {loading.error['detail']}")
    version = require_version(catalogue)
    jobs.change_params(connection, task_id, task.params | {"version": version.id, "catalogue": catalogue.id})
    return version


def waiting_load(connection: Connection, name: str) -> Job | None:
    """Return the load of a catalogue that nobody has begun yet: it will read the table as it is then."""
    catalogue = connection.scalar(sa.select(catalogues.c.id).where(catalogues.c.name == name))
    found = None if catalogue is None else _load_of(connection, catalogue)
    return found if found is not None and found.state is JobState.QUEUED else None


def find_task(connection: Connection, task_id: str) -> Job:
    """Return the job of an image task or of a load; raises NotFound for any other."""
    job = jobs.get(connection, task_id)
    if job.kind not in (LOAD, IMAGE_TASK):
        raise NotFound(f"There is no image task {task_id!r}.", way_out="`labelmill images list` lists them.")
    return job


def _submit(
    connection: Connection, name: str, version: dict[str, Any], *, conditions: Sequence[Condition], delivery: Delivery,
    created_by: str | None, limits: Limits | None,
) -> Job:  # fmt: skip
    """Submit an image task; ``version`` says of which version of the catalogue ``name`` it is."""
    params = version | {"where": [each.as_dict() for each in conditions], "delivery": delivery.as_dict()}
    return jobs.submit(
        connection, kind=IMAGE_TASK, steps=[NewStep(key="plan", name="plan", phase=0)], params=params, job_id=new_id(),
        title=f"Images of {name}", unit="images", created_by=created_by, limits=limits,
    )  # fmt: skip


def _load_of(connection: Connection, catalogue: int) -> Job | None:
    """Return the load of a catalogue that waits or runs."""
    return next((job for job in _active(connection, LOAD) if job.params["catalogue"] == catalogue), None)


def _active(connection: Connection, kind: str) -> Iterator[Job]:
    """Yield every job of a kind that waits or runs, however many ended ones are newer."""
    for state in ACTIVE:
        before: str | None = None
        while found := jobs.list_jobs(connection, kind=kind, state=state, before=before, limit=PIECE):
            yield from found
            before = found[-1].id


def _ensure(connection: Connection, name: str, created_by: str | None) -> int:
    known = connection.scalar(sa.select(catalogues.c.id).where(catalogues.c.name == name))
    if known is not None:
        return int(known)
    values = {"name": name, "created_at": clock.now(), "created_by": created_by}
    made = connection.execute(sa.insert(catalogues).values(values)).inserted_primary_key
    return int(made[0]) if made else 0


def _checked(name: str) -> str:
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise BadInput("This is no name of a catalogue.", where="name", way_out=f"Give 1 to {LONGEST_NAME} characters.")
    return name


def _catalogue(connection: Connection, row: RowMapping) -> Catalogue:
    newest = sa.select(catalogue_versions).where(catalogue_versions.c.catalogue_id == row["id"])
    version = connection.execute(newest.order_by(catalogue_versions.c.number.desc()).limit(1)).mappings().one_or_none()
    return Catalogue(
        id=row["id"], name=row["name"], created_at=row["created_at"], version=_version(version) if version is not None else None
    )


def _version(row: RowMapping) -> Version:
    values: dict[str, Any] = {name: value for name, value in row.items() if name != "catalogue_id"}
    columns = tuple(CatalogueColumn(**each | {"kind": ColumnKind(each["kind"])}) for each in values.pop("columns"))
    return Version(**values, columns=columns)
