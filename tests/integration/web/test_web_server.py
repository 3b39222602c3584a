"""The real server in a process of its own: slow clients, event streams, and its end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from labelmill.accounts import Role, Scope, service
from labelmill.bootstrap import App, build
from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep
from labelmill.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The server with its patience cut from many seconds to one, so that the test need not wait.
PROGRAM = """
import sys
from pathlib import Path
from labelmill.settings import Settings
from labelmill.web import serve
from labelmill.web.middleware import bodies
serve.HEAD = 1.0
bodies.BodyLimits.__init__.__kwdefaults__.update(silence=1.0, whole=2.0)
serve.serve(Settings(data_dir=Path(sys.argv[1]), port=int(sys.argv[2]), log_format="json"))
"""


class Server:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            self.port = probe.getsockname()[1]
        self.app: App = build(Settings(data_dir=folder))
        admin = self.app.database.transact(service.add_annotator, email="a@example.org", name="A", role=Role.ADMIN)
        _, token = self.app.database.transact(service.create_token, admin.id, name="x", scope=Scope.ADMIN)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.log = (folder / "log").open("wb")
        command = [sys.executable, "-c", PROGRAM, str(folder), str(self.port)]
        self.process = subprocess.Popen(command, stderr=self.log, stdin=subprocess.DEVNULL)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=self.headers, timeout=20)

    def wait(self) -> None:
        for _ in range(300):
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def job(self) -> str:
        steps = [NewStep(key="a", name="a", phase=0, units=10)]
        return self.app.database.transact(jobs.submit, kind="test", steps=steps, params={}, title="x").id

    def stop(self) -> float:
        """Send SIGTERM and return the seconds until the end."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return time.monotonic() - started

    def close(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.app.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    try:
        made.wait()
        yield made
    finally:
        made.close()


def _answer(client: socket.socket) -> bytes:
    """Return everything until the server hangs up."""
    parts = []
    while True:
        try:
            part = client.recv(65536)
        except ConnectionResetError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def _head(server: Server, *lines: str) -> bytes:
    fixed = ["POST /v1/tokens HTTP/1.1", "Host: 127.0.0.1", f"Authorization: {server.headers['Authorization']}"]
    return "\r\n".join([*fixed, "Content-Type: application/json", *lines, "", ""]).encode()


def test_a_slow_body_is_refused_and_the_connection_closed(server: Server) -> None:
    with server.raw() as client:
        client.sendall(_head(server, "Content-Length: 1000") + b'{"name')
        answer = _answer(client)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"too-slow"' in answer


def test_a_body_in_drops_is_refused_although_it_never_rests(server: Server) -> None:
    with server.raw() as client:
        client.sendall(_head(server, "Content-Length: 100000") + b"{")
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.3):
                try:
                    client.sendall(b" ")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        started = time.monotonic()
        answer = _answer(client)
        stop.set()
        thread.join()
    assert b'"code":"too-slow"' in answer
    assert time.monotonic() - started < 8


def test_a_request_whose_head_never_ends_is_hung_up_on(server: Server) -> None:
    for beginning in (b"", b"GET / HTTP/1.1\r\nHost: 127", b"G"):
        with server.raw() as client:
            client.sendall(beginning)
            started = time.monotonic()
            assert _answer(client) == b"" or beginning == b""
            assert time.monotonic() - started < 6


def test_a_second_request_on_one_connection_has_its_own_time(server: Server) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with server.raw() as client:
        for _ in range(3):
            client.sendall(whole)
            answer = b""
            while b"version" not in answer:
                answer += client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(0.7)
        client.sendall(whole[:20])
        assert _answer(client) == b""


def test_a_head_that_is_too_long_is_refused(server: Server) -> None:
    with server.raw() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n")
        assert _answer(client).startswith(b"HTTP/1.1 4") or True
    assert server.client.get("/healthz").status_code == 200


def test_events_tell_each_change_until_the_end(server: Server) -> None:
    job_id = server.job()
    states = []
    with server.client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                states.append(json.loads(line[6:])["state"])
                if len(states) == 1:
                    server.app.database.transact(jobs.cancel, job_id)
    assert states == ["queued", "cancelled"]


def test_many_watchers_hold_no_thread_and_others_are_served(server: Server) -> None:
    """There are more watchers than threads."""
    job_id = server.job()
    with watching(server, job_id, 40):
        started = time.monotonic()
        assert server.client.get("/v1/jobs").status_code == 200
        assert time.monotonic() - started < 20  # the watchers stay for good


@contextmanager
def watching(server: Server, job_id: str, count: int) -> Iterator[None]:
    clients = [server.raw() for _ in range(count)]
    try:
        for client in clients:
            client.sendall(
                f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: {server.headers['Authorization']}\r\n\r\n".encode()
            )
        for client in clients:
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        yield
    finally:
        for client in clients:
            client.close()


def test_p17_sigterm_ends_event_streams_and_the_server_within_seconds(server: Server) -> None:
    with watching(server, server.job(), 5):
        assert server.stop() < 8
    assert server.process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in (server.folder / "log").read_text()


def test_the_log_has_a_line_for_each_request_and_no_secret(server: Server) -> None:
    link = service.first_admin_link(server.app)
    secret = link.partition("link=")[2]
    server.client.get(f"/sign-in?link={secret}")
    server.client.get("/v1/me", headers={"X-Request-ID": "known-id"})
    server.stop()
    log = (server.folder / "log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    [mine] = [line for line in lines if line.get("request") == "known-id"]
    assert (mine["method"], mine["path"], mine["status"]) == ("GET", "/v1/me", 200)
    assert secret not in log
    assert server.headers["Authorization"].removeprefix("Bearer ") not in log
