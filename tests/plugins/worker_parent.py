"""A supervisor of one worker process of the tests, as a program of its own: it can be killed."""

from __future__ import annotations

import sys

import job_kinds
from job_lab import MAIN
from labelmill.bootstrap import make_waker, open_database
from labelmill.jobs.runtime import Runtime
from labelmill.jobs.supervisor import Child, Supervisor
from labelmill.settings import load_settings


def main() -> None:
    settings = load_settings()
    runtime = Runtime(
        database=open_database(settings), registry=job_kinds.registry(), waker=make_waker(settings), settings=settings
    )
    supervisor = Supervisor(runtime, [Child("w", lambda worker_id: [sys.executable, str(MAIN), worker_id])])
    supervisor.stop_on_signals()
    supervisor.run()


if __name__ == "__main__":
    main()
