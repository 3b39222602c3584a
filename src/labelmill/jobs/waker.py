"""Waking workers. A wake-up carries a step's id only and may be lost or doubled: the sweep and the leases make up for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Waker(Protocol):
    #: ``local`` or ``celery``.
    runner: str

    def wake(self, steps: Sequence[tuple[str, str]]) -> None:
        """Tell workers that these steps, as (step id, queue), are free. Never raises: what is lost here is found by the sweep."""
        ...


class PollingWaker:
    """For workers that look into the database themselves."""

    runner = "local"

    def wake(self, steps: Sequence[tuple[str, str]]) -> None:
        """Do nothing."""
