"""The command and the call that do the same as a page. Both run as they are pasted."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from labelmill.labeltasks.model import USUAL_TEXT
from labelmill.labeltasks.schemas import NewLabelTask

if TYPE_CHECKING:
    from labelmill.labeltasks.schemas import SinkIn, SourceIn

AUTHORIZATION = '-H "Authorization: Bearer $LABELMILL_TOKEN"'


def curl_get(origin: str, path: str, *options: str) -> str:
    """Return the call that reads ``path``; the token comes from the environment."""
    return " ".join(("curl -sS", *options, AUTHORIZATION, shlex.quote(f"{origin}{path}")))


def curl_start(origin: str, body: NewLabelTask) -> str:
    """Return the call that starts a task."""
    value = body.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)
    head = ("curl -sS -X POST", AUTHORIZATION, "-H 'Content-Type: application/json'", shlex.quote(f"{origin}/v1/label-tasks"))
    joined = " \\\n  ".join((*head, "--data-binary @- <<'EOF'"))
    return f"{joined}\n{_json(value)}\nEOF"


def cli_label(folder: str, origin: str, body: NewLabelTask) -> str:
    """Return the command that labels the same on this machine; ``folder`` is the shell's word for the folder of files."""
    usual = NewLabelTask.model_fields
    options = {f"--{role}-column": name for role, name in body.columns.model_dump(exclude={"text"}).items()} | {
        "--where-start": body.where.start.replace(tzinfo=None).isoformat() if body.where.start else None,
        "--where-end": body.where.end.replace(tzinfo=None).isoformat() if body.where.end else None,
        "--encoding": body.file.encoding, "--separator": {"\t": "tab"}.get(body.file.separator or "", body.file.separator),
        "--source-map": "sources.json" if body.source_map else None,
    }  # fmt: skip
    for field in (
        "name",
        "unmapped",
        "production_prefix",
        "production_tie",
        "production_after",
        "step_rows",
        "batch_rows",
        "queue",
    ):
        value = getattr(body, field)
        options[f"--{field.replace('_', '-')}"] = None if value == usual[field].default else str(value)
    files, words = _rules_and_filters(origin, body)
    words = ["labelmill label", _place(folder, body.source, body.source.table), *words]
    words += [f"{option} {shlex.quote(value)}" for option, value in options.items() if value is not None]
    words += [f"--out {_place(folder, body.sink, None)}", *(["--overwrite"] if body.overwrite else [])]
    if body.source_map:
        files.append(_file("sources.json", body.source_map))
    return "\n".join([*files, " \\\n  ".join(words)])


def _rules_and_filters(origin: str, body: NewLabelTask) -> tuple[list[str], list[str]]:
    """Return the commands that make the files with rules, and the options that name them."""
    files, words = [], []
    for number, rules in enumerate((body.rules, *(one.rules for one in body.also)), start=1):
        path = "rules.json" if number == 1 else f"rules-{number}.json"
        stored = _stored(rules)
        words.append(f"--rules {shlex.quote(stored or path)}")
        files += [] if stored else [_rules(origin, rules, path)]
    first = body.columns.text
    columns = [first or USUAL_TEXT, *(one.text or first or USUAL_TEXT for one in body.also)]
    named = columns if len(set(columns)) > 1 else [first] if first else []
    words += [f"--text-column {shlex.quote(name)}" for name in named]
    for number, one in enumerate(body.filters, start=1):
        path = f"filter-{number}.json"
        words.append(f"--filter {shlex.quote(f'{one.action}:{one.column or columns[0]}={path}')}")
        # The command line takes the rules of a filter from files only.
        files.append(_rules(origin, one.rules, path))
    return files, words


def _place(folder: str, place: SinkIn | SourceIn, table: str | None) -> str:
    if place.path is not None:
        return f"{folder}/{shlex.quote(place.path)}" + (shlex.quote(f"::{table}") if table else "")
    schema = f"{place.schema_name}." if place.schema_name else ""
    return shlex.quote(f"@{place.connection}" + (f"::{schema}{table or ''}" if schema or table else ""))


def _stored(rules: dict[str, Any]) -> str:
    """Return how the command line names a stored rule set, nothing for other rules."""
    if "name" not in rules or not set(rules) <= {"name", "version"}:
        return ""
    return f"{rules['name']}@{rules['version']}" if rules.get("version") else str(rules["name"])


def _rules(origin: str, rules: dict[str, Any], path: str) -> str:
    if "task" in rules and set(rules) <= {"task", "part"}:
        query = f"?part={rules['part']}" if rules.get("part", "rules") != "rules" else ""
        return curl_get(origin, f"/v1/label-tasks/{rules['task']}/rules{query}", f"-o {path}")
    if stored := _stored(rules):
        return f"labelmill rules export {shlex.quote(stored)} {path} --overwrite"
    return _file(path, rules)


def _file(name: str, value: Any) -> str:
    return f"cat > {name} <<'EOF'\n{_json(value)}\nEOF"


def _json(value: Any) -> str:
    # No line of it can be the word that ends a here-document: JSON's lines begin with a bracket, a brace, a quote or a space.
    return json.dumps(value, ensure_ascii=False, indent=1)
