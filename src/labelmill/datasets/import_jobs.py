"""Imports as jobs: the source is read once into pieces, and each piece goes in by slices so short that labelling goes on."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import sqlalchemy as sa

from labelmill.datasets import store, uploads
from labelmill.datasets.adding_slices import Piece, Tally, add_slice, people_of
from labelmill.datasets.import_images import as_records
from labelmill.datasets.import_places import hiding, name_of, open_reference
from labelmill.datasets.import_shelf import KEPT_REJECTS, Shelf
from labelmill.datasets.imports import mapped
from labelmill.datasets.labels import ensure_labels
from labelmill.datasets.mapping import LabelUse, Mapping
from labelmill.datasets.model import RecordKind
from labelmill.datasets.rows import dataset_row, require_in_use
from labelmill.datasets.slice_writer import SliceWriter
from labelmill.db.bulk.files import FileOptions
from labelmill.db.bulk.model import Reject
from labelmill.errors import BadInput, NotFound
from labelmill.ids import new_id
from labelmill.jobs import leases
from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep, StepResult
from labelmill.jobs.registry import Handler, JobKind, StepContext
from labelmill.jobs.tables import jobs as job_rows
from labelmill.learning import service as learning
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from labelmill.blobs import Blobs
    from labelmill.db.database import Database
    from labelmill.jobs.model import Job, Limits, Step
    from labelmill.labeltasks.places import Places
    from labelmill.settings import Settings

KIND: Final = "import"
PIECE_ROWS: Final = 50_000
#: Images are decoded one by one: a piece of them takes some seconds.
PIECE_IMAGES: Final = 500
#: Answers cost ten times what records do, and a step has a time limit.
PIECE_ANSWERS: Final = 5_000
#: Annotators that are made known in one transaction.
PEOPLE: Final = 10
#: More different labels than this are none: the column means something else.
MOST_LABELS: Final = 1_000


class ImportSteps:
    """The handlers of an import's steps, with what they need."""

    def __init__(self, database: Database, places: Places, blobs: Blobs, settings: Settings) -> None:
        self._database = database
        self._places = places
        self._blobs = blobs
        self._settings = settings
        self._writer = SliceWriter(database, settings.data_dir)

    def kind(self) -> JobKind:
        steps = {"read": self.read, "add": self.add, "finish": self.finish}
        handlers = {name: self._hiding(handler) for name, handler in steps.items()}
        return JobKind(name=KIND, handlers=handlers, close_idle=self._writer.close_idle)

    def _hiding(self, handler: Handler) -> Handler:
        def run(context: StepContext) -> StepResult:
            with hiding(self._settings):
                return handler(context)

        return run

    def read(self, context: StepContext) -> StepResult:
        """Read the source into pieces, keep what is refused, and add a step for each piece, one after the other."""
        params, shelf = context.params, self._shelf(context)
        mapping = Mapping.from_dict(params["mapping"])
        reading = _Reading(context, mapping)
        rows = open_reference(self._places, self._settings, params["source"], FileOptions(**params["file"]))
        piece_rows = PIECE_IMAGES if mapping.kind is RecordKind.IMAGE else params.get("piece_rows", PIECE_ROWS)
        if mapping.label_use is LabelUse.ANSWERS:
            piece_rows = min(piece_rows, PIECE_ANSWERS)
        with rows.source as source:
            sizes = shelf.write_pieces(reading.frames(mapped(rows, mapping)), piece_rows)
            rejected = reading.rejected + source.rejected
        shelf.write_rejects("read", reading.rejects, rejected)
        repeated = _keep_last_answers(shelf, len(sizes)) if mapping.label_use is LabelUse.ANSWERS else 0
        passing("import.read")
        with self._database.read() as connection:
            store.get(connection, params["dataset"])
        self._database.transact(ensure_labels, params["dataset"], reading.labels)
        context.fence()
        add = [
            NewStep(key=f"add-{number:05d}", name="add", phase=1 + number, payload={"piece": number}, units=size)
            for number, size in enumerate(sizes)
        ]
        finish = NewStep(key="finish", name="finish", phase=1 + len(sizes))
        figures = {"rejected": rejected, "repeated": repeated, "labels": len(reading.labels), "rows": sum(sizes)}
        return StepResult(figures=figures, steps=(*add, finish))

    def add(self, context: StepContext) -> StepResult:
        """Add one piece slice by slice; an attempt after a crash goes on behind the last slice that was committed."""
        params, shelf, number = context.params, self._shelf(context), context.payload["piece"]
        mapping, dataset_id = Mapping.from_dict(params["mapping"]), params["dataset"]
        piece = shelf.read_piece(number)
        rejected = 0
        if mapping.kind is RecordKind.IMAGE:
            piece, rejects = self._images(context, piece)
            rejected = len(rejects)
            if rejects:
                shelf.write_rejects(context.step.key, rejects, rejected)
        with self._database.read() as connection:
            tally = Tally.of(leases.kept(connection, context.step))
        names = piece["annotator"].unique().drop_nulls().to_list() if mapping.label_use is LabelUse.ANSWERS else []
        people: dict[str, str] = {}
        for start in range(0, len(names), PEOPLE):
            some = names[start : start + PEOPLE]
            people |= self._database.transact(people_of, dataset_id, some, trusted=params["trusted"])
            context.report(tally.cursor)
        with self._database.read() as connection:
            ready = Piece.of(connection, dataset_id, piece, mapping.label_use, people)
        while tally.cursor < piece.height:
            tally = self._writer.write(partial(_write, context.step, dataset_id, ready, tally), tally.cursor, piece.height)
            passing("import.slice-added")
            context.report(tally.cursor)
        return StepResult(done=piece.height + rejected, figures={**asdict(tally), "rejected": rejected})

    def finish(self, context: StepContext) -> StepResult:
        """Add up what became of the rows, list the conflicts, and remove what is not needed any more."""
        params, shelf = context.params, self._shelf(context)
        with self._database.read() as connection:
            steps = jobs.list_steps(connection, context.step.job_id)
        report = total(steps)
        conflicts = [
            Reject(place=place, reason="a record with this id is there with another content, which stays", text=given)
            for step in steps
            for place, given in (step["figures"] or {}).get("listed", ())
        ]
        if report["conflicts"]:
            shelf.write_rejects("conflicts", conflicts, report["conflicts"])
        context.fence()
        self._database.transact(_tell, params["dataset"])
        passing("import.finished")
        shelf.tidy()
        if "upload" in params["source"]:
            uploads.remove(self._settings, params["source"]["upload"])
        return StepResult(job_result=report)

    def _images(self, context: StepContext, piece: pl.DataFrame) -> tuple[pl.DataFrame, list[Reject]]:
        with open_reference(self._places, self._settings, context.params["source"]).source as source:
            return as_records(piece, source, self._blobs, report=lambda: context.report(0))

    def _shelf(self, context: StepContext) -> Shelf:
        return Shelf(self._settings.blob_dir, context.step.job_id)


class _Reading:
    """Follows the reading of a source: it counts and keeps what is refused, gathers the labels, and says how far it is."""

    def __init__(self, context: StepContext, mapping: Mapping) -> None:
        self._context = context
        self._mapping = mapping
        self.rejects: list[Reject] = []
        #: Without those of the source, which counts them itself.
        self.rejected = 0
        self.labels: list[str] = []

    def frames(self, found: Iterator[Any]) -> Iterator[pl.DataFrame]:
        for made in found:
            frame, rejects = made.frame, made.rejects
            if self._mapping.label_use is LabelUse.ANSWERS:
                several = frame.filter(pl.col("labels").list.len() > 1)
                rejects += [_several(*row) for row in several.select("place", "content").iter_rows()]
                self.rejected += several.height
                frame = frame.filter(pl.col("labels").list.len() <= 1)
            self.rejected += made.refused
            self.rejects += rejects[: max(0, KEPT_REJECTS - len(self.rejects))]
            self._gather(frame)
            self._context.report(0)
            if self._mapping.label_use is LabelUse.NAMES:
                frame = frame.with_columns(pl.lit([], dtype=frame.schema["labels"]).alias("labels"))
            yield frame

    def _gather(self, frame: pl.DataFrame) -> None:
        new = frame["labels"].explode().unique(maintain_order=True).drop_nulls().to_list()
        self.labels = list(dict.fromkeys([*self.labels, *new]))
        if len(self.labels) > MOST_LABELS:
            raise BadInput(
                f"The column holds more than {MOST_LABELS:,} different labels.",
                where=self._mapping.label_column or "",
                way_out="Name the column with the labels, or none.",
            )


def _several(place: int, content: str) -> Reject:
    return Reject(place=place, reason="it has several labels, and an answer that is imported has one", text=content[:500])


def begin(
    connection: Connection,
    *,
    dataset_id: int,
    source: dict[str, Any],
    mapping: Mapping,
    options: FileOptions | None = None,
    trusted: bool = False,
    created_by: str | None = None,
    limits: Limits | None = None,
    piece_rows: int = PIECE_ROWS,
) -> Job:
    """Submit an import into a dataset; whoever calls wakes it after the commit. Raises NotFound, Conflict and BadInput.

    ``trusted`` says that addresses in the annotator's column mean the people who have them.
    """
    require_in_use(dataset_row(connection, dataset_id))
    dataset = store.get(connection, dataset_id)
    if dataset.kind is not mapping.kind:
        raise BadInput(
            f"The dataset holds {dataset.kind} records, these are {mapping.kind} ones.",
            where="kind",
            way_out="Make a dataset for them.",
        )
    params = {
        "dataset": dataset_id, "source": source, "mapping": mapping.as_dict(), "file": asdict(options or FileOptions()),
        "trusted": trusted, "piece_rows": piece_rows,
    }  # fmt: skip
    return jobs.submit(
        connection, kind=KIND, steps=[NewStep(key="read", name="read", phase=0)], params=params,
        title=f"Import of {name_of(source) or KIND} into {dataset.name}", unit="rows",
        key=f"{KIND}:{dataset_id}:{new_id()}", created_by=created_by, limits=limits,
    )  # fmt: skip


def total(steps: list[dict[str, Any]]) -> dict[str, int]:
    """Return what became of the rows of an import's steps so far."""
    names = ("rows", "added", "known", "init", "answers", "repeated", "conflicts", "rejected", "labels")
    return {name: sum((step["figures"] or {}).get(name, 0) for step in steps) for name in names}


def _write(step: Step, dataset_id: int, piece: Piece, tally: Tally, /, connection: Connection, size: int) -> Tally:  # noqa: PLR0917
    counted = add_slice(connection, dataset_id, piece, size, tally)
    leases.keep(connection, step, asdict(counted))
    passing("import.slice-written")
    return counted


def _tell(connection: Connection, dataset_id: int) -> None:
    learning.after_import(connection, store.get(connection, dataset_id))


def _keep_last_answers(shelf: Shelf, pieces: int) -> int:
    """Take back all answers of one annotator to one record but the latest, across pieces; return how many that are.

    Pieces go in by slices, and what "latest" means must not hang on where these are cut.
    """
    answers = pl.concat(
        [
            shelf.read_piece(number)
            .filter(pl.col("labels").list.len() > 0)
            .select("place", "answered_at", "annotator", ident=pl.coalesce("given_id", "content").hash())
            for number in range(pieces)
        ]
        or [pl.DataFrame(schema={"place": pl.Int64})]
    )
    if answers.is_empty():
        return 0
    ordered = answers.sort("answered_at", "place", nulls_last=True)
    last = ordered.unique(["ident", "annotator"], keep="last").select("place")
    repeated = answers.height - last.height
    for number in range(pieces) if repeated else ():
        piece = shelf.read_piece(number)
        kept = pl.when(pl.col("place").is_in(last["place"].implode())).then(pl.col("labels"))
        shelf.replace_piece(
            number, piece.with_columns(kept.otherwise(pl.lit([], dtype=piece.schema["labels"])).alias("labels"))
        )
    return repeated


def get(connection: Connection, job_id: str) -> Job:
    """Return an import by its id or the beginning of it; raises NotFound for every other job."""
    job = jobs.find(connection, job_id)
    if job.kind != KIND:
        raise NotFound(f"There is no import {job_id!r}.", way_out="`labelmill jobs list` shows the jobs.")
    return job


def list_imports(connection: Connection, dataset_id: int, *, before: str | None = None, limit: int = 50) -> list[Job]:
    """Return the imports into a dataset, newest first; ``before`` is the id of the last one of the page before."""
    mine = sa.and_(job_rows.c.kind == KIND, job_rows.c.key.startswith(f"{KIND}:{dataset_id}:", autoescape=True))
    query = sa.select(job_rows.c.id).where(mine).order_by(job_rows.c.id.desc()).limit(limit)
    query = query.where(job_rows.c.id < before) if before else query
    return [jobs.get(connection, job_id) for job_id in connection.scalars(query).all()]
