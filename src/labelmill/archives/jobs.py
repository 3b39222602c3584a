"""The jobs that make archives and let them go. Each step is committed: a kill costs one, and what it made is made again the same."""

from __future__ import annotations

import errno
import io
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from labelmill import clock
from labelmill.archives import service
from labelmill.archives.model import ARCHIVE, EXPIRE, ArchiveState
from labelmill.errors import Conflict, JobCancelled, NotFound, Unavailable
from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep, StepResult
from labelmill.jobs.registry import JobKind
from labelmill.learning import service as learning
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from labelmill.archives.members import Members
    from labelmill.archives.parts import Fragment
    from labelmill.archives.plan import Plan
    from labelmill.blobs import Blobs
    from labelmill.db.database import Database
    from labelmill.exports.service import Labelled
    from labelmill.jobs.registry import Handler, StepContext
    from labelmill.learning.labelling import Labelling

#: Records that are read at once; fewer where each has to be looked at for long.
BATCH: Final = 10_000
_SLOW_BATCH: Final = 500
#: A step reads as many batches as fit into this time, and no more than so many records.
STEP_SECONDS: Final = 8.0
STEP_RECORDS: Final = 200_000
#: What is kept of an archive that failed, for a retry, goes with the next archive after this time, or after the days of archives.
LEFT_DAYS: Final = 7
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ArchiveSteps:
    """The handlers of the steps, with what they need."""

    def __init__(self, database: Database, blobs: Blobs, days: int | None) -> None:
        self._database = database
        self._blobs = blobs
        self._days = days

    def kinds(self) -> tuple[JobKind, JobKind]:
        steps = {"begin": self.begin, "read": self.read, "close": self.close}
        handlers = {name: partial(self._or_nothing, handler) for name, handler in steps.items()}
        return JobKind(name=ARCHIVE, handlers=handlers), JobKind(name=EXPIRE, handlers={"expire": self.expire})

    def begin(self, context: StepContext) -> StepResult:
        """Fix what the archive is made of, and its classifier's files."""
        from labelmill.archives.plan import make_plan

        with self._database.read() as connection:
            archive = service.get(connection, context.step.job_id)
        plan = make_plan(self._database, self._blobs, archive, self._name(context, "predictions.arrow"))
        self._blobs.put(self._name(context, "plan.json"), plan.dump())
        passing("archive.planned")
        context.fence()
        self._tidy_failed(archive.dataset_id)
        first = {"after": plan.moment.first - 1, "tally": {}, "number": 0}
        step = NewStep(key="read-00000", name="read", phase=1, payload=first, units=plan.moment.dataset.records)
        return StepResult(steps=(step,))

    def read(self, context: StepContext) -> StepResult:
        """Make the next records into pieces of all members, and keep them as one part."""
        from labelmill.archives.members import Members, Tally
        from labelmill.archives.parts import Part
        from labelmill.exports.service import Reading

        plan, number = self._plan(context), context.payload["number"]
        reading = Reading(self._database, plan.moment)
        members, tally = Members(plan, reading), Tally(context.payload["tally"])
        oracle = _Oracle(self._blobs, plan)
        after, done, is_last, began = context.payload["after"], 0, False, clock.monotonic()
        most = context.params.get("step_records", STEP_RECORDS)
        with _folder() as folder, Part(folder) as part, ThreadPoolExecutor(1) as beside:
            # The next records are read while these are written.
            ahead = beside.submit(reading.after, after, min(oracle.batch, most))
            while done < most and (not done or clock.monotonic() - began < STEP_SECONDS):
                piece = ahead.result()
                if piece is None:
                    is_last = True
                    break
                after, done = int(piece.records["record_id"][-1]), done + piece.records.height
                if done < most:
                    ahead = beside.submit(reading.after, after, min(oracle.batch, most - done))
                members.add(part, piece, oracle.says(piece), tally)
                context.report(done)
                passing("archive.batch")
            fragments = part.end(folder / "part")
            # Of each attempt one: what an attempt made that was lost is not what counts.
            blob = self._name(context, f"part-{number:05d}-{context.step.attempt}")
            self._blobs.put_file(blob, folder / "part")
        passing("archive.part-kept")
        context.fence()
        following = {"after": after, "tally": tally.as_dict(), "number": number + 1}
        name = "close" if is_last else "read"
        step = NewStep(key="close" if is_last else f"read-{number + 1:05d}", name=name, phase=number + 2, payload=following)
        figures = {"blob": blob, "fragments": [each.as_list() for each in fragments]}
        return StepResult(done=done, figures=figures, steps=(step,))

    def close(self, context: StepContext) -> StepResult:
        """Join the parts, add the classifier and the card, and make the archive available."""
        plan = self._plan(context)
        blob = self._name(context, f"archive-{context.step.attempt}.zip")
        with _folder() as folder:
            self._write(context, plan, folder / "archive.zip")
            passing("archive.written")
            context.fence()
            self._blobs.put_file(blob, folder / "archive.zip")
        passing("archive.kept")
        size = self._blobs.size(blob)
        context.fence()
        self._database.transact(service.keep, context.step.job_id, blob=blob, size=size, days=self._days)
        passing("archive.available")
        self._tidy(context.params["dataset"], context.step.job_id, but=blob)
        return StepResult(job_result={"bytes": size})

    def expire(self, context: StepContext) -> StepResult:
        """Let go of an archive's file."""
        dataset_id, archive_id = context.params["dataset"], context.params["archive"]
        self._database.transact(service.expire, archive_id)
        passing("archive.expired")
        return StepResult(done=self._tidy(dataset_id, archive_id))

    def _or_nothing(self, handler: Handler, context: StepContext) -> StepResult:
        """Run a step. Of an archive that is cancelled, or has no room, nothing stays; a disk that is full is no reason to wait for room."""
        try:
            return handler(context)
        except JobCancelled:
            self._drop(context)
            raise
        except (OSError, Unavailable) as error:
            reason = _full(error)
            if reason is None:
                raise
            self._drop(context)
            way_out = "Free some space, or ask an administrator to look at the disk; then request it again."
            raise Conflict(f"There is no room for the archive: {reason}.", way_out=way_out) from error

    def _drop(self, context: StepContext) -> None:
        with self._database.read() as connection:
            archive = service.get(connection, context.step.job_id)
        self._tidy(archive.dataset_id, archive.id, but=archive.blob)

    def _tidy_failed(self, dataset_id: int) -> None:
        """Remove what archives that failed long ago have left."""
        before = clock.now() - timedelta(days=min(LEFT_DAYS, self._days or LEFT_DAYS))
        with self._database.read() as connection:
            found = service.list_archives(connection, dataset_id)
        for each in found:
            if each.state is ArchiveState.FAILED and each.requested_at < before:
                self._tidy(dataset_id, each.id)

    def _write(self, context: StepContext, plan: Plan, path: Path) -> None:
        from labelmill.archives.card import METRICS, metrics, readme
        from labelmill.archives.members import Members, Tally
        from labelmill.archives.zipping import ArchiveFile
        from labelmill.exports.service import Reading

        tally = Tally(context.payload["tally"])
        members = Members(plan, Reading(self._database, plan.moment))
        about = {
            "archive": context.step.job_id, "dataset": plan.moment.dataset.name, "as_of": plan.moment.number,
            "classifier": plan.classifier and plan.classifier.id, "requested_at": plan.requested_at,
        }  # fmt: skip
        file = ArchiveFile(path, about, plan.requested_at)
        self._add_rows(context, members, tally, file)
        takes = self._add_classifier(plan, file)
        known = metrics(plan)
        if known is not None:
            file.add(METRICS, orjson.dumps(known, option=orjson.OPT_INDENT_2))
        file.add("README.md", readme(plan, tally, dict.fromkeys(file.names), takes).encode("utf-8", "replace"))
        file.end()

    def _add_rows(self, context: StepContext, members: Members, tally: Any, file: Any) -> None:
        from labelmill.archives.zipping import Joined, counted
        from labelmill.exports.service import Stitched

        parts, joined = self._parts(context), []
        for name, columns in members.json.items():
            found: dict[str, list[tuple[Path, Fragment]]] = {}
            for path, fragment in parts:
                if fragment.member == name:
                    found.setdefault(fragment.column, []).append((path, fragment))
            joined.append(Joined(name, columns, found, tally.rows[name]))
        for member in counted(joined):
            file.add_joined(member)
            context.report(0)
        for name, schema in members.parquet.items():
            mine = [(path, fragment) for path, fragment in parts if fragment.member == name]
            tally.rows[name] = sum(fragment.rows for _, fragment in mine)
            size = sum(fragment.size for _, fragment in mine)
            file.add_stored(name, _stitched(Stitched(schema), mine), tally.rows[name], size)
            context.report(0)

    def _add_classifier(self, plan: Plan, file: Any) -> learning.Takes | None:
        """Add the classifier in the forms that were asked for; return which records it takes by itself, None where it cannot."""
        if plan.classifier is None:
            return None
        import pickle  # noqa: TID251 - it is written for those who ask for it, and never read
        import zipfile

        import skops.io

        from labelmill.archives.card import PICKLE, PREDICT, SKOPS
        from labelmill.archives.scripts import predict_source

        labelling = learning.labelling_of(self._blobs, plan.classifier)
        made = labelling.standalone(plan.moment.labels)
        out = io.BytesIO()
        skops.io.dump(made, out, compression=zipfile.ZIP_DEFLATED)
        file.add(SKOPS, out.getvalue())
        if labelling.takes:
            file.add(PREDICT, predict_source(labelling.takes))
        if plan.choices.pickle:
            file.add(PICKLE, pickle.dumps(made))
        return labelling.takes

    def _parts(self, context: StepContext) -> list[tuple[Path, Fragment]]:
        from labelmill.archives.parts import Fragment

        with self._database.read() as connection:
            steps = jobs.list_steps(connection, context.step.job_id)
        found = []
        for step in steps:
            figures = step["figures"] or {}
            if "blob" in figures:
                path = self._blobs.path(figures["blob"])
                found += [(path, Fragment.from_list(each)) for each in figures["fragments"]]
        return found

    def _plan(self, context: StepContext) -> Plan:
        from labelmill.archives.plan import Plan

        try:
            return Plan.load(self._blobs.get(self._name(context, "plan.json")))
        except NotFound as error:
            raise Conflict("What the archive is made of was removed.", way_out="Request it again.") from error

    def _name(self, context: StepContext, name: str) -> str:
        return service.folder(context.params["dataset"], context.step.job_id) + name

    def _tidy(self, dataset_id: int, archive_id: str, *, but: str | None = None) -> int:
        """Remove an archive's blobs but one; return how many."""
        left = [name for name in self._blobs.names(service.folder(dataset_id, archive_id)) if name != but]
        for name in left:
            self._blobs.remove(name)
        return len(left)


class _Oracle:
    """What an archive's classifier says: from its predictions, and of records that those do not know by looking at them."""

    def __init__(self, blobs: Blobs, plan: Plan) -> None:
        self._known = None if plan.predictions is None else learning.generation_frame(blobs, plan.predictions)
        self._labelling: Labelling | None = None if plan.classifier is None else learning.labelling_of(blobs, plan.classifier)
        slow = self._known is None and self._labelling is not None and self._labelling.is_slow
        #: Records that it should be asked about at once.
        self.batch = _SLOW_BATCH if slow else BATCH

    def says(self, piece: Labelled) -> pl.DataFrame | None:
        """Return predictions of all records, None without a classifier."""
        import polars as pl

        if self._labelling is None:
            return None
        records = piece.records
        if self._known is None:
            return self._labelling.frame(records["record_id"], records["content"])
        here = pl.col("record_id").is_between(records["record_id"][0], records["record_id"][-1])
        known = self._known.filter(here)
        new = records.join(known, on="record_id", how="anti", maintain_order="left")
        if new.is_empty():
            return known
        return pl.concat([known, self._labelling.frame(new["record_id"], new["content"]).select(known.columns)])


def _stitched(file: Any, parts: list[tuple[Path, Fragment]]) -> Iterator[bytes]:
    for path, fragment in parts:
        with path.open("rb") as source:
            source.seek(fragment.place)
            yield file.add_file(source.read(fragment.size))
    yield file.end()


@contextmanager
def _folder() -> Iterator[Path]:
    """Give a folder for a while, of which nothing is left; raises Unavailable for a disk in trouble."""
    try:
        with tempfile.TemporaryDirectory(prefix="labelmill-") as folder:
            yield Path(folder)
    except OSError as error:
        way_out = "Ask an administrator to look at the disk; then request it again."
        raise Unavailable(f"The archive cannot be written: {error.strerror or error}.", way_out=way_out) from error


def _full(error: BaseException) -> str | None:
    """Return the system's words for a disk without room, where that is the cause of an error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return cause.strerror or str(cause)
        cause = cause.__cause__
    return None
