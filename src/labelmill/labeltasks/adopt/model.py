"""What is found in a schema, and what is to be done to it: values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What a task is told that the predecessor left as it was.
LEFT_PENDING = "The Audience API left this task pending; `labelmill adopt audience --mark-failed` ended it."
#: A table with these is one of results, or meant to be one; dumps of the predecessor have no task_id.
RESULT_SIGNS = frozenset({"task_id", "panel"})
#: Columns that every version of the predecessor's results has.
RESULT_MUSTS = ("id", "task_id", "source_author", "panel", "create_time", "field_content", "match_content")
#: Columns by which a state table is known to be the predecessor's; ``target_table`` is called ``target_schema`` in later versions.
STATE_MUSTS = ("task_id", "stat", "prod_stat", "model_type", "predict_type", "date_range", "create_time", "result")
TARGET, OLD_TARGET = "target_table", "target_schema"
#: The times of the state; results have the first.
TIMES = ("create_time", "check_point")


class Role(StrEnum):
    STATE = "state"
    RESULTS = "results"


class Action(StrEnum):
    """One kind of change; the order is that in which an ALTER names them."""

    CONVERT = "convert"
    ENGINE = "engine"
    CHANGE = "change"
    ADD = "add"
    NUMBER = "number"
    KEY = "key"
    INDEX = "index"
    COPY = "copy"
    UNSET = "unset"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change to one table. ``says`` is for people; ``type`` is what a column becomes, None where only NOT NULL is dropped."""

    action: Action
    says: str
    column: str = ""
    type: Any = None
    nullable: bool = True
    #: The columns of an index or a key.
    columns: tuple[str, ...] = ()
    primary: bool = False


@dataclass(frozen=True, kw_only=True)
class FoundColumn:
    name: str
    #: text, whole, real, time or other.
    kind: str
    type: Any
    #: Characters that fit; None for any number.
    length: int | None
    nullable: bool
    #: Whether the database gives a value where none is written.
    filled: bool
    default: str | None = None
    computed: bool = False


@dataclass(frozen=True, kw_only=True)
class FoundTable:
    """One table as the catalogue has it, with what its rows have to say."""

    name: str
    columns: Mapping[str, FoundColumn]
    is_view: bool = False
    key: tuple[str, ...] = ()
    unique: Sequence[frozenset[str]] = ()
    #: The first columns of its indexes.
    leading: frozenset[str] = frozenset()
    engine: str = "InnoDB"
    #: Character sets of the table and its columns; empty where the database has but one.
    charsets: frozenset[str] = frozenset()
    #: Kinds of constraint that would be lost where the table is made anew; looked for on SQLite only.
    constraints: frozenset[str] = frozenset()
    #: Rights that the user has not.
    lacking: str = ""
    rows: int = 0
    #: Task ids that several rows of a state table have.
    repeated: Sequence[str] = ()
    #: Rows without a task id, and the length of the longest one.
    nameless: int = 0
    longest_id: int = 0
    #: Rows whose target_schema is not in target_table yet.
    uncopied: int = 0
    #: Rows of each time whose day is none, such as MariaDB's 0000-00-00.
    dayless: Mapping[str, int] = field(default_factory=dict)
    #: Tasks of the predecessor that are pending.
    pending: Sequence[str] = ()


@dataclass(kw_only=True)
class TablePlan:
    """What is to be done to one table, and afterwards what has been done."""

    found: FoundTable
    role: Role
    changes: list[Change] = field(default_factory=list)
    #: Why the table is left as it is.
    refused: list[str] = field(default_factory=list)
    done: bool = False
    rows_after: int | None = None

    @property
    def name(self) -> str:
        return self.found.name

    @property
    def is_due(self) -> bool:
        return bool(self.changes) and not self.refused

    def as_dict(self) -> dict[str, Any]:
        """Return the plan for programs."""
        return {
            "table": self.name, "what": self.role.value, "rows": self.found.rows, "rows_after": self.rows_after,
            "changes": [change.says for change in self.changes] if not self.refused else [], "refused": self.refused, "done": self.done,
        }  # fmt: skip


@dataclass(kw_only=True)
class Report:
    """What a schema holds and what is, or was, to be done there."""

    place: str
    #: What the state table is called, there or not.
    state_table: str
    plans: list[TablePlan]
    #: Tables that are not the predecessor's.
    left_alone: list[str]
    applied: bool = False

    @property
    def state(self) -> TablePlan | None:
        return next((plan for plan in self.plans if plan.role is Role.STATE), None)

    @property
    def pending(self) -> list[str]:
        return [task for plan in self.plans for task in plan.found.pending]

    @property
    def refused(self) -> list[str]:
        return [plan.name for plan in self.plans if plan.refused]

    def as_dict(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "place": self.place, "applied": self.applied, "state_table": self.state_table if self.state else None, "tables": [plan.as_dict() for plan in self.plans],
            "left_alone": self.left_alone, "pending": self.pending,
        }  # fmt: skip
