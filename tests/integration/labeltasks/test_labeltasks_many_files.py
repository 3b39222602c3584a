"""A label task over several files gives what it gives over one file with all their rows."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.presence import new_worker_id
from labelmill.jobs.worker import WorkerProcess
from labelmill.labeltasks import service

ROWS = 300
SPANS = {"2020-01 一月": (0, 120), "2020-02": (120, 121), "2020-03": (121, 300)}


def spread(mill: Any, write: Any, frame: pl.DataFrame, ending: str) -> str:
    """Write the posts as three files in folders and return the pattern that means them."""
    for number, (name, (start, end)) in enumerate(SPANS.items()):
        path = mill.folder / "the posts" / str(number) / f"{name}.{ending}"
        path.parent.mkdir(parents=True)
        part = frame[start:end]
        if ending.endswith(".gz"):
            path.write_bytes(gzip.compress(part.write_csv().encode()))
        else:
            write(part, path)
    return str(mill.folder / "the posts" / "**" / f"2020-*.{ending}")


def written(path: Path) -> list[tuple[Any, ...]]:
    """The rows of a file of results, in their order, without what differs from run to run."""
    return pl.read_parquet(path).drop("task_id").rows()


def both(mill: Any, pattern: str, whole: str, **asked: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Label the files and the one file; the results must be the same. Return both reports."""
    reports = [
        mill.label(place, str(mill.folder / f"{name}.parquet"), name="posts", **asked)
        for name, place in (("many", pattern), ("one", whole))
    ]
    for ending in ("parquet", "production.parquet"):
        assert written(mill.folder / f"many.{ending}") == written(mill.folder / f"one.{ending}") != []
    for name in ("rows_read", "rows_labelled", "rows_without_text", "rows_outside", "authors", "production", "ties"):
        assert reports[0][name] == reports[1][name], name
    return reports[0], reports[1]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("step_rows", [50, 10_000])
def test_the_results_are_those_of_one_file(mill: Any, posts: Any, write: Any, ending: str, step_rows: int) -> None:
    """Of each format, in many steps or few."""
    frame = posts(ROWS)
    whole = write(frame, mill.folder / f"whole.{ending.removesuffix('.gz')}")
    report, _one = both(mill, spread(mill, write, frame, ending), whole, step_rows=step_rows)
    assert report["rows_read"] == ROWS


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_without_an_id_are_numbered_through(mill: Any, posts: Any, write: Any, ending: str) -> None:
    """A row's number goes on from file to file, whatever the steps."""
    frame = posts(ROWS).drop("id")
    whole = write(frame, mill.folder / f"whole.{ending}")
    both(mill, spread(mill, write, frame, ending), whole, step_rows=50)
    numbers = pl.read_parquet(mill.folder / "many.parquet")["id"].cast(pl.Int64)
    assert numbers.is_sorted()
    assert numbers.max() > 121


def test_a_time_range_and_a_source_map(mill: Any, posts: Any, write: Any, source_map: Any) -> None:
    """Rows are chosen and named as in one file."""
    frame = posts(ROWS)
    whole = write(frame, mill.folder / "whole.parquet")
    asked = {"start": datetime(2020, 1, 3, tzinfo=UTC), "end": datetime(2020, 1, 11, tzinfo=UTC), "source_map": source_map}
    reports = [
        mill.label(place, str(mill.folder / f"{name}.parquet"), **asked)
        for name, place in (("many", spread(mill, write, frame, "parquet")), ("one", whole))
    ]
    assert written(mill.folder / "many.parquet") == written(mill.folder / "one.parquet")
    assert 0 < reports[0]["rows_read"] == reports[1]["rows_read"] < ROWS


class TestKinds:
    """Ids that are numbers here and text there, times that are moments here and text there."""

    @pytest.fixture
    def frames(self, posts: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
        frame = posts(ROWS).with_columns(id=pl.int_range(pl.len()).cast(pl.String))
        return frame[:100], frame[100:]

    @staticmethod
    def typed(frame: pl.DataFrame) -> pl.DataFrame:
        moments = pl.col("post_time").str.to_datetime().dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Taipei")
        return frame.with_columns(pl.col("id").cast(pl.Int32), pl.col("s_id").cast(pl.Categorical), moments)

    @pytest.mark.parametrize("rows", [50, 3])
    def test_of_parquet(self, mill: Any, frames: Any, rows: int) -> None:
        """Split into parts, and spooled where a row group is too large to be split."""
        self.typed(frames[0]).write_parquet(mill.folder / "p1.parquet")
        frames[1].write_parquet(mill.folder / "p2.parquet")
        pl.concat(frames).write_parquet(mill.folder / "whole.parquet")
        span = {"start": datetime(2020, 1, 2, tzinfo=UTC), "end": datetime(2020, 1, 19, tzinfo=UTC)}
        both(mill, str(mill.folder / "p?.parquet"), str(mill.folder / "whole.parquet"), step_rows=rows, **span)
        seen = pl.read_parquet(mill.folder / "many.parquet")
        assert set(seen["source_author"].str.slice(0, 2)) <= {"F1", "F2", "B1", "X9"}

    def test_of_csv_with_other_orders_and_separators(self, mill: Any, frames: Any) -> None:
        """Each file is read as it is written."""
        frames[0].write_csv(mill.folder / "p1.csv", quote_style="non_numeric")
        frames[1].select(reversed(frames[1].columns)).write_csv(
            mill.folder / "p2.csv", separator=";", quote_style="non_numeric"
        )
        pl.concat(frames).write_csv(mill.folder / "whole.csv", quote_style="non_numeric")
        both(mill, str(mill.folder / "p?.csv"), str(mill.folder / "whole.csv"), step_rows=50)


def test_rejected_rows_name_their_file(mill: Any) -> None:
    """The line and the file are told apart."""
    for name in ("a", "b"):
        (mill.folder / f"{name}.csv").write_text(f"id,author\n1,Tom {name}\n2\n3,amy\n")
    report = mill.label(str(mill.folder / "?.csv"), str(mill.folder / "out.parquet"))
    assert (report["rows_read"], report["rows_rejected"]) == (4, 2)
    rejects = service.rejects(mill.app.work_root, report["id"])
    assert [(row["place"], str(row["reason"])[:6]) for row in rejects] == [(3, "a.csv:"), (3, "b.csv:")]


class TestBetweenPlanAndReading:
    @pytest.fixture
    def planned(self, mill: Any, posts: Any, write: Any) -> str:
        """A task over two files whose plan is made and nothing else."""
        frame = posts(ROWS)
        for name, part in (("p1", frame[:100]), ("p3", frame[100:])):
            write(part, mill.folder / f"{name}.parquet")
        task_id = mill.start(str(mill.folder / "p*.parquet"), str(mill.folder / "out.parquet"))
        worker = WorkerProcess(mill.app.runtime, worker_id=new_worker_id(), queues=["default"])
        assert worker.run_next(job_id=task_id)
        return str(task_id)

    def test_a_file_that_comes_later_is_not_read(self, mill: Any, planned: str, posts: Any, write: Any) -> None:
        """The task is about the files that were there."""
        write(posts(50, seed=2), mill.folder / "p2.parquet")
        assert run_or_watch(mill.app.runtime, planned).state == "succeeded"
        assert mill.report(planned)["rows_read"] == ROWS

    def test_a_file_that_went_away_is_a_clear_error(self, mill: Any, planned: str) -> None:
        """Nothing is written as if its rows had never been; once it is back the task can go on."""
        (mill.folder / "p3.parquet").rename(mill.folder / "away.parquet")
        job = run_or_watch(mill.app.runtime, planned)
        assert job.state == "failed"
        assert "gone now" in job.error["detail"]
        assert job.error["where"] == str(mill.folder / "p3.parquet")
        assert not (mill.folder / "out.parquet").exists()
        (mill.folder / "away.parquet").rename(mill.folder / "p3.parquet")
        mill.app.database.transact(jobs.retry, planned)
        assert run_or_watch(mill.app.runtime, planned).state == "succeeded"
        assert mill.report(planned)["rows_read"] == ROWS


def test_a_relative_pattern_means_the_same_files_elsewhere(
    mill: Any, posts: Any, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker runs in another folder than the command line; brackets in the name of the folder are part of its name."""
    home = mill.folder / "[old] posts"
    home.mkdir()
    write(posts(ROWS), home / "p1.parquet")
    monkeypatch.chdir(home)
    task_ids = [mill.start(source, str(mill.folder / f"{name}.parquet")) for source, name in (("p*.parquet", "a"), (".", "b"))]
    monkeypatch.chdir(mill.folder)
    for task_id in task_ids:
        assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"
        assert mill.report(task_id)["rows_read"] == ROWS
    assert mill.report(task_ids[0])["received"] == {"p": ROWS}
    assert mill.report(task_ids[1])["received"] == {"[old] posts": ROWS}
