from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import backup_lab
from labelmill.bootstrap import opened_as_is

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labelmill.bootstrap import App


@pytest.fixture
def target(tmp_path: Path) -> Iterator[App]:
    """Give an installation on SQLite with nothing in it, not even a schema."""
    folder = tmp_path / "target"
    with opened_as_is(backup_lab.settings_for(folder, f"sqlite:///{folder / 'data' / 'labelmill.db'}")) as application:
        yield application
