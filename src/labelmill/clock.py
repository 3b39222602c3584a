"""The single door to time: wall time for people, monotonic time for waiting and for judging whether somebody is alive."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment with the UTC zone, to the microsecond."""
    return datetime.now(UTC)  # noqa: TID251 - this is the door


def monotonic() -> float:
    """Return seconds that never jump; only differences mean something."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)
