"""A task that runs again replaces its own rows and nobody else's; one that is removed leaves nothing, or its results, as asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from labelmill.db.engine import make_engine
from labelmill.errors import BadInput, Conflict, LabelmillError, NotFound
from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.presence import new_worker_id
from labelmill.jobs.worker import WorkerProcess
from labelmill.labeltasks import service
from labelmill.triggers import Triggered

ROWS = 90


@pytest.fixture
def source(mill: Any, posts: Any, write: Any) -> str:
    return str(write(posts(ROWS), mill.folder / "posts.parquet"))


@pytest.fixture
def run(mill: Any, source: str, database_url: str) -> Callable[..., str]:
    """Run a task into the shared tables ``posts`` and give its id."""

    def run(**changes: Any) -> str:
        values: dict[str, Any] = {"name": "posts", "step_rows": 40}
        task = service.prepare(mill.request(source, database_url, **values | changes), mill.app.places)
        task_id = service.begin(mill.app.database, mill.app.places, task).id
        assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"
        return task_id

    return run


def rows_by_task(url: str, table: str, column: str = "task_id") -> Counter[str]:
    engine = make_engine(url, foreign=True)
    with engine.connect() as connection:
        found = Counter(connection.scalars(sa.select(sa.column(column)).select_from(sa.table(table))))
    engine.dispose()
    return found


def rows(url: str, table: str, task_id: str) -> list[tuple[Any, ...]]:
    engine = make_engine(url, foreign=True)
    names = ("id", "source_author", "panel", "create_time", "field_content", "match_content", "match_meta")
    query = sa.select(*map(sa.column, names)).select_from(sa.table(table)).where(sa.column("task_id") == task_id)
    with engine.connect() as connection:
        found = [tuple(map(str, row)) for row in connection.execute(query)]
    engine.dispose()
    return sorted(found)


def rerun(mill: Any, task_id: str) -> str:
    service.rerun(mill.app.database, task_id)
    return str(run_or_watch(mill.app.runtime, task_id).state)


def remove(mill: Any, task_id: str, *, results: bool) -> list[str]:
    return service.remove(mill.app.database, mill.app.places, mill.app.work_root, task_id, results=results)


def test_a_rerun_replaces_the_rows_of_its_task_and_nobody_elses(mill: Any, run: Any, database_url: str) -> None:
    """Both tables hold each task's rows once, as after the first run (B14)."""
    mine, theirs = run(), run()
    tables = ("posts", "wh_panel_mapping_posts")
    before = {table: (rows(database_url, table, mine), rows_by_task(database_url, table)) for table in tables}
    assert rerun(mill, mine) == "succeeded"
    assert {table: (rows(database_url, table, mine), rows_by_task(database_url, table)) for table in tables} == before
    assert set(before["posts"][1]) == {mine, theirs}
    assert len(set(before["posts"][1].values())) == 1


def test_a_rerun_reads_the_source_as_it_is_now(mill: Any, run: Any, posts: Any, write: Any, database_url: str) -> None:
    """Rows that are gone leave no result behind, nor files of the earlier run."""
    task_id = run()
    first = mill.report(task_id)
    frame = posts(ROWS).head(30)
    write(frame, mill.folder / "posts.parquet")
    assert rerun(mill, task_id) == "succeeded"
    report = mill.report(task_id)
    assert (first["rows_read"], report["rows_read"]) == (ROWS, 30)
    found = {row[0] for row in rows(database_url, "posts", task_id)}
    assert found <= set(frame["id"])
    assert sum(report["results"].values()) == rows_by_task(database_url, "posts")[task_id]
    assert mill.sample(task_id, rows=1000).height == sum(report["results"].values())


def test_two_who_begin_a_task_again_begin_it_once(mill: Any, run: Any, database_url: str) -> None:
    """The second is told; what the first has written meanwhile stays."""
    task_id = run()
    before = rows(database_url, "posts", task_id)
    service.rerun(mill.app.database, task_id)
    with pytest.raises(Conflict, match="queued"):
        service.rerun(mill.app.database, task_id)
    assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"
    assert rows(database_url, "posts", task_id) == before


def test_a_task_that_failed_halfway_begins_from_its_start(mill: Any, run: Any, source: str, database_url: str) -> None:
    """Its half is taken back and written whole."""
    whole = run()
    task = service.prepare(mill.request(source, database_url, name="posts", step_rows=40), mill.app.places)
    half = service.begin(mill.app.database, mill.app.places, task).id
    with WorkerProcess(mill.app.runtime, worker_id=new_worker_id(), queues=()) as worker:
        for _ in range(2):
            worker.run_next(job_id=half)
    mill.app.database.transact(jobs.cancel, half)
    assert 0 < rows_by_task(database_url, "posts")[half] < rows_by_task(database_url, "posts")[whole]
    assert rerun(mill, half) == "succeeded"
    for table in ("posts", "wh_panel_mapping_posts"):
        assert rows(database_url, table, half) == rows(database_url, table, whole)


@pytest.mark.parametrize("place", ["label-task.rows-taken-back", "label-task.rows-inserted", "label-task.tidied"])
def test_a_rerun_that_breaks_off_ends_with_the_same_rows(
    mill: Any, run: Any, database_url: str, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """In the middle of clearing, of writing, or at the very end: all of it or nothing, then the rest."""
    task_id, other = run(), run()
    before, theirs = mill.report(task_id), rows(database_url, "posts", other)
    right = rows(database_url, "posts", task_id)
    monkeypatch.setenv("LABELMILL_TRIGGER", f"{place}:fail:1")
    monkeypatch.setattr("labelmill.triggers._passed", Counter())
    assert rerun(mill, task_id) == "succeeded"
    tries = [step["tries"] for step in steps_of(mill, task_id)]
    assert sum(tries) == 1, "the trigger was not passed"
    assert rows(database_url, "posts", task_id) == right
    assert rows(database_url, "posts", other) == theirs
    report = mill.report(task_id)
    for figure in ("rows_read", "results", "production", "authors", "rate_of_label", "written"):
        assert report[figure] == before[figure]


def steps_of(mill: Any, task_id: str) -> list[dict[str, Any]]:
    with mill.app.database.read() as connection:
        return jobs.list_steps(connection, task_id)


def test_a_removal_that_breaks_off_can_be_repeated(
    mill: Any, run: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is taken back by half: the task stays until all its rows are gone."""
    task_id = run()
    count = rows_by_task(database_url, "posts")[task_id]
    monkeypatch.setenv("LABELMILL_TRIGGER", "label-task.rows-taken-back:fail:1")
    monkeypatch.setattr("labelmill.triggers._passed", Counter())
    with pytest.raises(Triggered):
        remove(mill, task_id, results=True)
    assert rows_by_task(database_url, "posts")[task_id] == count
    assert remove(mill, task_id, results=True) == ["posts", "wh_panel_mapping_posts"]
    assert rows_by_task(database_url, "posts") == Counter()


def test_a_removed_task_leaves_its_results_unless_they_are_to_go(mill: Any, run: Any, database_url: str) -> None:
    """The task, its steps, its folder and its row go in both cases; rows of others stay."""
    kept, gone, other = run(), run(), run()
    assert remove(mill, kept, results=False) == []
    assert remove(mill, gone, results=True) == ["posts", "wh_panel_mapping_posts"]
    assert set(rows_by_task(database_url, "posts")) == {kept, other}
    assert set(rows_by_task(database_url, "wh_panel_mapping_posts")) == {kept, other}
    assert set(rows_by_task(database_url, "labelmill_steps")) == {kept, other}
    assert set(rows_by_task(database_url, "state")) == {other}
    for task_id in (kept, gone):
        with pytest.raises(NotFound):
            mill.job(task_id)
        assert not (mill.app.work_root / "label-tasks" / task_id).exists()


def test_a_task_whose_sink_is_gone_is_removed_without_its_state(mill: Any, source: str) -> None:
    """It is told first what is left where, and nothing is forgotten until that is meant."""
    (mill.folder / "away").mkdir()
    task = service.prepare(mill.request(source, f"sqlite:///{mill.folder / 'away' / 'out.db'}", name="posts"), mill.app.places)
    task_id = service.begin(mill.app.database, mill.app.places, task).id
    assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"
    (mill.folder / "away").rename(mill.folder / "gone")
    with pytest.raises(LabelmillError, match="--keep-state"):
        remove(mill, task_id, results=False)
    assert mill.job(task_id).state == "succeeded"
    parts = (mill.app.database, mill.app.places, mill.app.work_root)
    with pytest.raises(BadInput):
        service.remove(*parts, task_id, results=True, keep_state=True)
    service.remove(*parts, task_id, keep_state=True)
    with pytest.raises(NotFound):
        mill.job(task_id)
    assert set(rows_by_task(f"sqlite:///{mill.folder / 'gone' / 'out.db'}", "state")) == {task_id}


@pytest.mark.parametrize("verb", ["rerun", "remove"])
def test_a_task_that_runs_is_neither_removed_nor_begun_again(mill: Any, source: str, database_url: str, verb: str) -> None:
    """Queued or half done: it is to be cancelled first, and loses nothing."""
    task = service.prepare(mill.request(source, database_url, name="posts", step_rows=40), mill.app.places)
    task_id = service.begin(mill.app.database, mill.app.places, task).id
    verbs: dict[str, Callable[[], Any]] = {
        "rerun": lambda: service.rerun(mill.app.database, task_id),
        "remove": lambda: remove(mill, task_id, results=True),
    }
    with pytest.raises(Conflict, match="queued") as refused:
        verbs[verb]()
    assert "label-tasks cancel" in refused.value.way_out
    with WorkerProcess(mill.app.runtime, worker_id=new_worker_id(), queues=()) as worker:
        for _ in range(2):
            worker.run_next(job_id=task_id)
    count = rows_by_task(database_url, "posts")
    with pytest.raises(Conflict, match="running"):
        verbs[verb]()
    assert rows_by_task(database_url, "posts") == count
    assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"


def test_a_task_that_begins_again_while_it_is_removed_stays(mill: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who removes it is told; it ends with all its rows."""
    task_id = run()
    right = mill.report(task_id)["results"]
    withdrawn = service.state_table.withdraw

    def begun_again(*given: Any) -> None:
        withdrawn(*given)
        service.rerun(mill.app.database, task_id)

    monkeypatch.setattr(service.state_table, "withdraw", begun_again)
    with pytest.raises(Conflict, match="queued"):
        remove(mill, task_id, results=True)
    assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"
    assert mill.report(task_id)["results"] == right


def test_a_table_that_somebody_dropped_stops_neither(mill: Any, run: Any, database_url: str) -> None:
    first, second = run(), run()
    engine = make_engine(database_url, foreign=True)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE wh_panel_mapping_posts"))
    engine.dispose()
    assert rerun(mill, first) == "succeeded"
    assert set(rows_by_task(database_url, "wh_panel_mapping_posts")) == {first}
    assert remove(mill, second, results=True) == ["posts", "wh_panel_mapping_posts"]
    assert set(rows_by_task(database_url, "posts")) == {first}


def test_nobody_knows_a_task_of_another_kind(mill: Any) -> None:
    for verb in (lambda: service.rerun(mill.app.database, "x" * 32), lambda: remove(mill, "x" * 32, results=False)):
        with pytest.raises(NotFound):
            verb()


@pytest.mark.parametrize("sink", ["out.parquet", "out.csv"])
def test_a_rerun_replaces_its_own_files(mill: Any, source: str, read_rows: Any, sink: str) -> None:
    """Without --overwrite as well: they are the task's own."""
    task_id = mill.start(source, str(mill.folder / sink), step_rows=40)
    run_or_watch(mill.app.runtime, task_id)
    before = read_rows(str(mill.folder / sink))
    (mill.folder / sink).unlink()
    assert rerun(mill, task_id) == "succeeded"
    assert rerun(mill, task_id) == "succeeded"
    assert read_rows(str(mill.folder / sink)) == before


def test_files_are_not_removed_with_their_task(mill: Any, source: str, tmp_path: Path) -> None:
    """They are the user's: asked for their removal it says so; without, the task goes and they stay."""
    task_id = mill.label(source, str(tmp_path / "out.csv"))["id"]
    with pytest.raises(Conflict, match="files"):
        remove(mill, task_id, results=True)
    assert remove(mill, task_id, results=False) == []
    assert pl.read_csv(tmp_path / "out.csv", infer_schema=False).height > 0
