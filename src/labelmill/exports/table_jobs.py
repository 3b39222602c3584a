"""The job that brings a SQL table up to a dataset: one step, which begins again where it was cut off, since what is there already stays."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from labelmill.datasets import RecordFilter
from labelmill.datasets import service as datasets
from labelmill.exports.formats import Format, Request
from labelmill.exports.reading import Reading
from labelmill.exports.service import export_to_table
from labelmill.jobs import service as jobs
from labelmill.jobs.model import Limits, NewStep, StepResult
from labelmill.jobs.registry import JobKind

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from labelmill.blobs import Blobs
    from labelmill.db.bulk.location import Location
    from labelmill.db.database import Database
    from labelmill.jobs.model import Job
    from labelmill.jobs.registry import StepContext
    from labelmill.labeltasks.places import Places

KIND: Final = "export-table"
#: The whole export is one step, so that it is of one moment and of one classifier.
SECONDS: Final = 6 * 3_600.0


def submit(
    connection: Connection,
    dataset_id: int,
    place: dict[str, Any],
    *,
    where: RecordFilter | None = None,
    limits: Limits | None = None,
    created_by: str | None = None,
) -> Job:
    """Submit the export of a dataset to a table, by its reference. Raises NotFound."""
    dataset = datasets.get(connection, dataset_id)
    params = {"dataset": dataset_id, "place": place, "where": asdict(where or RecordFilter())}
    step = NewStep(key="write", name="write", phase=0, units=dataset.records)
    return jobs.submit(
        connection, kind=KIND, steps=[step], params=params, title=f"Export {dataset.name} to {place.get('table') or 'a table'}",
        unit="records", created_by=created_by, limits=replace(limits or Limits(), seconds=SECONDS),
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
        return JobKind(name=KIND, handlers={"write": self.write})

    def write(self, context: StepContext) -> StepResult:
        """Write all records, slice by slice; who cancels the job keeps the slices that are written."""
        params = context.params
        request = Request(format=Format.PARQUET, where=_filter(params["where"]))
        location = self._places.locate(params["place"], write=True)
        reading = Reading.begin(self._database, self._blobs, params["dataset"], request)
        done = export_to_table(reading, location, lambda rows, _total: context.report(rows))
        figures = {"as_of": done.number, "added": done.added, "changed": done.changed, "same": done.same}
        return StepResult(done=done.added + done.changed + done.same, job_result=figures)


def _filter(where: dict[str, Any]) -> RecordFilter:
    values: dict[str, Any] = where | {"given_ids": tuple(where["given_ids"])}
    return RecordFilter(**values)
