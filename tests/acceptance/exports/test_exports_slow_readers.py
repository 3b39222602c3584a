"""Promise 13: who reads slowly cannot fill the server's memory."""

from __future__ import annotations

import random
import selectors
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from annotation_lab import Lab
from archive_lab import ArchiveLab
from label_crowd import Server
from labelmill.accounts import Role
from labelmill.accounts import service as accounts

if TYPE_CHECKING:
    from pathlib import Path

READERS = 200
RECORDS, LENGTH = 20_000, 200
SECONDS = 8
MOST_GROWTH = 50 << 20
#: What serves requests beside the event loop has as many threads, however many readers there are.
MOST_THREADS = 60


@pytest.mark.parametrize("kind", ["export", "archive"])
def test_p13_two_hundred_slow_downloads_grow_the_server_by_less_than_50_mb(tmp_path: Path, kind: str) -> None:
    with (
        Server(tmp_path, f"sqlite:///{tmp_path / 'labelmill.db'}", clients=1, records=0, wanted=1) as server,
        ExitStack() as open_,
    ):
        drawn = random.Random(1)
        texts = [f"{number:06d} {drawn.getrandbits(4 * (LENGTH - 7)):x}" for number in range(RECORDS)]
        Lab(server.app.database).add(server.dataset, texts)
        person, token = server.people[0]
        server.app.database.transact(accounts.set_member, server.dataset.id, person, Role.VIEWER)
        path = f"/v1/datasets/{server.dataset.id}/export?format=jsonl"
        if kind == "archive":
            made = ArchiveLab(server.app).make(server.dataset)
            path = f"/v1/datasets/{server.dataset.id}/archives/{made.id}/file"
        headers = {"Authorization": f"Bearer {token}"}
        whole = httpx.get(f"http://127.0.0.1:{server.settings.port}{path}", headers=headers, timeout=120)
        assert len(whole.content) > RECORDS * LENGTH // 4
        process = psutil.Process(server.process.pid)
        before = process.memory_info().rss
        readers = [open_.enter_context(_asked(server, token, path)) for _ in range(READERS)]
        read = _read_slowly(readers)
        grown = process.memory_info().rss - before
        assert all(number > 0 for number in read), "each reader got something"
        assert grown < MOST_GROWTH, f"{grown >> 20} MB"
        assert process.num_threads() < MOST_THREADS
        # The others are served meanwhile.
        assert httpx.get(f"{server.address}/counts", headers=headers, timeout=30).status_code == httpx.codes.OK


def _asked(server: Server, token: str, path: str) -> socket.socket:
    """Return a connection on which a download was asked for, with as little room on the way as a slow line has."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.settings.port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return client


def _read_slowly(readers: list[socket.socket]) -> list[int]:
    """Read about a kilobyte a second from each, and return how much each got."""
    read = dict.fromkeys(readers, 0)
    with selectors.DefaultSelector() as selector:
        for each in readers:
            selector.register(each, selectors.EVENT_READ)
        ends = time.monotonic() + SECONDS
        # A busy server may take a while until the last one has its first bytes.
        while time.monotonic() < ends or not all(read.values()):
            assert time.monotonic() < ends + 120, "some reader got nothing"
            for key, _ in selector.select(0.1):
                client = key.fileobj
                assert isinstance(client, socket.socket)
                read[client] += len(client.recv(1024))
            time.sleep(0.9)
    return list(read.values())
