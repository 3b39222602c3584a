"""The arrows between packages are held for every package, and the contracts can break."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
PLACED = {name for layer in LAYERS for name in re.findall(r"\w+", layer)}
BESIDE = {"settings"}  # known to every layer, imports none


def test_every_package_has_its_place_among_the_layers():
    """A package that no layer names would be free of every rule."""
    packages = {path.parent.name for path in (ROOT / "src/labelmill").glob("*/__init__.py")}
    assert packages - PLACED - BESIDE == set()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Lay out a package of the same name and shape with nothing in it."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in sorted(PLACED | BESIDE):
        for room in ("__init__", "model", "tables", "service", "routes", "cli"):
            path = folder / "labelmill" / name / f"{room}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for name in ("__init__", "bootstrap", "cli", "errors"):
        (folder / "labelmill" / f"{name}.py").touch()
    return folder


@pytest.fixture
def is_kept(project):
    """Return a function that writes a line into a module and tells whether all contracts are kept."""
    written = []

    def lint(module: str, line: str) -> bool:
        path = project / "labelmill" / f"{module}.py"
        path.write_text(f"{line}\n")
        written.append(path)
        command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert "Contracts:" in done.stdout, done.stdout + done.stderr
        return done.returncode == 0

    yield lint
    for path in written:
        path.write_text("")


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("jobs/service", "import labelmill.rules.service"),
        ("db/tables", "import labelmill.accounts.tables"),
        ("rules/service", "import labelmill.web.routes"),
        ("labeltasks/service", "import labelmill.rules.model"),
        ("labeltasks/service", "from labelmill.rules.tables import x"),
        ("web/routes", "import labelmill.rules.tables"),
        ("compat/routes", "import labelmill.labeltasks.tables"),
        ("errors", "import labelmill.rules.tables"),
        ("rules/model", "import sqlalchemy"),
        ("jobs/model", "from fastapi import Request"),
    ],
)
def test_an_arrow_that_is_not_drawn_breaks_the_build(is_kept, module, line):
    assert not is_kept(module, line)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("labeltasks/service", "import labelmill.rules.service"),
        ("labeltasks/service", "import labelmill.rules"),
        ("labeltasks/tables", "import labelmill.db.tables"),
        ("rules/service", "import labelmill.rules.tables"),
        ("web/routes", "import labelmill.rules.routes"),
        ("compat/routes", "import labelmill.labeltasks.service"),
        ("bootstrap", "import labelmill.rules.tables"),
        ("cli", "import labelmill.rules.cli"),
        ("rules/model", "import polars"),
        ("rules/tables", "import sqlalchemy"),
        ("labeltasks/service", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import labelmill.rules.model"),
    ],
)
def test_an_arrow_of_the_design_is_free(is_kept, module, line):
    assert is_kept(module, line)
