"""Nothing leaks from the web process (promise 27): it is looked at from outside while others come, break off and go."""

from __future__ import annotations

import socket
import sys
import time
from contextlib import closing

import httpx
import psutil
import pytest

import label_crowd
from labelmill.accounts import Role, Scope
from labelmill.accounts import service as accounts
from labelmill.jobs import service as jobs
from labelmill.jobs.model import NewStep

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]
CYCLES = 1000
#: Connections, threads and memory that come with the first load and stay: the pools are full then.
SPARE_DESCRIPTORS, SPARE_THREADS, SPARE_MB = 12, 4, 24


@pytest.fixture
def server(sqlite_database, tmp_path):
    with label_crowd.Server(tmp_path, sqlite_database, clients=1, records=50, wanted=0) as made:
        yield made


def look(server):
    """Return open descriptors, threads and megabytes of the web process, once those that were hung up on are gone."""
    process = psutil.Process(server.process.pid)
    deadline = time.monotonic() + 30
    while process.net_connections() and len(process.net_connections()) > 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    return process.num_fds(), process.num_threads(), process.memory_info().rss / 2**20


def require_flat(server, cycle):
    for _ in range(CYCLES // 4):
        cycle()
    before = look(server)
    for _ in range(CYCLES):
        cycle()
    after = look(server)
    sys.stdout.write(f"descriptors, threads, MB: {before} {after}\n")
    assert after[0] <= before[0] + SPARE_DESCRIPTORS
    assert after[1] <= before[1] + SPARE_THREADS
    assert after[2] <= before[2] + SPARE_MB


def test_p27_event_streams_that_break_off_leave_nothing(server):
    """Each hears the first event of a job that goes on, and hangs up without a word."""
    steps = [NewStep(key="one", name="step", phase=0)]
    job = server.app.database.transact(
        jobs.submit, kind="never", steps=steps, params={}, title="a job", unit="rows", queue="nobody"
    )
    port, (_, token) = server.settings.port, server.people[0]
    head = f"GET /v1/jobs/{job.id}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"

    def listen():
        with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as connection:
            connection.sendall(head.encode())
            told = b""
            while b"event: job" not in told:
                more = connection.recv(4096)
                assert more, told
                told += more

    require_flat(server, listen)


def test_p27_sessions_that_begin_and_end_leave_nothing(server):
    """Each browser signs in, labels a record, and signs out; its session is over then, and its rows are gone."""
    database, settings = server.app.database, server.settings
    base = f"http://127.0.0.1:{settings.port}"
    person = database.transact(accounts.add_annotator, email="ann@example.org", name="Ann", role=Role.ANNOTATOR)
    database.transact(accounts.set_member, server.dataset.id, person.id, Role.ANNOTATOR)

    def visit():
        secret = database.transact(accounts.open_session, person.id, Scope.ADMIN, settings)
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
        with httpx.Client(base_url=base, headers=headers, cookies={"labelmill_session": secret}, timeout=60) as browser:
            page = browser.get(f"/datasets/{server.dataset.id}/label")
            assert page.status_code == httpx.codes.OK
            assert browser.post("/sign-out").status_code == httpx.codes.SEE_OTHER
            browser.cookies.set("labelmill_session", secret)
            assert browser.get("/v1/me").status_code == httpx.codes.UNAUTHORIZED

    require_flat(server, visit)
    with database.read() as connection:
        assert accounts.list_sessions(connection, person.id, settings) == []
