"""A dataset on each kind of database, with annotators who are nobody but an id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import annotation_lab
from labelmill.db.database import Database

if TYPE_CHECKING:
    pass


@pytest.fixture
def lab(database: Database) -> annotation_lab.Lab:
    return annotation_lab.Lab(database)


@pytest.fixture
def small_lab(embedded: Database) -> annotation_lab.Lab:
    return annotation_lab.Lab(embedded)
