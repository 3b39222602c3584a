"""Label tasks as real processes, for tests that kill, share and stop them: an input in any database, the command, and what it left."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

import lent
import preloaded
from labelmill import bootstrap
from labelmill.db.bulk.insert import insert_frame
from labelmill.db.engine import make_engine
from labelmill.jobs import service as jobs
from labelmill.jobs.model import Job
from labelmill.settings import Settings

RULES = {
    "name": "people",
    "labels": [{"name": "/male", "group": "g"}, {"name": "/female", "group": "g"}],
    "rules": [
        {"label": "/male", "kind": "keyword", "match": "partially", "content": "tom"},
        {"label": "/male", "kind": "keyword", "match": "partially", "content": "志明"},
        {"label": "/female", "kind": "keyword", "match": "end", "content": "amy"},
    ],
}
#: F2 is in no list: its rows go by its own name.
SOURCE_MAP = {"forum": ["F0", "F1"], "again": ["F1"]}
AUTHORS = ["Tom", "amy", "Tom amy", "nobody", "陳志明🌸", "O'Neil tom"]
#: Of a row of the state table, what no two runs have in common.
OWN_STATE = frozenset({"task_id", "create_time", "update_time", "run_time", "peak_memory", "revision"})
#: Of a report, what two runs of the same input have in common.
FIGURES = (
    "state", "rows_read", "rows_labelled", "results", "production", "authors", "labels", "ties", "unmapped", "rate_of_label",
)  # fmt: skip
RESULTS = "id, source_author, panel, create_time, field_content, match_content, match_meta"
TIMES = {"LABELMILL_LEASE_SECONDS": "1", "LABELMILL_HEARTBEAT_SECONDS": "0.2", "LABELMILL_LOG_LEVEL": "error"}


def rows(count: int) -> pl.DataFrame:
    """Posts of which two thirds get a label."""
    return pl.DataFrame(
        {
            "id": [f"p{number:06}" for number in range(count)],
            "s_id": [f"F{number % 3}" for number in range(count)],
            "author": [AUTHORS[number * 7 % 6] for number in range(count)],
            "post_time": [f"2020-01-{number % 28 + 1:02d} 00:00:00" for number in range(count)],
        }
    )


def make_table(url: str, frame: pl.DataFrame, name: str = "posts") -> str:
    """Write rows to a new table and return what it is called on the command line."""
    columns = [sa.Column(each, sa.String(100), primary_key=each == "id") for each in frame.columns]
    table = sa.Table(name, sa.MetaData(), *columns, mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")
    with connected(url) as connection:
        table.create(connection)
        insert_frame(connection, table, frame)
    return f"{url}::{name}"


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """Give a connection with a transaction that is committed at the end."""
    engine = make_engine(url, foreign=True)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def empty(url: str, *, keep: tuple[str, ...] = ("posts",)) -> None:
    """Drop what tasks wrote to a database."""
    with connected(url) as connection:
        metadata = sa.MetaData()
        metadata.reflect(connection, only=lambda name, _: name not in keep)
        metadata.drop_all(connection)


def output(url: str, *, but: tuple[str, ...] = ("posts",)) -> dict[str, list[tuple[Any, ...]]]:
    """Return the sorted rows of each table of a sink, with its state row and its ledger, without what differs from run to run."""
    with connected(url) as connection:
        tables = [name for name in sa.inspect(connection).get_table_names() if name not in but]
        quote = connection.dialect.identifier_preparer.quote_identifier
        found = {
            name: _sorted(connection.exec_driver_sql(f"SELECT {RESULTS} FROM {quote(name)}"))
            for name in tables
            if name not in ("state", "labelmill_steps")
        }
        states = connection.exec_driver_sql("SELECT * FROM state").mappings().all()
        found["state"] = _sorted([[str(row[key]) for key in row if key not in OWN_STATE] for row in states])
        found["labelmill_steps"] = _sorted(
            connection.exec_driver_sql("SELECT step, rows FROM labelmill_steps".replace("rows", quote("rows")))
        )
    return found


def _sorted(found: Any) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in found), key=str)


class TaskLab:
    """One installation of labelmill in a folder: the command as a process, and its jobs."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.variables = {"LABELMILL_DATA_DIR": str(folder / "data")} | TIMES | variables
        folder.mkdir(parents=True, exist_ok=True)
        lent.lay_down(f"sqlite:///{self.variables['LABELMILL_DATA_DIR']}/labelmill.db")
        (folder / "rules.json").write_text(json.dumps(RULES), encoding="utf-8")
        (folder / "map.json").write_text(json.dumps(SOURCE_MAP), encoding="utf-8")

    def environment(self, **more: str) -> dict[str, str]:
        outer = {name: value for name, value in os.environ.items() if not name.startswith("LABELMILL_")}
        return outer | self.variables | more

    def begin(self, *arguments: str, **more: str) -> preloaded.Process:
        """Start the command."""
        return preloaded.Process(arguments, cwd=self.folder, env=self.environment(**more))

    def run(self, *arguments: str, trigger: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        more = {"LABELMILL_TRIGGER": trigger} if trigger else {}
        return preloaded.run(arguments, cwd=self.folder, env=self.environment(**more))

    def words(self, source: str, sink: str, *options: str) -> list[str]:
        """Return the arguments that label ``source``."""
        usual = ["--rules", "rules.json", "--text-column", "author", "--source-map", "map.json", "--json"]
        return ["label", source, "--out", sink, *usual, *options]

    @contextmanager
    def app(self) -> Iterator[bootstrap.App]:
        """Give this installation's parts to this process."""
        names = {name.removeprefix("LABELMILL_").lower(): value for name, value in self.variables.items()}
        application = bootstrap.build(Settings(**names))
        try:
            yield application
        finally:
            application.close()

    def jobs(self) -> list[Job]:
        with self.app() as application, application.database.read() as connection:
            return jobs.list_jobs(connection)

    def only_job(self) -> Job:
        (job,) = self.jobs()
        return job

    def steps(self, job_id: str) -> list[dict[str, Any]]:
        with self.app() as application, application.database.read() as connection:
            return jobs.list_steps(connection, job_id)
