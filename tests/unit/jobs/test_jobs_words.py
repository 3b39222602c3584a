"""A job in words, as fields and as a line of JSON; an error as it is kept; a process's limits."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import orjson
import psutil
import pytest

from labelmill.errors import BadInput
from labelmill.jobs import console, limits
from labelmill.jobs.model import Limits, Step
from labelmill.jobs.worker import describe


def test_progress_in_words(lab, monkeypatch):
    from dataclasses import replace

    job = replace(
        lab.submit("add"), done=12_000, total=200_000, unit="rows", state="running", started_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    monkeypatch.setattr("labelmill.clock.now", lambda: datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC))
    assert console.words(job) == "12,000 of 200,000 rows, 6,000 rows/s, 0:31 left"
    assert console.words(replace(job, total=None)) == "12,000 rows, 6,000 rows/s"
    assert console.words(replace(job, done=0, state="queued")) == "0 of 200,000 rows, queued"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (90_061, "25:01:01")]
)
def test_durations(seconds, text):
    assert console.duration(seconds) == text


def test_a_line_of_json_holds_the_job_and_its_progress(lab, capsys):
    job = lab.submit("add", tries=7)
    console.print_line(job)
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    found = orjson.loads(line)
    assert (found["id"], found["state"], found["limit_tries"], found["seconds_left"]) == (job.id, "queued", 7, None)


def test_a_kept_error_is_always_storable():
    """Lone surrogates, objects and endless texts cannot make the report of an error fail."""
    kept = describe(BadInput("x\ud800", where="row 1", thing=object(), count=3), "1")
    assert orjson.loads(orjson.dumps(kept))["detail"] == "x\\ud800"
    assert (kept["count"], kept["where"], kept["id"]) == (3, "row 1", "1")
    assert len(describe(RuntimeError("y" * 10**6), "2")["detail"]) == 2000


def make_step(**values):
    return Step(
        id="1", job_id="1", kind="k", name="n", key="key", phase=0, payload={}, params={}, attempt=1, tries=0, owner="w", limits=Limits(**values)
    )  # fmt: skip


def test_p16_a_step_within_its_limits_is_left_alone_and_one_beyond_is_not():
    ours = limits.memory_of(os.getpid())
    assert limits.excess(make_step(seconds=5), 4.9, ours) is None
    assert limits.excess(make_step(seconds=5), 5.1, ours)[0] == "time-limit"
    assert limits.excess(make_step(memory_mb=1), 0, ours)[0] == "memory-limit"
    assert limits.excess(make_step(memory_mb=1), 0, 2**20) is None


def test_p15_memory_of_the_processes_below_counts_and_they_die_too():
    """A step may do its work in a child process of its own: it hides nothing and survives nothing."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = b\"x\" * 200_000_000; print(1, flush=True); input()'])"
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"1\n"
    child = psutil.Process(parent.pid).children()[0]
    assert limits.memory_of(parent.pid) > 190 * limits.MEBIBYTE
    limits.kill(parent.pid)
    parent.communicate(timeout=10)
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running()
