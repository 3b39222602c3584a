"""What an archive is, and its states. Pure values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from labelmill.jobs.model import JobState

if TYPE_CHECKING:
    from datetime import datetime

    from labelmill.archives.choices import Choices
    from labelmill.jobs.model import Job

#: The queue of its jobs, on which a worker can run alone.
ARCHIVER_QUEUE: Final = "archiver"
#: The kinds of its jobs.
ARCHIVE: Final = "archive"
EXPIRE: Final = "expire-archive"
MEDIA_TYPE: Final = "application/zip"


class ArchiveState(StrEnum):
    #: Nobody has begun.
    REQUESTED = "requested"
    BUILDING = "building"
    #: It can be downloaded.
    AVAILABLE = "available"
    #: It was not made, for the reason that stands beside it; it can be requested again.
    FAILED = "failed"
    #: Its file is gone.
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class Archive:
    id: str
    dataset_id: int
    classifier_id: int | None
    #: The classifier's version in its dataset.
    version: int | None
    #: The newest annotation and the newest record that are in it.
    number: int
    records_to: int
    choices: Choices
    requested_at: datetime
    requested_by: str | None
    state: ArchiveState
    #: Records done and in all, as far as they are known.
    done: int = 0
    total: int | None = None
    #: Why it failed.
    reason: str | None = None
    blob: str | None = None
    bytes: int | None = None
    made_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def is_active(self) -> bool:
        """Whether it is still being made."""
        return self.state in (ArchiveState.REQUESTED, ArchiveState.BUILDING)


def state_of(job: Job | None, blob: str | None, expires_at: datetime | None, now: datetime) -> ArchiveState:
    """Return the state that follows from the job that makes an archive, its blob and when that goes."""
    if expires_at is not None and (blob is None or expires_at <= now):
        return ArchiveState.EXPIRED
    if blob is not None:
        return ArchiveState.AVAILABLE
    if job is None or job.state in (JobState.FAILED, JobState.CANCELLED):
        return ArchiveState.FAILED
    return ArchiveState.REQUESTED if job.state is JobState.QUEUED else ArchiveState.BUILDING


def reason_of(job: Job | None) -> str:
    """Return why a job made no archive."""
    if job is None:
        return "Its job is gone."
    if job.state is JobState.CANCELLED:
        return "It was cancelled."
    error = job.error or {}
    return " ".join(filter(None, (error.get("detail") or "No reason is known.", error.get("way_out"))))


def file_name(dataset: str, version: int | None) -> str:
    """Return what the file is called: the dataset's name without what a file system or a header would stumble over."""
    stem = re.sub(r"[^\w.-]+", "-", dataset).strip("-.")[:80] or "dataset"
    return f"{stem}{'' if version is None else f'-v{version}'}-archive.zip"
