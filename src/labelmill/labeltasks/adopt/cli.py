"""``labelmill adopt audience``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmill import bootstrap
from labelmill.console import JsonOption, print_json, print_rows, say, settings_of
from labelmill.labeltasks.adopt.service import adopt, marks_failed, require_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelmill.labeltasks.adopt.model import Report, TablePlan

#: Tasks that are named to people before the list stops; --json names all.
NAMED = 20


def audience(
    context: typer.Context,
    url: Annotated[
        str,
        typer.Argument(help="The output database: mariadb://user@host/audience_result, a SQLite file, or @connection::schema."),
    ],
    state_table: Annotated[
        str | None, typer.Option(help="The table with the state of every task.  [default: as the settings say]")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Change the tables; without it every change is only listed.")] = False,
    mark_failed: Annotated[
        bool, typer.Option("--mark-failed", help="End the tasks that were left pending: FAILURE. Only once nothing runs there.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Take over the state and result tables of an Audience API, in place; first only list what would be changed."""
    settings = settings_of(context)
    with bootstrap.opened(settings) as application:
        location = application.places.locate(application.places.reference(_whole(url)), write=True)
        options = {"apply": apply, "mark_failed": mark_failed, "needs_state": state_table is not None}
        report = adopt(location, state_table or settings.state_table, **options)
    print_json(report.as_dict()) if json else _print(report)
    _say_of_state(report)
    require_all(report)


def _whole(url: str) -> str:
    """Return the text with a dot after a schema, which else would be read as a table."""
    place, separator, schema = url.partition("::")
    return f"{place}{separator}{schema}." if schema and not schema.endswith(".") else url


def _print(report: Report) -> None:
    print_rows((line for plan in report.plans for line in _lines(plan)), columns=("table", "is", "rows", "change"))
    if report.left_alone:
        say(f"left alone, not the predecessor's: {', '.join(report.left_alone)}")
    if report.pending:
        _say_pending(report)
    due = [plan for plan in report.plans if plan.is_due]
    if due and not report.applied:
        say("Nothing has been changed. Do it with --apply; make a backup first.")
    for plan in report.plans:
        if plan.done and plan.rows_after != plan.found.rows:
            say(f"note: {plan.name} had {plan.found.rows:,} rows and now has {plan.rows_after:,}: somebody else writes to it")


def _say_of_state(report: Report) -> None:
    """Tell what would surprise later: also programs, whose answer is elsewhere."""
    if report.state is None:
        say(
            f"warning: there is no table {report.state_table!r} with the state of tasks: only results are taken over. "
            "Where it has another name, say --state-table NAME."
        )
    elif report.state.found.rows and not report.state.refused:
        say(
            f"note: old rows of {report.state_table} keep the local time of the machine that the Audience API ran on, often Asia/Taipei; "
            "label tasks write UTC, so what is newest by create_time is mixed for the first hours"
        )


def _say_pending(report: Report) -> None:
    more = f" and {len(report.pending) - NAMED:,} more (--json lists all)" if len(report.pending) > NAMED else ""
    way_out = "" if marks_failed(report) else "; --mark-failed ends them"
    say(f"left pending by the predecessor, or running there now: {', '.join(report.pending[:NAMED])}{more}{way_out}")


def _lines(plan: TablePlan) -> Iterator[dict[str, Any]]:
    if plan.refused:
        words = [f"refused: {reason}" for reason in plan.refused]
    else:
        words = [f"done: {change.says}" if plan.done else change.says for change in plan.changes] or ["nothing to do"]
    head: dict[str, Any] = {"table": plan.name, "is": plan.role.value, "rows": f"{plan.found.rows:,}"}
    for number, word in enumerate(words):
        yield (head if number == 0 else {}) | {"change": word}
