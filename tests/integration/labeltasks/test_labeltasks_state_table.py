"""The state table beside the results: written before the task can start, level with its job after each step, never set back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from labelmill import clock
from labelmill.db.engine import make_engine
from labelmill.errors import BadSource, Conflict, Unavailable
from labelmill.jobs import service as jobs
from labelmill.jobs.following import Following
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.presence import new_worker_id
from labelmill.jobs.worker import WorkerProcess
from labelmill.labeltasks import announcing, service
from labelmill.labeltasks.openings import Openings
from labelmill.labeltasks.result_tables import STATE_COLUMNS
from labelmill.labeltasks.state_table import StateFollower, StateTable, open_state

ROWS = 120
#: What the followers of a test hold open.
HELD: list[Openings] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while HELD:
        HELD.pop().close_idle()


def follower_of(mill: Any) -> StateFollower:
    HELD.append(Openings())
    return StateFollower(mill.app.database, mill.app.places, HELD[-1])


@pytest.fixture
def source(mill: Any, posts: Any, write: Any) -> str:
    return str(write(posts(ROWS), mill.folder / "posts.parquet"))


@pytest.fixture
def begin(mill: Any, database_url: str, source: str) -> Callable[..., str]:
    """Start a task as the commands do, with its row in the state table, and give its id."""

    def begin(**changes: Any) -> str:
        values: dict[str, Any] = {"name": "posts", "step_rows": 50}
        task = service.prepare(mill.request(source, database_url, **values | changes), mill.app.places)
        return service.begin(mill.app.database, mill.app.places, task).id

    return begin


@pytest.fixture
def step(mill: Any) -> Iterator[Callable[[str], bool]]:
    """Run the next step of a task in this thread, and tell whether there was one."""
    worker = WorkerProcess(mill.app.runtime, worker_id=new_worker_id(), queues=())
    with worker:
        yield lambda task_id: worker.run_next(job_id=task_id)


def rows_of(url: str, table: str = "state") -> list[dict[str, Any]]:
    engine = make_engine(url, foreign=True)
    with engine.connect() as connection:
        quoted = engine.dialect.identifier_preparer.quote(table)
        found = [dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {quoted}")).mappings()]
    engine.dispose()
    return found


def execute(url: str, *statements: str) -> None:
    engine = make_engine(url, foreign=True)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def tables_of(url: str) -> set[str]:
    engine = make_engine(url, foreign=True)
    found = set(sa.inspect(engine).get_table_names())
    engine.dispose()
    return found


def row_of(url: str, task_id: str) -> dict[str, Any]:
    (row,) = [row for row in rows_of(url) if row["task_id"] == task_id]
    return row


def table_of(mill: Any, task_id: str) -> Any:
    task = service.LabelTask.from_params(mill.job(task_id).params)
    return open_state(mill.app.places, task)


def break_source(mill: Any) -> None:
    """Let the next reader of the source fail for good."""
    (mill.folder / "posts.parquet").write_bytes(b"no rows")


def test_the_row_is_there_before_the_task_can_start(mill: Any, begin: Any, database_url: str) -> None:
    """With every column, in a table that the first task makes and that has a key."""
    task_id = begin(start=datetime(2020, 1, 1, tzinfo=UTC), end=datetime(2021, 1, 1, tzinfo=UTC))
    row = row_of(database_url, task_id)
    assert tuple(row) == STATE_COLUMNS
    assert (row["stat"], row["prod_stat"], row["result"], row["progress"]) == ("PENDING", None, "", 0.0)
    assert (row["model_type"], row["predict_type"], row["target_table"]) == ("keyword_model", "author", "posts.parquet")
    assert row["date_range"] == "2020-01-01 00:00:00 - 2021-01-01 00:00:00"
    assert mill.job(task_id).state == "queued"
    engine = make_engine(database_url, foreign=True)
    assert sa.inspect(engine).get_pk_constraint("state")["constrained_columns"] == ["task_id"]
    engine.dispose()


def test_the_row_stands_while_the_job_is_inserted_and_goes_with_it(
    mill: Any, source: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker can never be quicker than the row; a job that cannot be stored leaves none."""
    seen: list[str] = []
    submit = jobs.submit

    def refuse(connection: Any, *, kind: str, **values: Any) -> Any:
        if kind == announcing.KIND:
            return submit(connection, kind=kind, **values)
        seen.extend(row["stat"] for row in rows_of(database_url))
        raise Unavailable("The database is away.")

    monkeypatch.setattr(jobs, "submit", refuse)
    task = service.prepare(mill.request(source, database_url), mill.app.places)
    with pytest.raises(Unavailable, match="away"):
        service.begin(mill.app.database, mill.app.places, task)
    assert seen == ["PENDING"]
    assert rows_of(database_url) == []
    assert kept_watches(mill) == []


def kept_watches(mill: Any) -> list[Any]:
    with mill.app.database.read() as connection:
        return [job.state for job in jobs.list_jobs(connection, kind=announcing.KIND)]


def test_p06_the_row_of_a_task_whose_process_was_killed_before_it_was_queued_is_taken_back(
    mill: Any, source: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the row and the job, which lie in two databases: the row would say PENDING for ever."""
    task = service.prepare(mill.request(source, database_url), mill.app.places)
    killed = service.announced(mill.app.database, mill.app.places, task)
    task_id = killed.__enter__()  # what is committed here is all that a kill leaves
    assert row_of(database_url, task_id)["stat"] == "PENDING"
    worker = WorkerProcess(mill.app.runtime, worker_id=new_worker_id(), queues=("default",))
    with worker:
        assert not worker.run_next(), "it may still be on its way"
        later = clock.now() + timedelta(seconds=announcing.GRACE + 1)
        monkeypatch.setattr(clock, "now", lambda: later)
        assert worker.run_next()
    assert rows_of(database_url) == []
    with pytest.raises(Unavailable, match="too much time"):
        mill.app.database.transact(service.start, task, task_id=task_id)
    assert mill.app.database.transact(jobs.list_jobs, kind=service.KIND) == []


def test_p06_the_row_of_a_queued_task_is_never_taken_back(mill: Any, begin: Any, database_url: str) -> None:
    task_id = begin()
    assert kept_watches(mill) == []
    assert row_of(database_url, task_id)["stat"] == "PENDING"


def test_a_task_with_a_known_key_leaves_one_row(mill: Any, source: str, database_url: str) -> None:
    """Whoever starts it again gets the task that is there, and no second row."""
    task = service.prepare(mill.request(source, database_url), mill.app.places)
    first, again = (service.begin(mill.app.database, mill.app.places, task, key="same") for _ in range(2))
    assert first.id == again.id
    assert [row["task_id"] for row in rows_of(database_url)] == [first.id]


def test_the_row_is_level_after_each_step(mill: Any, begin: Any, step: Any, database_url: str) -> None:
    """Counts, share, step and state as the job has them, then production: nothing is written at the end only."""
    task_id = begin()
    seen = []
    while step(task_id):
        row, report = row_of(database_url, task_id), mill.report(task_id)
        assert row["length_receive_table"] == report["rows_read"]
        assert row["length_output_table"] == sum(report["results"].values())
        assert (row["check_step"], row["revision"]) == (report["check_point"], mill.job(task_id).changes)
        seen.append((row["stat"], row["prod_stat"], row["length_receive_table"]))
    waiting, labelled = ("PENDING", None), ("SUCCESS", None)
    assert seen == [
        (*waiting, 0), (*waiting, 50), (*waiting, 100), (*labelled, ROWS), (*labelled, ROWS), ("SUCCESS", "finish", ROWS)
    ]  # fmt: skip


def test_the_row_of_an_ended_task_has_the_numbers_of_its_report(
    mill: Any, begin: Any, database_url: str, source_map: Any
) -> None:
    """By name, in the order of the result, with two decimals."""
    task_id = begin(source_map=source_map, name=None)
    run_or_watch(mill.app.runtime, task_id)
    row, report = row_of(database_url, task_id), mill.report(task_id)
    names = row["result"].split(",")
    assert names == ["X9", "board", "both", "forum"]
    assert row["uniq_source_author"] == ",".join(str(report["authors"][name]) for name in names)
    assert row["rate_of_label"] == ",".join(f"{report['rate_of_label'][name]:.2f}" for name in names)
    assert row["length_prod_table"] == sum(report["production"].values())
    assert (row["progress"], row["check_point"], row["check_step"], row["error_message"]) == (100.0, None, None, None)
    assert row["peak_memory"] == pytest.approx(report["peak_memory_mb"])
    assert row["run_time"] == pytest.approx(report["seconds"] / 60, abs=0.001)
    assert row["update_time"] >= row["create_time"]


def test_nothing_to_label_is_no_data(mill: Any, begin: Any, database_url: str) -> None:
    """A range without rows ends well and says so."""
    task_id = begin(start=datetime(1990, 1, 1, tzinfo=UTC), end=datetime(1991, 1, 1, tzinfo=UTC))
    run_or_watch(mill.app.runtime, task_id)
    row = row_of(database_url, task_id)
    assert (row["stat"], row["prod_stat"], row["result"], row["length_receive_table"]) == ("SUCCESS", "no_data", "", 0)


def test_a_late_writer_never_sets_a_row_back(mill: Any, begin: Any, step: Any) -> None:
    """What an earlier look at the job found is refused, however often it comes; what is as new is written."""
    task_id = begin()
    with table_of(mill, task_id) as table:
        step(task_id)
        old = table.get(task_id)
        step(task_id)
        new = table.get(task_id)
        for _ in range(2):
            table.write(old)
        assert table.get(task_id) == new
        table.write(new | {"stat": "BREAK"})
        assert table.get(task_id)["stat"] == "BREAK"


def test_followers_that_repeat_write_the_same(mill: Any, begin: Any, step: Any, database_url: str) -> None:
    """Twice, by somebody else, or when nothing is due: one row, no older."""
    task_id = begin()
    step(task_id)
    for _ in range(3):
        follower_of(mill).follow(task_id)
    assert len(rows_of(database_url)) == 1
    assert row_of(database_url, task_id)["revision"] == mill.job(task_id).changes
    assert follower_of(mill).due() == []


def test_a_sink_that_was_away_is_caught_up(mill: Any, begin: Any, step: Any, database_url: str, clock_hand: Any) -> None:
    """The task goes on meanwhile; the next one who follows makes the row good, after a pause."""
    task_id = begin()
    execute(database_url, "ALTER TABLE state RENAME TO gone", "CREATE TABLE state (task_id VARCHAR(32))")
    assert step(task_id)
    assert step(task_id)
    follower, following = follower_of(mill), Following(mill.app.registry)
    following.once()
    assert follower.due() == [task_id]
    execute(database_url, "DROP TABLE state", "ALTER TABLE gone RENAME TO state")
    following.once()
    assert follower.due() == [task_id], "tried again before its pause was over"
    clock_hand(2)
    following.once()
    assert follower.due() == []
    assert row_of(database_url, task_id)["length_receive_table"] == 50


@pytest.fixture
def clock_hand(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the monotonic clock jump by seconds."""
    real, ahead = clock.monotonic, [0.0]
    monkeypatch.setattr(clock, "monotonic", lambda: real() + ahead[0])

    def jump(seconds: float) -> None:
        ahead[0] += seconds

    return jump


def test_a_row_and_a_table_that_somebody_dropped_are_made_again(mill: Any, begin: Any, step: Any, database_url: str) -> None:
    """The table is a mirror: what it says comes from the job."""
    task_id = begin()
    execute(database_url, "DELETE FROM state")
    step(task_id)
    assert row_of(database_url, task_id)["check_step"] == "label-00000"
    execute(database_url, "DROP TABLE state")
    step(task_id)
    assert row_of(database_url, task_id)["length_receive_table"] == 50


def test_a_cancelled_task_is_a_break_until_it_is_retried(mill: Any, begin: Any, step: Any, database_url: str) -> None:
    """BREAK with what was done so far, PENDING again, then the rest."""
    task_id = begin()
    step(task_id), step(task_id)
    for verb, stat in ((jobs.cancel, "BREAK"), (jobs.retry, "PENDING")):
        mill.app.runtime.mirror(mill.app.database.transact(verb, task_id))
        row = row_of(database_url, task_id)
        assert (row["stat"], row["prod_stat"], row["length_receive_table"]) == (stat, None, 50)
    while step(task_id):
        pass
    row = row_of(database_url, task_id)
    assert (row["stat"], row["prod_stat"], row["length_receive_table"]) == ("SUCCESS", "finish", ROWS)


def test_a_step_that_ends_after_the_cancel_does_not_overwrite_the_break(
    mill: Any, begin: Any, step: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The predecessor's finishing worker made a SUCCESS of it."""
    task_id = begin()
    step(task_id)
    kept = service.Workplace.write_step

    def cancelled(self: Any, *given: Any, **named: Any) -> None:
        kept(self, *given, **named)
        mill.app.database.transact(jobs.cancel, task_id)

    monkeypatch.setattr(service.Workplace, "write_step", cancelled)
    step(task_id)
    assert row_of(database_url, task_id)["stat"] == "BREAK"
    assert "posts" not in tables_of(database_url) or rows_of(database_url, "posts") == []


def test_a_failure_says_why_until_the_task_is_retried(mill: Any, begin: Any, step: Any, database_url: str) -> None:
    whole = (mill.folder / "posts.parquet").read_bytes()
    task_id = begin()
    step(task_id)
    break_source(mill)
    mill.app.registry.close_idle()
    step(task_id)
    row = row_of(database_url, task_id)
    assert (row["stat"], row["prod_stat"]) == ("FAILURE", None)
    assert "posts.parquet" in row["error_message"]
    (mill.folder / "posts.parquet").write_bytes(whole)
    mill.app.runtime.mirror(mill.app.database.transact(jobs.retry, task_id))
    row = row_of(database_url, task_id)
    assert (row["stat"], row["error_message"]) == ("PENDING", None)
    while step(task_id):
        pass
    assert row_of(database_url, task_id)["prod_stat"] == "finish"


def test_a_task_that_runs_again_begins_its_row_again(mill: Any, begin: Any, step: Any, database_url: str) -> None:
    """With the counts of the new run only, and the time when it was created."""
    task_id = begin()
    run_or_watch(mill.app.runtime, task_id)
    before = row_of(database_url, task_id)
    mill.app.runtime.mirror(service.rerun(mill.app.database, task_id))
    row = row_of(database_url, task_id)
    assert (row["stat"], row["prod_stat"], row["result"], row["length_receive_table"]) == ("PENDING", None, "", None)
    run_or_watch(mill.app.runtime, task_id)
    after = row_of(database_url, task_id)
    differing = ("update_time", "revision", "run_time", "peak_memory")
    assert {name: after[name] for name in after if name not in differing} == {
        name: before[name] for name in before if name not in differing
    }
    assert after["revision"] > before["revision"]


def test_the_newest_tasks_come_first(mill: Any, begin: Any, database_url: str) -> None:
    """As many as are asked for; one by its id; of a table that is not there none."""
    first, second = begin(), begin()
    with table_of(mill, first) as table:
        row = table.get(first)
        table.write(row | {"create_time": row["create_time"] + timedelta(hours=1), "revision": 99})
        assert [row["task_id"] for row in table.recent(5)] == [first, second]
        assert [row["task_id"] for row in table.recent(1)] == [first]
        assert table.get("nobody") is None
    with StateTable(mill.app.places.locate(mill.app.places.reference(database_url), write=True), "other") as none:
        assert (none.recent(5), none.get(first)) == ([], None)
        none.remove(first)
    assert "other" not in tables_of(database_url)


def test_somebody_elses_table_is_refused_with_the_way_out(mill: Any, begin: Any, source: str, database_url: str) -> None:
    """Nothing is written to it, nor is the task begun; another name is another table."""
    execute(
        database_url, "CREATE TABLE state (task_id VARCHAR(32), stat VARCHAR(32))", "INSERT INTO state VALUES ('x', 'theirs')"
    )
    with pytest.raises(Conflict, match="'state' exists already") as refused:
        begin()
    assert "LABELMILL_STATE_TABLE" in refused.value.way_out
    assert mill.app.database.transact(service.list_tasks) == []
    task_id = begin(state_table="label_states")
    run_or_watch(mill.app.runtime, task_id)
    assert [row["prod_stat"] for row in rows_of(database_url, "label_states")] == ["finish"]
    assert [tuple(row.values()) for row in rows_of(database_url)] == [("x", "theirs")]


@pytest.mark.parametrize("names", [{"name": "state"}, {"name": "STATE"}, {"name": None, "source_map": {"state": ["F1"]}}])
def test_results_do_not_go_to_the_state_table(begin: Any, names: dict[str, Any]) -> None:
    with pytest.raises(BadSource, match=r"(?i)'state'"):
        begin(**names)


def test_an_unmapped_source_that_is_called_like_the_state_table_is_unknown(
    mill: Any, posts: Any, begin: Any, database_url: str
) -> None:
    """Its rows are not lost, nor does it stop the task."""
    posts(ROWS).with_columns(s_id=pl.Series(["F1", "State"] * (ROWS // 2))).write_parquet(mill.folder / "posts.parquet")
    task_id = begin(source_map={"forum": ["F1"]}, name=None)
    assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"
    report = mill.report(task_id)
    assert set(report["received"]) == {"forum", "unknown"}
    assert report["unmapped"] == {"State": ROWS // 2}
    assert row_of(database_url, task_id)["result"] == "forum,unknown"


def test_files_have_no_state_table(mill: Any, source: str, tmp_path: Path) -> None:
    task = service.prepare(mill.request(source, str(tmp_path / "out.csv")), mill.app.places)
    job = service.begin(mill.app.database, mill.app.places, task)
    run_or_watch(mill.app.runtime, job.id)
    assert task.state_table is None
    assert follower_of(mill).due() == []
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"posts.parquet", "out.csv", "out.production.csv"}


def test_a_sink_without_a_state_table_is_labelled_all_the_same(mill: Any, begin: Any, database_url: str) -> None:
    task_id = begin(state_table=None)
    assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"
    assert tables_of(database_url) == {"labelmill_steps", "posts", "wh_panel_mapping_posts"}


def test_a_removed_task_takes_its_row_along_and_nobody_elses(mill: Any, begin: Any, database_url: str) -> None:
    """Nor does somebody who follows late bring it back."""
    first, second = begin(), begin()
    for task_id in (first, second):
        run_or_watch(mill.app.runtime, task_id)
    service.remove(mill.app.database, mill.app.places, mill.app.work_root, first)
    follower_of(mill).follow(first)
    assert [row["task_id"] for row in rows_of(database_url)] == [second]
    assert follower_of(mill).due() == []


def test_a_follower_between_the_two_halves_of_a_removal_brings_nothing_back(
    mill: Any, begin: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Followers are told first that the task has no row any more."""
    task_id = begin()
    run_or_watch(mill.app.runtime, task_id)
    withdrawn = service.state_table.withdraw

    def followed_at_once(*given: Any) -> None:
        withdrawn(*given)
        follower_of(mill).follow(task_id)

    monkeypatch.setattr(service.state_table, "withdraw", followed_at_once)
    service.remove(mill.app.database, mill.app.places, mill.app.work_root, task_id)
    assert rows_of(database_url) == []
