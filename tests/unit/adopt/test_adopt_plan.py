"""A plan is a pure function of what was found: nothing gets narrower, and nothing is done that need not be."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql, postgresql, sqlite

from labelmill.db.types import LongText
from labelmill.labeltasks.adopt.look import _kind, _length
from labelmill.labeltasks.adopt.model import Action, FoundColumn, FoundTable, Role, TablePlan
from labelmill.labeltasks.adopt.plan import Planner, table_of

DIALECTS = {"mysql": mysql.dialect(), "postgresql": postgresql.dialect(), "sqlite": sqlite.dialect()}


def column(name: str, kind: Any, dialect: str = "mysql", **more: Any) -> FoundColumn:
    values = {"nullable": True, "filled": False} | more
    return FoundColumn(name=name, kind=_kind(kind), type=kind, length=_length(kind, dialect), **values)


def reflected(kind: Any, dialect: str) -> Any:
    """Return the type as which the catalogue gives back a column that was made with ``kind``."""
    if isinstance(kind, LongText):
        return mysql.LONGTEXT() if dialect == "mysql" else sa.TEXT()
    return sa.VARCHAR(kind.length) if isinstance(kind, sa.String) else kind


def as_made(role: Role, dialect: str = "mysql", **changes: Any) -> FoundTable:
    """A table as labelmill itself makes it, on MariaDB by the types that are found there afterwards."""
    table = table_of("state" if role is Role.STATE else "forum", role)
    found = {}
    for each in table.columns:
        kind = reflected(each.type, dialect)
        found[each.name] = column(each.name, kind, dialect, nullable=bool(each.nullable), filled=each.name == "row_id")
    key = tuple(each.name for each in table.primary_key)
    values: dict[str, Any] = {"key": key, "leading": frozenset({"task_id", "create_time"}), "charsets": frozenset({"utf8mb4"})}
    values["columns"] = found | {
        name: column(name, *given) if isinstance(given, tuple) else given for name, given in changes.items()
    }
    return FoundTable(name=table.name, **values)


def planned(found: FoundTable, dialect: str = "mysql", **options: Any) -> TablePlan:
    return Planner(DIALECTS[dialect], "state").plan(found, mark_failed=options.get("mark_failed", False))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("role", Role)
def test_a_table_as_labelmill_makes_it_is_left(role: Role, dialect: str) -> None:
    plan = planned(as_made(role, dialect), dialect)
    assert (plan.changes, plan.refused) == ([], [])


@given(
    st.integers(1, 400),
    st.sampled_from(["stat", "model_type", "target_table", "rate_of_label"]),
    st.sampled_from(["mysql", "postgresql"]),
)
def test_a_text_never_gets_shorter(length: int, name: str, dialect: str) -> None:
    wanted = {"stat": 32, "model_type": 255, "target_table": 255, "rate_of_label": None}[name]
    changes = planned(as_made(Role.STATE, dialect, **{name: (sa.VARCHAR(length), dialect)}), dialect).changes
    becomes = [getattr(change.type, "length", None) for change in changes]
    assert becomes == ([] if wanted is not None and length >= wanted else [wanted])


@pytest.mark.parametrize(
    ("name", "kind", "becomes"),
    [
        ("rate_of_label", mysql.INTEGER(), "LONGTEXT"),
        ("rate_of_label", mysql.FLOAT(), "LONGTEXT"),
        ("uniq_source_author", mysql.TEXT(), "LONGTEXT"),
        ("result", mysql.MEDIUMTEXT(), "LONGTEXT"),
        ("stat", mysql.TINYTEXT(), None),
        ("stat", mysql.TEXT(), None),
        ("length_prod_table", mysql.INTEGER(), "BIGINT"),
        ("length_prod_table", mysql.VARCHAR(100), None),
        ("length_prod_table", mysql.BIGINT(), None),
        ("run_time", mysql.FLOAT(), None),
        ("run_time", mysql.INTEGER(), "DOUBLE"),
        ("task_id", mysql.VARCHAR(64), None),
        ("task_id", mysql.VARCHAR(16), "VARCHAR(32)"),
        ("task_id", mysql.LONGTEXT(), "VARCHAR(32)"),
        ("check_point", mysql.DATETIME(fsp=6), None),
    ],
)
def test_what_a_column_of_the_state_becomes_on_mariadb(name: str, kind: Any, becomes: str | None) -> None:
    changes = planned(as_made(Role.STATE, **{name: (kind,)})).changes
    assert [change.type.compile(dialect=DIALECTS["mysql"]) for change in changes] == ([becomes] if becomes else [])
    assert all(becomes in change.says for change in changes if becomes)


@pytest.mark.parametrize("kind", [sa.Enum("PENDING", "SUCCESS"), sa.LargeBinary(), sa.Boolean(), mysql.VARBINARY(32)])
def test_kinds_that_the_predecessor_never_had_are_refused(kind: Any) -> None:
    plan = planned(as_made(Role.STATE, stat=(kind,)))
    assert plan.refused == ["its column stat is of another kind (other, not text)"]
    assert plan.changes == []
    assert not plan.is_due


def test_not_null_goes_where_labelmill_leaves_a_value_out() -> None:
    changed = {
        "create_time": column("create_time", mysql.DATETIME(), nullable=False),
        "panel": column("panel", mysql.VARCHAR(200), nullable=False),
    }
    [change] = planned(as_made(Role.RESULTS, **changed)).changes
    assert (change.column, change.type, change.nullable) == ("create_time", None, True)
    assert change.says == "create_time may be NULL"


def test_rights_matter_only_where_something_is_to_be_done() -> None:
    found = as_made(Role.STATE)
    assert (
        planned(
            FoundTable(name="state", columns=found.columns, key=("task_id",), leading=found.leading, lacking="ALTER")
        ).refused
        == []
    )
    due = planned(FoundTable(name="state", columns=found.columns, key=("task_id",), lacking="ALTER"))
    assert due.refused == ["the user lacks the right ALTER"]
    assert due.as_dict()["changes"] == []


def test_rows_are_changed_last_and_pending_tasks_only_when_asked() -> None:
    found = as_made(Role.STATE)
    old = FoundTable(name="state", columns=found.columns, key=("task_id",), pending=("a", "b"), uncopied=3)
    assert [change.action for change in planned(old).changes] == [Action.INDEX, Action.COPY]
    assert [change.action for change in planned(old, mark_failed=True).changes] == [Action.INDEX, Action.COPY, Action.FAIL]


def test_a_long_list_of_repeated_ids_ends_with_how_many_more() -> None:
    found = as_made(Role.STATE)
    [reason] = planned(
        FoundTable(name="state", columns=found.columns, repeated=[f"{number:02}" for number in range(50)])
    ).refused
    assert reason.endswith("18, 19 and 30 more: keep one of each")


def test_a_name_that_labelmill_could_not_write_to() -> None:
    found = as_made(Role.RESULTS)
    assert planned(FoundTable(name="表" * 30, columns=found.columns)).refused == ["its name is longer than 63 bytes"]
