"""Label Studio's JSON export as a source of rows: one row for each annotation of a task, or one without a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from labelmill.datasets.model import NO_OWN_ID
from labelmill.datasets.readers.json_array import JsonArrayFile, elements

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Columns beside the task's own data.
LABEL, ANNOTATOR, ANSWERED = "label", "annotator", "answered_at"
#: What a choice of one or several labels for a whole task is called.
_CHOICES = ("choices", "taxonomy")


class LabelStudioFile(JsonArrayFile):
    def _lines(self) -> Iterator[bytes]:
        for element in elements(self.path):
            yield from map(orjson.dumps, _rows(element))


def is_task(value: Any) -> bool:
    """Tell whether an element of an array is a task of Label Studio."""
    known = {"annotations", "completions", "predictions", "drafts", "total_annotations"}
    return isinstance(value, dict) and isinstance(value.get("data"), dict) and bool(known & value.keys())


def _rows(element: bytes) -> list[Any]:
    try:
        task = orjson.loads(element)
    except orjson.JSONDecodeError as error:
        return [f"this element is not JSON: {error}"]
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        return ["this element is no task: it has no data"]
    data = {name: value for name, value in task["data"].items() if name not in ("id", LABEL, ANNOTATOR, ANSWERED)}
    # Without one the column is not there: a row without the id that others have is refused.
    base = _own_id(task) | data
    given = task.get("annotations", task.get("completions"))
    answers = [each for each in given if _counts(each)] if isinstance(given, list) else []
    empty = {LABEL: None, ANNOTATOR: None, ANSWERED: None}
    return [base | _answer(each) for each in answers] or [base | empty]


def _own_id(task: dict[str, Any]) -> dict[str, Any]:
    meta = task.get("meta")
    is_given = isinstance(meta, dict) and meta.get(NO_OWN_ID)
    return {} if is_given or task.get("id") is None else {"id": task["id"]}


def _counts(answer: Any) -> bool:
    return isinstance(answer, dict) and not answer.get("was_cancelled") and isinstance(answer.get("result"), list)


def _answer(answer: dict[str, Any]) -> dict[str, Any]:
    labels: list[Any] = []
    for result in answer["result"]:
        value = result.get("value") if isinstance(result, dict) else None
        if isinstance(value, dict):
            labels += [_leaf(choice) for name in _CHOICES for choice in value.get(name) or ()]
    others = bool(answer["result"]) and not labels
    by = answer.get("completed_by")
    # Spans and boxes are passed on as what they are, so that the row is refused with that reason.
    return {
        LABEL: [answer["result"]] if others else (labels[0] if len(labels) == 1 else labels or None),
        ANNOTATOR: (by.get("email") or str(by.get("id"))) if isinstance(by, dict) else (None if by is None else str(by)),
        ANSWERED: answer.get("created_at"),
    }


def _leaf(choice: Any) -> Any:
    """Return a choice's own name; of a taxonomy the innermost."""
    return choice[-1] if isinstance(choice, list) and choice else choice
