"""What the predecessor's messages ``clf-<id>`` on ``dl_manager`` mean: an archive with this classifier is wanted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import structlog

from labelmill.archives import service
from labelmill.errors import LabelmillError
from labelmill.jobs import leases

if TYPE_CHECKING:
    from labelmill.jobs.runtime import Runtime
    from labelmill.jobs.waker import Waker

CHANNEL: Final = "dl_manager"
_MESSAGE: Final = re.compile(r"clf-([1-9][0-9]{0,14})")
log = structlog.get_logger(__name__)


class Messages:
    """All messages that mean something."""

    def __contains__(self, message: object) -> bool:
        return isinstance(message, str) and _MESSAGE.fullmatch(message) is not None


class Requests:
    """Does what a message asks for. ``waker`` wakes workers without publishing: what was heard is not said again."""

    def __init__(self, runtime: Runtime, waker: Waker) -> None:
        self._runtime = runtime
        self._waker = waker

    def hear(self, channel: str, message: str) -> None:
        """Request an archive, once whoever hears it and however often; a classifier that is not there is logged, no more."""
        found = _MESSAGE.fullmatch(message) if channel == CHANNEL else None
        if found is None:
            return
        try:
            archive = self._runtime.database.transact(service.ensure, int(found[1]), self._runtime.limits)
        except LabelmillError as error:
            log.warning("an archive was asked for in vain", message=message, reason=error.message)
            return
        with self._runtime.database.read() as connection:
            free = leases.free_of_job(connection, archive.id)
        if free:
            self._waker.wake(free)
