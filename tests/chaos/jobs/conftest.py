"""The lab: a small installation on a database of the test's own."""

from __future__ import annotations

import pytest

from job_lab import Lab


@pytest.fixture
def lab(database_url, tmp_path):
    made = Lab(database_url, tmp_path)
    yield made
    made.close()
