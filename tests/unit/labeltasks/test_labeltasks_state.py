"""The row of a task in the state table says what the predecessor's said, of every state that a job can be in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labelmill.jobs.model import Job, JobState, Limits
from labelmill.labeltasks.figures import Figures
from labelmill.labeltasks.model import Columns, Labeller, LabelTask
from labelmill.labeltasks.result_tables import STATE_COLUMNS
from labelmill.labeltasks.state import date_range, first_state, state_of

CREATED = datetime(2021, 11, 9, 15, 13, 39, 500_000, tzinfo=UTC)
BEGUN = CREATED + timedelta(seconds=5)
NOW = BEGUN + timedelta(minutes=3)
#: The predecessor's columns, in its order.
SEVENTEEN = (
    "task_id", "stat", "prod_stat", "model_type", "predict_type", "date_range", "target_table", "create_time", "peak_memory",
    "length_receive_table", "length_output_table", "length_prod_table", "result", "uniq_source_author", "rate_of_label",
    "run_time", "check_point",
)  # fmt: skip
KEYWORDS: dict[str, Any] = {"rules": [{"kind": "keyword"}, {"kind": "regex"}]}
REGEXES: dict[str, Any] = {"rules": [{"kind": "regex"}]}


def make_task(**changes: Any) -> LabelTask:
    columns = Columns(text="author", author="author", time="post_time")
    values: dict[str, Any] = {"source": {}, "sink": {}, "rules": KEYWORDS, "columns": columns, "name": "posts"}
    return LabelTask(**values | {"source_table": "ts_page_content", "source_schema": "wh_fb"} | changes)


def make_job(state: JobState, **changes: Any) -> Job:
    ended = state in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
    values: dict[str, Any] = {
        "id": "t" * 32, "kind": "label-task", "queue": "default", "state": state, "title": "", "params": {}, "phase": 1, "created_at": CREATED,
        "started_at": None if state is JobState.QUEUED else BEGUN, "finished_at": NOW if ended else None, "done": 0, "total": None,
        "unit": "rows", "error": None, "result": None, "limits": Limits(), "changes": 7,
    }  # fmt: skip
    return Job(**values | changes)


def step(name: str, key: str = "", *, done: bool = True, bounds: dict[str, Any] | None = None, **counts: Any) -> dict[str, Any]:
    figures = {"counts": Figures(**counts).as_dict()} if done else None
    payload = {"bounds": bounds} if bounds else {}
    return {
        "name": name,
        "key": key or name,
        "state": "done" if done else "queued",
        "payload": payload,
        "figures": figures,
    }


def row(job: Job, *steps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return state_of(job, make_task(**changes), steps, NOW)


def test_the_first_row_has_the_predecessors_columns_and_waits() -> None:
    """Before anybody has begun: PENDING, and older than whatever the job will say."""
    found = first_state(make_task(), "t" * 32, CREATED)
    assert STATE_COLUMNS[:17] == SEVENTEEN
    assert set(found) <= set(STATE_COLUMNS)
    assert (found["stat"], found["prod_stat"], found["result"], found["revision"]) == ("PENDING", None, "", -1)
    assert found["create_time"] == datetime(2021, 11, 9, 15, 13, 39)
    assert found["target_table"] == "wh_fb"


def test_a_row_of_a_begun_task_fills_every_column() -> None:
    """No column keeps a value of an earlier row, since each is written each time."""
    assert set(row(make_job(JobState.RUNNING), step("plan", done=False))) == set(STATE_COLUMNS)


def test_a_source_without_a_schema_goes_by_its_table() -> None:
    assert first_state(make_task(source_schema=""), "t", CREATED)["target_table"] == "ts_page_content"


@pytest.mark.parametrize(
    ("state", "stat"),
    [
        (JobState.QUEUED, "PENDING"),
        (JobState.RUNNING, "PENDING"),
        (JobState.FAILED, "FAILURE"),
        (JobState.CANCELLED, "BREAK"),
    ],
)
def test_each_state_has_its_word_while_rows_are_labelled(state: JobState, stat: str) -> None:
    """Production is not spoken of before its time."""
    found = row(make_job(state), step("plan"), step("label", "label-00000"), step("label", "label-00001", done=False))
    assert (found["stat"], found["prod_stat"], found["length_prod_table"]) == (stat, None, None)
    assert (found["uniq_source_author"], found["rate_of_label"]) == (None, None)


def test_a_task_that_has_not_begun_shows_no_counts() -> None:
    found = row(make_job(JobState.QUEUED), step("plan", done=False))
    counts = ("length_receive_table", "length_output_table", "run_time", "peak_memory", "check_point")
    assert [found[name] for name in counts] == [None] * 5
    assert (found["check_step"], found["progress"]) == ("plan", 0.0)


def test_a_task_that_is_planned_only_is_not_labelled() -> None:
    """No label step is not done is true of none as well: only the plan knows whether there are any."""
    assert row(make_job(JobState.RUNNING), step("plan", done=False))["stat"] == "PENDING"
    assert row(make_job(JobState.RUNNING), step("plan"), step("finish", done=False))["stat"] == "SUCCESS"


@pytest.mark.parametrize(
    ("state", "stat"), [(JobState.RUNNING, "SUCCESS"), (JobState.FAILED, "FAILURE"), (JobState.CANCELLED, "BREAK")]
)
def test_labelled_but_not_settled_is_success_without_production(state: JobState, stat: str) -> None:
    """As the predecessor between its two jobs; a production that fails or is stopped says so, which its did not."""
    steps = (step("plan"), step("label", rows_read=10, results={"fbfans": 4}), step("settle", done=False))
    found = row(make_job(state), *steps)
    assert (found["stat"], found["prod_stat"]) == (stat, None)
    assert (found["length_receive_table"], found["length_output_table"], found["result"]) == (10, 4, "fbfans")


def test_counts_are_those_of_the_steps_done_so_far() -> None:
    steps = (
        step("plan", peak_memory_mb=50.0),
        step("label", "label-00000", rows_read=10, results={"b": 3, "a": 1}, peak_memory_mb=90.5),
        step("label", "label-00001", rows_read=5, results={"b": 1}, peak_memory_mb=70.0),
        step("label", "label-00002", done=False),
    )
    found = row(make_job(JobState.RUNNING, done=15, total=40), *steps)
    assert (found["length_receive_table"], found["length_output_table"], found["result"]) == (15, 5, "a,b")
    assert (found["peak_memory"], found["check_step"], found["progress"], found["run_time"]) == (90.5, "label-00002", 37.5, 3.0)


@pytest.mark.parametrize(
    ("production", "authors", "rate"),
    [(236_705, 1_672_893, "14.15"), (10_725, 50_216, "21.36"), (1, 10, "10.00"), (0, 5, "0.00")],
)
def test_the_documented_rates_follow_from_the_documented_counts(production: int, authors: int, rate: str) -> None:
    """Two decimals, as text, by name."""
    result = Figures(
        results={"fbfans": 1}, received={"fbfans": 9}, authors={"fbfans": authors}, production={"fbfans": production}
    )
    found = row(make_job(JobState.SUCCEEDED, result=result.as_dict() | {"written": ["fbfans"]}))
    assert (found["rate_of_label"], found["uniq_source_author"]) == (rate, str(authors))
    assert found["length_prod_table"] == production


def test_lists_stand_in_the_order_of_the_result() -> None:
    """A name that was read and has no result is in none of the lists."""
    result = Figures(
        results={"forum": 3, "Ptt": 2, "blog": 0}, received={"blog": 50, "forum": 20, "Ptt": 4, "none": 8},
        authors={"forum": 20, "Ptt": 4, "blog": 9, "none": 8}, production={"Ptt": 1, "forum": 3},
    )  # fmt: skip
    found = row(make_job(JobState.SUCCEEDED, result=result.as_dict()))
    assert (found["stat"], found["prod_stat"]) == ("SUCCESS", "finish")
    assert (found["result"], found["uniq_source_author"], found["rate_of_label"]) == ("Ptt,forum", "4,20", "25.00,15.00")
    assert found["length_prod_table"] == 4


def test_a_task_without_results_says_no_data() -> None:
    found = row(make_job(JobState.SUCCEEDED, result=Figures(rows_read=7, received={"posts": 7}).as_dict()))
    assert (found["stat"], found["prod_stat"], found["result"]) == ("SUCCESS", "no_data", "")
    assert (found["length_receive_table"], found["length_output_table"], found["length_prod_table"]) == (7, 0, 0)
    assert (found["progress"], found["check_point"], found["check_step"]) == (100.0, None, None)


def test_an_error_stands_there_as_one_line_for_people() -> None:
    error = {"code": "bad-source", "where": "posts.db", "detail": "There is no table.", "way_out": "Make it.", "id": "e1"}
    found = row(make_job(JobState.FAILED, error=error), step("plan", done=False))
    assert found["error_message"] == "posts.db: There is no table. Make it."
    assert row(make_job(JobState.CANCELLED), step("plan", done=False))["error_message"] is None


def test_an_error_of_any_length_fits() -> None:
    long = row(make_job(JobState.FAILED, error={"detail": "x" * 50_000}), step("plan", done=False))["error_message"]
    assert long == "x" * 10_000


def test_a_row_is_as_old_as_the_jobs_changes() -> None:
    assert row(make_job(JobState.RUNNING, changes=41), step("plan"))["revision"] == 41


def by_time(low: str | None, by: str = "time") -> dict[str, Any]:
    return {"by": by, "column": "post_time", "low": low, "below": None}


@pytest.mark.parametrize(
    ("low", "point"),
    [
        ("2020-02-01T06:00:00", datetime(2020, 2, 1, 6)),
        ("2020-02-01 06:00:00", datetime(2020, 2, 1, 6)),
        ("2020-02-01T06:00:00+08:00", datetime(2020, 1, 31, 22)),
        # Ranges are read with a margin where zones are unknown: no rows of the task are outside of what was asked for.
        ("2019-12-31T00:00:00", datetime(2020, 1, 1)),
        ("2021-01-02T00:00:00", datetime(2021, 1, 1)),
        # What cannot be told: any time of the range may be missing.
        ("2020/02/01", datetime(2020, 1, 1)),
    ],
)
def test_the_check_point_is_where_the_first_unfinished_range_begins(low: str, point: datetime | None) -> None:
    """Of parts by time; a source that was cut otherwise names its step."""
    steps = (
        step("plan"),
        step("label", "label-00000", bounds=by_time("2020-01-01T00:00:00")),
        step("label", "label-00001", done=False, bounds=by_time(low)),
        step("label", "label-00002", done=False, bounds=by_time("2020-03-01T00:00:00")),
    )
    span = {"start": datetime(2020, 1, 1, tzinfo=UTC), "end": datetime(2021, 1, 1, tzinfo=UTC)}
    found = row(make_job(JobState.FAILED), *steps, **span)
    assert (found["check_point"], found["check_step"]) == (point, "label-00001")


@pytest.mark.parametrize(
    "bounds",
    [
        {"by": "key", "first": 1, "last": 90},
        by_time("20200201", by="text"),
        by_time("2020-02-01", by="text"),
        {"by": "untold", "column": "post_time"},
        {"file": "posts.csv", "low": 7},
        by_time(None),
        by_time("0001-01-01T00:00:00"),
        None,
    ],
)
def test_parts_that_are_not_cut_by_time_have_a_step_and_no_check_point(bounds: dict[str, Any] | None) -> None:
    """A key that looks like a day is none, and the first of all times says nothing."""
    found = row(make_job(JobState.CANCELLED), step("plan"), step("label", "label-00000", done=False, bounds=bounds))
    assert (found["check_point"], found["check_step"]) == (None, "label-00000")


@pytest.mark.parametrize("bounds", [{"by": "key", "first": 1, "last": 90}, by_time("20200201", by="text"), by_time(None)])
def test_the_check_point_of_a_range_that_is_cut_by_key_is_its_start(bounds: dict[str, Any]) -> None:
    """An unfinished part may hold rows of any time: who goes on from there leaves no gap."""
    span = {"start": datetime(2020, 1, 1, tzinfo=UTC), "end": datetime(2021, 1, 1, tzinfo=UTC)}
    steps = (step("plan"), step("label", "label-00000"), step("label", "label-00001", done=False, bounds=bounds))
    assert row(make_job(JobState.FAILED), *steps, **span)["check_point"] == datetime(2020, 1, 1)
    done = (step("plan"), step("label", "label-00000"))
    assert row(make_job(JobState.SUCCEEDED), *done, **span)["check_point"] is None


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (None, None, ""),
        (datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC), "2020-01-01 00:00:00 - 2021-01-01 00:00:00"),
        (datetime(2020, 1, 1, 8, 30, tzinfo=UTC), None, "2020-01-01 08:30:00 - "),
        (None, datetime(2021, 1, 1, tzinfo=UTC), " - 2021-01-01 00:00:00"),
    ],
)
def test_the_range_of_times_is_spelled_as_before(start: datetime | None, end: datetime | None, text: str) -> None:
    assert date_range(make_task(start=start, end=end)) == text


def test_several_labellers_are_named_with_a_comma_each_once() -> None:
    """What kind of rules, of which columns: in the order of the labellers."""
    also = (Labeller(rules=REGEXES, column="content"), Labeller(rules=KEYWORDS, column="author"))
    found = first_state(make_task(also=also), "t", CREATED)
    assert (found["model_type"], found["predict_type"]) == ("keyword_model,rule_model", "author,content")
