"""Annotators that never think, for ``loop.py``: each asks for a record over a connection of its own, answers it, and asks again."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

TIMING = re.compile(rb"server-timing: (?:work;dur=([0-9.]+), )?total;dur=([0-9.]+)", re.IGNORECASE)
LENGTH = re.compile(rb"content-length: ([0-9]+)", re.IGNORECASE)


@dataclass
class Times:
    """Of one kind of call, in milliseconds: as the client saw it, as the server says, and of that the work without any waiting in line."""

    seen: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)


@dataclass
class Client:
    """What one annotator saw."""

    token: str
    next: Times = field(default_factory=Times)
    answer: Times = field(default_factory=Times)
    errors: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)


def crowd(clients: list[Client], port: int, dataset_id: int, labels: list[int], seconds: float) -> None:
    """Let all clients work at once for so long, and each for one record at least."""

    async def all_of_them() -> None:
        end = time.perf_counter() + seconds
        await asyncio.gather(*(_work(each, port, f"/v1/datasets/{dataset_id}", labels, end) for each in clients))

    asyncio.run(all_of_them())


async def _work(client: Client, port: int, root: str, labels: list[int], end: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        try:
            await _once(client, (reader, writer), root, labels)
        except (OSError, EOFError) as error:
            client.errors.append(repr(error))
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if time.perf_counter() >= end:
            break
    writer.close()


async def _once(client: Client, wire: tuple[asyncio.StreamReader, asyncio.StreamWriter], root: str, labels: list[int]) -> None:
    served = await _ask(client, wire, f"{root}/next", {"count": 1}, client.next)
    if not served.get("records"):
        await asyncio.sleep(0.05)
    for record in served.get("records", []):
        key = secrets.token_hex(8)
        body = {"label_ids": [labels[record["id"] % len(labels)]], "key": key}
        if await _ask(client, wire, f"{root}/records/{record['id']}/answers", body, client.answer):
            client.acknowledged.append(key)


async def _ask(
    client: Client, wire: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str, body: dict[str, Any], times: Times
) -> dict[str, Any]:
    raw = json.dumps(body)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {client.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    start = time.perf_counter()
    wire[1].write((head + raw).encode())
    answer = await wire[0].readuntil(b"\r\n\r\n")
    length = LENGTH.search(answer)
    text = await wire[0].readexactly(int(length[1]) if length else 0)
    times.seen.append((time.perf_counter() - start) * 1000)
    if not answer.startswith(b"HTTP/1.1 200"):
        client.errors.append(f"{answer[9:12].decode()} {text[:200]!r}")
        return {}
    timing = TIMING.search(answer)
    if timing:
        times.server.append(float(timing[2]))
        times.work.append(float(timing[1] or timing[2]))
    found: dict[str, Any] = json.loads(text)
    return found
