"""The command and the call that do the same as a page. Both run as they are pasted."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelmill.labeltasks.schemas import NewLabelTask, SinkIn, SourceIn

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
    rules, stored = body.rules, _stored(body.rules)
    words = [
        "labelmill label",
        _place(folder, body.source, body.source.table),
        f"--rules {shlex.quote(stored or 'rules.json')}",
    ]
    roles = {f"--{role}-column": name for role, name in body.columns.model_dump().items()}
    options = roles | {
        "--where-start": body.where.start.strftime("%Y-%m-%dT%H:%M:%S") if body.where.start else None,
        "--where-end": body.where.end.strftime("%Y-%m-%dT%H:%M:%S") if body.where.end else None,
        "--name": body.name, "--production-tie": body.production_tie if body.production_tie != "drop" else None,
        "--encoding": body.file.encoding, "--separator": {"\t": "tab"}.get(body.file.separator or "", body.file.separator),
        "--step-rows": str(body.step_rows) if body.step_rows != type(body).model_fields["step_rows"].default else None,
        "--source-map": "sources.json" if body.source_map else None,
    }  # fmt: skip
    words += [f"{option} {shlex.quote(value)}" for option, value in options.items() if value is not None]
    words += [f"--out {_place(folder, body.sink, None)}", *(["--overwrite"] if body.overwrite else [])]
    files = [
        *([] if stored else [_rules(origin, rules)]),
        *([_file("sources.json", body.source_map)] if body.source_map else []),
    ]
    return "\n".join([*files, " \\\n  ".join(words)])


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


def _rules(origin: str, rules: dict[str, Any]) -> str:
    if set(rules) == {"task"}:
        return curl_get(origin, f"/v1/label-tasks/{rules['task']}/rules", "-o rules.json")
    return _file("rules.json", rules)


def _file(name: str, value: Any) -> str:
    return f"cat > {name} <<'EOF'\n{_json(value)}\nEOF"


def _json(value: Any) -> str:
    # No line of it can be the word that ends a here-document: JSON's lines begin with a bracket, a brace, a quote or a space.
    return json.dumps(value, ensure_ascii=False, indent=1)
