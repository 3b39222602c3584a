"""Kill -9 at every place where a label task can be killed: the finished output equals that of an undisturbed run."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

ROWS = 90
STEP_ROWS = 40
#: How many places a run of three parts comes to where it can be killed: four in each part, three in settling, two at the end for a
#: table; two in each part, one in settling, four at the end for files.
PLACES = {"table": 17, "file": 11}
SINKS = {"table": "out.db", "file": "out.parquet"}
SOURCES = {"table": "posts.db::posts", "file": "posts.csv"}


def labelmill(folder: Path, *arguments: str, trigger: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABELMILL_")}
    environment |= {
        "LABELMILL_DATA_DIR": str(folder / "data"),
        "LABELMILL_LEASE_SECONDS": "1",
        "LABELMILL_HEARTBEAT_SECONDS": "0.2",
    }
    if trigger:
        environment["LABELMILL_TRIGGER"] = trigger
    command = [sys.executable, "-m", "labelmill", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def make_input(folder: Path) -> None:
    authors = ["Tom", "amy", "Tom amy", "nobody", "陳志明🌸", "O'Neil tom"]
    frame = pl.DataFrame(
        {
            "id": [f"p{number}" for number in range(ROWS)],
            "s_id": [f"F{number % 3}" for number in range(ROWS)],
            "author": [authors[number * 7 % 6] for number in range(ROWS)],
            "post_time": [f"2020-01-{number % 28 + 1:02d} 00:00:00" for number in range(ROWS)],
        }
    )
    frame.write_csv(folder / "posts.csv")
    database = sqlite3.connect(folder / "posts.db")
    database.execute("CREATE TABLE posts (id TEXT PRIMARY KEY, s_id TEXT, author TEXT, post_time TEXT)")
    database.executemany("INSERT INTO posts VALUES (?, ?, ?, ?)", frame.rows())
    database.commit()
    database.close()
    rules = {
        "name": "people",
        "labels": [{"name": "/male", "group": "g"}, {"name": "/female", "group": "g"}],
        "rules": [
            {"label": "/male", "kind": "keyword", "match": "partially", "content": "tom"},
            {"label": "/male", "kind": "keyword", "match": "partially", "content": "志明"},
            {"label": "/female", "kind": "keyword", "match": "end", "content": "amy"},
        ],
    }
    (folder / "rules.json").write_text(json.dumps(rules), encoding="utf-8")
    (folder / "map.json").write_text(json.dumps({"forum": ["F0", "F1"], "again": ["F1"]}), encoding="utf-8")


def label(folder: Path, source: str, sink: str, trigger: str | None = None) -> subprocess.CompletedProcess[str]:
    return labelmill(
        folder, "label", SOURCES[source], "--rules", "rules.json", "--text-column", "author", "--out", SINKS[sink],
        "--source-map", "map.json", "--step-rows", str(STEP_ROWS), "--json", trigger=trigger,
    )  # fmt: skip


def output_of(folder: Path, sink: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that was written, without the task's id, which differs from run to run."""
    if sink == "file":
        return {
            name: pl.read_parquet(folder / name).drop("task_id").rows() for name in ("out.parquet", "out.production.parquet")
        }
    database = sqlite3.connect(folder / "out.db")
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = "id, source_author, panel, create_time, field_content, match_content, match_meta"
    rows = {
        table: sorted(database.execute(f'SELECT {columns} FROM "{table}"')) for table in tables if table not in ("labelmill_steps", "state")
    }
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    return rows


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """The output and the report when nothing happens: from table to table and from file to file."""
    found = {}
    for form in PLACES:
        folder = tmp_path_factory.mktemp("undisturbed")
        make_input(folder)
        run = label(folder, form, form)
        assert run.returncode == 0, run.stderr
        found[form] = (output_of(folder, form), json.loads(run.stdout))
    return found


@pytest.mark.parametrize(("form", "place"), [(form, place) for form, last in PLACES.items() for place in range(1, last + 1)])
def test_p05_a_task_killed_anywhere_ends_with_the_same_output(tmp_path: Path, undisturbed: Any, form: str, place: int) -> None:
    """The killed process leaves whole steps only; going on adds what is missing, once, and the figures are the same."""
    make_input(tmp_path)
    killed = label(tmp_path, form, form, trigger=f"*:kill:{place}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    job = only_job(tmp_path)
    assert job["state"] == "running"
    went_on = labelmill(tmp_path, "jobs", "run", job["id"], "--json")
    assert went_on.returncode == 0, went_on.stderr
    output, report = undisturbed[form]
    assert output_of(tmp_path, form) == output
    again = json.loads(only_job(tmp_path)["result"])
    for figure in (
        "rows_read",
        "rows_labelled",
        "results",
        "production",
        "authors",
        "labels",
        "ties",
        "unmapped",
        "rate_of_label",
    ):
        assert again[figure] == report[figure]


@pytest.mark.parametrize("form", PLACES)
def test_a_run_comes_to_no_more_places(tmp_path: Path, undisturbed: Any, form: str) -> None:
    """So that the test above has killed at every one of them."""
    make_input(tmp_path)
    run = label(tmp_path, form, form, trigger=f"*:kill:{PLACES[form] + 1}")
    assert run.returncode == 0, run.stderr
    assert output_of(tmp_path, form) == undisturbed[form][0]


def only_job(folder: Path) -> dict[str, Any]:
    database = sqlite3.connect(folder / "data" / "labelmill.db")
    database.row_factory = sqlite3.Row
    (job,) = database.execute("SELECT id, state, result FROM jobs").fetchall()
    database.close()
    return dict(job)
