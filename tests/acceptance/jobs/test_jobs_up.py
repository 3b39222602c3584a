"""``labelmill up``: one command, everything runs; one signal, everything ends."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import closing

import psutil
import pytest

from job_lab import environment
from labelmill.jobs import service
from labelmill.jobs.inline import run_or_watch

LABELMILL = [sys.executable, "-m", "labelmill"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def up(lab):
    """Return a function that starts ``labelmill up`` and gives its process and port."""
    started = []

    def start(*arguments, port=None):
        port = port or free_port()
        with environment(lab) as variables, (lab.folder / f"up-{port}.log").open("wb") as log:
            process = subprocess.Popen([*LABELMILL, "up", "--port", str(port), *arguments], env=variables, stderr=log)
        started.append(process)
        return process, port

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(40)


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def said(lab, port):
    return (lab.folder / f"up-{port}.log").read_text()


def test_up_serves_the_page_and_works_and_ends_on_a_signal(lab, up):
    process, port = up("--workers", "2")
    lab.until(lambda: answers(port) and len(lab.alive()) == 2, seconds=60)
    assert f"labelmill is at http://127.0.0.1:{port}/" in said(lab, port)
    assert f"http://127.0.0.1:{port}/sign-in?link=" in said(lab, port)
    family = psutil.Process(process.pid).children(recursive=True)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert time.monotonic() - begun < 30
    psutil.wait_procs(family, timeout=20)
    assert [child for child in family if child.is_running()] == []
    assert lab.alive() == []


def test_several_web_processes_share_the_port_and_one_that_dies_comes_again(lab, up):
    process, port = up("--workers", "0", "--processes", "2")
    lab.until(lambda: len(listening(process, port)) == 2, seconds=60)
    first = listening(process, port)
    psutil.Process(first[0]).kill()
    assert answers(port) or answers(port)  # a connection that was just dealt out to it may break
    lab.until(lambda: len(set(listening(process, port)) - {first[0]}) == 2, seconds=60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not answers(port)


def listening(process, port):
    """Return the ids of the processes below ``process`` that listen on the port."""
    found = []
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            places = [each for each in child.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
            found += [child.pid] if port in {each.laddr.port for each in places} else []
    return found


def test_nothing_is_left_when_the_parent_is_killed(lab, up):
    process, port = up("--workers", "1")
    lab.until(lambda: answers(port) and lab.alive(), seconds=60)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    _, left = psutil.wait_procs(family, timeout=25)
    assert [child.cmdline() for child in left] == []


def test_a_port_in_use_is_one_clear_line(lab, up):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process, port = up(port=taken.getsockname()[1])
        assert process.wait(30) == 4
    line = said(lab, port)
    assert (line.count("\n"), f"Port {port} of 127.0.0.1 is in use." in line, "--port" in line) == (1, True, True)


def test_an_address_of_another_machine_is_refused(lab, up):
    process, port = up("--host", "192.0.2.1")
    assert process.wait(30) == 2
    assert "Nothing can listen" in said(lab, port)


def test_up_workers_and_verbs_on_one_sqlite_file_harm_nothing(lab, up):
    """``up``, a worker, verbs and our own writers on one file: what was acknowledged is stored, and the file is whole."""
    _, port = up("--workers", "1")
    with environment(lab) as variables:
        worker = subprocess.Popen([*LABELMILL, "worker", "--queue", "aside"], env=variables, stderr=subprocess.DEVNULL)
    lab.until(lambda: answers(port) and len(lab.alive()) == 2, seconds=60)
    acknowledged, stop = [], threading.Event()

    def write():
        while not stop.is_set():
            job = lab.submit("add", steps=2, queue="ours")
            acknowledged.append(job.id)

    def work():
        while not stop.is_set():
            with lab.database.read() as connection:
                queued = service.list_jobs(connection, state="queued", limit=5)
            for job in queued:
                lab.work(job)

    threads = [threading.Thread(target=write), threading.Thread(target=work)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        with environment(lab) as variables:
            listed = subprocess.run(
                [*LABELMILL, "jobs", "list", "--json", "--limit", "1000"], env=variables, capture_output=True, check=True
            )
        assert len(json.loads(listed.stdout)) > 0
    stop.set()
    for thread in threads:
        thread.join(60)
    worker.terminate()
    worker.wait(30)
    with closing(sqlite3.connect(lab.folder / "labelmill.db", timeout=20)) as connection:
        stored = {row[0] for row in connection.execute("SELECT id FROM jobs")}
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert set(acknowledged) <= stored
    assert len(acknowledged) > 20
    assert run_or_watch(lab.runtime, acknowledged[-1]).state == "succeeded"
