"""``labelmill adopt labelforward``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from labelmill import bootstrap
from labelmill.console import JsonOption, print_json, print_rows, say, settings_of
from labelmill.datasets.adopt.service import adopt
from labelmill.errors import BadInput

if TYPE_CHECKING:
    from labelmill.datasets.adopt.model import Report

#: Problems that are told to people before the list stops; --json names the first thousand.
NAMED = 20


def labelforward(
    context: typer.Context,
    url: Annotated[
        str, typer.Argument(help="LabelForward's database: postgresql://user:password@host/database, or @connection::schema.")
    ],
    into: Annotated[str, typer.Option(help="The dataset, which is made where there is none of this name.")] = "LabelForward",
    time_zone: Annotated[
        str | None, typer.Option(help="The zone of the times there, which name none; else that of an earlier run, or UTC.")
    ] = None,
    same: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Votes of the address OLD are those of the account NEW; may be repeated."),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Take it over; without it everything is only counted.")] = False,
    json: JsonOption = False,
) -> None:
    """Take over a LabelForward: texts, labels, votes, people, times; first only list what would be taken. It is never written to."""
    zone, pairs = _zone(time_zone), dict(_pair(each) for each in same or ())
    with bootstrap.opened(settings_of(context)) as application:
        location = application.places.locate(application.places.reference(_whole(url)), write=False)
        report = adopt(application, location, into=into, zone=zone, same=pairs, apply=apply)
        if report.job_id is not None:
            application.runtime.wake(report.job_id)
            application.tell_loaded()
    print_json(report.as_dict()) if json else _print(report)


def _print(report: Report) -> None:
    done = "taken" if report.applied else "to take"
    rows = [
        {"what": kind, "found": f"{each.found:,}", done: f"{each.taken:,}", "there already": f"{each.known:,}",
         "cannot be taken": f"{each.left_out:,}"}
        for kind, each in report.counts.items()
    ]  # fmt: skip
    print_rows(rows, columns=("what", "found", done, "there already", "cannot be taken"))
    for what, count in report.notes.items():
        say(f"note: {what}: {count:,}")
    for each in report.problems[:NAMED]:
        say(f"left out: {each.where}: {each.reason}")
    if report.problem_count > NAMED:
        say(f"left out: {report.problem_count - NAMED:,} more (--json lists the first thousand)")
    for old, new in report.renamed.items():
        say(
            f"note: {old} voted and has no account; {new} was shown the same texts. If that is the same person: --same {old}={new}"
        )
    if not report.applied:
        say(f"Nothing has been changed. Take it over into the dataset {report.into!r} with --apply.")


def _whole(url: str) -> str:
    """Return the text with a dot after a schema, which else would be read as a table."""
    place, separator, schema = url.partition("::")
    return f"{place}{separator}{schema}." if schema and not schema.endswith(".") else url


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(
            f"There is no time zone {name[:60]!r}.", where="--time-zone", way_out="Write it as Asia/Taipei."
        ) from None


def _pair(text: str) -> tuple[str, str]:
    old, separator, new = text.partition("=")
    if not separator or not old or not new:
        raise BadInput(f"{text[:60]!r} is not of the form OLD=NEW.", where="--same")
    return old, new
