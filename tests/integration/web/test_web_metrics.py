"""Figures for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

import webapp
from labelmill.accounts import Role
from labelmill.jobs import presence
from labelmill.jobs import service as jobs

if TYPE_CHECKING:
    from pathlib import Path

    from webapp import Site


def _samples(site: Site) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = site.ask("GET", "/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_jobs_are_counted_by_kind_and_state_on_every_database(stored_site: Site) -> None:
    for _ in range(3):
        stored_site.job()
    stored_site.app.database.transact(jobs.cancel, stored_site.job().id)
    stored_site.app.database.transact(presence.arrive, "w1", runner="local", queues=["default"])
    samples = _samples(stored_site)
    assert samples["labelmill_jobs", (("kind", "test"), ("state", "queued"))] == 3
    assert samples["labelmill_jobs", (("kind", "test"), ("state", "cancelled"))] == 1
    assert samples["labelmill_steps_leased", ()] == 0
    assert samples["labelmill_workers", ()] == 1
    assert samples["labelmill_database_up", ()] == 1


def test_requests_are_counted_by_route_and_not_by_made_up_address(site: Site) -> None:
    for number in range(5):
        site.ask("GET", f"/v1/jobs/{number}", role=Role.VIEWER)
        site.ask("GET", f"/nothing/{number}")
        site.ask("BREW", f"/pot/{number}")
    samples = _samples(site)
    assert samples["labelmill_http_requests_total", (("method", "GET"), ("route", "/v1/jobs/{job_id}"), ("status", "404"))] == 5
    assert samples["labelmill_http_requests_total", (("method", "GET"), ("route", "(none)"), ("status", "404"))] == 5
    routes = {dict(labels)["route"] for name, labels in samples if name == "labelmill_http_requests_total"}
    assert not any("nothing" in route or "pot" in route for route in routes)


def test_two_apps_in_one_process_keep_their_own_figures(tmp_path: Path) -> None:
    with webapp.site(tmp_path / "a") as one, webapp.site(tmp_path / "b") as other:
        one.ask("GET", "/healthz")
        key = "labelmill_http_requests_total", (("method", "GET"), ("route", "/healthz"), ("status", "200"))
        assert key in _samples(one)
        assert key not in _samples(other)
