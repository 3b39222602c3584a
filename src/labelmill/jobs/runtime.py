"""What every process that runs jobs needs, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelmill.db.database import Database
    from labelmill.jobs.registry import Registry
    from labelmill.jobs.waker import Waker
    from labelmill.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Runtime:
    database: Database
    registry: Registry
    waker: Waker
    settings: Settings
