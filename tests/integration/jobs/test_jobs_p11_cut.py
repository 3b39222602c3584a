"""Promise 11 in the small: connections are cut while jobs run; the jobs end by themselves with exact counts."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

import fresh
from labelmill.errors import Unavailable
from labelmill.jobs.inline import run_or_watch

OTHERS = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
}


def cut(lab):
    """End every connection to the lab's database but our own."""
    with fresh.administration(lab.settings.database_url) as connection:
        found = connection.execute(sa.text(OTHERS[lab.database.dialect])).all()
        if lab.database.dialect == "mysql":
            for (number,) in found:
                connection.exec_driver_sql(f"KILL {number}")
        return len(found)


@pytest.fixture
def scissors(lab):
    """Cut all connections every 0.15 s until the end of the test; gives a list that says how many each time."""
    counts, ended = [], threading.Event()

    def snip():
        while not ended.wait(0.15):
            try:
                counts.append(cut(lab))
            except sa.exc.OperationalError:  # one of them had ended by itself
                counts.append(0)

    thread = threading.Thread(target=snip)
    thread.start()
    yield counts
    ended.set()
    thread.join(10)


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"], indirect=True)
def test_p11_jobs_end_with_exact_counts_while_connections_are_cut(lab, scissors):
    jobs = [lab.submit("add", steps=6, each=5, seconds=0.05, tries=50) for _ in range(2)]
    begun = time.monotonic()
    for job in jobs:
        _run_through(lab, job)
    assert [_patiently(lambda job=job: lab.holds_exactly(job)) for job in jobs] == [True] * 2
    assert sum(scissors) > 3, "the scissors have cut"
    assert time.monotonic() - begun < 60


def _run_through(lab, job):
    assert _patiently(lambda: run_or_watch(lab.runtime, job.id).ended)


def _patiently(look):
    """Look as often as it takes: the scissors cut the connections of the one who looks as well."""
    for _ in range(200):
        with suppress(Unavailable, OperationalError):
            return look()
        time.sleep(0.05)
    pytest.fail("the database never answered")
