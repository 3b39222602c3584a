"""A job on the terminal: its bar, its lines and its JSON."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from labelmill import clock
from labelmill.console import Invocation, make_console, printable
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.model import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import typer

    from labelmill.jobs.model import Job
    from labelmill.jobs.runtime import Runtime

HOUR, MINUTE = 3600, 60


def follow(runtime: Runtime, job: Job, *, workers: int = 1) -> Job:
    """Run the job here, or watch the worker that runs it, with a bar on the terminal; return it as it ended."""
    with bar(job) as tell:
        return run_or_watch(runtime, job.id, on_progress=tell, workers=workers)


@contextmanager
def bar(job: Job) -> Iterator[Callable[[Job], None]]:
    """Show a bar with units done, in all, rate and time left on stderr, where that is a terminal; gives ``tell(job)``."""
    from rich.progress import BarColumn, Progress, TextColumn

    columns = [TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[words]}", markup=False)]
    console = make_console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task(printable(job.title), total=job.total, words="")
        yield lambda now: shown.update(task, completed=now.done, total=now.total, words=words(now))


def set_for_run(context: typer.Context, name: str, value: str) -> None:
    """Let an option of a verb decide a setting, as ``--set NAME=VALUE`` does; to be called before the settings are read."""
    invocation = context.find_object(Invocation)
    if invocation is None:
        invocation = context.find_root().obj = Invocation()
    invocation.overrides[name] = value


def words(job: Job) -> str:
    """Return how far a job is, for people: ``12,000 of 200,000 rows, 6,000 rows/s, 0:31 left``."""
    now = progress(job, clock.now())
    parts = [f"{now.done:,} of {now.total:,} {now.unit}" if now.total is not None else f"{now.done:,} {now.unit}"]
    parts += [f"{now.rate:,.4g} {now.unit}/s"] if now.rate else []
    parts += [f"{duration(now.seconds_left)} left"] if now.seconds_left is not None else []
    return ", ".join([*parts, *([str(job.state)] if job.ended or not now.done else [])])


def duration(seconds: float) -> str:
    """Return seconds as ``h:mm:ss`` or ``m:ss``."""
    whole = round(seconds)
    minutes = f"{whole % HOUR // MINUTE}"
    return f"{whole // HOUR}:{minutes:0>2}:{whole % MINUTE:02}" if whole >= HOUR else f"{minutes}:{whole % MINUTE:02}"


def as_fields(job: Job) -> dict[str, Any]:
    """Return a job and its progress as one flat object."""
    now = progress(job, clock.now())
    known = asdict(job) | asdict(now)
    limits = known.pop("limits")
    return known | {f"limit_{name}": value for name, value in limits.items()}


def print_line(job: Job) -> None:
    """Print a job as one line of JSON."""
    sys.stdout.write(orjson.dumps(as_fields(job), default=str).decode() + "\n")
    sys.stdout.flush()
