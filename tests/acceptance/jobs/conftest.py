"""The lab: a small installation on a database of the test's own."""

from __future__ import annotations

import pytest

from job_lab import Lab


@pytest.fixture
def lab(sqlite_database, tmp_path):
    made = Lab(sqlite_database, tmp_path)
    yield made
    made.close()
