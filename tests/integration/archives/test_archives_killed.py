"""Promise 19: a process that makes an archive is killed at every place of it, with SIGKILL, on every kind of database."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import preloaded
from archive_lab import free_now, sums
from labelmill import triggers
from labelmill.archives import ArchiveState
from labelmill.jobs.sweep import Sweep
from labelmill.jobs.waker import PollingWaker

if TYPE_CHECKING:
    from pathlib import Path

    from archive_lab import ArchiveLab

STEP = 15
#: The fewest places: the plan, two batches and three parts, and the four of the ZIP.
LEAST = 10


def test_p19_a_kill_at_every_place_of_a_build_changes_no_member(lab: ArchiveLab, tmp_path: Path) -> None:
    """What was killed is gone on with by another process, from the step in which it was killed."""
    dataset = lab.dataset(40)
    lab.answer_right(dataset, 20)
    right = sums(lab.members(lab.make(dataset, step_records=STEP)))
    kept = {"LABELMILL_LOG_LEVEL": "error", **lab.app.settings.environment()}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABELMILL_")} | kept
    number = 0
    while True:
        number += 1
        made = lab.request(dataset, step_records=STEP)
        command = ["jobs", "run", made.id]
        first = preloaded.run(command, cwd=tmp_path, env=environment | {triggers.VARIABLE: f"*:kill:{number}"})
        if first.returncode == 0:
            break
        assert first.returncode == -signal.SIGKILL, first.stderr
        killed = lab.found(made.id)
        whole = killed.state is ArchiveState.AVAILABLE
        assert whole or killed.blob is None
        if whole:
            assert sums(lab.members(killed)) == right
        forget_dead(lab)
        free_now(lab, made.id)
        second = preloaded.run(command, cwd=tmp_path, env=environment)
        assert second.returncode == 0, second.stderr
        found = lab.found(made.id)
        assert sums(lab.members(found)) == right
        assert list(lab.app.blobs.names(f"archives/{dataset.id}/{made.id}/")) == [found.blob]
    assert number > LEAST
    assert lab.found(made.id).state is ArchiveState.AVAILABLE


def forget_dead(lab: ArchiveLab) -> None:
    """Let the workers whose process is gone hold no step."""
    Sweep(lab.app.database, PollingWaker(), lease_seconds=lab.app.settings.lease_seconds).once()
