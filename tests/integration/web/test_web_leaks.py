"""Nothing leaks (promise 27)."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import psutil

import webapp
from labelmill.accounts import Role
from labelmill.bootstrap import build
from labelmill.settings import Settings
from labelmill.web.app import create_app

if TYPE_CHECKING:
    from pathlib import Path

    from webapp import Site


def _open() -> tuple[int, int]:
    gc.collect()
    return psutil.Process().num_fds(), threading.active_count()


def test_p27_apps_that_are_opened_and_closed_leave_nothing_open(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)

    def cycle() -> None:
        app = build(settings)
        create_app(app)
        app.close()

    cycle()
    before = _open()
    for _ in range(1000):
        cycle()
    assert _open() == before


def test_p27_requests_leave_nothing_open(site: Site) -> None:
    job = site.job()

    def round_trip() -> None:
        for path in ("/healthz", "/readyz", "/metrics", "/v1/jobs", f"/v1/jobs/{job.id}", "/nothing", "/docs"):
            site.ask("GET", path, role=Role.VIEWER)
        site.page("/jobs")
        site.ask("POST", "/v1/connections", role=Role.ADMIN, json={"name": 1})

    for _ in range(5):
        round_trip()
    before = _open()
    for _ in range(100):
        round_trip()
    descriptors, threads = _open()
    # The pool may open a few more connections to the database file, the thread pool a few more threads; neither grows with requests.
    assert descriptors <= before[0] + 15
    assert threads <= before[1] + 5


def test_p27_events_that_nobody_reads_to_the_end_leave_nothing_open(site: Site) -> None:
    from labelmill.jobs import service as jobs

    ended = site.job()
    site.app.database.transact(jobs.cancel, ended.id)
    site.ask("GET", f"/v1/jobs/{ended.id}/events", role=Role.VIEWER)
    before = _open()
    for _ in range(100):
        site.ask("GET", f"/v1/jobs/{ended.id}/events", role=Role.VIEWER)
    assert _open()[0] <= before[0] + 5


def test_p27_two_sites_in_one_process_do_not_meet(tmp_path: Path) -> None:
    with webapp.site(tmp_path / "a") as one, webapp.site(tmp_path / "b") as other:
        assert one.ask("GET", "/v1/me", token=other.token(Role.ADMIN)).status_code == 401
