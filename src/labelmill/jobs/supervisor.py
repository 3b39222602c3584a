"""The parent of worker processes: starts them, holds them to their limits, restarts them, and lets them end in peace."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from labelmill import clock
from labelmill.errors import LabelmillError
from labelmill.jobs import leases, limits, presence
from labelmill.jobs.following import Following
from labelmill.jobs.sweep import Sweep, release_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labelmill.jobs.model import Step
    from labelmill.jobs.runtime import Runtime

log = structlog.get_logger(__name__)

#: Seconds between two looks at the children.
LOOK_SECONDS = 0.5
#: A child that ends sooner than this is started again only after a pause that doubles up to the longest.
HEALTHY_SECONDS = 5.0
LONGEST_PAUSE = 30.0


@dataclass
class Child:
    """One supervised process. ``command`` gives its argument list for a fresh worker id (empty for a process that leases nothing)."""

    name: str
    command: Callable[[str], list[str]]
    is_worker: bool = True
    worker_id: str = ""
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.0
    #: When each held (step, attempt) was first seen, on this process's clock.
    seen: dict[tuple[str, int], float] = field(default_factory=dict)
    held: list[Step] = field(default_factory=list)
    killed_for: tuple[str, str] | None = None


class Supervisor:
    """Runs children until told to stop. Children get a pipe as standard input: its end tells them to stop, also when this parent dies."""

    def __init__(self, runtime: Runtime, children: Sequence[Child]) -> None:
        self.stop = threading.Event()
        self._database = runtime.database
        self._settings = runtime.settings
        self._children = list(children)
        self._sweep = Sweep(runtime.database, runtime.waker, lease_seconds=runtime.settings.lease_seconds)
        self._following = Following(runtime.registry)

    def run(self) -> None:
        """Supervise until ``stop`` is set, then end the children and free what they could not finish."""
        self._sweep.start()
        self._following.start()
        try:
            while not self.stop.is_set():
                for child in self._children:
                    self._look_after(child)
                self.stop.wait(LOOK_SECONDS)
        finally:
            self._end_all()
            self._following.stop()
            self._sweep.stop()

    def stop_on_signals(self) -> None:
        """Let SIGTERM and SIGINT end ``run``."""
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: self.stop.set())

    def _look_after(self, child: Child) -> None:
        if child.process is None:
            if clock.monotonic() >= child.started + child.pause:
                self._start(child)
            return
        if child.process.poll() is None:
            if child.is_worker:
                self._hold_to_limits(child, child.process.pid)
            return
        self._bury(child, child.process.returncode)

    def _start(self, child: Child) -> None:
        child.worker_id = presence.new_worker_id() if child.is_worker else ""
        child.started = clock.monotonic()
        child.seen.clear()
        child.held = []
        child.killed_for = None
        # A session of its own: Ctrl-C reaches this parent only, which then lets the children end in order.
        child.process = subprocess.Popen(
            child.command(child.worker_id),
            stdin=subprocess.PIPE,
            env=os.environ | self._settings.environment() | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        log.info("process started", process=child.name, pid=child.process.pid)

    def _bury(self, child: Child, code: int) -> None:
        """Free what a dead child held, and let it be started again: at once when it had lived well or died of a step."""
        _close(child)
        worked = bool(child.seen)
        if child.is_worker:
            reason = child.killed_for or (
                "worker-died",
                f"The worker process ended with code {code} in the middle of the step.",
            )
            worked = self._release(child, *reason) or worked
        lived = clock.monotonic() - child.started
        child.pause = 0.0 if worked or lived > HEALTHY_SECONDS else min(LONGEST_PAUSE, max(1.0, child.pause * 2))
        child.started = clock.monotonic()
        log.warning("process ended", process=child.name, code=code, restart_in=child.pause)

    def _release(self, child: Child, code: str, detail: str) -> bool:
        """Free the steps of a dead child; return whether it had any."""
        try:
            return release_workers(self._database, [child.worker_id], code=code, reason=detail) > 0
        except LabelmillError as error:
            # The sweep finds the dead lease once the database is back.
            log.warning("could not free the steps of a dead worker", reason=error.message)
            return False

    def _hold_to_limits(self, child: Child, pid: int) -> None:
        try:
            with self._database.read() as connection:
                child.held = leases.held_by(connection, [child.worker_id])
        except LabelmillError:
            # Without the database the limits of the steps that were last seen still hold.
            log.debug("limits held from memory", process=child.name)
        moment = clock.monotonic()
        child.seen = {(step.id, step.attempt): child.seen.get((step.id, step.attempt), moment) for step in child.held}
        for step in child.held:
            excess = limits.excess(step, moment - child.seen[step.id, step.attempt], limits.memory_of(pid))
            if excess:
                log.error("worker killed", job=step.job_id, step=step.key, code=excess[0], reason=excess[1])
                child.killed_for = excess
                limits.kill(pid)
                # While it is not yet waited for, nobody else's sweep takes it for a death without a reason.
                self._release(child, *excess)
                return

    def _end_all(self) -> None:
        running = [child for child in self._children if child.process is not None]
        for child in running:
            _ask_to_stop(child)
        deadline = clock.monotonic() + self._settings.stop_seconds
        for child in running:
            self._end(child, deadline)

    def _end(self, child: Child, deadline: float) -> None:
        process = child.process
        if process is None:
            return
        try:
            process.wait(max(0.1, deadline - clock.monotonic()))
        except subprocess.TimeoutExpired:
            limits.kill(process.pid)
            if child.is_worker:
                # Before it is waited for: after that a sweep may count its step as a failed try.
                self._hand_back(child)
            process.wait()
        _close(child)
        if child.is_worker:
            self._hand_back(child)

    def _hand_back(self, child: Child) -> None:
        """A step that was cut short by an orderly stop goes back without counting as a try."""
        try:
            with self._database.read() as connection:
                held = leases.held_by(connection, [child.worker_id])
            for step in held:
                self._database.transact(leases.hand_back, step)
            self._database.transact(presence.leave, [child.worker_id])
        except LabelmillError as error:
            log.warning("could not free the steps of a stopped worker", reason=error.message)


def worker_children(count: int, *options: str) -> list[Child]:
    """Return ``count`` worker processes of labelmill itself."""
    return [
        Child(f"worker {number}", lambda worker_id: python_child("worker", "--child", worker_id, *options))
        for number in range(1, count + 1)
    ]


def python_child(*arguments: str) -> list[str]:
    """Return the command that runs a labelmill verb in a fresh interpreter (never a fork)."""
    return [sys.executable, "-m", "labelmill", *arguments]


def _ask_to_stop(child: Child) -> None:
    if child.process is None:
        return
    if child.process.stdin:
        with contextlib.suppress(OSError):
            child.process.stdin.close()
    if not child.is_worker:
        child.process.terminate()


def _close(child: Child) -> None:
    if child.process is not None and child.process.stdin:
        with contextlib.suppress(OSError):
            child.process.stdin.close()
    child.process = None
