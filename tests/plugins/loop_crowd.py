"""The whole loop at once: a crowd that labels, imports beside it, and workers that import, train and predict, all as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import sqlalchemy as sa

import label_crowd
from labelmill import clock
from labelmill.accounts import Role, Scope
from labelmill.accounts import service as accounts
from labelmill.annotation.tables import annotation_rows
from labelmill.datasets import RecordKind, record_rows
from labelmill.datasets import service as datasets
from labelmill.errors import Unavailable
from labelmill.jobs import presence
from labelmill.jobs import service as jobs
from labelmill.jobs.model import ACTIVE, StepState
from labelmill.jobs.tables import job_steps
from labelmill.jobs.tables import jobs as job_rows
from labelmill.learning import generations
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import polars as pl

#: Rows of each import; the last one has no text and is left out.
ROWS = 40
#: A lease that a heart keeps that waits for a lock and for one of two busy processors.
QUICK = {"heartbeat_seconds": 0.5, "lease_seconds": 10.0, "poll_seconds": 0.1, "max_tries": 10, "imports_per_minute": 10_000}


class Loop(label_crowd.Server):
    """A web process with a crowd's dataset, another dataset to import into, and workers."""

    def __init__(self, folder: Path, url: str, *, workers: int = 2, **more: Any) -> None:
        super().__init__(folder, url, **QUICK, **more)
        self._workers: list[subprocess.Popen[bytes]] = []
        self._worker_log = (folder / "workers.log").open("wb")
        self.imported: dict[int, str] = {}
        database = self.app.database
        self.other = database.transact(datasets.create, name="imports", kind=RecordKind.TEXT)
        lead = database.transact(accounts.add_annotator, email="lead@example.org", name="lead", role=Role.ADMIN)
        _, self.token = database.transact(accounts.create_token, lead.id, name="loop", scope=Scope.ADMIN)
        (folder / "files").mkdir(exist_ok=True)
        self.work("worker", "--concurrency", str(workers))

    def work(self, *verb: str) -> None:
        """Start workers in a process of their own, which has children."""
        environment = {**os.environ, **self.settings.environment()}
        command = [sys.executable, "-m", "labelmill", *verb]
        self._workers.append(
            subprocess.Popen(
                command, env=environment, stdout=self._worker_log, stderr=self._worker_log, stdin=subprocess.DEVNULL
            )
        )

    def close(self) -> None:
        for each in self._workers:
            each.terminate()
        for each in self._workers:
            each.wait(label_crowd.PATIENCE_SECONDS)
        self._worker_log.close()
        super().close()

    def victims(self, *, learning: bool = False) -> list[int]:
        """Return the processes that run steps, without those in whose hands is a step's last try: it would be parked, as it should be.

        With ``learning`` only those that train or predict this moment, where there are any.
        """
        workers, held = self.patiently(self._at_work)
        last = {owner for owner, _, left in held if left <= 1}
        learners = {owner for owner, kind, _ in held if kind in {"train", "predict"}} - last
        chosen = learners if learning and learners else {worker.id for worker in workers} - last
        return [worker.pid for worker in workers if worker.id in chosen]

    def is_last_try(self) -> bool:
        """Tell whether some step is on its last try: who is stopped while it has SQLite's one lock takes a try of every step."""
        return any(left <= 1 for _, _, left in self.patiently(self._at_work)[1])

    def _at_work(self) -> tuple[list[presence.Worker], list[Any]]:
        steps = sa.select(job_steps.c.owner, job_rows.c.kind, job_rows.c.limit_tries - job_steps.c.tries)
        steps = steps.join(job_rows, job_rows.c.id == job_steps.c.job_id).where(job_steps.c.state == StepState.LEASED)
        with self.app.database.read() as connection:
            return presence.list_workers(connection), [tuple(row) for row in connection.execute(steps)]

    def steps_done(self) -> int:
        """Return how many steps have ended well."""
        done = sa.select(sa.func.count()).select_from(job_steps).where(job_steps.c.state == StepState.DONE)
        return int(self.patiently(lambda: self._rows(done))[0][0])

    def await_step(self, before: int, seconds: float = 2 * label_crowd.PATIENCE_SECONDS) -> None:
        """Return once more steps are done than ``before``: who is killed sooner than a step takes never gets one done."""
        deadline = time.monotonic() + seconds
        while self.steps_done() <= before:
            assert time.monotonic() < deadline, "they do not go on"
            time.sleep(0.2)

    def begin_import(self, number: int) -> None:
        """Import a file of its own; the same request again until there is an answer."""
        rows = [f"import {number} row {row}" for row in range(ROWS - 1)] + ['""']
        (self.settings.data_dir / "files" / f"{number}.csv").write_text("\n".join(["text", *rows]) + "\n")
        body = {"source": {"path": f"{number}.csv"}, "columns": ["text"]}
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": f"import-{number}"}
        address = f"http://127.0.0.1:{self.settings.port}/v1/datasets/{self.other.id}/imports"
        deadline = time.monotonic() + label_crowd.PATIENCE_SECONDS
        while True:
            with suppress(httpx.TransportError):
                answer = httpx.post(address, json=body, headers=headers, timeout=2 * label_crowd.LONGEST_SECONDS)
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    self.imported[number] = answer.raise_for_status().json()["id"]
                    return
            assert time.monotonic() < deadline, "no import could be begun"
            time.sleep(0.1)

    def patiently(self, look: Callable[[], Any]) -> Any:
        """Return what ``look`` finds, as soon as the database answers."""
        deadline = time.monotonic() + label_crowd.PATIENCE_SECONDS
        while True:
            try:
                return look()
            except (Unavailable, sa.exc.OperationalError):
                assert time.monotonic() < deadline, "the database does not answer"
                time.sleep(0.1)

    def await_quiet(self, seconds: float = 2 * label_crowd.PATIENCE_SECONDS) -> None:
        """Return once no job is queued or running."""
        deadline = time.monotonic() + seconds
        while active := self.patiently(self._active):
            assert time.monotonic() < deadline, active
            time.sleep(0.2)

    def _active(self) -> list[Any]:
        """Return the jobs that have something to do soon: what an archive or a removed dataset leaves is tidied up days later."""
        soon = job_steps.c.not_before.is_(None) | (job_steps.c.not_before < clock.now() + timedelta(hours=1))
        awake = sa.select(job_steps.c.job_id).where(job_steps.c.state.in_((StepState.QUEUED, StepState.LEASED)), soon)
        active = sa.select(*job_rows.c["id", "kind", "state"]).where(job_rows.c.state.in_(ACTIVE))
        return self._rows(active.where(job_rows.c.id.in_(awake)))

    def _rows(self, query: sa.Select[Any]) -> list[Any]:
        with self.app.database.read() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def require_imports(self) -> None:
        """Require that every import that was asked for is there once, and each of its rows."""
        wanted = {f"import {number} row {row}" for number in self.imported for row in range(ROWS - 1)}
        there = Counter(content for (content,) in self._rows(_contents(self.other.id)))
        assert there == Counter(wanted)
        with self.app.database.read() as connection:
            found = [jobs.get(connection, job_id) for job_id in self.imported.values()]
        assert Counter(str(job.state) for job in found) == {"succeeded": len(self.imported)}, [job.error for job in found]
        figures = Counter((job.result["rows"], job.result["added"], job.result["rejected"]) for job in found)
        assert figures == {(ROWS - 1, ROWS - 1, 1): len(found)}
        made = self._rows(sa.select(sa.func.count()).select_from(job_rows).where(job_rows.c.kind == "import"))
        assert made == [(len(self.imported),)]

    def require_trainings(self) -> int:
        """Require that each training ended well, made one classifier and one prediction; return how many classifiers there are."""
        ended = self._rows(
            sa.select(*job_rows.c["id", "kind", "state", "error"]).where(job_rows.c.kind.in_(("train", "predict")))
        )
        assert [row for row in ended if row[2] != "succeeded"] == []
        with self.app.database.read() as connection:
            made = learning.list_classifiers(connection, self.dataset.id, limit=500)
        versions = sorted(each.version for each in made)
        assert versions == list(range(1, len(made) + 1))
        assert len({each.job_id for each in made}) == len(made)
        return len(made)

    def answers(self) -> int:
        """Return how many answers are stored."""
        return int(self._rows(sa.select(sa.func.count()).select_from(annotation_rows))[0][0])

    def predictions(self) -> tuple[int, int, pl.DataFrame] | None:
        """Return the generation that is shown, its classifier, and what it says of every record; None before the first one."""
        with self.app.database.read() as connection:
            shown = generations.current(connection, self.dataset.id)
        if shown is None or shown.blob is None:
            return None
        return shown.id, int(shown.classifier_id or 0), learning.generation_frame(self.app.blobs, shown.blob)


def _contents(dataset_id: int) -> sa.Select[Any]:
    return sa.select(record_rows.c.content).where(record_rows.c.dataset_id == dataset_id)


def hurt(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def many_things(loop: Loop, seed: int) -> Iterator[label_crowd.Crowd]:
    """Let a crowd label until the end of the block, then wait until everything that was due is done."""
    crowd = label_crowd.Crowd(loop, seed)
    with crowd.at_work():
        yield crowd
    loop.await_quiet()
