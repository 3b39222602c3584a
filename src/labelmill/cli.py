"""The root of ``labelmill <verb>``: finds the verb, runs it, and turns whatever happens into one line and an exit code."""

from __future__ import annotations

import gc
import os
import select
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from labelmill import __version__
from labelmill.errors import BadInput, LabelmillError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What glibc's ``mallopt`` can set (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
#: Bytes of a piece of memory that is taken from the system by itself.
_LARGE = 1 << 20
#: Verb, the Typer app or function behind it, and its line in ``labelmill --help``. The module is imported only when its verb is
#: called or completed, which keeps the rest quick. A feature adds its line here together with its ``<feature>/cli.py`` and then runs
#: ``python -m labelmill.reference``, which writes the verb into docs/reference/cli.md.
VERBS = (
    ("dataset", "labelmill.datasets.cli:app", "Make datasets, look at them, change their labels and settings."),
    ("import", "labelmill.datasets.import_cli:import_files", "Add the records of files, tables or images to a dataset."),
    ("import-rejects", "labelmill.datasets.import_cli:import_rejects", "List the rows that an import left out."),
    ("load", "labelmill.datasets.import_cli:load", "Load the files that DATA_PATH and its like name."),
    (
        "export",
        "labelmill.exports.cli:export_dataset",
        "Write a dataset's records and answers as CSV, Parquet, JSON and others.",
    ),
    (
        "archive",
        "labelmill.archives.cli:archive",
        "Make an archive of a dataset and a classifier, check one, or list them.",
    ),
    ("answers", "labelmill.annotation.cli:app", "See how far a dataset is, how far its annotators agree, and what is tied."),
    ("label", "labelmill.labeltasks.cli:label", "Label the rows of a table or a file with rules."),
    ("label-tasks", "labelmill.labeltasks.cli:app", "Look at label tasks, their samples and what they left out."),
    ("classifier", "labelmill.learning.cli:app", "Look at a dataset's classifiers, train one, keep one's predictions."),
    ("catalogue", "labelmill.images.cli:app", "Keep catalogues of products with their images."),
    ("images", "labelmill.images.cli:images_app", "Deliver the images of a query over a catalogue."),
    ("rules", "labelmill.rules.cli:app", "Check, try and measure rules, and keep them in versions."),
    ("adopt", "labelmill.adopt:app", "Take over what a predecessor left."),
    ("demo", "labelmill.demo.cli:demo", "Make a sample of posts, label its authors, and look at them in a browser."),
    ("up", "labelmill.up:up", "Run the pages and workers on this machine until SIGTERM or Ctrl-C."),
    ("worker", "labelmill.jobs.cli:worker", "Run jobs as they come, in worker processes, until SIGTERM or Ctrl-C."),
    (
        "learner",
        "labelmill.learning.cli:learner",
        "Train classifiers as they are due, and nothing else, until SIGTERM or Ctrl-C.",
    ),
    (
        "predictor",
        "labelmill.learning.cli:predictor",
        "Predict records with new classifiers, and nothing else, until SIGTERM or Ctrl-C.",
    ),
    (
        "archiver",
        "labelmill.archives.cli:archiver",
        "Make archives as they are requested, and nothing else, until SIGTERM or Ctrl-C.",
    ),
    ("jobs", "labelmill.jobs.cli:app", "Look at jobs, run them here, cancel and retry them."),
    ("web", "labelmill.web.cli:run", "Run the web process alone."),
    ("connection", "labelmill.connections.cli:app", "Keep named connections to databases that label tasks may use."),
    ("people", "labelmill.accounts.cli:people", "Invite people, give them roles, and see who changed what."),
    ("audit", "labelmill.accounts.audit_cli:app", "Forget old entries of the audit log, which `people audit` shows."),
    ("token", "labelmill.accounts.cli:app", "Keep API tokens, and get a link to sign in."),
    ("db", "labelmill.db.cli:app", "Look after the schema of labelmill's own database."),
    ("backup", "labelmill.backup.cli:app", "Write the whole installation to one file, and check such a file."),
    ("restore", "labelmill.backup.cli:restore", "Bring a backup back into an empty installation, on any database."),
    ("settings", "labelmill.settings.cli:show", "Print every setting with its value, origin, unit and meaning."),
)

INTERRUPTED = 130
PIPE_CLOSED = 141
USAGE = 2


class PipeBroken(Exception):
    """A verb met a broken pipe. The library below would end in silence, even if the pipe is not stdout's."""


class VerbGroup(TyperGroup):
    """The verbs of VERBS, each a placeholder with its help line until it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, _target, summary in VERBS:
            self.add_command(TyperCommand(name, help=summary), name)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the verbs in the order of VERBS."""
        del ctx
        return [name for name, _target, _summary in VERBS]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the verb that is called, imported now."""
        targets = {name: target for name, target, _summary in VERBS}
        if args and args[0] in targets:
            self.add_command(load_verb(args[0], targets[args[0]]), args[0])
        if not gc.isenabled():  # ``main`` has put it off
            _collect_seldom()
            _share_arenas()
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise PipeBroken from error


def load_verb(name: str, target: str) -> Any:
    """Import ``module:attribute`` and return it as the command ``name``: a Typer app as a group of verbs, a function as one verb."""
    module, _, attribute = target.partition(":")
    found = getattr(import_module(module), attribute)
    parent = typer.Typer(add_completion=False)
    parent.callback()(lambda: None)
    if isinstance(found, typer.Typer):
        parent.add_typer(found, name=name)
    else:
        parent.command(name)(found)
    return typer.main.get_group(parent).commands[name]


app = typer.Typer(name="labelmill", cls=VerbGroup, no_args_is_help=True, pretty_exceptions_enable=False)


def _collect_seldom() -> None:
    """Let the collector begin, for a command that works on: a worker is one too.

    What the imports made stays until the end, and to look through it again and again is in vain. Frames and rows go as their last
    name does, so that little is left to be found: with Python's own thresholds it takes four hundredths of a labelling run.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def _share_arenas() -> None:
    """Let threads take what others gave back to the C library's allocator, and large pieces go back to the system at once.

    Else each of up to eight threads a core keeps up to 18 MB of its own, of what drivers and SQLite have used and freed: a task grew by
    them step after step (docs/performance.md). Only glibc keeps so much, and only there it can be set.
    """
    import ctypes  # what a verb needs has loaded it

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in (
            (_M_ARENA_MAX, os.cpu_count() or 1),
            (_M_MMAP_THRESHOLD, _LARGE),
            (_M_TRIM_THRESHOLD, 2 * _LARGE),
        ):
            mallopt(parameter, value)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"labelmill {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Set a setting for this run, as in --set port=9000; may be repeated."),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Raw rows in, trusted labels out."""
    from labelmill.console import Invocation

    context.obj = Invocation(dict(_split(assignment) for assignment in assignments or ()))


def _split(assignment: str) -> tuple[str, str]:
    name, separator, value = assignment.partition("=")
    if not separator or not name.strip():
        raise typer.BadParameter(f"{assignment!r} is not of the form NAME=VALUE.", param_hint="--set")
    return name, value


def root_command() -> Any:
    """Return the root with every verb imported: for pages and checks that look at all of them."""
    command: Any = typer.main.get_command(app)
    for name, target, _summary in VERBS:
        command.add_command(load_verb(name, target), name)
    return command


def main() -> None:
    """Run the command line and exit."""
    # Importing makes a hundred thousand objects and next to no garbage: what a verb needs comes a tenth sooner without a collector.
    gc.disable()
    # Memory that polars frees stays with its allocator, in four arenas a core and for ten seconds unless told otherwise: one a core and
    # a tenth of a second hold a third less, about as fast (docs/performance.md). It is read when polars is loaded.
    os.environ.setdefault("_RJEM_MALLOC_CONF", f"narenas:{os.cpu_count() or 1},dirty_decay_ms:100,muzzy_decay_ms:0")
    # A shell can close them: what is printed then goes nowhere, as where it goes to /dev/null.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; results go to stdout, everything else to stderr."""
    try:
        code = typer.main.get_command(app).main(list(arguments), prog_name="labelmill", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost door: nobody above could tell the user
        return _end(error, json="--json" in arguments)
    return code if isinstance(code, int) else 0


def _end(error: Exception, *, json: bool) -> int:
    """Tell an error in the form that fits and return its exit code."""
    if isinstance(error, (PipeBroken, BrokenPipeError)) and _drop_closed_stdout():
        return PIPE_CLOSED
    if type(error).__name__ == "NoArgsIsHelpError":  # the help has been printed when it was raised
        return USAGE
    if isinstance(error, TyperException):
        return _report(_as_bad_input(error), json=json)
    return _report(error.__cause__ if isinstance(error, PipeBroken) and error.__cause__ else error, json=json)


def _as_bad_input(error: TyperException) -> BadInput:
    context = getattr(error, "ctx", None)
    place = context.command_path if context else "labelmill"
    # What checks a value says of itself that it was a check.
    message = error.format_message().replace("Value error, ", "")
    ended = message if message.endswith((".", "?", "!")) else f"{message}."
    return BadInput(ended, where=place, way_out=f"`{place} --help` shows how it is written.")


def _report(error: BaseException, *, json: bool) -> int:
    """Tell an error in one line and log it; the log line is shown only at level debug, as the one line is on the same stderr."""
    from labelmill import console, logs

    if not logs.is_configured():
        # The settings were not read, or are what is wrong.
        logs.configure("debug" if os.environ.get("LABELMILL_LOG_LEVEL", "").lower() == "debug" else "info")
    identity = logs.log_error(error, level="debug")
    console.print_error(error, identity, json=json)
    return error.exit_code if isinstance(error, LabelmillError) else 1


def _drop_closed_stdout() -> bool:
    """Tell whether stdout is closed at its other end; if so, send what is left nowhere, or Python complains at its end."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLOUT)
    if not any(event & select.POLLERR for _descriptor, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True
