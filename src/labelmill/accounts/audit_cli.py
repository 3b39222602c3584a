"""``labelmill audit``: the audit log kept short."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from labelmill.accounts import service
from labelmill.bootstrap import opened
from labelmill.console import JsonOption, print_fields, settings_of
from labelmill.errors import BadInput

app = typer.Typer(no_args_is_help=True, help="Forget old entries of the audit log; `labelmill people audit` shows it.")


@app.callback()
def audit() -> None:
    """Forget old entries of the audit log; `labelmill people audit` shows it."""


@app.command("prune")
def prune(
    context: typer.Context,
    before: Annotated[str, typer.Option(metavar="DATE", help="Forget what was done before it; UTC unless it has a zone.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Forget what was done before a day, for good. That it was forgotten stays in the log."""
    moment = _moment(before)
    with opened(settings_of(context)) as built:
        if not yes:
            typer.confirm(f"Forget the audit log before {moment:%Y-%m-%d %H:%M} UTC for good?", abort=True, err=True)
        number = service.prune(built.database, moment)
    print_fields({"forgotten": number, "before": moment.isoformat()}, json=json)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        way_out = "Write it as 2026-01-31 or 2026-01-31T08:00:00+08:00."
        raise BadInput(f"{text[:40]!r} is no date.", where="--before", way_out=way_out) from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
