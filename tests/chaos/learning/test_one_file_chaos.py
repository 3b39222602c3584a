"""One SQLite file that everything uses at once: what was acknowledged is stored, and the file is whole."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from labelmill.archives.verify import verify
from loop_crowd import Loop, hurt, many_things

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]
POSTS, RECORDS = 60_000, 20_000
KILLS = 5
CROWDS = 8_000


def write_posts(path):
    """Put a table to label into the file that holds labelmill's own tables."""
    names = ("John", "Anna", "Kim")
    with closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        connection.execute("CREATE TABLE posts (id INTEGER PRIMARY KEY, author TEXT)")
        rows = ((number, f"{names[number % 3]} {number}") for number in range(POSTS))
        connection.executemany("INSERT INTO posts VALUES (?, ?)", rows)


def begin(loop, *verb):
    environment = {**os.environ, **loop.settings.environment()}
    command = [sys.executable, "-m", "labelmill", *verb, "--json"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process):
    out, told = process.communicate(timeout=600)
    assert process.returncode == 0, told + out
    return json.loads(out)


def test_import_label_task_and_labelling_at_once_keep_what_was_acknowledged_and_the_file_whole(tmp_path, seed, chance):
    """Two label tasks write into the file that they read from, a file is imported, archives are made, people label; workers die."""
    path = tmp_path / "labelmill.db"
    with Loop(tmp_path, f"sqlite:///{path}", clients=6, records=CROWDS, wanted=2, step_seconds=3600) as loop:
        write_posts(path)
        rules = tmp_path / "rules.csv"
        rules.write_text("content,label,rule_type,match_type\njohn,/male,keyword,partially\nanna,/female,keyword,partially\n")
        rows = pl.DataFrame({"text": [f"row {number} of many" for number in range(RECORDS)]})
        rows.write_csv(tmp_path / "many.csv")
        task = ("label", f"{path}::posts", "--rules", str(rules), "--text-column", "author", "--step-rows", "5000")
        with many_things(loop, seed) as crowd:
            archive = tmp_path / "archive.zip"
            commands = [
                begin(loop, "archive", str(loop.dataset.id), "--out", str(archive)),
                begin(loop, "import", str(tmp_path / "many.csv"), "--into", "imports"),
                begin(loop, *task, "--id-column", "id", "--name", "one", "--out", f"sqlite:///{path}"),
                begin(loop, *task, "--id-column", "id", "--name", "two", "--out", str(tmp_path / "two.parquet")),
            ]
            kills = 0
            while any(each.poll() is None for each in commands):
                time.sleep(chance.uniform(2, 5))
                # A command runs steps, too; it is not killed here.
                if kills < KILLS and (pids := set(loop.victims()) - {each.pid for each in commands}):
                    hurt(chance.choice(sorted(pids)), signal.SIGKILL)
                    kills += 1
            told = [end(each) for each in commands]
            crowd.await_label()
        sys.stdout.write(f"{len(crowd.acknowledged())} {round(crowd.longest(), 2)} {dict(crowd.told())}\n{told}\n")
        crowd.require_exact()
        loop.require_trainings()
        assert set(crowd.told()) <= {"200", "409", "lost", "repeated"}
        require_labelled(path, Path(tmp_path / "two.parquet"))
        require_archived(archive, told[0]["as_of"], CROWDS)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            there = connection.execute("SELECT count(*), count(DISTINCT content) FROM records WHERE content LIKE 'row %'")
            assert there.fetchall() == [(RECORDS, RECORDS)]


def require_labelled(path, parquet):
    """Require that each John and each Anna has one label, in the table and in the file, and nobody else any."""
    wanted = {str(number): ("/male", "/female")[number % 3] for number in range(POSTS) if number % 3 < 2}
    with closing(sqlite3.connect(path)) as connection:
        table = pl.read_database("SELECT id, panel FROM one", connection)
    for found in (table, pl.read_parquet(parquet)):
        assert found.height == len(wanted)
        assert dict(found.select("id", "panel").iter_rows()) == wanted


def require_archived(path, number, records):
    """Require that an archive is whole and holds every record once, and no answer that came after it was requested."""
    assert verify(path).as_of == number
    with zipfile.ZipFile(path) as file:
        kept = pl.read_parquet(io.BytesIO(file.read("records.parquet")))
        answers = pl.read_parquet(io.BytesIO(file.read("annotations.parquet")))
    assert kept["record"].n_unique() == kept.height == records
    assert (answers["number"].max() or 0) <= number
