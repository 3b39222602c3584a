"""What must be done to a found table so that label tasks can write to it: a pure function of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill.db.types import LongText, name
from labelmill.labeltasks.adopt.model import (
    OLD_TARGET,
    RESULT_MUSTS,
    STATE_MUSTS,
    TARGET,
    Action,
    Change,
    FoundColumn,
    FoundTable,
    Role,
    TablePlan,
)
from labelmill.labeltasks.frames import RESULT_COLUMNS
from labelmill.labeltasks.model import LONGEST_NAME
from labelmill.labeltasks.result_tables import STATE_COLUMNS, ResultTables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Dialect

ROW_ID = "row_id"
ID_LENGTH = 32
#: Repeated task ids that a refusal names before it stops.
NAMED = 20


class Planner:
    """Plans for the tables of one kind of database."""

    def __init__(self, dialect: Dialect, state_table: str) -> None:
        self._dialect = dialect
        self._state_table = state_table

    def plan(self, found: FoundTable, *, mark_failed: bool) -> TablePlan:
        """Return what is to be done to a table, or why nothing can be."""
        role = Role.STATE if found.name == self._state_table else Role.RESULTS
        refused = list(_refusals(found, role))
        plan = TablePlan(found=found, role=role, refused=refused)
        if refused:
            return plan
        wanted = self._wanted(found, role)
        plan.changes += [*self._of_table(found), *self._of_columns(found, wanted, role), *self._of_keys(found, wanted, role)]
        plan.changes += _of_rows(found, mark_failed=mark_failed)
        plan.refused += [*self._clashes(found, role), *self._sqlite_limits(plan)]
        if plan.changes and found.lacking:
            plan.refused.append(f"the user lacks the right {found.lacking}")
        return plan

    def _wanted(self, found: FoundTable, role: Role) -> list[sa.Column[Any]]:
        """Return the columns that labelmill writes, and the old one of another name that must not be in its way."""
        wanted = table_of(found.name, role).columns
        old = [sa.Column(OLD_TARGET, name(255))] if OLD_TARGET in found.columns and role is Role.STATE else []
        return [*(column for column in wanted if column.name != ROW_ID), *old]

    def _of_table(self, found: FoundTable) -> Iterable[Change]:
        if self._dialect.name != "mysql":
            return
        old = sorted(found.charsets - {"utf8mb4"})
        if old:
            yield Change(action=Action.CONVERT, says=f"character set {', '.join(old)} becomes utf8mb4")
        if found.engine.lower() != "innodb":
            yield Change(action=Action.ENGINE, says=f"engine {found.engine} becomes InnoDB")

    def _of_columns(self, found: FoundTable, wanted: Iterable[sa.Column[Any]], role: Role) -> Iterable[Change]:
        for column in wanted:
            its = found.columns.get(column.name)
            if its is None:
                kind = self._spelled(column.type)
                yield Change(action=Action.ADD, says=f"add {column.name} {kind}", column=column.name, type=column.type)
            elif change := self._of_column(its, column, role):
                yield change

    def _of_column(self, its: FoundColumn, column: sa.Column[Any], role: Role) -> Change | None:
        is_key = column.name == "task_id"
        frees = not its.nullable and bool(column.nullable) and not is_key
        becomes = self._becomes(its, column)
        if becomes is None and not frees:
            return None
        says = f"{its.name}: {self._spelled(its.type)} becomes {self._spelled(becomes)}" if becomes is not None else its.name
        nullable = frees or its.nullable
        says += " and may be NULL" if frees and becomes is not None else " may be NULL" if frees else ""
        if role is Role.STATE and is_key:
            nullable = False
        return Change(action=Action.CHANGE, says=says, column=its.name, type=becomes, nullable=nullable)

    def _becomes(self, its: FoundColumn, column: sa.Column[Any]) -> Any:
        """Return the type that a column must have instead of its own, None where it may stay: nothing ever gets narrower."""
        wanted = column.type
        if self._dialect.name == "sqlite":
            # Columns of SQLite have no length, and numbers of any; only a number's column would turn "14.10" into 14.1.
            return wanted if _kind(wanted) == "text" != its.kind else None
        if _kind(wanted) == "text":
            if its.kind != "text":
                return wanted
            longest = getattr(wanted, "length", None)
            if column.name == "task_id" and self._dialect.name == "mysql" and not isinstance(its.type, (sa.VARCHAR, sa.CHAR)):
                return wanted  # an index or key wants a column of limited length
            short = its.length is not None and (longest is None or its.length < longest)
            return wanted if short else None
        if _kind(wanted) == "whole":
            return wanted if its.kind == "whole" and not isinstance(its.type, sa.BigInteger) else None
        # A FLOAT stays: as a DOUBLE its 201.8 would read 201.8000030517578.
        return wanted if _kind(wanted) == "real" and its.kind == "whole" else None

    def _of_keys(self, found: FoundTable, wanted: Iterable[sa.Column[Any]], role: Role) -> Iterable[Change]:
        del wanted
        if role is Role.STATE:
            if found.key != ("task_id",) and frozenset({"task_id"}) not in found.unique:
                says = "key on task_id" if not found.key else "unique key on task_id"
                yield Change(action=Action.KEY, says=says, columns=("task_id",), primary=not found.key)
            if "create_time" not in found.leading:
                yield Change(action=Action.INDEX, says="index on create_time", columns=("create_time",))
            return
        numbered = ROW_ID in found.columns
        if (
            not numbered
            and not found.key
            and not any(column.filled and column.default is None for column in found.columns.values())
        ):
            yield Change(action=Action.NUMBER, says=f"number the rows: key {ROW_ID}", column=ROW_ID)
            numbered = True
        if "task_id" not in found.leading:
            columns = ("task_id", ROW_ID) if numbered else ("task_id",)
            yield Change(action=Action.INDEX, says=f"index on {', '.join(columns)}", columns=columns)

    def _clashes(self, found: FoundTable, role: Role) -> Iterable[str]:
        """Give what would make rows of label tasks fail later."""
        known = {*(RESULT_COLUMNS if role is Role.RESULTS else STATE_COLUMNS), OLD_TARGET}
        for column in found.columns.values():
            if column.name not in known and not column.nullable and not column.filled:
                yield f"labelmill does not know its column {column.name}, which must not be NULL"
        for unique in dict.fromkeys((*found.unique, frozenset(found.key))):
            if unique and unique <= known and not (role is Role.STATE and "task_id" in unique):
                yield f"its unique key on {', '.join(sorted(unique))} does not let label tasks write their rows"
        limited = isinstance(found.columns["task_id"].type, (sa.VARCHAR, sa.CHAR))
        if self._dialect.name == "mysql" and not limited and found.longest_id > ID_LENGTH:
            yield f"a task_id has {found.longest_id} characters, {ID_LENGTH} fit"

    def _sqlite_limits(self, plan: TablePlan) -> Iterable[str]:
        """Give what would be lost where a table of SQLite is made anew."""
        if self._dialect.name != "sqlite" or not is_structural(plan.changes):
            return
        found = plan.found
        if found.key and found.key not in (("task_id",), (ROW_ID,)):
            yield f"it has a primary key of its own, on {', '.join(found.key)}"
        if found.constraints:
            yield f"it has constraints of its own: {', '.join(sorted(found.constraints))}"
        for column in found.columns.values():
            if column.computed:
                yield f"its column {column.name} is computed"

    def _spelled(self, kind: Any) -> str:
        try:
            return str(kind.compile(dialect=self._dialect)).partition(" COLLATE")[0].partition(" CHARACTER SET")[0]
        except sa.exc.CompileError:
            return type(kind).__name__


def table_of(table_name: str, role: Role, schema: str | None = None) -> sa.Table:
    """Return a table as labelmill itself makes it, a new definition each time."""
    tables = ResultTables(schema)
    return tables.state(table_name) if role is Role.STATE else tables.results(table_name)


def is_structural(changes: Iterable[Change]) -> bool:
    """Tell whether more than rows is changed."""
    return any(change.action not in (Action.COPY, Action.UNSET, Action.FAIL) for change in changes)


def _refusals(found: FoundTable, role: Role) -> Iterable[str]:
    if found.is_view:
        yield "it is a view: take over the table behind it"
        return
    if len(found.name.encode()) > LONGEST_NAME:
        yield f"its name is longer than {LONGEST_NAME} bytes"
    musts = RESULT_MUSTS if role is Role.RESULTS else STATE_MUSTS
    lacking = [each for each in musts if each not in found.columns]
    if role is Role.STATE and not {TARGET, OLD_TARGET} & set(found.columns):
        lacking.append(TARGET)
    if lacking:
        of = "result table" if role is Role.RESULTS else "state table"
        yield f"it is not a {of} of an Audience API: it has no {', '.join(lacking)}"
        return
    yield from _misfits(found, role)
    if found.nameless:
        yield f"{found.nameless:,} rows have no task_id"
    if found.repeated:
        more = f" and {len(found.repeated) - NAMED:,} more" if len(found.repeated) > NAMED else ""
        yield f"several rows have the task_id {', '.join(found.repeated[:NAMED])}{more}: keep one of each"


def _misfits(found: FoundTable, role: Role) -> Iterable[str]:
    """Give the columns whose kind of value is another than the predecessor's."""
    for column in table_of(found.name, role).columns:
        its = found.columns.get(column.name)
        if its is None or column.name == ROW_ID:
            continue
        fitting = _FITTING[_kind(column.type)]
        if role is Role.STATE and column.name in ("rate_of_label", "uniq_source_author"):
            fitting = fitting | {"whole", "real"}
        if its.kind not in fitting:
            yield f"its column {its.name} is of another kind ({its.kind}, not {_kind(column.type)})"


#: What may hold each kind already. Numbers may be in texts: later versions keep lists of counts. SQLite knows no times.
_FITTING = {"text": {"text"}, "whole": {"whole", "real", "text"}, "real": {"whole", "real", "text"}, "time": {"time", "text"}}


def _kind(wanted: Any) -> str:
    if isinstance(wanted, (LongText, sa.String)):
        return "text"
    if isinstance(wanted, sa.DateTime):
        return "time"
    return "whole" if isinstance(wanted, sa.Integer) else "real"


def _of_rows(found: FoundTable, *, mark_failed: bool) -> Iterable[Change]:
    if found.uncopied:
        says = f"{TARGET} takes the value of {OLD_TARGET} in {found.uncopied:,} rows, which stays there too"
        yield Change(action=Action.COPY, says=says)
    for column, count in found.dayless.items():
        says = f"{column}: NULL instead of a day that is none, such as 0000-00-00, in {count:,} rows"
        yield Change(action=Action.UNSET, says=says, column=column)
    if found.pending and mark_failed:
        yield Change(action=Action.FAIL, says=f"{len(found.pending):,} pending tasks become FAILURE")
