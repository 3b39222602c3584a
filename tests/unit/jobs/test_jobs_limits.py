"""What a step's process holds in memory: all below it counts, and finding nothing below costs little."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from labelmill import clock
from labelmill.jobs import inline, limits
from labelmill.jobs.inline import run_or_watch

LARGE = 100 * limits.MEBIBYTE
#: Holds memory, tells that it does, and ends with its standard input.
HOLD = f"import sys; held = b'x' * {LARGE}; print('held', flush=True); sys.stdin.read()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}])"
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the children of a thread")


@contextmanager
def running(program: str):
    """Give a process that has told it is ready."""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_p15_what_a_child_of_a_child_holds_counts():
    with running(PARENT) as process:
        assert limits.memory_of(process.pid) > LARGE


def test_p15_a_child_counts_that_another_thread_has_started():
    before = limits.memory_of(os.getpid())
    counted, done = threading.Event(), threading.Event()

    def hold():
        with running(HOLD):
            counted.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert counted.wait(60)
        assert limits.memory_of(os.getpid()) > before + LARGE // 2
    finally:
        done.set()
        thread.join()


def test_p15_a_system_that_does_not_tell_children_is_searched(monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path):
        raise FileNotFoundError(path)

    with running(PARENT) as process:
        monkeypatch.setattr(Path, "iterdir", refuse)
        assert limits.memory_of(process.pid) > LARGE


@only_linux
def test_a_process_without_children_is_weighed_without_a_search(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(psutil.Process, "children", lambda *_, **__: pytest.fail("every process was read"))
    with running(HOLD) as process:
        assert limits.memory_of(process.pid) > LARGE


def test_a_process_that_is_gone_holds_nothing():
    with running(HOLD) as process:
        pass
    assert limits.memory_of(process.pid) == 0


def test_a_command_weighs_itself_at_most_once_a_second(lab, monkeypatch: pytest.MonkeyPatch):
    weighed, reported, begun = [], [], clock.monotonic()
    real = limits.memory_of
    monkeypatch.setattr(limits, "memory_of", lambda pid: weighed.append(pid) or real(pid))
    job = lab.submit("sleep", seconds=2.5)
    run_or_watch(lab.runtime, job.id, on_progress=reported.append)
    assert 1 <= len(weighed) <= (clock.monotonic() - begun) / inline.WEIGH_SECONDS + 1
    assert len(reported) > len(weighed)
