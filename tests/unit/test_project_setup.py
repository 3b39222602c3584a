"""scripts/setup-venv takes a Python that works, remakes a broken environment, and says what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Stands in for pip: installing for real would need the network and a minute. Everything else is the real thing.
PIP = """
import pathlib, sys
with pathlib.Path("pip-was-asked").open("a") as file:
    print(*sys.argv[1:], file=file)
if "BROKEN" in pathlib.Path("requirements/runtime.txt").read_text():
    sys.exit("no such package")
"""


@pytest.fixture
def project(tmp_path):
    """Lay out a project with nothing but the script and a requirement."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/setup-venv", tmp_path / "scripts")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/runtime.txt").write_text("polars==2.1.0\n")
    return tmp_path


def _setup(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(project), "PYTHON": sys._base_executable} | environment
    command = [project / "scripts/setup-venv", "runtime"]
    return subprocess.run(command, cwd="/", env=surroundings, capture_output=True, text=True, check=False)


def _make_venv(project: Path) -> None:
    """Make an environment whose pip only writes down what it was asked."""
    subprocess.run([sys._base_executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
    (packages,) = (project / ".venv/lib").glob("python3*/site-packages")
    (packages / "pip").mkdir()
    (packages / "pip/__init__.py").touch()
    (packages / "pip/__main__.py").write_text(PIP)


def _asked(project: Path) -> list[str]:
    return (project / "pip-was-asked").read_text().splitlines()


def test_a_working_environment_is_kept_and_gets_exactly_the_pins(project):
    _make_venv(project)
    (project / ".venv/mine").touch()
    done = _setup(project)
    assert done.returncode == 0, done.stderr
    pins, package = _asked(project)
    assert pins.endswith("--no-deps --only-binary :all: -r requirements/runtime.txt")
    assert package.endswith("--no-deps -e .")
    assert (project / ".venv/mine").exists()
    assert (project / ".venv/.runtime").exists()


def test_without_a_finished_installation_there_is_no_stamp(project):
    _make_venv(project)
    (project / "requirements/runtime.txt").write_text("BROKEN==1\n")
    done = _setup(project)
    assert done.returncode != 0
    assert "no such package" in done.stderr
    assert not (project / ".venv/.runtime").exists()


def test_an_environment_that_was_moved_is_made_again(project):
    """Its scripts begin with the path of the old place."""
    _make_venv(project)
    moved = project.rename(project.with_name("elsewhere"))
    (moved / "requirements/runtime.txt").write_text("")  # nothing to fetch
    _setup(moved, PIP_NO_INDEX="1")
    assert str(moved) in (moved / ".venv/bin/activate").read_text()


@pytest.mark.parametrize("python", ["no-such-python", "/bin/false"], ids=["absent", "a shim that points nowhere"])
def test_a_python_that_does_not_run_is_passed_over(project, python):
    _make_venv(project)
    assert _setup(project, PYTHON=python).returncode == 0


def test_without_any_python_the_way_to_get_one_is_told(project):
    script = (project / "scripts/setup-venv").read_text().replace("/usr/bin/python3", "/no/python3")
    (project / "scripts/setup-venv").write_text(script)
    tools = project / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "grep", "env"):
        (tools / name).symlink_to(shutil.which(name))
    done = _setup(project, PATH=str(tools), PYTHON="")
    assert done.returncode == 1
    assert "apt-get install python3 python3-venv" in done.stderr
    assert "make setup PYTHON=" in done.stderr


def test_an_unknown_set_is_refused(project):
    _make_venv(project)
    done = subprocess.run([project / "scripts/setup-venv"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "runtime or dev" in done.stderr
