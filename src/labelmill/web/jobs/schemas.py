"""What goes over HTTP about jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from labelmill import clock
from labelmill.jobs.model import Job, JobState, StepState, progress


class ProgressOut(BaseModel):
    done: int = Field(description="Units done.")
    total: int | None = Field(description="Units in all, once planned.")
    unit: str
    seconds: float = Field(description="Since the job began.")
    rate: float | None = Field(description="Units a second since the job began.")
    share: float | None = Field(description="From 0 to 1.")
    seconds_left: float | None


class JobOut(BaseModel):
    id: str
    kind: str
    queue: str
    state: JobState
    title: str
    created_at: datetime
    created_by: str | None
    started_at: datetime | None
    finished_at: datetime | None
    progress: ProgressOut
    steps_done: int
    steps_total: int
    error: dict[str, Any] | None
    result: dict[str, Any] | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return what is shown of ``job`` now."""
        names = set(cls.model_fields) - {"progress"}
        return cls(**{name: getattr(job, name) for name in names}, progress=ProgressOut(**vars(progress(job, clock.now()))))


class StepOut(BaseModel):
    key: str
    name: str
    phase: int
    state: StepState
    attempt: int
    tries: int
    units: int
    done: int
    started_at: datetime | None
    finished_at: datetime | None
    error: dict[str, Any] | None


class JobDetail(JobOut):
    steps: list[StepOut] = Field(description="In order; at most the first thousand.")


class JobPage(BaseModel):
    items: list[JobOut]
    next: str | None = Field(description="The cursor of the next page, null on the last one.")
