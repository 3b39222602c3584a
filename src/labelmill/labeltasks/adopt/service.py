"""The verb: look at a schema, plan, and with ``apply`` carry the plan out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from labelmill.db.bulk.database_sink import check_database_sink
from labelmill.db.bulk.sql_source import explain, reporting
from labelmill.db.engine import LOCK_SECONDS, make_engine
from labelmill.errors import BadSource, Conflict, LabelmillError, NotFound
from labelmill.labeltasks.adopt.alter import Alteration
from labelmill.labeltasks.adopt.look import Looker
from labelmill.labeltasks.adopt.model import Action, Report, Role, TablePlan
from labelmill.labeltasks.adopt.plan import Planner
from labelmill.triggers import passing

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from labelmill.db.bulk.location import Location


def adopt(
    location: Location, state_table: str, *, apply: bool = False, mark_failed: bool = False, needs_state: bool = False
) -> Report:
    """Return what was found in the schema and what is to be done there, or with ``apply`` has been done.

    A table that cannot be taken over is left as it is, and its plan says why. Raises NotFound where nothing of an Audience API is there,
    or with ``needs_state`` only results, BadSource where the location is no schema of a database or the database refuses, Unavailable where it does not answer.
    """
    _check(location)
    assert location.url is not None  # noqa: S101 - checked
    engine = make_engine(location.url, pool_size=1, foreign=True)
    try:
        with reporting(location):
            report = _look(engine, location, state_table, mark_failed=mark_failed)
            if needs_state and report.state is None:
                raise _no_state(report)
            if apply:
                report.applied = True
                for plan in report.plans:
                    if plan.is_due:
                        _carry_out(engine, plan, location, state_table)
    finally:
        engine.dispose()
    return report


def require_all(report: Report) -> None:
    """Raise Conflict where tables of the predecessor were refused, or have fewer rows than before."""
    if refused := report.refused:
        raise Conflict(
            f"{len(refused)} of {len(report.plans)} tables cannot be taken over: {', '.join(refused)}.", where=report.place,
            way_out="They are as they were, and the list says why. Mend them, or leave them and give label tasks other names.",
        )  # fmt: skip


def _check(location: Location) -> None:
    if location.url is None:
        raise BadSource("This is not a database.", where=str(location), way_out="Write mariadb://user@host/audience_result.")
    if location.table is not None:
        raise BadSource(
            "This names a table.", where=str(location),
            way_out="Name the database that holds the state table: all of the tables in it are looked at.",
        )  # fmt: skip
    if not (location.path or location.schema or location.url.database):
        raise BadSource("No database is named.", where=str(location), way_out="Write mariadb://user@host/audience_result.")
    check_database_sink(location)
    if location.path is not None and not location.path.exists():
        raise BadSource("There is no such file.", where=str(location.path), way_out="Check its name.")


def _look(engine: Engine, location: Location, state_table: str, *, mark_failed: bool) -> Report:
    with engine.connect().execution_options(labelmill_read=True) as connection:
        planner = Planner(engine.dialect, state_table)
        found, others = Looker(connection, location.schema, state_table).found()
        plans = [planner.plan(table, mark_failed=mark_failed) for table in found]
    if not plans:
        raise NotFound(
            "There are no tables of an Audience API.", where=str(location),
            way_out=f"Name the database with its table {state_table!r}, or say with --state-table what that is called.",
        )  # fmt: skip
    plans.sort(key=lambda plan: (plan.role is not Role.STATE, plan.name))
    return Report(place=str(location), state_table=state_table, plans=plans, left_alone=others)


def _no_state(report: Report) -> NotFound:
    others = f" There are also: {', '.join(report.left_alone)}." if report.left_alone else ""
    return NotFound(
        f"There is no table {report.state_table!r} with the state of tasks, only results.", where=report.place,
        way_out=f"Check the name.{others} Nothing has been changed; without --state-table results are taken over alone.",
    )  # fmt: skip


def _carry_out(engine: Engine, plan: TablePlan, location: Location, state_table: str) -> None:
    """Change one table; what the database refuses is noted in the plan, and the other tables are gone on with."""
    try:
        with engine.begin() as connection:
            _prepare(connection)
            looker = Looker(connection, location.schema, state_table)
            Alteration(connection, plan, location.schema).run()
            plan.rows_after = looker.count(plan.name)
            if plan.rows_after < plan.found.rows:
                # On MariaDB an ALTER cannot be taken back; elsewhere this does.
                raise Conflict(f"It has {plan.found.rows - plan.rows_after:,} rows fewer than before.", where=plan.name)
        passing("adopt-audience.committed")
    except DBAPIError as error:
        plan.refused.append(explain(error, location).message)
    except LabelmillError as error:
        plan.refused.append(error.message)
    else:
        plan.done = True


def _prepare(connection: Connection) -> None:
    """See that a change waits for somebody who uses the table as long as every other statement does, and not for a day.

    An ALTER has to copy a 0000-00-00 that is there, which our usual mode refuses; nothing is cut off by it all the same.
    """
    if connection.dialect.name == "mysql":
        connection.execute(sa.text(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}, sql_mode = 'STRICT_ALL_TABLES'"))


def marks_failed(report: Report) -> bool:
    """Tell whether pending tasks are, or were, to be ended."""
    return any(change.action is Action.FAIL for plan in report.plans for change in plan.changes)
