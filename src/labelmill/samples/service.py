"""The one verb on samples: begin to make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.jobs.model import Job, Limits

KIND: Final = "samples"


def begin(connection: Connection, *, created_by: str | None = None, limits: Limits | None = None) -> Job:
    """Submit the job that makes the sample datasets whose names are free; whoever calls wakes it after the commit.

    Its result has their ids by name under ``datasets``, and under ``left out`` why one is missing.
    """
    steps = [NewStep(key="make", name="make", phase=0)]
    return jobs.submit(
        connection, kind=KIND, steps=steps, params={"by": created_by}, title="Sample datasets", unit="datasets",
        created_by=created_by, limits=limits,
    )  # fmt: skip
