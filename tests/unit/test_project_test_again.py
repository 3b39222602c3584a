"""`scripts/test_again.py`: a few failures get one more run alone; what fails twice, and many failures, fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/test_again.py"
TWICE = """
import pathlib, pytest
seen = pathlib.Path(__file__).with_name("seen")
@pytest.mark.parametrize("nth", range({tests}))
def test_one(nth):
    mark = seen.with_name(f"seen{{nth}}")
    was_there = mark.exists()
    mark.touch()
    assert was_there and {passes_then}
def test_fine():
    pass
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs tests that fail at first, then the script, and returns what the latter did."""

    def both(tests: int, *, passes_then: bool) -> subprocess.CompletedProcess[str]:
        (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = chaos: none here\n")
        (tmp_path / "test_some.py").write_text(TWICE.format(tests=tests, passes_then=passes_then))
        first = subprocess.run([sys.executable, "-m", "pytest", "-q", "-n0"], cwd=tmp_path, capture_output=True, check=False)
        assert first.returncode == 1
        return subprocess.run([sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)

    return both


def test_what_passes_alone_passes_and_is_named(run):
    done = run(2, passes_then=True)
    assert done.returncode == 0
    assert "2 passed" in done.stdout
    assert "UNSTABLE" in done.stdout
    assert "test_some.py::test_one[1]" in done.stdout.partition("UNSTABLE")[2]


def test_what_fails_again_fails(run):
    done = run(1, passes_then=False)
    assert done.returncode == 1
    assert "UNSTABLE" not in done.stdout


def test_many_failures_are_not_run_again(run):
    done = run(6, passes_then=True)
    assert done.returncode == 1
    assert "6 tests failed" in done.stdout
    assert "passed" not in done.stdout


def test_without_a_failure_on_record_it_fails(tmp_path):
    assert subprocess.run([sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, check=False).returncode == 1
