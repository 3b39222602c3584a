"""What the contract asks for, said in the words of catalogues and image tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from labelmill.images import Condition, Delivery, Transform, service
from labelmill.jobs.model import JobState

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from labelmill.accounts import Actor
    from labelmill.bootstrap import App
    from labelmill.compat.svc_ml.schemas import FilterData
    from labelmill.jobs.model import Job

#: The catalogue that the contract serves, called as the predecessor's table.
CATALOGUE: Final = "styles_data"


def load(connection: Connection, app: App, actor: Actor) -> Job:
    """Submit the load of the table and the images that the settings name; raises Conflict while one runs."""
    waiting = service.waiting_load(connection, CATALOGUE)
    if waiting is not None:
        return waiting
    settings = app.settings
    return service.load(
        connection, CATALOGUE, table=_file(settings.catalogue_folder / settings.catalogue_metadata),
        images=_file(settings.catalogue_folder / settings.catalogue_images), created_by=actor.annotator_id or None,
        limits=app.runtime.limits,
    )  # fmt: skip


def query(connection: Connection, app: App, actor: Actor, wanted: FilterData, *, transformed: bool) -> Job:
    """Submit the image task that is meant, with the predecessor's figures and into its place."""
    # A year as text is compared as the column's kind has it, number or not.
    values = {name: str(value) for name, value in wanted.model_dump(exclude_none=True).items()}
    conditions = [Condition(column=name, among=(value,)) for name, value in values.items()]
    out = app.settings.catalogue_folder / app.settings.catalogue_output
    delivery = Delivery(transform=Transform() if transformed else None, out=str(out.absolute()), old_metadata=True)
    return service.query_later(
        connection, CATALOGUE, conditions, delivery, created_by=actor.annotator_id or None, limits=app.runtime.limits
    )


def reason(job: Job) -> str | None:
    """Return why a task has failed, or what it left out; None where there is nothing to tell."""
    if job.state is JobState.CANCELLED:
        return "The task was cancelled."
    if job.error:
        parts = (f"{job.error['where']}:" if job.error.get("where") else "", job.error["detail"], job.error.get("way_out", ""))
        return " ".join(filter(None, parts))
    done: dict[str, Any] = job.result or {}
    if done.get("skipped"):
        return f"{done['skipped']} of {done['selected']} images were left out; skipped.csv lists them with the reasons."
    if done.get("rejected"):
        return f"{done['rejected']} rows of the table were left out; `labelmill catalogue load` lists them with the reasons."
    return None


def _file(path: Path) -> dict[str, str]:
    return {"file": str(path.absolute())}
