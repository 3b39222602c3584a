"""The lab on each database. Making a database costs a second, so the tests of one run share one of each kind and wipe it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache

import pytest
import sqlalchemy as sa

import fresh
from job_lab import Lab
from labelmill.jobs.tables import job_steps, jobs, workers


@pytest.fixture(scope="session")
def kept_database(worker_name):
    """Return a function that gives the URL of this run's database of a kind, made when first asked for."""
    with ExitStack() as stack:
        yield cache(lambda kind, server_url: stack.enter_context(fresh.database(kind, server_url, worker_name)))


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def lab_url(request, tmp_path, kept_database):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'labelmill.db'}"
    return kept_database(request.param, request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def lab(lab_url, tmp_path):
    made = Lab(lab_url, tmp_path)
    # What a process of the test before wrote at its very end would be found here.
    _wipe(made)
    yield made
    _wipe(made)
    made.close()


def _wipe(made):
    with made.database.write() as connection:
        for table in (job_steps, jobs, workers):
            connection.execute(sa.delete(table))
