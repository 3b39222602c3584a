from __future__ import annotations

import pytest

import learning_lab
from labelmill.bootstrap import build
from labelmill.settings import Settings


@pytest.fixture
def lab(tmp_path, migrated_url):
    """Give a lab on each kind of database."""
    settings = Settings(data_dir=tmp_path / "data", database_url=migrated_url, secret="0f7c1d9a4e6b8532c7d1a9e4f0b36285")
    app = build(settings)
    yield learning_lab.Lab(app)
    app.close()
