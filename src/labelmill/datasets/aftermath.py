"""The jobs that follow from a change of a dataset: its answers counted anew, its rows removed. Each slice is a transaction of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.datasets import blob_sweep, recount, removal
from labelmill.errors import NotFound
from labelmill.jobs.model import StepResult
from labelmill.jobs.registry import JobKind

if TYPE_CHECKING:
    from labelmill.blobs import Blobs
    from labelmill.db.database import Database
    from labelmill.jobs.registry import StepContext


class DatasetSteps:
    """The handlers of these jobs' steps, with what they need. A step that begins again does no harm: it only does work twice."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def kinds(self) -> tuple[JobKind, ...]:
        return (
            JobKind(name=recount.KIND, handlers={"derive": self.derive}),
            JobKind(name=removal.KIND, handlers={"remove": self.remove}),
            JobKind(name=blob_sweep.KIND, handlers={"sweep": self.sweep}),
        )

    def derive(self, context: StepContext) -> StepResult:
        """Derive what the answers of a dataset come to; one that was removed meanwhile has none."""
        last: int | None = context.payload["after"]
        done = 0
        while last is not None:
            try:
                last = self._database.transact(recount.step, context.params["dataset"], last)
            except NotFound:
                break
            done += recount.SLICE
            context.report(done)
        return StepResult(done=done)

    def remove(self, context: StepContext) -> StepResult:
        """Remove the rows of a dataset."""
        done = 0
        while not self._database.transact(removal.step, context.params["dataset"]):
            done += removal.SLICE
            context.report(done)
        return StepResult(done=done)

    def sweep(self, context: StepContext) -> StepResult:
        """Remove the blobs that nobody refers to since a dataset was removed."""
        return StepResult(done=blob_sweep.sweep(self._database, self._blobs, context.params, context.report))
