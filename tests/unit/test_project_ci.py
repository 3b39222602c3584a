"""`.ci/run` is `make lint test` with CI set, from anywhere, and its result is theirs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run_ci(tmp_path):
    """Return a function that runs it with a ``make`` that only tells how it was called."""

    def run(exit_code: int) -> subprocess.CompletedProcess[str]:
        fake = tmp_path / "make"
        fake.write_text(f'#!/bin/sh\necho "$PWD CI=$CI $*"\ncat\nexit {exit_code}\n')
        fake.chmod(0o755)
        environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(
            [ROOT / ".ci/run"], cwd="/", env=environment, stdin=None, capture_output=True, text=True, check=False
        )

    return run


def test_it_runs_lint_and_test_at_the_root_with_ci_set(run_ci):
    done = run_ci(0)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{ROOT} CI=true --no-print-directory lint test\n"  # the last word is make's, and pytest's in it


@pytest.mark.parametrize("exit_code", [1, 2, 5])
def test_a_failure_is_its_failure(run_ci, exit_code):
    assert run_ci(exit_code).returncode == exit_code


@pytest.mark.parametrize("target", ["setup", "demo", "test", "lint", "bench", "chaos", "clean"])
def test_every_target_is_known_to_make_and_to_the_help(target):
    known = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert known.returncode == 0, known.stderr
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"make {target} " in told.stdout


def test_clean_removes_what_was_made_and_keeps_what_belongs_to_the_user(tmp_path):
    made = [".venv", "build", "demo-data", ".pytest_cache", "src/labelmill/__pycache__", "src/labelmill.egg-info"]
    kept = ["labelmill-data", "src/labelmill", ".git/objects/__pycache__"]
    for name in (*made, *kept):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(["make", "clean"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [name for name in made if (tmp_path / name).exists()] == []
    assert [name for name in kept if not (tmp_path / name).exists()] == []
