"""The parts that the form for a label task may have several times: further labellers, and filters.

The fields of a part are called ``also-0-text``, ``filters-1-rules_text`` and so on. Buttons that post the form back add and remove
parts, so that it needs no script.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelmill.labeltasks.model import LabelTask

KINDS = ("also", "filters")
#: The field of a part that the form always sends.
_SURE = {"also": "text", "filters": "action"}
_FIELD = re.compile(r"(also|filters)-(\d{1,3})-(\w+)", re.ASCII)
_REMOVE = re.compile(r"(also|filters)-(\d{1,3})", re.ASCII)


def numbers(values: Mapping[str, Any], kind: str) -> list[int]:
    """Return the numbers of the parts that the form has, in order."""
    found = (_FIELD.fullmatch(name) for name in values)
    return sorted({int(each[2]) for each in found if each and each[1] == kind})


def changed(values: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return the form's values with the part added or removed that its button says, numbered through from 0."""
    add, remove = values.get("add"), _REMOVE.fullmatch(str(values.get("remove", "")))
    kept = {name: value for name, value in values.items() if name not in ("add", "remove") and not _FIELD.fullmatch(name)}
    for kind in KINDS:
        gone = int(remove[2]) if remove and remove[1] == kind else None
        left = [number for number in numbers(values, kind) if number != gone]
        for place, number in enumerate(left):
            kept |= {f"{kind}-{place}-{field}": value for field, value in fields_of(values, kind, number).items()}
        if add == kind and len(left) < most:
            kept[f"{kind}-{len(left)}-{_SURE[kind]}"] = ""
    return kept


def fields_of(values: Mapping[str, Any], kind: str, number: int) -> dict[str, Any]:
    """Return the values of one part by the names that its fields have without it."""
    head = f"{kind}-{number}-"
    return {name.removeprefix(head): value for name, value in values.items() if name.startswith(head)}


def again(task: LabelTask, task_id: str) -> dict[str, str]:
    """Return the form's values for the parts of a task; their rules are named, not copied."""
    values: dict[str, str] = {}
    for number, labeller in enumerate(task.also):
        values |= {f"also-{number}-text": labeller.column, f"also-{number}-rules_task": f"{task_id}/also.{number}"}
    for number, one in enumerate(task.filters):
        head = f"filters-{number}-"
        values |= {f"{head}action": one.action.value, f"{head}column": one.column}
        values[f"{head}rules_task"] = f"{task_id}/filters.{number}"
    return values
