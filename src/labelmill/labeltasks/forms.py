"""The form for a new label task: its flat fields to and from a request's body, and errors by field."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from labelmill.errors import BadInput, LabelmillError
from labelmill.labeltasks import form_parts
from labelmill.labeltasks.filters import LABEL
from labelmill.labeltasks.model import LabelTask
from labelmill.labeltasks.schemas import NewLabelTask
from labelmill.rules import load, to_dict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labelmill.jobs.model import Job

ROLES = ("text", "id", "source", "author", "time")
_SUFFIXES = (".json", ".csv", ".tsv")
#: Texts that follow pydantic's own prefix.
_PREFIX = "Value error, "


class FormErrors(Exception):
    """What is wrong with a form, by field."""

    def __init__(self, by_field: dict[str, str]) -> None:
        self.by_field = by_field
        super().__init__(str(by_field))


#: Fields that stand in a request as they stand in the form.
_AS_TYPED = (
    "name", "unmapped", "production_prefix", "production_tie", "production_after", "step_rows", "batch_rows", "queue", "countdown",
)  # fmt: skip
#: Files of rules by their field: name and content.
Files = Mapping[str, tuple[str, bytes]]


def read_form(values: Mapping[str, str], files: Files | None = None) -> NewLabelTask:
    """Return the body that a form means; raises FormErrors. ``files`` are the uploaded rule files."""
    errors: dict[str, str] = {}
    body: dict[str, Any] = {
        "source": source_of(values), "sink": _sink(values), "columns": {role: values.get(f"{role}_column") or None for role in ROLES},
        "where": {"start": values.get("start") or None, "end": values.get("end") or None},
        "file": {"encoding": values.get("encoding") or None, "separator": {"tab": "\t"}.get(values.get("separator", ""), values.get("separator") or None)},
        "overwrite": values.get("overwrite") == "on",
    }  # fmt: skip
    body |= {name: values[name] for name in _AS_TYPED if values.get(name)}
    if not body["columns"]["text"]:
        errors["columns.text"] = "Choose one."
    with _noting(errors, "source_map"):
        body["source_map"] = _source_map(values)
    body |= _parts(values, files or {}, errors)
    try:
        new = NewLabelTask.model_validate(body)
    except ValidationError as error:
        raise FormErrors(by_field(error.errors()) | errors) from error
    if errors:
        raise FormErrors(errors)
    return new


def _parts(values: Mapping[str, str], files: Files, errors: dict[str, str]) -> dict[str, Any]:
    """Return the labellers and filters of a form; what is wrong with their rules is noted in ``errors``."""
    found: dict[str, Any] = {"rules": {"name": "-"}, "also": [], "filters": []}
    with _noting(errors, "rules"):
        found["rules"] = _rules(values, files.get("rules_file"))
    for kind in form_parts.KINDS:
        for number in form_parts.numbers({**values, **files}, kind):
            typed = form_parts.fields_of(values, kind, number)
            names = ("text",) if kind == "also" else ("action", "column")
            part: dict[str, Any] = {"rules": {"name": "-"}} | {name: typed.get(name) or None for name in names}
            with _noting(errors, f"{kind}.{len(found[kind])}.rules"):
                file = files.get(f"{kind}-{number}-rules_file")
                part["rules"] = _rules(typed, file, LABEL if kind == "filters" else "")
            found[kind].append(part)
    return found


@contextmanager
def _noting(errors: dict[str, str], field: str) -> Iterator[None]:
    try:
        yield
    except LabelmillError as error:
        errors[field] = told(error)


def source_of(values: Mapping[str, str]) -> dict[str, str]:
    """Return the source that a form or an address names, as a body spells it."""
    names = ("path", "connection", "schema", "table")
    return {name: values[name] for name in names if values.get(name)}


def told(error: LabelmillError) -> str:
    """Return an error as it stands beside a field."""
    place = f"{error.where}: " if error.where else ""
    return f"{place}{error.message} {error.way_out}".strip()


def by_field(mistakes: Iterable[Any]) -> dict[str, str]:
    """Return pydantic's mistakes by the form's field, in words."""
    found: dict[str, str] = {}
    for mistake in mistakes:
        path = [str(part) for part in mistake["loc"]]
        message = str(mistake["msg"]).removeprefix(_PREFIX)
        missing = mistake["type"] in ("missing", "string_type") or mistake.get("input") in (None, "")
        found.setdefault(_field(path), "Choose one." if missing else f"{message[:1].upper()}{message[1:]}.")
    return found


def _field(path: list[str]) -> str:
    """Return the form's name of a field: columns and parts one by one, everything else by its first part."""
    if path[0] in form_parts.KINDS:
        return ".".join(path[:3])
    return ".".join(path[:2]) if path[0] in ("columns", "file", "limits") and len(path) > 1 else path[0]


def again(job: Job) -> dict[str, str]:
    """Return the form's values that start a task like that of ``job``, but for its places."""
    task = LabelTask.from_params(job.params)
    values = {f"{role}_column": getattr(task.columns, role) or "" for role in ROLES}
    values |= {
        name: moment.strftime("%Y-%m-%dT%H:%M:%S") for name, moment in (("start", task.start), ("end", task.end)) if moment
    }
    same = ("name", "unmapped", "production_prefix", "production_tie", "step_rows", "batch_rows")
    values |= {name: str(getattr(task, name)) for name in same}
    values |= {"rules_task": job.id, "production_after": f"{task.production_after:g}", "queue": job.queue}
    values |= form_parts.again(task, job.id)
    values |= {name: str(task.file[name]) for name in ("encoding", "separator") if task.file.get(name)}
    if task.overwrite:
        values["overwrite"] = "on"
    if task.source_map:
        values["source_map"] = orjson.dumps(task.source_map, option=orjson.OPT_INDENT_2).decode()
    return values


def _sink(values: Mapping[str, str]) -> dict[str, str]:
    if values.get("sink_kind") == "connection":
        names = {"connection": "sink_connection", "schema": "sink_schema"}
    else:
        names = {"path": "sink_path"}
    return {name: values[field] for name, field in names.items() if values.get(field)}


def _rules(values: Mapping[str, str], file: tuple[str, bytes] | None, default_label: str = "") -> dict[str, Any]:
    if file is not None:
        return _loaded(Path(file[0].replace("\\", "/")).name, file[1], default_label)
    text = values.get("rules_text", "").strip()
    if text:
        suffix = ".json" if text.startswith("{") else ".tsv" if "\t" in text.partition("\n")[0] else ".csv"
        return _loaded(f"rules{suffix}", text.encode(), default_label)
    if values.get("rules_name"):
        return {"name": values["rules_name"]}
    if values.get("rules_task"):
        task_id, _, part = values["rules_task"].partition("/")
        return {"task": task_id} | ({"part": part} if part else {})
    raise BadInput("There are no rules yet.", way_out="Paste rules, or choose a file with rules.")


def _loaded(name: str, content: bytes, default_label: str) -> dict[str, Any]:
    """Return the rules of a file's content, read as ``labelmill label`` would."""
    suffix = Path(name).suffix.lower()
    if suffix not in _SUFFIXES:
        raise BadInput(
            "Rules are not read from such a file.", where=name[:100], way_out=f"Its name ends in {', '.join(_SUFFIXES)}."
        )
    stem = re.sub(r"[^\w-]+", "-", Path(name).stem).strip("-") or "rules"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"rules{suffix}")
        path.write_bytes(content)
        try:
            return to_dict(load(path, name=stem[:100], default_label=default_label).rule_set)
        except LabelmillError as error:
            error.where = error.where.replace(str(path), name).replace(str(path.resolve()), name)
            error.message = error.message.replace(str(path), name)
            raise


def _source_map(values: Mapping[str, str]) -> Any:
    text = values.get("source_map", "").strip()
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"This is not JSON: {error}.", way_out='Write it as {"forum": ["WH_F0002"]}.') from error
