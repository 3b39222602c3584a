"""The order in which a supervisor ends a process: its step is settled before anybody can find the process gone."""

from __future__ import annotations

import subprocess
import time

import pytest

from labelmill.jobs import leases, limits, presence
from labelmill.jobs.supervisor import Child, Supervisor, worker_children


class Process:
    """A process that does not end by itself, and tells what is done to it."""

    pid = 2**22 + 1
    stdin = None
    returncode = -9

    def __init__(self, told):
        self.told = told

    def wait(self, timeout=None):
        if timeout is not None and "kill" not in self.told:
            raise subprocess.TimeoutExpired("x", timeout)
        self.told.append("wait")

    def poll(self):
        return None


@pytest.fixture
def told(monkeypatch):
    """Return the list of what is done to the process, with killing among it."""
    made = []
    monkeypatch.setattr(limits, "kill", lambda _pid: made.append("kill"))
    return made


@pytest.fixture
def child(lab, told):
    """Return a worker process with a step in hand."""
    lab.submit("sleep", seconds=1, limit_seconds=0.5)
    lab.database.transact(presence.arrive, "w", runner="local", queues=["default"])
    step = lab.database.transact(leases.claim, "w")
    return Child("w", lambda _: [], worker_id="w", process=Process(told), seen={(step.id, step.attempt): -100.0})


def recorded(supervisor, name, told, monkeypatch):
    real = getattr(supervisor, name)

    def call(*arguments):
        told.append(name)
        return real(*arguments)

    monkeypatch.setattr(supervisor, name, call)


def test_p17_a_step_goes_back_before_its_killed_process_is_buried(lab, child, told, monkeypatch):
    """A process that is waited for is gone for everybody's sweep, which would count a failed try."""
    supervisor = Supervisor(lab.runtime, [child])
    recorded(supervisor, "_hand_back", told, monkeypatch)
    supervisor._end(child, deadline=0)
    assert told[:3] == ["kill", "_hand_back", "wait"]
    with lab.database.read() as connection:
        assert leases.held_by(connection, ["w"]) == []


def test_p16_a_step_over_its_limit_fails_with_its_reason_before_its_process_is_buried(lab, child, told):
    Supervisor(lab.runtime, [child])._look_after(child)
    with lab.database.read() as connection:
        assert leases.held_by(connection, ["w"]) == []
    assert (told, child.killed_for[0]) == (["kill"], "time-limit")


def test_limits_hold_while_the_database_is_away(lab, child, told, monkeypatch):
    """What was last seen of the steps is enough to end a process."""
    from labelmill.errors import Unavailable

    with lab.database.read() as connection:
        child.held = leases.held_by(connection, ["w"])

    def away(*_arguments, **_named):
        raise Unavailable("away")

    monkeypatch.setattr(lab.database, "read", away)
    Supervisor(lab.runtime, [child])._look_after(child)
    assert told == ["kill"]


def test_a_child_that_cannot_start_is_tried_again_ever_more_seldom(lab, told):
    supervisor = Supervisor(lab.runtime, [])
    child = Child("w", lambda _: [], is_worker=False)
    pauses = []
    for _ in range(8):
        child.process, child.started = Process(told), time.monotonic()
        supervisor._bury(child, 1)
        pauses.append(child.pause)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_worker_children_have_names_of_their_own():
    children = worker_children(3)
    assert [child.name for child in children] == ["worker 1", "worker 2", "worker 3"]
    assert children[0].command("id")[-3:] == ["worker", "--child", "id"]
