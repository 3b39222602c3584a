"""The deployment files as their programs read them: compose's variables put in, Kubernetes' objects by kind, commands parsed for real."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from labelmill import cli

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
#: $$, ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message}
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<how>:?[-?])(?P<rest>[^{}]*))?\})")


class Missing(Exception):
    """A variable without which compose refuses to start."""


def interpolated(text: str, environment: Mapping[str, str]) -> str:
    """Return the text with its variables as compose fills them in; raises Missing."""

    def fill(match: re.Match[str]) -> str:
        name, how, rest = match["name"], match["how"] or "", match["rest"] or ""
        if match["escaped"]:
            return "$"
        value = environment.get(name)
        if value is not None and (value or not how.startswith(":")):
            return value
        if how.endswith("?"):
            raise Missing(f"{name}: {rest}")
        return rest

    return VARIABLE.sub(fill, text)


def compose(name: str = "compose.yaml", **environment: str) -> dict[str, Any]:
    """Return a compose file with its variables filled in."""
    raw = yaml.safe_load((DEPLOY / name).read_text())
    filled: dict[str, Any] = _each_text(raw, environment)
    return filled


def _each_text(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return interpolated(value, environment)
    if isinstance(value, dict):
        return {key: _each_text(one, environment) for key, one in value.items()}
    return [_each_text(one, environment) for one in value] if isinstance(value, list) else value


def compose_variables() -> dict[str, set[str]]:
    """Return every variable of the compose files with the defaults that it is given there; none for a needed one."""
    found: dict[str, set[str]] = {}
    for path in DEPLOY.glob("compose*.yaml"):
        for match in VARIABLE.finditer(_without_comments(path)):
            if match["name"]:
                rest = {match["rest"] or ""} if (match["how"] or "").endswith("-") else set()
                found.setdefault(match["name"], set()).update(rest)
    return found


def _without_comments(path: Path) -> str:
    return "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))


def manifests(folder: str = "base") -> list[dict[str, Any]]:
    """Return every object of a folder of deploy/k8s that its kustomization lists."""
    return [one for path in listed(DEPLOY / "k8s" / folder) for one in yaml.safe_load_all(path.read_text())]


def kustomization(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "k8s" / folder / "kustomization.yaml").read_text())
    return found


def listed(folder: Path) -> list[Path]:
    """Return the files that a kustomization lists, without the folders that it stands on."""
    names = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [folder / name for name in names if not (folder / name).is_dir()]


def pods(objects: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the pod of each deployment and job, by name."""
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in objects if "template" in one.get("spec", {})}


def containers(pod: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod.get("initContainers", [])
    yield from pod["containers"]


def parsed(command: Sequence[str]) -> dict[str, Any]:
    """Return the options of a ``labelmill`` command line as the real parser understands it; raises its error otherwise."""
    name, *arguments = command
    assert name == "labelmill"
    group = cli.root_command()
    context = group.make_context(name, arguments)
    while hasattr(context.command, "commands"):
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        verb, found, left = context.command.resolve_command(context, rest)
        context = found.make_context(verb, left, parent=context)
    return {**context.params, "verb": context.command_path}
