"""The steps of a label task: plan the parts, label each part, settle each bucket of authors, finish the sink."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from labelmill.db.bulk.files import FileOptions
from labelmill.db.bulk.model import Column, Kind, Part, TableInfo
from labelmill.db.bulk.open import open_source
from labelmill.db.bulk.spool import open_spool, spool
from labelmill.errors import Conflict
from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep, StepResult
from labelmill.jobs.registry import JobKind, StepContext
from labelmill.labeltasks import authors
from labelmill.labeltasks.figures import Figures, total
from labelmill.labeltasks.frames import production, with_memory
from labelmill.labeltasks.labelling import Labelling
from labelmill.labeltasks.memory import peak_memory_mb
from labelmill.labeltasks.model import BATCH_ROWS, LabelTask
from labelmill.labeltasks.names import Names
from labelmill.labeltasks.openings import Openings
from labelmill.labeltasks.outputs import make_output
from labelmill.labeltasks.state_table import StateFollower
from labelmill.labeltasks.workplace import Workplace
from labelmill.rules import compile_rules, from_dict
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager, ExitStack
    from pathlib import Path

    from labelmill.db.bulk.model import Source
    from labelmill.db.database import Database
    from labelmill.labeltasks.outputs import Output
    from labelmill.labeltasks.places import Places
    from labelmill.rules.matcher import Matcher

KIND = "label-task"
PLAN = NewStep(key="plan", name="plan", phase=0)
#: The first step of a task that begins again.
CLEAR = NewStep(key="clear", name="clear", phase=-1)
#: Authors of about this many rows are settled together.
BUCKET_ROWS = 400_000


class LabelTaskSteps:
    """The handlers of a label task's steps, with what they need."""

    def __init__(self, database: Database, places: Places, work_root: Path) -> None:
        self._database = database
        self._places = places
        self._work_root = work_root
        self._open = Openings()

    def kind(self) -> JobKind:
        handlers = {"clear": self.clear, "plan": self.plan, "label": self.label, "settle": self.settle, "finish": self.finish}
        follower = StateFollower(self._database, self._places, self._open)
        return JobKind(name=KIND, handlers=handlers, follower=follower, close_idle=self._open.close_idle)

    def clear(self, context: StepContext) -> StepResult:
        """Take back the rows and remove the files of an earlier run."""
        with self._output(context, self._task(context)) as output:
            output.clear(context.fence)
        self._workplace(context).remove()
        return StepResult()

    def plan(self, context: StepContext) -> StepResult:
        """Split the source, or spool it where it cannot be split, and add a step for each part and each bucket of authors."""
        task, workplace = self._task(context), self._workplace(context)
        with self._source(context, task) as source:
            parts = source.plan(task.step_rows, task.time_range)
            spooled = parts is None
            if parts is None:
                parts = spool(Reporting(source, context), task.needed, workplace.pieces, task.step_rows)
                workplace.write_rejects("spool", source.rejects, source.rejected)
            rejected = source.rejected if spooled else 0
        context.fence()
        rows = sum(part.rows for part in parts)
        buckets = max(1, math.ceil(rows / BUCKET_ROWS)) if task.columns.author else 1
        shared = {"buckets": buckets, "spooled": spooled, "polars": pl.__version__, "hashes": authors.fingerprint()}
        label = [
            NewStep(key=f"label-{index:05d}", name="label", phase=1, payload=shared | stored, units=stored["rows"])
            for index, stored in enumerate(_stored(parts, numbered=spooled or self._places.source(task).is_file))
        ]
        settle = [
            NewStep(
                key=f"settle-{bucket:05d}",
                name="settle",
                phase=2,
                payload=shared | {"bucket": bucket},
                delay=task.production_after,
            )
            for bucket in range(buckets)
        ]
        finish = NewStep(key="finish", name="finish", phase=3)
        figures = Figures(rows_rejected=rejected, peak_memory_mb=peak_memory_mb()).as_dict()
        steps = (*label, *(settle if task.columns.author else ()), finish)
        return StepResult(figures={"counts": figures}, steps=steps)

    def label(self, context: StepContext) -> StepResult:
        """Label one part: keep its results for production, and write them to the sink in one transaction with the ledger."""
        task, workplace = self._task(context), self._workplace(context)
        _check_version(context.payload)
        step, part = context.step.key, _part(context.payload)
        first, prefix = context.payload["first_row"], "" if context.payload["numbered"] else f"{part.name}:"
        matchers = [_matcher(orjson.dumps(labeller.rules)) for labeller in task.labellers]
        # A source that is PostgreSQL itself has none.
        refuses_nul = self._places.sink(task).format == "postgresql" != self._places.source(task).format
        labelling = Labelling(task, matchers, context.step.job_id, id_prefix=prefix, first_row=first, refuses_nul=refuses_nul)
        with self._part_source(context, task, workplace) as source:
            already, done = source.rejected, 0
            for frame in source.read(task.needed, part, batch_rows=task.batch_rows):
                labelling.add(frame)
                done += frame.height
                context.report(done)
            # What a spooled source refused was counted when it was spooled.
            rejected = 0 if context.payload["spooled"] else source.rejected - already
            rejects = [*(source.rejects[already:] if rejected else ()), *labelling.rejects]
            workplace.write_rejects(step, rejects, rejected + len(labelling.rejects))
        passing("label-task.part-labelled")
        results = labelling.results()
        with self._output(context, task) as output:
            buckets = context.payload["buckets"]
            workplace.write_step(step, results, labelling.authors(buckets), keep_order=output.keeps_order)
            passing("label-task.part-kept")
            output.write_results(step, results, context.fence)
        figures = with_memory(labelling.figures + Figures(rows_rejected=rejected), peak_memory_mb())
        return StepResult(done=done, figures={"counts": figures.as_dict()})

    def settle(self, context: StepContext) -> StepResult:
        """Make the production rows of one bucket of authors, whose every result is there, and count its authors."""
        task, workplace = self._task(context), self._workplace(context)
        _check_version(context.payload)
        bucket, buckets = context.payload["bucket"], context.payload["buckets"]
        workplace.require_labelled(self._label_steps(context))
        rows, ties = production(workplace.labels(bucket, buckets), task.production_tie)
        context.report(0)
        counted = authors.count(workplace.authors(bucket, buckets), Names(task))
        with self._output(context, task) as output:
            if output.keeps_order:
                workplace.write_production(bucket, rows)
                passing("label-task.production-kept")
            output.write_production(context.step.key, rows, context.fence)
        written = dict(rows.group_by("name").len().iter_rows())
        figures = with_memory(Figures(authors=counted, production=written, production_ties=ties), peak_memory_mb())
        return StepResult(figures={"counts": figures.as_dict()})

    def finish(self, context: StepContext) -> StepResult:
        """Complete the sink, add up the report, and remove what is not needed any more."""
        workplace = self._workplace(context)
        # Once the sink is complete what it was made of is removed: a repetition must not make it again of what is left.
        report = workplace.report() or self._completed(context, workplace)
        passing("label-task.finished")
        workplace.tidy()
        passing("label-task.tidied")
        self._open.close_idle()
        return StepResult(job_result=report)

    def _completed(self, context: StepContext, workplace: Workplace) -> dict[str, Any]:
        task = self._task(context)
        with self._database.read() as connection:
            steps = jobs.list_steps(connection, context.step.job_id)
        workplace.require_labelled([step["key"] for step in steps if step["name"] == "label"])
        figures = total(step["figures"]["counts"] for step in steps if step["figures"])
        with self._output(context, task) as output:
            context.fence()
            written = output.finish(workplace, sorted(figures.received) or [task.name])
        figures = with_memory(figures, max(figures.peak_memory_mb, peak_memory_mb()))
        report = figures.as_dict() | {"rate_of_label": figures.rates, "written": written}
        workplace.keep_report(report)
        return report

    def _task(self, context: StepContext) -> LabelTask:
        return LabelTask.from_params(context.params)

    def _workplace(self, context: StepContext) -> Workplace:
        return Workplace(self._work_root, context.step.job_id)

    def _label_steps(self, context: StepContext) -> list[str]:
        """Return the keys of the task's label steps."""
        with self._database.read() as connection:
            steps = jobs.list_steps(connection, context.step.job_id)
        return [step["key"] for step in steps if step["name"] == "label"]

    def _source(self, context: StepContext, task: LabelTask) -> AbstractContextManager[Source]:
        def make(stack: ExitStack) -> Source:
            return stack.enter_context(open_source(self._places.source(task), options=FileOptions(**task.file)))

        return self._open.use(context.step.job_id, "source", make)

    def _part_source(self, context: StepContext, task: LabelTask, workplace: Workplace) -> AbstractContextManager[Source]:
        if not context.payload["spooled"]:
            return self._source(context, task)
        columns = tuple(Column(name=name, kind=Kind.OTHER) for name in task.needed)
        return open_spool(workplace.pieces, TableInfo(name=task.name, schema=None, columns=columns))

    def _output(self, context: StepContext, task: LabelTask) -> AbstractContextManager[Output]:
        def make(stack: ExitStack) -> Output:
            output = make_output(self._places, task, context.step.job_id)
            stack.callback(output.close)
            return output

        return self._open.use(context.step.job_id, "output", make)


class Reporting:
    """A source that says how far it is while somebody else reads it, so that the reading can be stopped."""

    def __init__(self, source: Source, context: StepContext) -> None:
        self._source = source
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def read(self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
        done = 0
        for frame in self._source.read(columns, part, batch_rows=batch_rows):
            yield frame
            done += frame.height
            self._context.report(done)


def _stored(parts: Sequence[Part], *, numbered: bool) -> Iterator[dict[str, Any]]:
    """Yield the payloads of parts. The rows of a file's parts are known exactly, so that its rows can be ``numbered`` through."""
    first = 0
    for part in parts:
        yield {"part": part.name, "bounds": part.bounds, "rows": part.rows, "first_row": first, "numbered": numbered}
        first += part.rows


def _part(payload: dict[str, Any]) -> Part:
    return Part(name=payload["part"], bounds=payload["bounds"], rows=payload["rows"])


def _check_version(payload: dict[str, Any]) -> None:
    """Authors are spread over buckets by a hash that may change with the library: one task keeps to one hash."""
    # Tasks of older versions say the library's version only.
    alike = payload["hashes"] == authors.fingerprint() if "hashes" in payload else payload["polars"] == pl.__version__
    if not alike:
        raise Conflict(
            f"This task was begun with polars {payload['polars']}, this worker has {pl.__version__}, which spreads authors otherwise.",
            way_out="`labelmill label-tasks rerun` begins it again and replaces its rows.",
        )


@lru_cache(maxsize=4)
def _matcher(rules: bytes) -> Matcher:
    # Steps of one task follow each other in one process: its rules are compiled once.
    return compile_rules(from_dict(orjson.loads(rules)))
