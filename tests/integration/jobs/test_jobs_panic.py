"""A panic of a library below Python is a failed step, not the end of the worker."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from labelmill import bootstrap
from labelmill.jobs import service
from labelmill.jobs.model import NewStep, StepResult
from labelmill.jobs.presence import new_worker_id
from labelmill.jobs.registry import JobKind, Registry, StepContext
from labelmill.jobs.runtime import Runtime
from labelmill.jobs.worker import WorkerProcess
from labelmill.settings import Settings


def panic(context: StepContext) -> StepResult:
    if context.step.tries == 0:
        raise pl.exceptions.PanicException("index out of bounds")
    return StepResult(done=1)


def test_a_panic_is_a_failed_try(tmp_path: Path) -> None:
    """The step is tried again and the job succeeds."""
    assert not issubclass(pl.exceptions.PanicException, Exception)
    app = bootstrap.build(Settings(data_dir=tmp_path / "data"))
    runtime = Runtime(
        database=app.database,
        registry=Registry(JobKind(name="panics", handlers={"go": panic})),
        waker=app.waker,
        settings=app.settings,
    )
    job = app.database.transact(
        service.submit, kind="panics", steps=[NewStep(key="go", name="go", phase=0)], params={}, title="a panic"
    )
    with WorkerProcess(runtime, worker_id=new_worker_id(), queues=["default"]) as worker:
        worker.poll(job_id=job.id)
    with app.database.read() as connection:
        assert service.get(connection, job.id).state == "succeeded"
        (step,) = service.list_steps(connection, job.id)
    assert step["tries"] == 1
    app.close()
