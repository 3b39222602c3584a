"""What a job is: its states, its steps, when a step is due, how fast it goes and when a worker counts as dead. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from datetime import datetime


class JobState(StrEnum):
    #: Nobody has begun.
    QUEUED = "queued"
    #: At least one step was begun.
    RUNNING = "running"
    #: Every step is done.
    SUCCEEDED = "succeeded"
    #: A step failed for good; ``retry`` queues what is left.
    FAILED = "failed"
    #: Somebody stopped it.
    CANCELLED = "cancelled"


class StepState(StrEnum):
    #: A step of an earlier phase is not done.
    WAITING = "waiting"
    #: Free for any worker.
    QUEUED = "queued"
    #: One worker holds it.
    LEASED = "leased"
    DONE = "done"
    #: Tried as often as allowed: parked, with its error.
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = (JobState.QUEUED, JobState.RUNNING)
ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one step may use before its worker process is killed, and how often it is tried."""

    seconds: float = 600.0
    memory_mb: int = 2048
    tries: int = 3


@dataclass(frozen=True, kw_only=True)
class NewStep:
    """A step to be added to a job. ``key`` is unique within the job, so adding it twice adds it once."""

    key: str
    #: Which handler of the job's kind runs it.
    name: str
    #: Steps of one phase run in any order and side by side; a phase begins when the one before it is done.
    phase: int
    payload: dict[str, Any] = field(default_factory=dict)
    #: Estimated units of work (rows, images ...), for the job's total.
    units: int = 0
    #: Seconds that it waits after its phase began.
    delay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a handler gives back: units done, figures to keep, steps to add."""

    done: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    steps: tuple[NewStep, ...] = ()
    #: Figures of the whole job; set by its last step.
    job_result: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    id: str
    kind: str
    queue: str
    state: JobState
    title: str
    params: dict[str, Any]
    phase: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    #: Units done, those of steps that run now included, and, once planned, in all.
    done: int
    total: int | None
    unit: str
    error: dict[str, Any] | None
    result: dict[str, Any] | None
    limits: Limits
    created_by: str | None = None
    #: Rises with every change but progress within a step.
    changes: int = 0
    steps_done: int = 0
    steps_total: int = 0

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True, kw_only=True)
class Step:
    """A leased step, as its worker sees it. ``attempt`` rises with every lease and fences whoever slept."""

    id: str
    job_id: str
    kind: str
    name: str
    key: str
    phase: int
    payload: dict[str, Any]
    params: dict[str, Any]
    attempt: int
    tries: int
    owner: str
    limits: Limits
    units: int = 0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a job is. ``rate`` is units a second since the start; ``seconds_left`` is None until both can be told."""

    done: int
    total: int | None
    unit: str
    seconds: float
    rate: float | None
    share: float | None
    seconds_left: float | None


def progress(job: Job, now: datetime) -> Progress:
    """Return how far ``job`` is at ``now``."""
    seconds = 0.0
    if job.started_at is not None:
        seconds = max(0.0, ((job.finished_at or now) - job.started_at).total_seconds())
    rate = job.done / seconds if seconds > 0 and job.done else None
    share = min(1.0, job.done / job.total) if job.total else None
    if job.state is JobState.SUCCEEDED:
        share = 1.0
    left = None
    if rate and job.total and not job.ended:
        left = max(0.0, (job.total - job.done) / rate)
    return Progress(done=job.done, total=job.total, unit=job.unit, seconds=seconds, rate=rate, share=share, seconds_left=left)


def retry_delay(tries: int) -> float:
    """Return the seconds to wait before try ``tries`` + 1: 1, 2, 4 ... at most 60."""
    return float(min(60, 2 ** min(6, max(0, tries - 1))))


class LeaseWatch:
    """Judges leases by their heartbeat counters on the watcher's own monotonic clock: no wall clock can kill or keep one.

    ``observe`` is called every second or so with the counters; it returns the keys whose counter has stood still for
    ``lease_seconds`` of the time that this watcher itself was awake.
    """

    def __init__(self, lease_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        #: A lease is dead after three looks at the soonest, however long the watcher itself was suspended between two of them.
        self.longest_gap = min(3.0, lease_seconds / 3)
        self._seen: dict[Any, tuple[Hashable, float]] = {}
        self._awake = 0.0
        self._last: float | None = None

    def observe(self, counters: Mapping[Any, Hashable], moment: float) -> list[Any]:
        """Take the counters at ``moment`` (monotonic seconds) and return the keys that are dead."""
        # A watcher that was itself suspended saw nothing in between: a long gap counts as a short one.
        self._awake += min(moment - self._last, self.longest_gap) if self._last is not None else 0.0
        self._last = moment
        self._seen = {
            key: self._seen[key] if key in self._seen and self._seen[key][0] == beat else (beat, self._awake)
            for key, beat in counters.items()
        }
        return [key for key, (_, since) in self._seen.items() if self._awake - since >= self.lease_seconds]
