"""A site of its own for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import webapp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[webapp.Site]:
    with webapp.site(tmp_path) as made:
        yield made
