"""Following: lets those who mirror jobs elsewhere catch up with what nobody told them, in a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from labelmill import clock
from labelmill.errors import LabelmillError

if TYPE_CHECKING:
    from labelmill.jobs.registry import Follower, Registry

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5
#: Seconds after which a connection that nobody used is closed.
IDLE_SECONDS = 5.0
#: Seconds until a job is tried again whose mirror could not be written; doubled each time.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class Following(threading.Thread):
    """One thread in every parent process, apart from the sweep: a mirror may be slow or away, leases may not wait for it."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(name="following", daemon=True)
        self._registry = registry
        self._followers = [kind.follower for kind in registry if kind.follower is not None]
        self._put_off: dict[str, tuple[float, float]] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.once()

    def stop(self) -> None:
        """End the thread; a mirror that hangs is left behind."""
        self._ended.set()
        self.join(timeout=2)
        self._registry.close_idle()

    def once(self) -> None:
        """Let every follower catch up with what is due."""
        for follower in self._followers:
            try:
                due = follower.due()
            except LabelmillError as error:
                log.warning("mirrors put off", reason=error.message)
                continue
            self._put_off = {job_id: pause for job_id, pause in self._put_off.items() if job_id in due}
            for job_id in due:
                self._follow(follower, job_id)
        self._registry.close_idle(IDLE_SECONDS)

    def _follow(self, follower: Follower, job_id: str) -> None:
        moment = clock.monotonic()
        next_try, pause = self._put_off.get(job_id, (0.0, FIRST_PAUSE / 2))
        if moment >= next_try and not followed(follower, job_id):
            pause = min(LONGEST_PAUSE, pause * 2)
            self._put_off[job_id] = (moment + pause, pause)


def followed(follower: Follower, job_id: str) -> bool:
    """Let a follower mirror a job and tell whether it could; what went wrong is in the log, the job itself goes on."""
    try:
        follower.follow(job_id)
    except LabelmillError as error:
        log.warning("job not mirrored", job=job_id, reason=error.message, where=error.where)
        return False
    except Exception:
        log.exception("job not mirrored", job=job_id)
        return False
    return True
