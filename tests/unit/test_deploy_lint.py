"""``make lint`` over deploy/: it reads every file there, and its programs refuse what they are for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deployment import DEPLOY, ROOT

BIN = Path(sys.executable).parent
TOOLS = ("hadolint", "check-jsonschema", "kubernetes-validate")
GOOD = {
    "hadolint": (DEPLOY / "Containerfile").read_text(),
    "check-jsonschema": (DEPLOY / "compose.yaml").read_text(),
    "kubernetes-validate": (DEPLOY / "k8s/base/web.yaml").read_text(),
}
#: From what is right to what is wrong, with what the program says of it.
FAULTS = [
    ("hadolint", "WORKDIR /app", "WORKDIR app", "DL3000"),
    ("hadolint", r"FROM docker\S+", "FROM python:latest", "DL3007"),
    ("hadolint", "USER 10001:10001", "RUN sudo true", "DL3004"),
    ("check-jsonschema", "healthcheck:", "healthchecks:", "healthchecks"),
    ("check-jsonschema", "service_healthy", "service_well", "service_well"),
    ("kubernetes-validate", "containerPort: 8700", "containerPort: web", "containerPort"),
    ("kubernetes-validate", "readinessProbe:", "readyProbe:", "readyProbe"),
    ("kubernetes-validate", "  selector:\n    matchLabels:", "  selected:\n    matchLabels:", "select"),
]


def _commands():
    """Return the lines of ``make lint`` that belong to these programs, as make would run them."""
    told = subprocess.run(["make", "--dry-run", "lint"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [part.split() for line in told.splitlines() for part in line.split(" && ") if any(tool in part for tool in TOOLS)]


COMMANDS = _commands()


def _run(tool, path):
    """Run a program as ``make lint`` does, on another file."""
    command = next(line for line in COMMANDS if line[0].endswith(tool))
    options = [word for word in command[1:] if not word.startswith("deploy/")]
    return subprocess.run([BIN / tool, *options, path], capture_output=True, text=True, check=False)


def test_every_file_is_read():
    read = {word for line in COMMANDS for word in line if word.startswith("deploy/")}
    manifests = {str(path.relative_to(ROOT)) for path in (DEPLOY / "k8s").rglob("*.yaml") if path.name != "kustomization.yaml"}
    stacks = {"deploy/compose*.yaml"}  # left to the shell
    assert read == manifests | stacks | {"deploy/Containerfile"}


def test_manifests_are_read_as_more_than_one_version_of_kubernetes_does():
    versions = {match for line in COMMANDS for match in re.findall(r"-k (\S+)", " ".join(line))}
    assert len(versions) > 1


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_here_is_accepted(tool, tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text(GOOD[tool])
    done = _run(tool, path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("tool", "right", "wrong", "said"), FAULTS)
def test_a_fault_is_found(tool, right, wrong, said, tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text(re.sub(right, wrong, GOOD[tool], count=1))
    assert path.read_text() != GOOD[tool]
    done = _run(tool, path)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
