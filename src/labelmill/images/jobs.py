"""The jobs that load a catalogue and that deliver the images of a query, in steps each of which can be done again."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import polars as pl

from labelmill import clock
from labelmill.datasets import Shelf, open_reference
from labelmill.db.bulk.files import FileOptions
from labelmill.images import service
from labelmill.images.delivering import Folder, Shard, deliver
from labelmill.images.filters import Condition, expression
from labelmill.images.loading import Loading, id_column
from labelmill.images.model import COUNTS, IMAGE_TASK, LOAD, Version
from labelmill.images.places import listed, open_images
from labelmill.images.results import Results
from labelmill.images.task import Delivery, Pack
from labelmill.images.zips import ZipPiece
from labelmill.jobs.model import NewStep, StepResult
from labelmill.jobs.registry import JobKind
from labelmill.triggers import passing

if TYPE_CHECKING:
    from labelmill.blobs import Blobs
    from labelmill.db.database import Database
    from labelmill.jobs.registry import StepContext
    from labelmill.labeltasks.places import Places
    from labelmill.settings import Settings

#: Seconds between two looks at whether a catalogue is loaded, at most.
LONGEST_DELAY: Final = 10


class CatalogueSteps:
    """Loads a catalogue: its table is read, its images are listed, and both become one file."""

    def __init__(self, database: Database, blobs: Blobs, places: Places, settings: Settings) -> None:
        self._database = database
        self._blobs = blobs
        self._places = places
        self._settings = settings

    def kind(self) -> JobKind:
        return JobKind(name=LOAD, handlers={"load": self.load})

    def load(self, context: StepContext) -> StepResult:
        """Make the version and switch to it; what an earlier try left is made anew."""
        params, job = context.params, context.step.job_id
        work = self._settings.blob_dir / "catalogues" / job
        shutil.rmtree(work, ignore_errors=True)
        images = open_images(self._settings, params["images"])
        rows = open_reference(self._places, self._settings, params["table"], FileOptions(**params["options"]))
        with rows.source as source, images:
            names = [column.name for column in source.table.columns]
            loading = Loading(work / "pieces", names, id_column(names, params["id_column"]))
            loading.take(source, context.report)
            rejects = sorted([*source.rejects, *loading.rejects], key=lambda each: each.place)
            rejected = source.rejected + loading.rejected
            without, unused = loading.finish(listed(images), work / "catalogue.parquet")
        version = Version(
            id=job, number=0, made_at=clock.now(), id_column=id_column(names, params["id_column"]), columns=loading.columns(),
            rows=loading.rows, rejected=rejected, rows_without_image=without, images_without_row=unused, images=params["images"],
        )  # fmt: skip
        Shelf(self._settings.blob_dir, job).write_rejects("load", rejects, rejected)
        self._blobs.put_file(version.blob, work / "catalogue.parquet")
        passing("catalogue.kept")
        context.fence()
        self._database.transact(service.keep_version, params["catalogue"], version)
        shutil.rmtree(work, ignore_errors=True)
        counts = {name: getattr(version, name) for name in COUNTS}
        return StepResult(done=loading.rows, job_result=counts)


class ImageTaskSteps:
    """Plans a query's chunks, delivers each, and ends with metadata and report."""

    def __init__(self, database: Database, blobs: Blobs, settings: Settings) -> None:
        self._database = database
        self._blobs = blobs
        self._settings = settings

    def kind(self) -> JobKind:
        handlers = {"plan": self.plan, "deliver": self.deliver, "finish": self.finish, "tidy": self.tidy}
        return JobKind(name=IMAGE_TASK, handlers=handlers)

    def plan(self, context: StepContext) -> StepResult:
        """Find the rows of the query, and add a step for each chunk of them."""
        version, results = self._chosen(context), self._results(context)
        if version is None:
            looks = context.payload.get("looks", 0) + 1
            return StepResult(steps=(_look_again(looks),))
        conditions = [Condition.from_dict(each) for each in context.params["where"]]
        found = pl.scan_parquet(self._blobs.path(version.blob), glob=False).filter(expression(version, conditions))
        total = results.keep_selection(found)
        chunk = results.delivery.chunk
        chunks = range(0, total, chunk)
        steps = [
            NewStep(
                key=f"deliver-{number:06d}", name="deliver", phase=1, payload={"first": first}, units=min(chunk, total - first)
            )
            for number, first in enumerate(chunks)
        ]
        # Tidied only once the step before is done for good: it could not be done again without what is removed.
        last = (NewStep(key="finish", name="finish", phase=2), NewStep(key="tidy", name="tidy", phase=3))
        return StepResult(steps=(*steps, *last))

    def deliver(self, context: StepContext) -> StepResult:
        """Deliver the images of one chunk; a second time writes the same files again."""
        version, results = self._version(context), self._results(context)
        chunk = results.selected(context.payload["first"])
        with open_images(self._settings, version.images) as images:
            if results.delivery.pack is Pack.TAR:
                number = int(context.step.key.rpartition("-")[2])
                with Shard(results.shard(number), results.names(version)) as shard:
                    outcome = deliver(chunk, images, results.delivery, shard, context.report)
            elif results.delivery.pack is Pack.ZIP:
                with ZipPiece(results.piece(context.step.key)) as piece:
                    outcome = deliver(chunk, images, results.delivery, piece, context.report)
            else:
                linked = images.path if results.delivery.link and images.path.is_dir() else None
                outcome = deliver(chunk, images, results.delivery, Folder(results.folder, linked), context.report)
        passing("image-task.delivered")
        context.fence()
        results.keep_outcome(context.step.key, chunk, outcome)
        passing("image-task.kept")
        skipped = outcome["skipped"].drop_nulls()
        return StepResult(done=chunk.height, figures={"skipped": len(skipped), "bytes": int(outcome["bytes"].sum())})

    def finish(self, context: StepContext) -> StepResult:
        """Write metadata and report, and pack what is to be one file."""
        version, results = self._version(context), self._results(context)
        report = results.finish(version, context.fence, lambda _piece: context.report(0))
        passing("image-task.finished")
        return StepResult(job_result=report)

    def tidy(self, context: StepContext) -> StepResult:
        """Remove what only the steps before needed."""
        self._results(context).tidy()
        passing("image-task.tidied")
        return StepResult()

    def _chosen(self, context: StepContext) -> Version | None:
        """Return the version to deliver of, chosen now where the task names the catalogue only; None while that is loaded."""
        if context.params["version"] is None:
            return self._database.transact(service.choose_version, context.step.job_id)
        return self._version(context)

    def _version(self, context: StepContext) -> Version:
        with self._database.read() as connection:
            return service.get_version(connection, context.params["version"])

    def _results(self, context: StepContext) -> Results:
        return Results(self._settings.blob_dir, context.step.job_id, Delivery.from_dict(context.params["delivery"]))


def _look_again(looks: int) -> NewStep:
    return NewStep(key=f"plan-{looks:06d}", name="plan", phase=0, payload={"looks": looks}, delay=min(looks, LONGEST_DELAY))
