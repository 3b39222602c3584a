"""What a report says of time, of rows without one, and of source ids that are no ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from labelmill import clock
from labelmill.jobs.model import Job, JobState, Limits
from labelmill.labeltasks import authors, report
from labelmill.labeltasks.labelling import Labelling
from labelmill.labeltasks.model import Columns, LabelTask
from labelmill.labeltasks.names import UNKNOWN, Names
from labelmill.labeltasks.state import state_of
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, compile_rules, to_dict

BEGUN = datetime(2021, 11, 9, 15, tzinfo=UTC)
RULES = RuleSet("names", (Label("/male"),), (Rule("/male", Kind.KEYWORD, Match.PARTIALLY, "tom"),))


def at(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


def make_job(state: JobState = JobState.RUNNING, *, end: float | None = None, **params: Any) -> Job:
    return Job(
        id="t", kind="label-task", queue="default", state=state, title="", params=params, phase=1, created_at=BEGUN, started_at=BEGUN,
        finished_at=None if end is None else at(end), done=0, total=None, unit="rows", error=None, result=None, limits=Limits(),
    )  # fmt: skip


def step(name: str, begun: float | None = None, ended: float | None = None, **counts: Any) -> dict[str, Any]:
    return {
        "name": name, "key": name, "state": "queued" if ended is None else "done", "payload": {},
        "figures": {"counts": counts} if counts else None, "error": None,
        "started_at": None if begun is None else at(begun), "finished_at": None if ended is None else at(ended),
    }  # fmt: skip


PLAN, LABEL = step("plan", 0, 1), step("label", 1, 11)


@pytest.mark.parametrize(
    ("steps", "end", "seconds"),
    [
        ([PLAN, step("label", 1), step("settle")], None, 500),  # still labelling
        ([PLAN, LABEL, step("settle")], None, 200),  # 489 s of waiting, of which 300 were asked for
        ([PLAN, LABEL, step("settle", 311, 315), step("finish", 315, 316)], 316, 16),
        ([PLAN, LABEL, step("settle", 311, 315), step("settle", 313), step("finish")], None, 200),
        ([PLAN, LABEL, step("settle")], 61, 11),  # cancelled while it waited
        ([PLAN, LABEL, step("settle", 12, 15)], 16, 15),  # a clock that was set: no more than what passed
        ([PLAN, LABEL, step("finish", 11, 12)], 12, 12),  # without authors nothing waits
        ([], 40, 40),
    ],
)
def test_waiting_for_production_is_no_work(steps: list[dict[str, Any]], end: float | None, seconds: float) -> None:
    job = make_job(JobState.RUNNING if end is None else JobState.SUCCEEDED, end=end, production_after=300.0)
    assert report.working_seconds(job, steps, at(500)) == seconds


def test_without_a_wait_all_time_is_work() -> None:
    """Also where workers were busy with something else between two steps."""
    steps = [PLAN, LABEL, step("settle", 311, 315)]
    assert report.working_seconds(make_job(JobState.SUCCEEDED, end=316), steps, at(500)) == 316


def test_the_report_and_the_state_table_count_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: at(500))
    steps = [PLAN, step("label", 1, 11, rows_read=3200), step("settle", 311, 315)]
    job = make_job(JobState.SUCCEEDED, end=316, production_after=300.0)
    found = report.report(job, steps)
    assert (found["seconds"], found["rows_per_second"]) == (16, 200)
    columns = Columns(text="author", author="author")
    task = LabelTask(source={}, sink={}, rules=to_dict(RULES), columns=columns, name="x", source_table="x")
    assert state_of(job, task, steps, at(500))["run_time"] == round(16 / 60, 4)


def labelling_of(sources: list[str | None], source_map: dict[str, list[str]]) -> Labelling:
    columns = Columns(text="author", source="s_id", author="author")
    task = LabelTask(
        source={}, sink={}, rules=to_dict(RULES), columns=columns, name="x", source_table="x", source_map=source_map
    )
    made = Labelling(task, [compile_rules(RULES)], "t")
    made.add(pl.DataFrame({"author": ["tom"] * len(sources), "s_id": sources}, schema={"author": pl.String, "s_id": pl.String}))
    return made


def test_no_source_id_and_an_empty_one_are_one_source() -> None:
    """All of their rows are told, and one author with both is one, as it is in production."""
    made = labelling_of([None, "", "", "unknown", "F1"], {"forum": ["F1"]})
    assert made.figures.unmapped == {UNKNOWN: 4}
    assert made.figures.received == {UNKNOWN: 4, "forum": 1}
    counted = authors.count(made.authors(1), Names(made._task))
    assert counted == {UNKNOWN: 2, "forum": 1}
    assert made.results()["source_author"].n_unique() == 3


def test_a_map_that_names_the_empty_id_has_the_rows_without_one() -> None:
    made = labelling_of([None, "", "F1"], {"forum": [""], "other": ["F1"]})
    assert (made.figures.unmapped, made.figures.received) == ({}, {"forum": 2, "other": 1})


def asked_for_times(**counts: Any) -> dict[str, Any]:
    job = make_job(JobState.SUCCEEDED, end=1, start="2020-01-01T00:00:00+00:00")
    return report.report(job, [step("label", 0, 1, **counts)])


def test_a_time_range_of_rows_that_have_no_time_is_questioned() -> None:
    """Most likely another column was meant; one readable time, wherever it lies, is enough to believe it."""
    assert report.left_out(asked_for_times(rows_without_time=9)) == [{"rows": 9, "reason": report.NO_TIMES}]
    for counts in ({"rows_read": 1}, {"rows_outside": 1}):
        found = asked_for_times(rows_without_time=9, **counts)
        assert not report.without_times(found)
        assert report.left_out(found)[0]["reason"] == "time is NULL or unreadable"
    assert not report.without_times(asked_for_times())
    assert not report.without_times(report.report(make_job(), [step("label", 0, 1, rows_without_time=9)]))
