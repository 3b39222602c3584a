"""An app on the embedded default, posts in every form that labelmill reads, and a label task from start to end."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

import lent
from labelmill import bootstrap
from labelmill.db.bulk.insert import insert_frame
from labelmill.db.engine import make_engine
from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.model import Job
from labelmill.labeltasks import service
from labelmill.labeltasks.report import report
from labelmill.rules import Kind, Label, Match, Rule, RuleSet
from labelmill.settings import Settings

RULES = RuleSet(
    "people",
    (Label("/male", "gender"), Label("/female", "gender"), Label("/student", "role")),
    (
        Rule("/male", Kind.KEYWORD, Match.START, "tom"),
        Rule("/male", Kind.KEYWORD, Match.PARTIALLY, "志明"),
        Rule("/female", Kind.KEYWORD, Match.START, "amy"),
        Rule("/female", Kind.KEYWORD, Match.PARTIALLY, "淑芬"),
        Rule("/student", Kind.REGEX, None, r"\b17$"),
    ),
)
SOURCE_MAP = {"forum": ["F1", "F2"], "board": ["B1"], "both": ["F1"]}


def make_posts(rows: int, seed: int = 1) -> pl.DataFrame:
    """Posts whose authors repeat, disagree with themselves, are missing, and hold emoji, CJK, quotes and line ends."""
    draw = random.Random(seed)
    people = [
        "Tom",
        "tom 17",
        "AMY",
        "amy 17",
        "陳志明",
        "林淑芬🌸",
        "nobody",
        "O'Neil",
        'say "hi"',
        "a\tb",
        "",
        None,
        "007",
        "İstanbul",
        "nobody 17",
    ]
    start = datetime(2020, 1, 1)
    return pl.DataFrame(
        {
            "id": [f"p{number:05d}" for number in range(rows)],
            "s_id": draw.choices(["F1", "F2", "B1", "X9"], k=rows),
            "author": draw.choices(people, k=rows),
            "content": draw.choices(["tom says", "amy says", "line\r\nbreak", "x"], k=rows),
            "post_time": [
                (start + timedelta(minutes=draw.randrange(60 * 24 * 20))).strftime("%Y-%m-%d %H:%M:%S") for _ in range(rows)
            ],
        },
        schema_overrides={"author": pl.String},
    )


def write_posts(frame: pl.DataFrame, path: Path) -> str:
    """Write posts in the form that the ending means and return the source's name on the command line."""
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".jsonl":
        frame.write_ndjson(path)
    elif path.suffix in (".csv", ".tsv"):
        frame.write_csv(path, separator="," if path.suffix == ".csv" else "\t", quote_style="non_numeric")
    else:
        return write_table(frame, f"sqlite:///{path}", "posts") and f"{path}::posts"
    return str(path)


def write_table(frame: pl.DataFrame, url: str, name: str) -> str:
    """Write posts to a new table of a database and return the source's name on the command line."""
    engine = make_engine(url, foreign=True)
    columns = [sa.Column(each, sa.String(200), primary_key=each == "id") for each in frame.columns]
    table = sa.Table(name, sa.MetaData(), *columns, mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")
    with engine.begin() as connection:
        table.create(connection)
        insert_frame(connection, table, frame)
    engine.dispose()
    return f"{url}::{name}"


@dataclass
class Mill:
    """An app and short words for what the tests do with it."""

    app: bootstrap.App
    folder: Path
    made: list[str] = field(default_factory=list)

    def request(self, source: str, sink: str, **changes: Any) -> service.Request:
        places = self.app.places
        values: dict[str, Any] = {"rules": RULES, "text_column": "author"}
        return service.Request(source=places.reference(source), sink=places.reference(sink), **values | changes)

    def start(self, source: str, sink: str, **changes: Any) -> str:
        task = service.prepare(self.request(source, sink, **changes), self.app.places)
        return self.app.database.transact(service.start, task).id

    def label(self, source: str, sink: str, **changes: Any) -> dict[str, Any]:
        """Run a task to its end and return its report; it must succeed."""
        task_id = self.start(source, sink, **changes)
        job = run_or_watch(self.app.runtime, task_id)
        assert job.state == "succeeded", job.error
        return self.report(task_id)

    def report(self, task_id: str) -> dict[str, Any]:
        with self.app.database.read() as connection:
            return report(service.get(connection, task_id), jobs.list_steps(connection, task_id))

    def job(self, task_id: str) -> Job:
        with self.app.database.read() as connection:
            return service.get(connection, task_id)

    def sample(self, task_id: str, **asked: Any) -> pl.DataFrame:
        return service.sample(self.app.work_root, task_id, **asked)


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    app = lent.build(Settings(data_dir=tmp_path / "data", heartbeat_seconds=0.2, lease_seconds=2.0))
    yield Mill(app, tmp_path)
    app.close()


@pytest.fixture
def posts() -> Callable[..., pl.DataFrame]:
    return make_posts


@pytest.fixture
def write() -> Callable[[pl.DataFrame, Path], str]:
    return write_posts


@pytest.fixture
def write_to_table() -> Callable[[pl.DataFrame, str, str], str]:
    return write_table


@pytest.fixture
def source_map() -> dict[str, list[str]]:
    return json.loads(json.dumps(SOURCE_MAP))


@pytest.fixture
def read_rows() -> Callable[..., list[tuple[Any, ...]]]:
    """Reads the rows of a file or table without what differs from run to run."""

    def read(place: str, *, table: str | None = None) -> list[tuple[Any, ...]]:
        if table is not None:
            engine = make_engine(place, foreign=True)
            with engine.connect() as connection:
                found = connection.execute(
                    sa.text(f'SELECT * FROM "{table}"' if "mysql" not in place else f"SELECT * FROM `{table}`")
                )
                rows = [dict(row) for row in found.mappings()]
            engine.dispose()
        else:
            path = Path(place)
            readers: dict[str, Callable[..., pl.DataFrame]] = {".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson}
            frame = (
                readers[path.suffix](path)
                if path.suffix in readers
                else pl.read_csv(path, separator="," if path.suffix == ".csv" else "\t", infer_schema=False)
            )
            rows = frame.to_dicts()
        kept = ("id", "source_author", "panel", "create_time", "field_content", "match_content", "match_meta", "name")
        return sorted(
            tuple(
                "" if row[key] is None else str(row[key]).replace("T", " ").removesuffix(".000000")
                for key in kept
                if key in row
            )
            for row in rows
        )

    return read
