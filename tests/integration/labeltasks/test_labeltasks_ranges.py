"""Ranges of times cover each row exactly once, whatever their length and however the source is made; rows without a time are told of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from labelmill.db.bulk.insert import insert_frame
from labelmill.db.engine import make_engine
from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.presence import new_worker_id
from labelmill.jobs.worker import WorkerProcess
from labelmill.labeltasks import service

START = datetime(2020, 1, 1)
ROWS = 240
#: Rows without a time: every fortieth.
TIMELESS = [f"p{number:03}" for number in range(0, ROWS, 40)]
WIDE = {"start": datetime(2019, 1, 1, tzinfo=UTC), "end": datetime(2022, 1, 1, tzinfo=UTC)}


@pytest.fixture(params=["indexed", "unindexed"])
def place(request: pytest.FixtureRequest, database_url: str) -> str:
    """Return a table of posts, one every half hour, whose times stand on every edge that the tests ask for."""
    engine = make_engine(database_url, foreign=True)
    key = "id" if request.param != "keyless" else None
    texts = [sa.Column(name, sa.String(40), primary_key=name == key) for name in ("id", "s_id", "author")]
    moment = sa.Column("post_time", sa.DateTime(), index=request.param != "unindexed")
    options = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
    table = sa.Table("posts", sa.MetaData(), *texts, moment, **options)
    ids = [f"p{number:03}" for number in range(ROWS)]
    times = [None if each in TIMELESS else START + timedelta(minutes=30 * number) for number, each in enumerate(ids)]
    frame = pl.DataFrame(
        {"id": ids, "s_id": ["F1"] * ROWS, "author": ["tom"] * ROWS, "post_time": times},
        schema_overrides={"post_time": pl.Datetime("us")},
    )
    with engine.begin() as connection:
        table.create(connection)
        insert_frame(connection, table, frame)
    engine.dispose()
    return f"{database_url}::posts"


@pytest.fixture
def ids_between(mill: Any, place: str) -> Callable[[datetime, datetime], list[str]]:
    """Label a range into a file and give the ids of its results, with how many rows were read."""

    def label(start: datetime, end: datetime) -> list[str]:
        out = mill.folder / f"out-{start:%d%H%M%S}.parquet"
        edges = {"start": start.replace(tzinfo=UTC), "end": end.replace(tzinfo=UTC)}
        report = mill.label(place, str(out), step_rows=30, **edges)
        found = pl.read_parquet(out)["id"].to_list()
        assert report["rows_read"] == len(found)
        assert report["rows_without_time"] == len(TIMELESS)
        return found

    return label


def test_ranges_one_after_the_other_cover_each_row_once(ids_between: Any) -> None:
    """Long ones, short ones, and edges at which rows stand: nobody is read twice, the last hours neither left out (B3, B4)."""
    lengths = [timedelta(seconds=1), timedelta(minutes=59, seconds=59), timedelta(hours=6), timedelta(hours=7, minutes=13)]
    edges = [START]
    for length in lengths:
        edges.append(edges[-1] + length)
    edges += [START + timedelta(minutes=30 * (ROWS - 1)), START + timedelta(days=30)]
    found = [each for start, end in pairwise(edges) for each in ids_between(start, end)]
    every = {f"p{number:03}" for number in range(ROWS)}
    assert Counter(found) == Counter(every - set(TIMELESS))


def test_a_range_begins_with_its_start_and_ends_before_its_end(ids_between: Any) -> None:
    """One row stands on each edge, to the second."""
    start = START + timedelta(minutes=30 * 5)
    assert ids_between(start, start + timedelta(minutes=60)) == ["p005", "p006"]
    assert ids_between(start + timedelta(seconds=1), start + timedelta(minutes=60, seconds=1)) == ["p006", "p007"]
    assert ids_between(start + timedelta(seconds=2), start + timedelta(seconds=3)) == []


def test_rows_without_a_time_are_counted_and_listed(mill: Any, place: str) -> None:
    """Each with its id and the reason; without a range they are labelled and nothing is said."""
    report = mill.label(place, str(mill.folder / "out.csv"), step_rows=30, **WIDE)
    rejects = service.rejects(mill.app.work_root, report["id"])
    assert sorted(row["text"] for row in rejects) == TIMELESS
    assert {row["reason"] for row in rejects} == {"column 'post_time' holds no time"}
    assert (report["rows_read"], report["rows_without_time"]) == (ROWS - len(TIMELESS), len(TIMELESS))
    whole = mill.label(place, str(mill.folder / "whole.csv"), step_rows=30)
    assert (whole["rows_read"], whole["rows_labelled"], whole["rows_without_time"]) == (ROWS, ROWS, len(TIMELESS))
    assert service.rejects(mill.app.work_root, whole["id"]) == []


@pytest.mark.parametrize("place", ["indexed", "keyless"], indirect=True)
def test_a_task_that_is_stopped_goes_on_at_its_check_point(
    mill: Any, place: str, database_url: str, request: pytest.FixtureRequest
) -> None:
    """The begin of the first unfinished range where the source is cut by time, else of all; what comes after is labelled once."""
    task = service.prepare(mill.request(place, database_url, name="out", step_rows=30, **WIDE), mill.app.places)
    task_id = service.begin(mill.app.database, mill.app.places, task).id
    with WorkerProcess(mill.app.runtime, worker_id=new_worker_id(), queues=()) as worker:
        for _ in range(4):
            assert worker.run_next(job_id=task_id)
    mill.app.runtime.mirror(mill.app.database.transact(jobs.cancel, task_id))
    row = service.find_state(mill.app.places, task.sink, "state", task_id)
    with mill.app.database.read() as connection:
        steps = [step for step in jobs.list_steps(connection, task_id) if step["name"] == "label"]
    bounds = next(step for step in steps if step["state"] != "done")["payload"]["bounds"]
    assert row["check_step"] == "label-00003"
    by_time = bounds["by"] == "time"
    assert row["check_point"] == (datetime.fromisoformat(bounds["low"]) if by_time else task.start.replace(tzinfo=None))
    assert by_time or "keyless" not in request.node.name or "sqlite" in request.node.name
    engine = make_engine(database_url, foreign=True)
    ids = sa.select(sa.column("id"), sa.column("create_time", sa.DateTime())).select_from(sa.table("out"))
    with engine.connect() as connection:
        before = connection.execute(ids).all()
    if by_time:
        assert all(moment < row["check_point"] for _, moment in before)
    mill.app.database.transact(jobs.retry, task_id)
    assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"
    with engine.connect() as connection:
        after = connection.execute(ids).all()
    engine.dispose()
    assert all(moment >= row["check_point"] for row_id, moment in after if (row_id, moment) not in before)
    found = Counter(row_id for row_id, _ in after)
    assert found == Counter({f"p{number:03}" for number in range(ROWS)} - set(TIMELESS))
    assert mill.report(task_id)["rows_without_time"] == len(TIMELESS)
