"""LabelForward's answers without a body, over a real server and connection: nothing hangs, and the connection goes on."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import uvicorn

import labelforward
import webapp

if TYPE_CHECKING:
    from pathlib import Path


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, cookie: str, body: Any = None
) -> tuple[int, str, bytes]:
    headers = {"Cookie": f"access_token={cookie}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers.get("X-Labelmill-State", ""), answer.read()


def test_l18_each_state_ends_at_once_and_the_connection_goes_on(tmp_path: Path) -> None:
    with webapp.site(tmp_path) as site, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        dataset = labelforward.make_dataset(site, texts=1)
        ann, bob = (labelforward.join(site, dataset, f"{name}@example.org").cookie for name in ("ann", "bob"))
        server = uvicorn.Server(uvicorn.Config(site.web, host="127.0.0.1", port=port, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.02)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            status, state, body = _ask(connection, "GET", "/api/texts/text", ann)
            assert (status, state) == (200, "record")
            assert _ask(connection, "GET", "/api/texts/text", bob) == (204, "waiting", b"")
            label = {"text_id": json.loads(body)["text_id"], "label": "good"}
            assert _ask(connection, "POST", "/api/texts/text", ann, label) == (201, "", b"")
            assert _ask(connection, "GET", "/api/texts/text", bob) == (205, "done", b"")
            assert _ask(connection, "GET", "/api/monitor/label", bob) == (200, "", b'{"labelShare":1.0}')
            connection.close()
        finally:
            server.should_exit = True
            thread.join(20)
