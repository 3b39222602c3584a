"""The API's page is made from the OpenAPI document."""

from __future__ import annotations

from labelmill.web.reference import calls_of, example

DOCUMENT = {
    "components": {
        "schemas": {
            "Part": {"type": "object", "properties": {"name": {"type": "string"}, "kind": {"enum": ["a", "b"]}}},
            "Loop": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Loop"}}},
        }
    },
    "paths": {
        "/v1/things/{id}": {
            "post": {
                "operationId": "do",
                "tags": ["things"],
                "summary": "Do",
                "security": [{"token": []}],
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "state", "in": "query", "schema": {"anyOf": [{"enum": ["x", "y"]}, {"type": "null"}]}},
                    {"name": "labelmill_session", "in": "cookie", "schema": {"type": "string"}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Part"}}}},
                "responses": {"200": {"description": "Fine"}, "404": {"description": "Not there"}},
            }
        }
    },
}


def test_a_call_has_its_fields_choices_body_and_answers() -> None:
    [call] = calls_of(DOCUMENT)
    assert (call.method, call.path, call.group, call.needs_token) == ("POST", "/v1/things/{id}", "things", True)
    assert [(field.name, field.place, field.required, field.choices) for field in call.fields] == [
        ("id", "path", True, ()),
        ("state", "query", False, ("x", "y")),
    ]
    assert '"kind": "a"' in call.body
    assert call.answers == (("200", "Fine"), ("404", "Not there"))


def test_examples_come_from_examples_then_defaults_then_kinds() -> None:
    properties = {
        "one": {"type": "string", "examples": ["shop"], "default": "x"},
        "two": {"type": "integer", "default": 365},
        "three": {"type": "array", "items": {"type": "number", "minimum": 2}},
        "four": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    }
    assert example(DOCUMENT, {"type": "object", "properties": properties}) == {
        "one": "shop",
        "two": 365,
        "three": [2],
        "four": False,
    }


def test_a_schema_that_holds_itself_ends() -> None:
    assert example(DOCUMENT, {"$ref": "#/components/schemas/Loop"})
