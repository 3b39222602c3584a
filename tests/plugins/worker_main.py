"""A worker process that knows the kinds of job of the tests: ``python worker_main.py WORKER_ID``, settings from the environment."""

from __future__ import annotations

import sys

import job_kinds
from labelmill import logs
from labelmill.bootstrap import make_waker, open_database
from labelmill.jobs.cli import serve
from labelmill.jobs.runtime import Runtime
from labelmill.settings import load_settings

if __name__ == "__main__":
    settings = load_settings()
    logs.configure(settings.log_level, settings.log_format)
    serve(
        Runtime(database=open_database(settings), registry=job_kinds.registry(), waker=make_waker(settings), settings=settings),
        sys.argv[1],
    )
