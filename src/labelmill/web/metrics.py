"""Figures for Prometheus: requests as they are answered, jobs and workers as the database knows them when it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from labelmill.errors import LabelmillError
from labelmill.jobs import presence
from labelmill.jobs.model import StepState
from labelmill.jobs.tables import job_steps, jobs
from labelmill.logs import log_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.registry import Collector
    from sqlalchemy.engine import Connection

    from labelmill.db.database import Database

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The figures of one app; each app has its own, so that two in one process do not meet."""

    def __init__(self, database: Database) -> None:
        self._registry = CollectorRegistry()
        names = ("method", "route", "status")
        self._count = Counter("labelmill_http_requests", "Requests answered.", names, registry=self._registry)
        self._seconds = Histogram(
            "labelmill_http_request_seconds", "Seconds from request to the end of its answer.", names[:2], buckets=BUCKETS,
            registry=self._registry,
        )  # fmt: skip
        collector: Collector = _DatabaseFigures(database)
        self._registry.register(collector)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        method = method if method in METHODS else "(other)"
        self._count.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """Return every figure in Prometheus' text format."""
        return generate_latest(self._registry)


class _DatabaseFigures:
    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing: registering must not ask the database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the figures, or only that the database is away: a scrape must not fail with it."""
        answers = GaugeMetricFamily("labelmill_database_up", "Whether the database answers.")
        try:
            with self._database.read() as connection:
                found = list(_figures(connection))
        except LabelmillError as error:
            log_error(error)
            found = []
        answers.add_metric([], float(bool(found)))
        yield answers
        yield from found


def _figures(connection: Connection) -> Iterator[GaugeMetricFamily]:
    by_state = GaugeMetricFamily("labelmill_jobs", "Jobs by kind and state.", labels=["kind", "state"])
    for kind, state, count in connection.execute(
        sa.select(jobs.c.kind, jobs.c.state, sa.func.count()).group_by(jobs.c.kind, jobs.c.state)
    ):
        by_state.add_metric([kind, state], count)
    yield by_state
    leased = sa.select(sa.func.count()).where(job_steps.c.state == StepState.LEASED)
    yield GaugeMetricFamily("labelmill_steps_leased", "Steps that a worker holds.", value=connection.scalar(leased) or 0)
    alive = [worker for worker in presence.list_workers(connection) if not worker.is_gone]
    yield GaugeMetricFamily(
        "labelmill_workers", "Worker processes that are registered and not known to be gone.", value=len(alive)
    )
