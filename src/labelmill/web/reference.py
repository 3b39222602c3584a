"""The page of the API: every call with its fields, to be tried on the spot. Made from the OpenAPI document, without a CDN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse

from labelmill.http import MaybeActor, page_router, render

if TYPE_CHECKING:
    from collections.abc import Iterator

router = page_router()
#: Levels of an example's body.
DEEPEST = 6
_PLAIN: dict[str, Any] = {"integer": 0, "number": 0, "boolean": False, "string": ""}


@dataclass(frozen=True, kw_only=True)
class Field:
    name: str
    place: str
    required: bool
    kind: str
    meaning: str
    choices: tuple[str, ...]
    default: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """One method of one path. ``body`` is an example as JSON text, empty where there is none."""

    id: str
    method: str
    path: str
    group: str
    summary: str
    fields: tuple[Field, ...]
    body: str
    answers: tuple[tuple[str, str], ...]
    needs_token: bool
    streams: bool


@router.get("/docs")
def reference_page(request: Request, actor: MaybeActor) -> HTMLResponse:  # noqa: ARG001 - the frame shows who is signed in
    """Show every call of the API."""
    document = request.app.openapi()
    groups: dict[str, list[Call]] = {}
    for call in calls_of(document):
        groups.setdefault(call.group, []).append(call)
    return render(request, "docs/reference.html", groups=groups, document=document)


@router.get("/api/v1/svc_ml/docs")
def image_tasks_page(request: Request, actor: MaybeActor) -> HTMLResponse:  # noqa: ARG001
    """Show the calls of image tasks, where their old clients look for them."""
    document = _image_tasks(request)
    return render(request, "docs/reference.html", groups={"svc_ml": list(calls_of(document))}, document=document)


@router.get("/api/v1/openapi.json", response_class=JSONResponse)
def image_tasks_document(request: Request) -> dict[str, Any]:
    """Return the OpenAPI document of image tasks, where their old clients look for it."""
    return _image_tasks(request)


def _image_tasks(request: Request) -> dict[str, Any]:
    document: dict[str, Any] = request.app.openapi()
    calls = {path: methods for path, methods in document["paths"].items() if path.startswith("/api/v1/svc_ml/")}
    return document | {"paths": calls}


def calls_of(document: dict[str, Any]) -> Iterator[Call]:
    """Yield every call of an OpenAPI document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield _call(document, path, method, operation)


def _call(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> Call:
    answers = {status: answer["description"] for status, answer in operation["responses"].items()}
    content = operation["responses"].get("200", {}).get("content", {})
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return Call(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        group=(operation.get("tags") or ["other"])[0],
        summary=operation.get("description") or operation.get("summary", ""),
        fields=tuple(_field(document, one) for one in operation.get("parameters", ()) if one["in"] != "cookie"),
        body=orjson.dumps(example(document, body), option=orjson.OPT_INDENT_2).decode() if body else "",
        answers=tuple(sorted(answers.items())),
        needs_token=bool(operation.get("security")),
        streams="text/event-stream" in content,
    )


def _field(document: dict[str, Any], parameter: dict[str, Any]) -> Field:
    schema = _plain(document, parameter.get("schema", {}))
    return Field(
        name=parameter["name"],
        place=parameter["in"],
        required=parameter.get("required", False),
        kind=str(schema.get("type", "string")),
        meaning=parameter.get("description", ""),
        choices=tuple(str(choice) for choice in schema.get("enum", ())),
        default=str(schema.get("default", "") or ""),
    )


def example(document: dict[str, Any], schema: dict[str, Any], depth: int = 0) -> Any:
    """Return a value that a schema describes: its examples and defaults where it has them."""
    schema = _plain(document, schema)
    given = [*schema.get("examples", ()), *([schema["default"]] if "default" in schema else ()), *schema.get("enum", ())]
    if given:
        return given[0]
    if schema.get("type") == "object":
        parts = schema.get("properties", {}) if depth < DEEPEST else {}
        return {name: example(document, part, depth + 1) for name, part in parts.items()}
    if schema.get("type") == "array":
        return [example(document, schema.get("items", {}), depth + 1)] if depth < DEEPEST else []
    return schema.get("minimum", _PLAIN.get(schema.get("type", "")))


def _plain(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its reference followed, and of several the first that is not null."""
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] | {
                name: value for name, value in schema.items() if name != "$ref"
            }
        elif "anyOf" in schema and "default" not in schema:
            schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
        else:
            kinds = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
            return (_plain(document, kinds[0]) | {"default": schema["default"]}) if kinds else schema
