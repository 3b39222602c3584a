"""The lab on each database."""

from __future__ import annotations

from contextlib import closing

import pytest

from job_lab import Lab


@pytest.fixture
def lab(migrated_url, tmp_path):
    with closing(Lab(migrated_url, tmp_path)) as made:
        yield made
