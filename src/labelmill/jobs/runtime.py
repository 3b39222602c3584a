"""What every process that runs jobs needs, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelmill.jobs import leases
from labelmill.jobs.following import followed
from labelmill.jobs.model import Limits
from labelmill.jobs.waker import PollingWaker

if TYPE_CHECKING:
    from labelmill.db.database import Database
    from labelmill.jobs.model import Job
    from labelmill.jobs.registry import Registry
    from labelmill.jobs.waker import Waker
    from labelmill.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Runtime:
    database: Database
    registry: Registry
    waker: Waker
    settings: Settings

    @property
    def limits(self) -> Limits:
        """What a step may use unless its job says otherwise, as the settings have it: to be given to ``service.submit``."""
        return Limits(seconds=self.settings.step_seconds, memory_mb=self.settings.memory_mb, tries=self.settings.max_tries)

    def wake(self, job_id: str) -> None:
        """Tell workers that the job has free steps; to be called after the commit. Lost wake-ups are made good by the sweep."""
        if isinstance(self.waker, PollingWaker):
            return
        with self.database.read() as connection:
            free = leases.free_of_job(connection, job_id)
        self.waker.wake(free)

    def mirror(self, job: Job) -> None:
        """Let whoever mirrors jobs of this kind see the job as it is now; what fails is made good by the next parent process."""
        follower = self.registry.follower(job.kind)
        if follower is not None:
            followed(follower, job.id)
            # Whoever asks may never ask again.
            self.registry.close_idle()
