"""Label tasks asked for over HTTP: a body made into a request, and errors that name its field and nothing of this machine."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmill.connections import below_data_dir, files_folder
from labelmill.db.bulk.files import FileOptions
from labelmill.db.bulk.location import parse_location
from labelmill.deadline import within
from labelmill.errors import BadInput, BadRules, BadSource, Conflict, LabelmillError, NotFound
from labelmill.labeltasks import service
from labelmill.labeltasks.filters import Filter
from labelmill.labeltasks.model import USUAL_TEXT, LabelTask
from labelmill.labeltasks.shelf import LONGEST_PART
from labelmill.rules import compile_rules, from_dict, to_dict
from labelmill.rules import service as rule_sets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelmill.bootstrap import App
    from labelmill.db.bulk.location import Location
    from labelmill.labeltasks.schemas import FilterIn, NewLabelTask, SinkIn, SourceIn
    from labelmill.rules import RuleSet
    from labelmill.settings import Settings

#: Seconds that looking at a source, a sink and the rules may take in all.
SECONDS = 30
#: Fields of a body that are a request's as they stand.
_AS_ASKED = (
    "source_map", "name", "unmapped", "production_prefix", "production_tie", "production_after", "overwrite", "step_rows", "batch_rows",
)  # fmt: skip
_OPTIONS = {
    "--text-column": "`columns.text`", "--id-column": "`columns.id`", "--source-column": "`columns.source`", "--time-column": "`columns.time`",
    "--author-column": "`columns.author`", "--overwrite": "`overwrite`", "--name": "`name`", "--separator": "`file.separator`", "--production-prefix": "`production_prefix`", "--source-map": "`source_map`",
}  # fmt: skip


def prepared(app: App, body: NewLabelTask) -> LabelTask:
    """Return the task that can be done, or raise what is wrong with it, with the field at fault among its ``errors``."""
    if body.queue not in app.settings.queues:
        known = ", ".join(app.settings.queues)
        raise BadInput(
            "No worker takes jobs from this queue.",
            where=body.queue,
            way_out=f"There are: {known}.",
            errors=[mistake("queue", "No worker takes jobs from this queue.")],
        )
    rules = _labeller(app, "rules", body.rules)
    also = [(_labeller(app, f"also.{at}.rules", one.rules), one.text) for at, one in enumerate(body.also)]
    filters = [_filter(app, at, one, body.columns.text or USUAL_TEXT) for at, one in enumerate(body.filters)]
    with telling(app.settings, "source"):
        source = source_reference(app.settings, body.source)
        app.places.locate(source, write=False)
    with telling(app.settings, "sink"):
        sink = sink_reference(app.settings, body.sink)
        place = app.places.locate(sink, write=True)
    columns = {f"{role}_column": name for role, name in body.columns.model_dump().items()}
    request = service.Request(
        source=source, sink=sink, rules=rules, also=also, filters=filters, **columns, start=body.where.start, end=body.where.end,
        **{name: getattr(body, name) for name in _AS_ASKED}, state_table=app.settings.state_table, file=FileOptions(**body.file.model_dump()),
    )  # fmt: skip
    with telling(app.settings):
        try:
            return within(SECONDS, lambda: service.prepare(request, app.places), "The source or the sink")
        except LabelmillError as error:
            name_field(error, _rules_field(error, request) or _column_field(error, body) or _field_of(error, place))
            raise


def _labeller(app: App, field: str, value: dict[str, Any]) -> RuleSet:
    with telling(app.settings, field):
        return from_dict(rules_of(app, value))


def _filter(app: App, at: int, one: FilterIn, usual: str) -> Filter:
    with telling(app.settings, f"filters.{at}.rules"):
        return Filter(action=one.action, column=one.column or usual, rules=rules_of(app, one.rules))


def rules_of(app: App, value: dict[str, Any]) -> dict[str, Any]:
    """Return the rules that a body holds or names, as JSON: those of a stored rule set, or of another task."""
    if "task" in value and set(value) <= {"task", "part"}:
        with app.database.read() as connection:
            task = LabelTask.from_params(service.get(connection, str(value["task"])).params)
        return part_of(task, str(value.get("part", "rules")))
    if value and set(value) <= {"name", "version"}:
        version = value.get("version")
        if not isinstance(value.get("name"), str) or not (version is None or (type(version) is int and 0 < version < 2**31)):
            raise BadRules(
                "This names no stored rule set.", where="rules", way_out="Give its `name`, and perhaps a whole `version`."
            )
        with app.database.read() as connection:
            return to_dict(rule_sets.get_rule_set(connection, value["name"], version).rule_set)
    return value


def part_of(task: LabelTask, part: str) -> dict[str, Any]:
    """Return the rules of one part of a task: `rules`, `also.0`, `filters.0` and so on; raises NotFound."""
    parts = {"rules": task.rules}
    parts |= {f"also.{at}": one.rules for at, one in enumerate(task.also)}
    parts |= {f"filters.{at}": one.rules for at, one in enumerate(task.filters)}
    if part not in parts:
        raise NotFound("The task has no such part with rules.", where=part[:60], way_out=f"It has: {', '.join(parts)}.")
    return parts[part]


def source_reference(settings: Settings, source: SourceIn) -> dict[str, Any]:
    """Return the reference that a task keeps of its source."""
    if source.path is None:
        return {"connection": source.connection, "schema": source.schema_name, "table": source.table}
    location = parse_location(str(_checked_path(settings, source.path)))
    if source.table is None:
        return {"path": source.path}
    if location.is_file:
        raise BadSource("A file has no tables.", where=source.path, way_out="Leave `table` out.")
    return {"path": f"{source.path}::{source.table}"}


def sink_reference(settings: Settings, sink: SinkIn) -> dict[str, Any]:
    """Return the reference that a task keeps of its sink."""
    if sink.path is None:
        return {"connection": sink.connection, "schema": sink.schema_name, "table": None}
    path = _checked_path(settings, sink.path)
    if any(part.startswith(".") for part in Path(sink.path).parts):
        raise BadSource("A name that begins with a dot would be hidden.", where=sink.path, way_out="Take another name.")
    if not path.parent.is_dir():
        raise BadSource("The folder does not exist.", where=str(path.parent), way_out="Name a folder that is there, or none.")
    return {"path": sink.path}


def _checked_path(settings: Settings, path: str) -> Path:
    # The whole path is followed here, without a table after it: a link that leads out must not hide behind `::`.
    if "://" in path or "::" in path:
        way_out = "Name a file below the data folder's `files`, and its table in `table`; for a server name a connection."
        raise BadSource("URLs are not taken here.", where=path[:200], way_out=way_out)
    if any(len(part.encode()) > LONGEST_PART for part in path.split("/")):
        raise BadSource("A part of the path is too long.", where=path[:200], way_out=f"At most {LONGEST_PART} bytes.")
    return below_data_dir(settings, path)


def shown_place(settings: Settings, reference: dict[str, Any]) -> dict[str, Any]:
    """Return a task's reference as it may be shown: paths below the data folder's files, no passwords however locked."""
    if "connection" in reference or "setting" in reference:
        return {name: value for name, value in reference.items() if value is not None}
    text = str(reference.get("path") or reference.get("text", ""))
    path, _, table = without_folder(settings, text).partition("::")
    is_below = "path" in reference or path != text.partition("::")[0]
    return {"path" if is_below else "text": path} | ({"table": table} if table else {})


def without_folder(settings: Settings, text: str) -> str:
    """Return ``text`` with paths below the data folder's files as people name them."""
    for folder in {str(files_folder(settings).resolve()), str(files_folder(settings).absolute())}:
        text = text.replace(f"{folder}/", "").replace(folder, "files")
    return text


def shown_error(settings: Settings, error: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a stored error with paths as people name them."""
    if error is None:
        return None
    return {name: without_folder(settings, value) if isinstance(value, str) else value for name, value in error.items()}


@contextmanager
def telling(settings: Settings, field: str = "") -> Iterator[None]:
    """Let errors name the ``field`` at fault, fields instead of options of the command line, and no folder of this machine."""
    try:
        yield
    except LabelmillError as error:
        for name in ("message", "where", "way_out"):
            setattr(error, name, without_folder(settings, getattr(error, name)))
        for option, spoken in _OPTIONS.items():
            error.way_out = error.way_out.replace(option, spoken)
        if field:
            name_field(error, field)
        raise


def mistake(field: str, message: str) -> dict[str, str]:
    """Return one entry of a problem's ``errors``, as validation gives them: ``also.0.rules`` is ``body.also[0].rules``."""
    return {"where": re.sub(r"\.(\d+)", r"[\1]", f"body.{field}"), "message": message}


def name_field(error: LabelmillError, field: str) -> None:
    """Let an error name the field at fault, where nothing nearer to it did."""
    error.details.setdefault("errors", [mistake(field, error.message)])


def field_of(error: LabelmillError) -> str:
    """Return the field that an error names, or nothing."""
    named: list[dict[str, str]] = error.details.get("errors", [])
    return re.sub(r"\[(\d+)\]", r".\1", named[0]["where"].removeprefix("body.")) if named else ""


def _rules_field(error: LabelmillError, request: service.Request) -> str:
    """Return the field of the rules that an error is about: the first that cannot be compiled, labellers before filters."""
    if not isinstance(error, BadRules):
        return ""
    for at, rules in enumerate((request.rules, *(rules for rules, _ in request.also))):
        if not _compiles(rules):
            return f"also.{at - 1}.rules" if at else "rules"
    number = re.match(r"filter (\d+)", error.where)
    return f"filters.{int(number[1]) - 1}.rules" if number else "rules"


def _compiles(rules: RuleSet) -> bool:
    try:
        compile_rules(rules)
    except BadRules:
        return False
    return bool(rules.rules)


def _column_field(error: LabelmillError, body: NewLabelTask) -> str:
    """Return the field of the column that an error is about, the first of those that name it."""
    if "time column" in error.message or "text column" in error.message:
        return "columns.time" if "time column" in error.message else "columns.text"
    named = {f"columns.{role}": name for role, name in body.columns.model_dump().items()}
    named |= {f"also.{at}.text": one.text for at, one in enumerate(body.also)}
    named |= {f"filters.{at}.column": one.column for at, one in enumerate(body.filters)}
    return next((field for field, name in named.items() if name and error.message == f"There is no column {name!r}."), "")


def _field_of(error: LabelmillError, sink: Location) -> str:
    """Return the field that another error of ``service.prepare`` is about."""
    if error.where == "source map":
        return "source_map"
    beside = str(sink.path.parent) if sink.path else str(sink)
    at_sink = isinstance(error, Conflict) or "the sink" in error.message.lower() or error.where in (str(sink), beside)
    return "sink" if at_sink else "source"
