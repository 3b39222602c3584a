"""Kinds of job for tests: one that adds numbers with a ledger beside them, and those that misbehave."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from labelmill.errors import BadInput, StepLost, Unavailable
from labelmill.jobs.model import NewStep, StepResult
from labelmill.jobs.registry import JobKind, Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labelmill.jobs.registry import StepContext

SCHEMA = """
CREATE TABLE IF NOT EXISTS numbers (job TEXT, step TEXT, number INTEGER);
CREATE TABLE IF NOT EXISTS ledger (job TEXT, step TEXT, attempt INTEGER, PRIMARY KEY (job, step));
CREATE TABLE IF NOT EXISTS runs (job TEXT, step TEXT, attempt INTEGER, pid INTEGER);
"""


@contextmanager
def output(path: Path | str) -> Iterator[sqlite3.Connection]:
    """Give the output database inside one transaction."""
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


def prepare(path: Path | str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)


def _ran(context: StepContext) -> int:
    """Note that the step runs, and return how often it has begun."""
    step = context.step
    with output(context.params["out"]) as connection:
        connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", (step.job_id, step.key, step.attempt, os.getpid()))
        found = connection.execute("SELECT count(*) FROM runs WHERE job = ? AND step = ?", (step.job_id, step.key))
        return int(found.fetchone()[0])


def plan(context: StepContext) -> StepResult:
    """Plan ``steps`` steps of ``each`` numbers, and one that sums them up afterwards."""
    count, each = context.params["steps"], context.params["each"]
    steps = [
        NewStep(key=f"add-{i:04}", name="add", phase=1, payload={"start": i * each, "end": (i + 1) * each}, units=each)
        for i in range(count)
    ]
    return StepResult(steps=(*steps, NewStep(key="sum", name="sum", phase=2)))


def add(context: StepContext) -> StepResult:
    """Write a range of numbers, replacing what an earlier attempt wrote, with the ledger in the same transaction."""
    first = _ran(context) == 1
    _die(context, "before", first)
    time.sleep(context.params.get("seconds", 0))
    context.fence()
    step, numbers = context.step, range(context.payload["start"], context.payload["end"])
    with output(context.params["out"]) as connection:
        newer = "SELECT 1 FROM ledger WHERE job = ? AND step = ? AND attempt > ?"
        if connection.execute(newer, (step.job_id, step.key, step.attempt)).fetchone():
            raise StepLost("A later attempt has written already.")
        connection.execute("DELETE FROM numbers WHERE job = ? AND step = ?", (step.job_id, step.key))
        connection.executemany("INSERT INTO numbers VALUES (?, ?, ?)", [(step.job_id, step.key, n) for n in numbers])
        connection.execute("INSERT OR REPLACE INTO ledger VALUES (?, ?, ?)", (step.job_id, step.key, step.attempt))
    _die(context, "after", first)
    return StepResult(done=len(numbers), figures={"numbers": len(numbers)})


def _die(context: StepContext, moment: str, first: bool) -> None:
    if first and context.params.get("die") == moment and context.step.key.endswith(("1", "5")):
        os._exit(9)


def sum_up(context: StepContext) -> StepResult:
    with output(context.params["out"]) as connection:
        total = connection.execute("SELECT sum(number) FROM numbers WHERE job = ?", (context.step.job_id,)).fetchone()[0]
    return StepResult(job_result={"sum": total})


def sleep(context: StepContext) -> StepResult:
    """Sleep in small pieces, each reported."""
    _ran(context)
    end = time.monotonic() + context.params["seconds"]
    pieces = 0
    while time.monotonic() < end:
        time.sleep(0.02)
        pieces += 1
        context.report(pieces)
    return StepResult(done=pieces)


def deaf(context: StepContext) -> StepResult:
    """Sleep without ever asking whether to go on."""
    _ran(context)
    time.sleep(context.params["seconds"])
    return StepResult(done=1)


def crash(context: StepContext) -> StepResult:
    _ran(context)
    os._exit(3)


def fault(context: StepContext) -> StepResult:
    _ran(context)
    raise RuntimeError("a fault with a lone \ud800 surrogate" if context.params.get("odd") else "a fault")


def refuse(context: StepContext) -> StepResult:
    _ran(context)
    raise BadInput("Row 7 is wrong.", where="row 7", way_out="Mend it.")


def flaky(context: StepContext) -> StepResult:
    """Find something unavailable for the first ``times`` tries."""
    if _ran(context) <= context.params["times"]:
        raise Unavailable("The other server does not answer.")
    return StepResult(done=1)


def unstorable(context: StepContext) -> StepResult:
    _ran(context)
    return StepResult(figures={"what": object()})


def hoard(context: StepContext) -> StepResult:
    _ran(context)
    kept = []
    while True:
        kept.append(b"x" * 10_000_000)
        time.sleep(0.02)


def loop(context: StepContext) -> StepResult:
    _ran(context)
    while True:
        pass


def block(context: StepContext) -> StepResult:
    """Wait on a socket that nobody writes to."""
    _ran(context)
    ours, _theirs = socket.socketpair()
    ours.recv(1)
    return StepResult()


MISBEHAVING = {"sleep": sleep, "deaf": deaf, "crash": crash, "fault": fault, "refuse": refuse, "flaky": flaky,
               "unstorable": unstorable, "hoard": hoard, "loop": loop, "block": block}  # fmt: skip


def kinds() -> list[JobKind]:
    return [
        JobKind(name="add", handlers={"plan": plan, "add": add, "sum": sum_up}),
        *(JobKind(name=name, handlers={"only": handler}) for name, handler in MISBEHAVING.items()),
    ]


def registry() -> Registry:
    return Registry(*kinds())
