"""What the predecessor's messages mean: look whether something is due. They carry nothing, and none of them has to arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labelmill.datasets import service as datasets
from labelmill.jobs import leases
from labelmill.learning import due
from labelmill.learning.model import LEARNER_QUEUE, PREDICTOR_QUEUE

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.datasets.model import Dataset
    from labelmill.jobs.runtime import Runtime
    from labelmill.jobs.waker import Waker

INIT: Final = "init"
UPDATE: Final = "update"
#: Channels, which are called like the queues, and the messages on each that mean something.
UNDERSTOOD: Final = {LEARNER_QUEUE: (INIT, UPDATE), PREDICTOR_QUEUE: (UPDATE,)}
#: Datasets that are read at once.
PAGE: Final = 200


class WakeUps:
    """Does what a message asks for. ``waker`` wakes workers without publishing: what was heard is not said again."""

    def __init__(self, runtime: Runtime, waker: Waker) -> None:
        self._runtime = runtime
        self._waker = waker

    def hear(self, channel: str, message: str) -> None:
        """Submit trainings that are due, once whoever hears it; with ``init`` those too that new data asks for. Wake their workers."""
        if message not in UNDERSTOOD.get(channel, ()):
            return
        if channel == LEARNER_QUEUE:
            self._submit(after_import=message == INIT)
        with self._runtime.database.read() as connection:
            free = [(step, queue) for step, queue in leases.free_steps(connection) if queue in UNDERSTOOD]
        if free:
            self._waker.wake(free)

    def _submit(self, *, after_import: bool) -> None:
        after = 0
        while True:
            with self._runtime.database.read() as connection:
                page = datasets.list_datasets(connection, after=after, limit=PAGE)
            for dataset in page:
                self._runtime.database.transact(_due, dataset, after_import=after_import)
            if len(page) < PAGE:
                return
            after = page[-1].id


def _due(connection: Connection, dataset: Dataset, *, after_import: bool) -> str | None:
    found = due.after_answer(connection, dataset)
    return found or (due.after_import(connection, dataset) if after_import else None)
