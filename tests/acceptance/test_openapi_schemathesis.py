"""Every call of the API's own document, with whatever that document allows and forbids: no answer is a fault of the server.

Requests are made from the document in three ways: as they are drawn, on things that exist, and as valid bodies with one field drawn.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import catalogue_lab
import http_tasks
from labelmill.accounts import Scope, service
from labelmill.bootstrap import build
from labelmill.connections import service as connections
from labelmill.rules import from_dict
from labelmill.rules import service as rule_sets
from labelmill.rules.stored import pack
from labelmill.settings import Settings
from labelmill.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import FastAPI
    from schemathesis import Case

    from labelmill.bootstrap import App

#: Another seed draws other requests; a failure names the one that it was found with.
SEED = int(os.environ.get("LABELMILL_TEST_SEED", "7"))
EXAMPLES = 24
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: What the predecessor's contract says of a database or rules that are not there is no fault of the server.
CONTRACT = {"/api/tasks/": {501, 503}}
SECONDS = 20


@dataclass
class Served:
    """A server with one thing of each kind, and who asks it."""

    app: App
    web: FastAPI
    base: str
    token: str
    #: Values of path parameters that exist.
    known: dict[str, list[Any]]
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = requests.post(f"{self.base}{path}", json=body, headers=self.headers, timeout=SECONDS)
        assert answer.status_code < 300, answer.text
        return answer.json()


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "out.db").touch()
    app = build(Settings(data_dir=folder / "data", port=port, output_url=f"sqlite:///{folder}/out.db"))
    web = create_app(app)
    admin = app.database.transact(service.ensure_admin).id
    _, token = app.database.transact(service.create_token, admin, name="test", scope=Scope.ADMIN)
    server = uvicorn.Server(uvicorn.Config(web, host="127.0.0.1", port=port, log_level="error"))
    web.state.stopping = lambda: server.should_exit
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield Served(app, web, f"http://127.0.0.1:{port}", token, {})
    finally:
        server.should_exit = True
        thread.join(20)
        app.close()


def fill(served: Served) -> None:
    """Make one thing of each kind that a path can name: the first task has ended, the second waits."""
    app = served.app
    http_tasks.write(served, "posts.csv")
    http_tasks.write(served, "posts.db")
    app.database.transact(rule_sets.save, "people", pack(from_dict(http_tasks.RULES)))
    url = {"url": "sqlite:///posts.db", "readable": ["main"], "writable": ["main"]}
    app.database.transact(lambda connection: connections.add(connection, app, name="shop", **url))
    ids = [served.post("/v1/label-tasks", http_tasks.body(sink=f"{n}.db"))["id"] for n in range(2)]
    http_tasks.work(served, ids[0])
    catalogue_lab.make(http_tasks.folder(served) / "fashion", 12)
    http_tasks.work(served, served.post("/v1/catalogues", CATALOGUE)["load"]["id"])
    images = [served.post("/v1/image-tasks", {"catalogue": "shop"})["id"] for _ in range(2)]
    http_tasks.work(served, images[0])
    spare, _ = app.database.transact(
        service.create_token, app.database.transact(service.ensure_admin).id, name="spare", scope=Scope.READ
    )
    served.known = {
        "task_id": ids, "job_id": ids, "path": ["posts.csv", "0.db", "nothing.csv"], "version": [1, 2], "token_id": [spare.id],
        "image-tasks": images, "files": ["metadata.csv", "1.jpg", "nothing.jpg"],
    }  # fmt: skip


CATALOGUE = {"name": "shop", "table": {"path": "fashion/styles.csv"}, "images": {"path": "fashion/images"}}
#: A body that would be accepted, by operation: one field of it is drawn.
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/label-tasks": http_tasks.body("posts.db", "drawn.db"),
    "POST /v1/rule-sets": {"name": "drawn", "rule_set": http_tasks.RULES},
    "PUT /v1/rule-sets/{name}": {"rule_set": http_tasks.RULES},
    "POST /v1/rule-sets/check": {"rule_set": http_tasks.RULES},
    "POST /v1/rule-sets/explain": {"rule_set": {"name": "people"}, "text": "Tom"},
    "POST /v1/rule-sets/sample": {"rule_set": {"name": "people"}, "source": "posts.csv", "text_column": "author"},
    "POST /v1/catalogues": CATALOGUE | {"name": "drawn"},
    "POST /v1/image-tasks": {"catalogue": "shop", "where": {"gender": "Men"}},
    "POST /v1/connections": {"name": "drawn", "url": "sqlite:///posts.db", "readable": ["main"], "writable": []},
}


@dataclass
class Findings:
    """What was answered, and what went wrong, by operation."""

    answers: dict[str, dict[int, int]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def note(self, case: Case, answer: Any) -> None:
        label = case.operation.label
        counts = self.answers.setdefault(label, {})
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
        if answer.status_code in CONTRACT.get(case.operation.path, ()):
            return
        try:
            case.validate_response(answer, checks=CHECKS)
        except (Failure, FailureGroup) as failure:
            told = "; ".join(str(one) for one in getattr(failure, "exceptions", [failure]))
            self.faults.setdefault(label, f"{told[:600]}\n  {case.as_curl_command()[:900]}\n  {answer.text[:300]}")


def in_order(served: Served) -> list[Any]:
    """Return the document's operations: reading before changing before deleting, so that what exists lasts."""
    schema = schemathesis.openapi.from_url(f"{served.base}/openapi.json", headers=served.headers)
    found = [result.ok() for result in schema.get_all_operations()]
    return sorted(found, key=lambda one: ("get", "put", "post", "patch", "delete").index(one.method.lower()))


def draw(served: Served, operation: Any, findings: Findings, examples: int = EXAMPLES) -> None:
    """Send what is drawn for one operation."""
    ways = cycle(("as drawn", "known", "mixed"))

    def send(case: Case) -> None:
        way = next(ways)
        if way != "as drawn":
            case.path_parameters = {
                name: known(served, case, name, value) for name, value in (case.path_parameters or {}).items()
            }
        base = BODIES.get(operation.label)
        if way == "mixed" and base is not None:
            name = min(case.body) if isinstance(case.body, dict) and case.body else ""
            case.body = base | ({name: case.body[name]} if name else {})
        with suppress(requests.exceptions.InvalidHeader):  # no client can send it
            findings.note(case, case.call(base_url=served.base, headers=served.headers, timeout=SECONDS))

    checks = list(HealthCheck)
    once = settings(max_examples=examples, database=None, deadline=None, suppress_health_check=checks, phases=[Phase.generate])
    seed(SEED)(once(given(case=operation.as_strategy())(send)))()


def known(served: Served, case: Case, name: str, value: Any) -> Any:
    """Return a value for a path parameter that exists; a stream is asked for only of a job that has ended."""
    path = case.operation.path
    if path.startswith("/v1/image-tasks"):
        there = served.known["image-tasks" if name == "task_id" else "files"]
        # The files of the first one are there.
        return there[0 if name == "task_id" and "/files" in path else len(str(value)) % len(there)]
    if name == "name":
        return "people" if "rule-sets" in path else "shop"
    there = served.known.get(name, [value])
    return there[0] if path.endswith("/events") else there[len(str(value)) % len(there)]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as made:
        yield made


@pytest.mark.timeout(900)  # a minute of computing on a quiet machine, and more with every call
def test_no_call_that_the_document_allows_or_forbids_ends_in_a_fault_of_the_server(served: Served) -> None:
    fill(served)
    findings = Findings()
    for operation in in_order(served):
        draw(served, operation, findings)
    told = "\n".join(f"{label}: {fault}" for label, fault in findings.faults.items())
    assert not told, f"LABELMILL_TEST_SEED={SEED}\n{told}"
    assert len(findings.answers) > 40
    # It is worth something only where requests get past validation.
    for label in (
        "POST /v1/label-tasks",
        "GET /v1/label-tasks/{task_id}/sample",
        "PUT /v1/rule-sets/{name}",
        "POST /v1/connections",
        "GET /v1/catalogues/{name}/count",
        "GET /v1/image-tasks/{task_id}/files/{name}",
    ):
        assert any(status < 300 for status in findings.answers[label]), (label, findings.answers[label])


def test_a_fault_and_an_answer_that_is_not_in_the_document_are_found(served: Served) -> None:
    @served.web.get("/v1/broken/{number}")
    def broken(number: int) -> dict[str, int]:
        return {"half": 10 // (number - number)}

    @served.web.get("/v1/unlike")
    def unlike() -> dict[str, int]:
        from fastapi.responses import JSONResponse

        return JSONResponse({"name": "text"})  # type: ignore[return-value]

    served.web.openapi_schema = None
    findings = Findings()
    for operation in in_order(served):
        if operation.path in ("/v1/broken/{number}", "/v1/unlike"):
            draw(served, operation, findings, examples=3)
    assert set(findings.faults) == {"GET /v1/broken/{number}", "GET /v1/unlike"}
    assert "curl" in findings.faults["GET /v1/broken/{number}"]
