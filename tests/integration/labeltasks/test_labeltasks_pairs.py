"""From every kind of source to every kind of sink: the same rows, times and names whatever stands on either side."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from labelmill.db.engine import make_engine
from labelmill.jobs.presence import new_worker_id
from labelmill.jobs.worker import WorkerProcess
from labelmill.labeltasks import service

ROWS = 120
KINDS = ("sqlite", "postgresql", "mariadb")
ASKED = {"name": "out", "step_rows": 50, "start": datetime(2020, 1, 3), "end": datetime(2020, 1, 17, 12)}


def _table_with_times(url: str, frame: pl.DataFrame) -> str:
    """Write posts with times as the database's own; return the source."""
    engine = make_engine(url, foreign=True)
    columns = [sa.Column(name, sa.String(200), primary_key=name == "id") for name in frame.columns if name != "post_time"]
    table = sa.Table("posts", sa.MetaData(), *columns, sa.Column("post_time", sa.DateTime), mysql_charset="utf8mb4")
    rows = [row | {"post_time": datetime.fromisoformat(row["post_time"])} for row in frame.to_dicts()]
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(sa.insert(table), rows)
    engine.dispose()
    return f"{url}::posts"


@pytest.fixture
def urls(tmp_path: Any, postgresql_database: str, mariadb_database: str) -> dict[str, str]:
    return {"sqlite": f"sqlite:///{tmp_path / 'own.db'}", "postgresql": postgresql_database, "mariadb": mariadb_database}


def test_every_pair_of_source_and_sink_gives_the_same_rows(
    mill: Any, posts: Any, write: Any, read_rows: Any, urls: dict[str, str]
) -> None:
    """Of unlike kinds: those of one kind, and files into tables, are what most other tests are about."""
    frame = posts(ROWS)
    right = mill.label(write(frame, mill.folder / "posts.parquet"), str(mill.folder / "right.parquet"), **ASKED)
    expected = {
        "out": [row[:-1] for row in read_rows(str(mill.folder / "right.parquet"))],
        "production": [row[:-1] for row in read_rows(str(mill.folder / "right.production.parquet"))],
    }
    assert expected["production"], "else nothing is compared"
    sources = {kind: _table_with_times(urls[kind], frame) for kind in KINDS}
    for source, url in sources.items():
        for sink in set(KINDS) - {source}:
            name = f"from_{source}"
            report = mill.label(url, urls[sink], **ASKED | {"name": name})
            found = {
                "out": read_rows(urls[sink], table=name),
                "production": read_rows(urls[sink], table=f"wh_panel_mapping_{name}"),
            }
            assert found == expected, f"{source} to {sink}"
            assert report["rows_read"] == right["rows_read"], f"{source} to {sink}"
        sunk = f"from-{source}.csv"
        mill.label(url, str(mill.folder / sunk), **ASKED)
        assert [row[:-1] for row in read_rows(str(mill.folder / sunk))] == expected["out"], f"{source} to a file"


def test_p24_a_moment_keeps_its_fraction_in_every_sink(
    mill: Any, write: Any, posts: Any, read_rows: Any, database_url: str
) -> None:
    """Of two posts within a second the later one is in production, with the time that it has in the source."""
    times = ["2020-01-01 00:00:00.25", "2020-01-01 00:00:00.999999"]
    frame = posts(2).with_columns(author=pl.lit("tom"), s_id=pl.lit("F1"), post_time=pl.Series(times))
    mill.label(write(frame, mill.folder / "posts.parquet"), database_url, name="out")
    moments = [each.ljust(26, "0") for each in times]
    assert sorted(row[3] for row in read_rows(database_url, table="out")) == moments
    assert [row[3] for row in read_rows(database_url, table="wh_panel_mapping_out")] == moments[1:]


def test_t27_a_sample_is_drawn_while_the_task_runs(mill: Any, posts: Any, write: Any) -> None:
    """Nothing before the first result, then rows of the steps that are done, of each name, and the same again by its seed."""
    source = write(posts(ROWS), mill.folder / "posts.parquet")
    task = service.prepare(mill.request(source, str(mill.folder / "out.csv"), step_rows=40), mill.app.places)
    task_id = service.begin(mill.app.database, mill.app.places, task).id
    assert mill.sample(task_id).height == 0
    sizes = []
    with WorkerProcess(mill.app.runtime, worker_id=new_worker_id(), queues=()) as worker:
        while worker.run_next(job_id=task_id):
            drawn = mill.sample(task_id, rows=1000)
            assert mill.sample(task_id, rows=5, seed=3).equals(mill.sample(task_id, rows=5, seed=3))
            sizes.append((mill.job(task_id).state, drawn.height, sum(mill.report(task_id)["results"].values())))
    running = [(drawn, labelled) for state, drawn, labelled in sizes if state == "running"]
    assert len({drawn for drawn, _ in running}) > 2, "it grows with each step"
    assert all(drawn == labelled for _, drawn, labelled in sizes)
