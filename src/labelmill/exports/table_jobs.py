"""The job that brings a SQL table up to a dataset as it was when the job began: in steps, each of which goes on where the one before ended."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import orjson

from labelmill import clock
from labelmill.datasets import RecordFilter
from labelmill.datasets import service as datasets
from labelmill.errors import Conflict, JobCancelled, NotFound
from labelmill.exports.columns import fields_of
from labelmill.exports.formats import Format, Naming, Request
from labelmill.exports.keeping import copied, fields_from, kept_fields, kept_moment, moment_of
from labelmill.exports.reading import Moment, Reading
from labelmill.jobs import service as jobs
from labelmill.jobs.model import Limits, NewStep, StepResult
from labelmill.jobs.registry import JobKind
from labelmill.learning import service as learning
from labelmill.triggers import passing

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.blobs import Blobs
    from labelmill.db.bulk.location import Location
    from labelmill.db.database import Database
    from labelmill.exports.sql_table import Tally
    from labelmill.jobs.model import Job
    from labelmill.jobs.registry import StepContext
    from labelmill.labeltasks.places import Places

KIND: Final = "export-table"
#: Records that are written in one transaction; a step has as many as fit into its time, and one at least.
SLICE: Final = 4_000
STEP_SECONDS: Final = 5.0


def submit(
    connection: Connection,
    dataset_id: int,
    place: dict[str, Any],
    *,
    where: RecordFilter | None = None,
    limits: Limits | None = None,
    created_by: str | None = None,
    slice_records: int = SLICE,
) -> Job:
    """Submit the export of a dataset to a table, by its reference. Raises NotFound."""
    dataset = datasets.get(connection, dataset_id)
    params = {"dataset": dataset_id, "place": place, "where": asdict(where or RecordFilter()), "slice": slice_records}
    return jobs.submit(
        connection, kind=KIND, steps=[NewStep(key="begin", name="begin", phase=0)], params=params, unit="records",
        title=f"Export {dataset.name} to {place.get('table') or 'a table'}", created_by=created_by, limits=limits,
    )  # fmt: skip


def check(database: Database, blobs: Blobs, dataset_id: int, location: Location) -> None:
    """Make the table where it is missing; raises what ``export_to_table`` would raise before its first row."""
    from labelmill.exports.sql_table import SqlTable

    sink = SqlTable(location, Reading.begin(database, blobs, dataset_id, Request(format=Format.PARQUET)))
    try:
        sink.prepare()
    finally:
        sink.close()


class TableSteps:
    def __init__(self, database: Database, blobs: Blobs, places: Places) -> None:
        self._database = database
        self._blobs = blobs
        self._places = places

    def kind(self) -> JobKind:
        return JobKind(name=KIND, handlers={"begin": self.begin, "write": self.write, "end": self.end})

    def begin(self, context: StepContext) -> StepResult:
        """Fix the moment, and what the classifier that is shown says: all rows tell of these."""
        dataset_id = context.params["dataset"]
        with self._database.read() as connection:
            moment = Moment.now(connection, dataset_id, Naming.PSEUDONYM)
            shown = learning.shown_blob(connection, dataset_id)
        predictions = _folder(context) + "predictions.arrow"
        plan = {
            "moment": kept_moment(moment), "fields": kept_fields(fields_of(Reading(self._database, moment))),
            "predictions": predictions if shown and copied(self._blobs, shown, predictions) else None,
        }  # fmt: skip
        self._blobs.put(_plan(context), orjson.dumps(plan))
        passing("export.planned")
        first = {"after": moment.first - 1, "tally": {}, "as_of": moment.number}
        return StepResult(
            steps=(NewStep(key="write-00001", name="write", phase=1, payload=first, units=moment.dataset.records),)
        )

    def write(self, context: StepContext) -> StepResult:
        """Write the next records, slice by slice; what a try before this one has written is there already, and the same."""
        from labelmill.exports.sql_table import Tally

        tally, after = Tally(**context.payload["tally"]), context.payload["after"]
        before = tally.rows
        try:
            after = self._write(context, tally, after)
            context.fence()
        except JobCancelled:
            self._tidy(context)
            raise
        following = context.payload | {"after": after, "tally": asdict(tally)}
        number = context.step.phase + 1
        step = (
            NewStep(key="end", name="end", phase=number, payload=following)
            if after is None
            else NewStep(key=f"write-{number:05d}", name="write", phase=number, payload=following)
        )
        return StepResult(done=tally.rows - before, steps=(step,))

    def end(self, context: StepContext) -> StepResult:
        """Say what became of the rows, and forget the moment."""
        self._tidy(context)
        return StepResult(job_result={"as_of": context.payload["as_of"]} | context.payload["tally"])

    def _write(self, context: StepContext, tally: Tally, after: int) -> int | None:
        """Return the last record that was written, None after the last of all."""
        from labelmill.exports.sql_table import SqlTable

        kept = self._kept(context)
        predictions = kept["predictions"] and learning.generation_frame(self._blobs, kept["predictions"])
        reading = Reading(self._database, moment_of(kept["moment"]), _filter(context.params["where"]), predictions)
        location = self._places.locate(context.params["place"], write=True)
        sink = SqlTable(location, reading, fields_from(kept["fields"]))
        began, before = clock.monotonic(), tally.rows
        try:
            table = sink.prepare()
            while found := reading.page(after, context.params["slice"]):
                after, piece = found
                if piece.records.height:
                    sink.write(table, piece, tally)
                context.report(tally.rows - before)
                if clock.monotonic() - began >= STEP_SECONDS:
                    return after
        finally:
            sink.close()
        return None

    def _kept(self, context: StepContext) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = orjson.loads(self._blobs.get(_plan(context)))
        except NotFound as error:
            raise Conflict("What was to be written was removed.", way_out="Start the export again.") from error
        return kept

    def _tidy(self, context: StepContext) -> None:
        for name in list(self._blobs.names(_folder(context))):
            self._blobs.remove(name)


def _folder(context: StepContext) -> str:
    return f"exports/{context.params['dataset']}/{context.step.job_id}/"


def _plan(context: StepContext) -> str:
    return _folder(context) + "plan.json"


def _filter(where: dict[str, Any]) -> RecordFilter:
    values: dict[str, Any] = where | {"given_ids": tuple(where["given_ids"])}
    return RecordFilter(**values)
