"""The root of the command line, as a real process: exit codes, one line for each error, quick help, lazy verbs."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from labelmill import __version__, cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Verbs that end in every way there is; they live in a file of their own, like a feature's.
VERBS = '''
import os, sys, time
from pathlib import Path
from typing import Annotated
import typer
from labelmill import errors
from labelmill.console import JsonOption, print_fields, settings_of

print("imported", file=sys.stderr)
app = typer.Typer(help="Verbs that fail.")

@app.command()
def ours(kind: str, json: JsonOption = False) -> None:
    raise getattr(errors, kind)("It is\\nso.", where="row 7", way_out="Do this.", rows=[7])

@app.command()
def unexpected(context: typer.Context, json: JsonOption = False) -> None:
    settings_of(context)
    raise ZeroDivisionError("nothing to divide by")

@app.command()
def early(json: JsonOption = False) -> None:
    raise ZeroDivisionError("nothing to divide by")

@app.command()
def wait() -> None:
    print("ready", flush=True)
    time.sleep(60)

@app.command()
def endless() -> None:
    while True:
        print("a line")

@app.command()
def other_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.write(writer, b"x")

@app.command()
def port(context: typer.Context, count: Annotated[int, typer.Argument(min=1)] = 1) -> None:
    print(settings_of(context).port * count)

def alone(name: str, json: JsonOption = False) -> None:
    """A verb that is a function."""
    print_fields({"name": name}, json=json)

def leave() -> None:
    raise typer.Exit(9)
'''
START = """
import sys
from labelmill import cli
cli.VERBS += (("bad", "example_verbs:app", "Fail."), ("alone", "example_verbs:alone", "Print."), ("leave", "example_verbs:leave", "Go."))
cli.main()
"""


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Any]:
    """Return a function that starts ``labelmill`` with the failing verbs, in an empty folder and a clean environment."""
    (tmp_path / "example_verbs.py").write_text(VERBS)
    (tmp_path / "start.py").write_text(START)

    def start(*arguments: str, **environ: str) -> subprocess.Popen[str]:
        world = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path), **environ}
        return subprocess.Popen(
            [sys.executable, str(tmp_path / "start.py"), *arguments],
            cwd=tmp_path,
            env=world,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start


@pytest.fixture
def labelmill(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs ``labelmill`` to its end and gives exit code, stdout and stderr."""

    def run(*arguments: str, **environ: str) -> tuple[int, str, str]:
        with command(*arguments, **environ) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err.replace("imported\n", "")

    return run


def test_the_installed_command_tells_its_version():
    done = subprocess.run([f"{sys.prefix}/bin/labelmill", "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"labelmill {__version__}\n"
    assert done.stderr == ""


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "labelmill", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == f"labelmill {__version__}\n"


def test_help_lists_every_verb_in_order(labelmill):
    code, out, err = labelmill("--help")
    assert (code, err) == (0, "")
    names = [*(name for name, _target, _summary in cli.VERBS), "bad", "alone"]
    # At the beginning of its line: a name also stands among the words of others' summaries.
    places = [found.start() for name in names if (found := re.search(rf"^\W*{name} ", out, re.MULTILINE))]
    assert len(places) == len(names)
    assert places == sorted(places)
    for option in ("--set", "--version", "--install-completion", "--show-completion"):
        assert option in out


def test_without_a_verb_the_help_is_shown_as_a_usage_error(labelmill):
    code, out, err = labelmill()
    assert code == 2
    assert "Usage: labelmill" in out + err


class TestErrors:
    """What every failed verb looks like."""

    KINDS = (
        ("BadInput", "bad-input", 2),
        ("NotFound", "not-found", 3),
        ("Conflict", "conflict", 4),
        ("Forbidden", "forbidden", 5),
    )
    MORE = (("TooManyRequests", "too-many-requests", 6), ("Unavailable", "unavailable", 7), ("StepLost", "step-lost", 8))

    @pytest.mark.parametrize(("kind", "code", "exit_code"), [*KINDS, *MORE])
    def test_one_of_ours_is_one_line_with_its_exit_code(self, labelmill, kind: str, code: str, exit_code: int):
        returned, out, err = labelmill("bad", "ours", kind)
        assert (returned, out) == (exit_code, "")
        line, identity = err.removesuffix(")\n").split(" (id ")
        assert line == f"error[{code}] row 7: It is\\nso. Do this."
        assert len(identity) == 32

    def test_with_json_it_is_problem_json_on_stderr(self, labelmill):
        returned, out, err = labelmill("bad", "ours", "NotFound", "--json")
        assert (returned, out) == (3, "")
        assert err.count("\n") == 1
        problem = json.loads(err)
        assert len(problem.pop("id")) == 32
        assert problem == {
            "type": "about:blank#not-found",
            "title": "There is no such thing.",
            "status": 404,
            "code": "not-found",
            "detail": "It is\nso.",
            "way_out": "Do this.",
            "where": "row 7",
            "rows": [7],
        }

    @pytest.mark.parametrize("verb", ["unexpected", "early"])
    def test_an_unexpected_one_is_one_line_without_traceback(self, labelmill, verb: str):
        returned, out, err = labelmill("bad", verb)
        assert (returned, out) == (1, "")
        assert err.startswith(
            "error[internal]: Something unexpected happened (ZeroDivisionError: nothing to divide by). "
            "Set LABELMILL_LOG_LEVEL=debug and try again to see where. (id "
        )
        assert err.count("\n") == 1

    @pytest.mark.parametrize("verb", ["unexpected", "early"])
    def test_its_traceback_is_in_the_log_at_level_debug_with_the_same_id(self, labelmill, verb: str):
        returned, _out, err = labelmill("bad", verb, LABELMILL_LOG_LEVEL="debug")
        assert returned == 1
        assert "Traceback (most recent call last)" in err
        identity = err.rpartition("(id ")[2].removesuffix(")\n")
        assert f"error={identity}" in err.partition("Traceback")[0]

    def test_an_unexpected_one_as_json(self, labelmill):
        returned, out, err = labelmill("bad", "unexpected", "--json")
        assert (returned, out) == (1, "")
        problem = json.loads(err)
        assert (problem["code"], problem["status"]) == ("internal", 500)
        assert "Traceback" not in err

    def test_a_broken_pipe_that_is_not_stdouts_is_not_passed_over(self, labelmill):
        returned, _out, err = labelmill("bad", "other-pipe")
        assert returned == 1
        assert "BrokenPipeError" in err

    def test_wrong_settings_end_a_verb_with_2(self, labelmill):
        returned, out, err = labelmill("bad", "port", LABELMILL_PORT="x")
        assert (returned, out) == (2, "")
        assert err.startswith("error[bad-settings]: LABELMILL_PORT (environment) is 'x': ")

    def test_a_verb_that_needs_no_settings_runs_with_wrong_ones(self, labelmill):
        assert labelmill("alone", "ann", LABELMILL_PORT="x")[0] == 0

    def test_a_verb_may_choose_its_exit_code(self, labelmill):
        assert labelmill("leave") == (9, "", "")


class TestUsage:
    """A command line that is not understood: exit code 2, the place and the way out."""

    @pytest.mark.parametrize(
        ("arguments", "place", "told"),
        [
            (["setings"], "labelmill", "No such command 'setings'. Did you mean 'settings'?"),
            (["--nope"], "labelmill", "No such option"),
            (["settings", "--nope"], "labelmill settings", "No such option"),
            (["settings", "more"], "labelmill settings", "unexpected extra argument"),
            (["bad", "nope"], "labelmill bad", "No such command 'nope'"),
            (["bad", "ours"], "labelmill bad ours", "Missing argument"),
            (["bad", "port", "0"], "labelmill bad port", "greater than or equal to 1."),
            (["bad", "port", "x"], "labelmill bad port", "valid integer"),
            (["--set", "port", "settings"], "labelmill", "'port' is not of the form NAME=VALUE."),
            (
                ["jobs", "list", "--state", "stuck"],
                "labelmill jobs list",
                "'--state': 'stuck' is not one of 'queued', 'running'",
            ),
        ],
    )
    def test_it_is_one_line(self, labelmill, arguments: list[str], place: str, told: str):
        returned, out, err = labelmill(*arguments)
        assert (returned, out) == (2, "")
        assert err.startswith(f"error[bad-input] {place}: ")
        assert told in err
        assert f"`{place} --help` shows how it is written." in err
        assert err.count("\n") == 1

    def test_it_is_json_for_programs(self, labelmill):
        returned, _out, err = labelmill("settings", "--nope", "--json")
        assert returned == 2
        assert json.loads(err)["where"] == "labelmill settings"

    def test_terminal_codes_in_a_word_are_not_repeated(self, labelmill):
        assert "\x1b" not in labelmill("\x1b[2Jverb")[2]


class TestInterruption:
    """Ctrl-C and a reader that goes away are no errors."""

    def test_ctrl_c_ends_with_130_and_without_a_traceback(self, command):
        with command("bad", "wait") as process:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            _out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert err == "imported\n"

    def test_a_reader_that_goes_away_ends_a_verb_in_silence(self, command):
        with command("bad", "endless") as process:
            assert process.stdout.readline() == "a line\n"
            process.stdout.close()
            err = process.stderr.read()
            process.wait(timeout=60)
        assert process.returncode == 141
        assert err == "imported\n"

    def test_a_stdout_that_the_shell_closed_is_no_error(self):
        """``labelmill settings >&-``, as a scheduler may start it."""
        shell = ["sh", "-c", f"{sys.executable} -m labelmill settings >&-"]
        ended = subprocess.run(shell, env=dict(os.environ), text=True, capture_output=True, timeout=60, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")

    def test_a_reader_that_never_came_is_silent_too(self, command):
        with command("settings", "--json") as process:
            process.stdout.close()
            err = process.stderr.read()
            process.wait(timeout=60)
        assert process.returncode == 141
        assert err == ""


class TestVerbs:
    """How verbs are found."""

    def test_a_function_is_a_verb(self, labelmill):
        code, out, _err = labelmill("alone", "ann", "--json")
        assert (code, json.loads(out)) == (0, {"name": "ann"})

    def test_an_app_is_a_group_of_verbs(self, labelmill):
        assert labelmill("--set", "port=9000", "bad", "port", "2") == (0, "18000\n", "")

    def test_a_group_has_its_own_help_without_the_roots_options(self, labelmill):
        code, out, _err = labelmill("bad", "--help")
        assert code == 0
        assert "Verbs that fail." in out
        assert "--install-completion" not in out

    @pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["settings", "--json"]])
    def test_a_module_is_imported_only_when_its_verb_is_called(self, command, arguments: list[str]):
        with command(*arguments) as process:
            _out, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert err == ""

    @pytest.mark.parametrize("entry", cli.VERBS, ids=[name for name, _target, _summary in cli.VERBS])
    def test_every_registered_verb_exists_and_has_help(self, entry: tuple[str, str, str]):
        name, target, summary = entry
        command = cli.load_verb(name, target)
        assert command.name == name
        assert command.help
        assert summary.endswith(".")
        module, _, attribute = target.partition(":")
        assert hasattr(import_module(module), attribute)

    def test_verbs_are_named_once(self):
        names = [name for name, _target, _summary in cli.VERBS]
        assert len(names) == len(set(names))

    def test_every_verb_that_prints_takes_json(self):
        """A verb that prints nothing for programs is listed here with its reason."""
        without = {"up", "worker", "learner", "predictor", "archiver", "web", "demo"}  # they run until they are stopped
        leaves = [(path, one) for path, one in _leaves(cli.root_command(), ()) if path[0] not in without]
        assert leaves
        assert [path for path, one in leaves if "--json" not in [name for option in one.params for name in option.opts]] == []


def _leaves(command: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    verbs = getattr(command, "commands", None)
    if verbs is None:
        return [(path, command)]
    return [leaf for name, verb in verbs.items() for leaf in _leaves(verb, (*path, name))]


class TestCompletion:
    """The shell completes verbs and options."""

    @pytest.mark.parametrize(
        ("words", "expected"), [("labelmill se", "settings"), ("labelmill settings --", "--json"), ("labelmill bad p", "port")]
    )
    def test_bash(self, labelmill, words: str, expected: str):
        place = str(words.count(" "))
        code, out, _err = labelmill(COMP_WORDS=words, COMP_CWORD=place, _LABELMILL_COMPLETE="complete_bash")
        assert code == 0
        assert expected in out.split()

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_the_script_can_be_shown(self, labelmill, shell: str):
        code, out, _err = labelmill("--show-completion", shell)
        assert code == 0
        assert "labelmill" in out


class TestQuick:
    """Help and version come at once: nothing heavy is imported for them."""

    HEAVY = ("polars", "sqlalchemy", "pydantic", "fastapi", "structlog", "pyarrow", "celery", "orjson", "alembic")

    @pytest.mark.parametrize("argument", ["--help", "--version"])
    def test_nothing_heavy_is_imported(self, argument: str):
        program = f"import sys; from labelmill.cli import run; run([{argument!r}]); print(*sys.modules, sep=chr(10))"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
        assert set(done.stdout.splitlines()) & set(self.HEAVY) == set()

    @pytest.mark.parametrize("argument", ["--help", "--version"])
    def test_it_takes_less_than_0_4_seconds_of_processor_time(self, argument: str):
        """The best of five, in processor time: another program on the machine must not fail this."""
        assert min(_processor_seconds([sys.executable, "-m", "labelmill", argument]) for _ in range(5)) < 0.4


def _processor_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
