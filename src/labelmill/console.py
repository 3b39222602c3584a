"""What a verb needs of the terminal: its settings, results as a table or as JSON, progress and errors on stderr."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmill.errors import LabelmillError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from labelmill.settings import Settings

#: The option of every verb that prints: ``def show(json: JsonOption = False)``.
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]
#: Rich cuts tables to 80 columns where no terminal tells a width; a file or pipe takes lines of any length.
NO_TERMINAL_WIDTH = 100_000
_ZERO_WIDTH_JOINER = "\u200d"


@dataclass
class Invocation:
    """One run of ``labelmill``: what the command line sets, and the settings that hold, read when first asked for."""

    overrides: dict[str, str] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Settings:
        """The checked settings; logging is configured and unused names are told as a side effect. Raises BadSettings."""
        from labelmill.logs import configure
        from labelmill.settings import load_settings

        settings = load_settings(self.overrides)
        # The log shares stderr with what a verb says: it speaks up only when asked, or of trouble. Servers configure it anew.
        quiet = settings.origin("log_level") == "default"
        configure("warning" if quiet else settings.log_level, settings.log_format)
        for sentence in settings.warnings:
            say(f"warning: {sentence}")
        return settings


def settings_of(context: typer.Context) -> Settings:
    """Return the settings that hold for the verb that runs; raises BadSettings."""
    invocation = context.find_object(Invocation)
    if invocation is None:
        invocation = Invocation()
        context.find_root().obj = invocation
    return invocation.settings


def print_rows(rows: Iterable[Mapping[str, Any]], *, columns: Sequence[str] = (), json: bool = False) -> None:
    """Print one line for each row, or with ``json`` one array of objects; ``columns`` chooses and orders what people see."""
    listed = list(rows)
    if json:
        print_json(listed)
        return
    names = list(columns) or list(dict.fromkeys(name for row in listed for name in row))
    table = _table(names)
    for row in listed:
        table.add_row(*(_cell(row.get(name)) for name in names))
    _print_table(table)


def print_fields(fields: Mapping[str, Any], *, json: bool = False) -> None:
    """Print one thing: a line for each field, or with ``json`` one object."""
    if json:
        print_json(fields)
        return
    table = _table(["field", "value"], header=False)
    for name, value in fields.items():
        table.add_row(_cell(name), _cell(value))
    _print_table(table)


def print_json(value: Any) -> None:
    """Print a value as JSON: UTF-8, times in ISO form, NaN as null, anything else unknown as text."""
    import orjson

    text = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """Print a line for people on stderr, so that stdout holds results only."""
    sys.stderr.write(printable(text) + "\n")


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on stderr, where that is a terminal; gives ``tell(done, total)``. An unknown total shows what is done only."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    shown = [TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), MofNCompleteColumn()]
    console = make_console(stderr=True)
    with Progress(*shown, TimeRemainingColumn(), console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(printable(what), total=total)
        yield lambda done, end: bar.update(task, completed=done, total=end)


def print_error(error: BaseException, identity: str, *, json: bool = False) -> None:
    """Print an error as one line on stderr, or with ``json`` as one line of problem JSON (RFC 9457) there."""
    problem = as_problem(error, identity)
    if json:
        import orjson

        sys.stderr.write(orjson.dumps(problem, default=str).decode() + "\n")
        return
    where = f" {problem['where']}" if "where" in problem else ""
    way_out = f" {problem['way_out']}" if "way_out" in problem else ""
    say(f"error[{problem['code']}]{where}: {problem['detail']}{way_out} (id {identity})")


def as_problem(error: BaseException, identity: str) -> dict[str, Any]:
    """Return any error as a problem document; what an unexpected one says about itself is told, its traceback is not."""
    if isinstance(error, LabelmillError):
        return error.as_problem()
    from labelmill.logs import mask_passwords

    unexpected = LabelmillError(
        f"Something unexpected happened ({type(error).__name__}: {mask_passwords(str(error))}).",
        way_out="Set LABELMILL_LOG_LEVEL=debug and try again to see where.",
    )
    return unexpected.as_problem() | {"id": identity}


def printable(text: str) -> str:
    """Return text in which nothing can steer a terminal or end a line: such characters are written as escapes."""
    return "".join(_visible(character) for character in text)


def make_console(*, stderr: bool = False) -> Console:
    """Return a Rich console: colours and the terminal's width on a terminal, plain lines of any length elsewhere."""
    from rich.console import Console

    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = NO_TERMINAL_WIDTH
    return console


def _visible(character: str) -> str:
    if character.isprintable() or character == _ZERO_WIDTH_JOINER:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:,.6g}"
        case list() | tuple():
            return ", ".join(_cell(part) for part in value)
        case _:
            return printable(str(value))


def _table(names: Iterable[str], *, header: bool = True) -> Table:
    from rich import box
    from rich.table import Table

    style = box.SIMPLE_HEAD if sys.stdout.isatty() else None
    table = Table(box=style, show_header=header, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _print_table(table: Table) -> None:
    console = make_console()
    with console.capture() as captured:
        console.print(table)
    # Rich fills the last column up with spaces, which only make the lines of a file longer.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
