"""Archives made in the test's process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import archive_lab

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lab(stored_site: Any) -> archive_lab.ArchiveLab:
    """Give an installation; the test runs on each kind of database."""
    return archive_lab.ArchiveLab(stored_site.app)


@pytest.fixture(scope="module")
def kept_lab(kept_site: Any) -> archive_lab.ArchiveLab:
    return archive_lab.ArchiveLab(kept_site.app)


@pytest.fixture(scope="module")
def rich(kept_lab: archive_lab.ArchiveLab) -> Iterator[archive_lab.Rich]:
    """Give a dataset with everything that an archive tells of, and its archive."""
    return archive_lab.rich(kept_lab)
