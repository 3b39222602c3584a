"""``labelmill`` as a process of its own, without the second of computing that its imports take: forked from one that has made them.

What forks has imported and done nothing else: it has none of the threads that polars and others start with their first work, without
which a forked process would hang. It looks for them before each fork.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What most verbs need, and imports by the way.
MODULES = (
    *("polars", "psycopg", "pymysql", "rich.table", "sqlalchemy.dialects.mysql", "sqlalchemy.dialects.postgresql", "structlog"),
    *("labelmill.bootstrap", "labelmill.console", "labelmill.jobs.cli", "labelmill.jobs.inline", "labelmill.labeltasks.cli"),
    *(
        "labelmill.datasets.import_cli",
        "labelmill.datasets.import_jobs",
        "labelmill.db.migrate",
        "labelmill.labeltasks.table_output",
    ),
    *("labelmill.adopt", "labelmill.labeltasks.adopt", "labelmill.rules.cli"),
)
#: Threads of libraries that are only imported; polars' second one looks after files that nobody makes here.
IDLE = frozenset({"python", "polars-ooc-clea"})


class Process:
    """A running ``labelmill``, in the words of ``subprocess.Popen``."""

    def __init__(self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], given: str = "") -> None:
        self.args = ["labelmill", *arguments]
        self.returncode: int | None = None
        self._out, self._err, source = (tempfile.TemporaryFile() for _ in range(3))  # noqa: SIM115 - read at the end
        source.write(given.encode())
        source.seek(0)
        self._end, told = os.pipe()
        order = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}
        descriptors = [source.fileno(), self._out.fileno(), self._err.fileno(), told]
        with tempfile.TemporaryFile() as letter:  # an environment may be longer than a datagram
            letter.write(json.dumps(order).encode())
            letter.seek(0)
            socket.send_fds(_server(), [b"!"], [letter.fileno(), *descriptors])
            source.close()
            os.close(told)
            self.pid = int(os.read(self._end, 64))

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        if self.returncode is None and select.select([self._end], [], [], 0)[0]:
            self._ended()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._end], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._ended()
        assert self.returncode is not None
        return self.returncode

    def _ended(self) -> None:
        self.returncode = os.waitstatus_to_exitcode(int(os.read(self._end, 64)))
        os.close(self._end)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it wrote, once it has ended; nothing the second time."""
        self.wait(timeout)
        return _text(self._out), _text(self._err)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.communicate()


def run(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], given: str = "", timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end, with ``given`` as its input."""
    with Process(arguments, cwd=cwd, env=env, given=given) as process:
        try:
            out, err = process.communicate(timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.wait(), out, err)


def _text(file: Any) -> str:
    if file.closed:
        return ""
    with file:
        file.seek(0)
        return str(file.read().decode())


@cache
def _server() -> socket.socket:
    """Start what forks, once for this process; it ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, __file__, str(theirs.fileno())]
    # The allocator as labelmill itself sets it, without the threads of its own that would be lost in a fork.
    allocator = {
        "_RJEM_MALLOC_CONF": f"narenas:{os.cpu_count() or 1},dirty_decay_ms:100,muzzy_decay_ms:0,background_thread:false"
    }
    running = subprocess.Popen(command, env=os.environ | allocator, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    theirs.close()

    def end() -> None:
        ours.close()
        running.wait()

    atexit.register(end)
    return ours


def _serve(orders: socket.socket) -> list[str] | None:
    """Fork for each order; return its arguments in the forked process, None where no more will come."""
    heard, rung = os.pipe()
    os.set_blocking(rung, False)
    signal.set_wakeup_fd(rung)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, and reaches their whole group
    running: dict[int, int] = {}
    while True:
        ready = select.select([orders, heard], [], [])[0]
        if heard in ready:
            os.read(heard, 4096)
            _tell_ended(running)
        if orders not in ready:
            continue
        _, descriptors, _, _ = socket.recv_fds(orders, 16, 8)
        if not descriptors:
            return None
        with open(descriptors[0], "rb") as letter:  # noqa: PTH123 - a descriptor
            order = json.load(letter)
        assert _threads() <= IDLE, f"these threads would be lost: {_threads() - IDLE}"
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            _become(order, descriptors[1:4])
            for each in (heard, rung, orders.detach(), *descriptors[1:], *running.values()):
                os.close(each)
            return list(order["arguments"])
        for each in descriptors[1:4]:
            os.close(each)
        running[pid] = descriptors[4]
        os.write(descriptors[4], str(pid).encode())


def _become(order: dict[str, Any], streams: list[int]) -> None:
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])


def _tell_ended(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        told = running.pop(pid)
        with suppress(BrokenPipeError):  # nobody asks any more
            os.write(told, str(status).encode())
        os.close(told)


def _threads() -> set[str]:
    return {path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}


if __name__ == "__main__":
    gc.disable()
    for _name in MODULES:
        import_module(_name)
    gc.freeze()
    _arguments = _serve(socket.socket(fileno=int(sys.argv[1])))
    if _arguments is not None:
        sys.argv = ["labelmill", *_arguments]
        import_module("labelmill.cli").main()
