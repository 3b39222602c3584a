"""What a command costs before it works: it loads nothing that its run does not need, and garbage is looked for seldom."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from labelmill import cli

if TYPE_CHECKING:
    from pathlib import Path

#: What ``labelmill label`` has no use for where files are labelled with rules and labelmill's own database is there already.
NEEDLESS = (
    *("adbc_driver_manager", "alembic", "argon2", "celery", "cryptography", "fastapi", "jinja2", "kombu", "multipart", "numpy"),
    *("prometheus_client", "psycopg", "pyarrow", "pymysql", "redis", "starlette", "uvicorn"),
    *("sqlalchemy.dialects.mysql", "sqlalchemy.dialects.postgresql"),
    *("labelmill.accounts", "labelmill.adopt", "labelmill.labeltasks.table_output", "labelmill.labeltasks.table_sample", "labelmill.web"),
)  # fmt: skip
RULES = {
    "name": "authors",
    "labels": [{"name": "/male"}],
    "rules": [{"label": "/male", "kind": "keyword", "match": "partially", "content": "tom"}],
}
LABEL = """
import sys
from labelmill.cli import run
code = run(["label", "posts.csv", "--rules", "rules.json", "--text-column", "author", "--out", "out.csv", "--overwrite"])
print("modules", *sys.modules, sep=chr(10))
sys.exit(code)
"""
COLLECTOR = """
import gc, json, sys, types
from labelmill import cli

def show() -> None:
    print(json.dumps([gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()]))

sys.modules["shown"] = types.ModuleType("shown")
sys.modules["shown"].show = show
cli.VERBS += (("show", "shown:show", "Show."),)
sys.argv[1:] = ["show"]
cli.main()
"""

ARENAS = """
import ctypes, os, sys, threading, types
from labelmill import cli

def show() -> None:
    there = threading.Barrier(16)
    pieces = []

    def take() -> None:
        there.wait()
        pieces.append(bytes(100_000))  # the C library's, as what Python does not keep for itself
        there.wait()

    threads = [threading.Thread(target=take) for _ in range(there.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    library = ctypes.CDLL(None)
    library.fopen.restype = ctypes.c_void_p
    file = ctypes.c_void_p(library.fopen(b"arenas.xml", b"w"))
    library.malloc_info(0, file)
    library.fclose(file)

cli.VERBS += (("show", "shown:show", "Show."),)
sys.modules["shown"] = types.ModuleType("shown")
sys.modules["shown"].show = show
sys.argv[1:] = ["show"]
cli.main()
"""


def test_a_run_over_files_loads_nothing_that_it_does_not_need(tmp_path: Path):
    (tmp_path / "posts.csv").write_text("id,author\n1,Tom\n2,Amy\n")
    (tmp_path / "rules.json").write_text(json.dumps(RULES))
    _python(LABEL, tmp_path)  # the first run makes the database
    shown, _, modules = _python(LABEL, tmp_path).partition("modules\n")
    assert "/male 1" in shown
    assert {"labelmill.labeltasks.jobs", "polars", "sqlalchemy"} <= set(modules.splitlines())
    assert set(modules.splitlines()) & set(NEEDLESS) == set()


def test_a_command_leaves_its_imports_out_of_the_search_for_garbage(tmp_path: Path):
    enabled, thresholds, frozen = json.loads(_python(COLLECTOR, tmp_path))
    assert (enabled, thresholds) == (True, [50_000, 20, 100])
    assert frozen > 1000


def test_the_threads_of_a_command_share_the_arenas_of_the_c_library(tmp_path: Path):
    """One for each core, however many threads there are: each arena keeps of what was freed in it as much as a thread needs."""
    _python(ARENAS, tmp_path)
    assert (tmp_path / "arenas.xml").read_text().count("<heap nr=") <= (os.cpu_count() or 1)


def test_a_command_that_runs_inside_a_program_leaves_its_collector_alone(capsys: pytest.CaptureFixture[str]):
    before = (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count())
    assert cli.run(["settings", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
    assert (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()) == before


def _python(program: str, folder: Path) -> str:
    """Run a program in an empty world; return its stdout."""
    world = {"PATH": os.environ["PATH"], "HOME": str(folder), "LABELMILL_DATA_DIR": str(folder / "data")}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=world, capture_output=True, text=True, check=True, timeout=60).stdout
