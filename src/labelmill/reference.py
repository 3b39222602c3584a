"""The reference pages, made from the code that they describe: ``python -m labelmill.reference`` writes them again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmill import cli, errors
from labelmill.settings.model import Settings, about_field, accepted_words, default_text, env_name, is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SETTINGS_HEAD = """# Settings

Each value is looked for in this order, and the first place that has it wins:

1. the command line: `labelmill --set port=9000 <verb>`;
2. the environment, under its own name, then under the predecessors' names;
3. the file `.env` in the working directory, under both names;
4. the default.

An empty variable counts as not set. A variable that begins with `LABELMILL_` and is no setting is told with the name that is
probably meant. All mistakes are reported at once and nothing starts. `labelmill settings` prints what holds here and where each
value came from; secrets, and passwords inside URLs, are masked.

`PGHOST` together with the other `PG` names makes `LABELMILL_DATABASE_URL`, `REDIS_HOST` with `REDIS_PORT` makes `LABELMILL_BROKER_URL`.
Where there is no `PGHOST`, the `DB` names of data_pipeline do so for PostgreSQL if `RBMPQ_HOST` stands beside them; the `RBMPQ` names make the broker's URL where there is no `REDIS_HOST`.
In `.env` nothing is put in for `${NAME}`. Names that begin with `LABELMILL_TEST_` belong to the test suite.
"""
_ERRORS_HEAD = """# Errors

Every error says what happened, where, and how to go on. It has a `code` that never changes and an `id` that stands in the log. The same
error is an exception in Python, problem JSON (RFC 9457) over HTTP, and in the command line one line on stderr (problem JSON with
`--json`) with an exit code.
"""
_ERRORS_TAIL = """Further exit codes: 0 all is well, 130 interrupted from the keyboard, 141 nobody reads the output any more.

An error that is none of these has the code `internal`, HTTP status 500 and exit code 1. Its id finds its traceback in the log; in the
command line `LABELMILL_LOG_LEVEL=debug` shows the log.
"""
_CLI_HEAD = """# Command line

Results go to stdout, everything else to stderr. Exit codes: [errors](errors.md). Names and values for `--set`: [settings](settings.md).
"""
_ENV_HEAD = """# Copy this file to .env and take the # away where a default does not suit you.
# Every setting, with the predecessors' names that are understood too: docs/reference/settings.md
"""


def settings_page() -> str:
    """Return the reference page of the settings."""
    rows = []
    for name in Settings.model_fields:
        about = about_field(name)
        meaning = f"{about.meaning} Secret." if is_secret(name) else about.meaning
        also = ", ".join(f"`{one}`" for one in about.also)
        rows.append((f"`{env_name(name)}`", _code(default_text(name)), about.unit, meaning, accepted_words(name), also))
    return f"{_SETTINGS_HEAD}\n{_table(('name', 'default', 'unit', 'meaning', 'accepts', 'predecessors'), rows)}"


def env_example() -> str:
    """Return an example of ``.env`` in which every setting stands, commented out, with its default."""
    parts = [_ENV_HEAD]
    for name in Settings.model_fields:
        about = about_field(name)
        unit = f" [{about.unit}]" if about.unit else ""
        parts.append(f"# {about.meaning}{unit}\n# {env_name(name)}={default_text(name)}\n")
    return "\n".join(parts)


def errors_page() -> str:
    """Return the reference page of the errors."""
    rows = [
        (
            f"`{kind.code}`",
            str(kind.status),
            str(kind.exit_code),
            "yes" if kind.retryable else "",
            kind.__name__,
            _first_line(kind),
        )
        for kind in walk_errors()
    ]
    names = ("code", "HTTP status", "exit code", "may succeed later", "Python class", "meaning")
    return f"{_ERRORS_HEAD}\n{_table(names, rows)}\n{_ERRORS_TAIL}"


def walk_errors(kind: type[errors.LabelmillError] = errors.LabelmillError) -> Iterator[type[errors.LabelmillError]]:
    """Yield every error class of errors.py, parents first, in the order of the file."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from walk_errors(child)


def cli_page() -> str:
    """Return the reference page of the command line; imports every verb."""
    sections = [_CLI_HEAD, *_command_sections(cli.root_command(), "labelmill")]
    return "\n".join(sections)


def _command_sections(command: Any, path: str) -> Iterator[str]:
    verbs = getattr(command, "commands", {})
    usage = f"{path} [OPTIONS] VERB ..." if verbs else " ".join([path, *_argument_names(command), "[OPTIONS]"])
    yield f"{'#' * min(2 + path.count(' '), 4)} `{path}`\n\n{(command.help or '').strip()}\n\n    {usage}\n"
    rows = [_parameter_row(one) for one in command.params if one.name not in {"install_completion", "show_completion"}]
    if rows:
        yield _table(("argument or option", "default", "meaning"), rows)
    for name, verb in verbs.items():
        yield from _command_sections(verb, f"{path} {name}")


def _argument_names(command: Any) -> list[str]:
    return [one.name.upper() for one in command.params if one.param_type_name == "argument"]


def _parameter_row(parameter: Any) -> tuple[str, str, str]:
    argument = parameter.param_type_name == "argument"
    written = parameter.name.upper() if argument else ", ".join([*parameter.opts, *parameter.secondary_opts])
    default = "" if parameter.default in (None, False, (), []) or callable(parameter.default) else str(parameter.default)
    needed = " Required." if parameter.required else ""
    return f"`{written}`", _code(default), f"{parameter.help or ''}{needed}"


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    listed = [list(names), *[list(row) for row in rows]]
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in listed]
    lines.insert(1, "|" + " --- |" * len(listed[0]))
    return "\n".join(lines) + "\n"


#: Path below the root of the repository, and what makes the page.
PAGES = {
    "docs/reference/settings.md": settings_page,
    "docs/reference/errors.md": errors_page,
    "docs/reference/cli.md": cli_page,
    ".env.example": env_example,
}


def write(root: Path) -> None:
    """Write every page below the root of the repository."""
    for path, make in PAGES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
