"""What a supervised worker process does with its life: serve until its standard input ends."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

import structlog

from labelmill import clock
from labelmill.jobs.worker import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labelmill.jobs.runtime import Runtime

log = structlog.get_logger(__name__)

#: The parent kills at the end of the time to stop; only an orphan waits longer.
GRACE_SECONDS = 5.0
#: Seconds between two looks for a step of the one job that is served.
JOB_LOOK_SECONDS = 0.1


def serve_child(runtime: Runtime, *, worker_id: str, queues: Sequence[str], job_id: str | None = None) -> None:
    """Run steps until the parent closes our standard input or dies; a step that does not end in time is left to the lease.

    With ``job_id`` only that job's steps; once it has ended the process waits for its parent.
    """
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop_with_parent(stop.set, seconds=runtime.settings.stop_seconds + GRACE_SECONDS)
    with WorkerProcess(runtime, worker_id=worker_id, queues=queues, stop=stop) as process:
        process.poll(job_id=job_id, seconds=JOB_LOOK_SECONDS if job_id else None)
        stop.wait()


def stop_with_parent(stop: Callable[[], object], *, seconds: float) -> None:
    """Call ``stop`` when standard input ends, and leave for good when that has not helped after ``seconds``."""

    def wait() -> None:
        # Not through sys.stdin: its lock, held by a daemon thread, would be fatal to the end of the interpreter.
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        stop()
        clock.sleep(seconds)
        log.error("worker did not stop in time and leaves")
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()
