"""``labelmill jobs`` and ``labelmill worker``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from labelmill import bootstrap, clock, logs
from labelmill.console import JsonOption, print_fields, print_json, print_rows, say, settings_of
from labelmill.errors import WorkerStopping
from labelmill.jobs import checking, console, inline, presence, service
from labelmill.jobs.model import Job, JobState

if TYPE_CHECKING:
    from labelmill.jobs.runtime import Runtime

app = typer.Typer(no_args_is_help=True, help="Look at jobs, run them here, cancel and retry them.")

JobId = Annotated[str, typer.Argument(help="The job's id, or its first characters.")]
#: Seconds between two lines of ``watch --json``.
LINE_SECONDS = 1.0


@app.command("list")
def list_jobs(
    context: typer.Context,
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind.")] = None,
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    with closing(bootstrap.build(settings_of(context))) as application, application.database.read() as connection:
        found = service.list_jobs(connection, kind=kind, state=state, limit=limit)
    if json:
        print_json([console.as_fields(job) for job in found])
        return
    rows = [
        {"id": job.id, "kind": job.kind, "job": job.title, "state": job.state, "progress": console.words(job)} for job in found
    ]
    print_rows(rows, columns=("id", "kind", "job", "state", "progress"))


@app.command()
def show(context: typer.Context, job: JobId, json: JsonOption = False) -> None:
    """Show a job and its steps."""
    with closing(bootstrap.build(settings_of(context))) as application, application.database.read() as connection:
        found = service.find(connection, job)
        steps = service.list_steps(connection, found.id)
    if json:
        print_json(console.as_fields(found) | {"steps": steps})
        return
    print_fields(console.as_fields(found))
    print_rows(
        steps, columns=("key", "phase", "state", "attempt", "tries", "done", "units", "started_at", "finished_at", "error")
    )


@app.command()
def watch(context: typer.Context, job: JobId, json: JsonOption = False) -> None:
    """Watch a job until it has ended: with a bar, or with --json one line of JSON each second. Exit code 8 unless it succeeded."""
    with closing(bootstrap.build(settings_of(context))) as application:
        found = _watch(application.runtime, _find(application.runtime, job), json=json)
    inline.require_success(found)
    if not json:
        say(f"Job {found.id}: {console.words(found)}.")


def _watch(runtime: Runtime, job: Job, *, json: bool) -> Job:
    try:
        with console.bar(job) as tell:
            while True:
                console.print_line(job) if json else tell(job)
                if job.ended:
                    return job
                clock.sleep(LINE_SECONDS if json else inline.REPORT_SECONDS)
                job = inline.load(runtime, job.id)
    except KeyboardInterrupt:
        raise WorkerStopping(
            f"Job {job.id} goes on without you.", way_out=f"`labelmill jobs cancel {job.id}` to stop it."
        ) from None


@app.command()
def run(context: typer.Context, job: JobId, json: JsonOption = False) -> None:
    """Run what a job has left here and now, unless a worker does. Exit code 8 unless it succeeds."""
    with closing(bootstrap.build(settings_of(context))) as application:
        found = console.follow(application.runtime, _find(application.runtime, job))
    inline.require_success(found)
    print_fields(console.as_fields(found), json=json)


@app.command()
def cancel(context: typer.Context, job: JobId, json: JsonOption = False) -> None:
    """Stop a job; what it has written stays."""
    with closing(bootstrap.build(settings_of(context))) as application:
        found = _find(application.runtime, job)
        found = application.database.transact(service.cancel, found.id)
        application.runtime.mirror(found)
    _print_state(found, json=json)


@app.command()
def retry(context: typer.Context, job: JobId, json: JsonOption = False) -> None:
    """Queue what a failed or cancelled job has left; finished steps stay finished."""
    with closing(bootstrap.build(settings_of(context))) as application:
        found = _find(application.runtime, job)
        found = application.database.transact(service.retry, found.id)
        application.runtime.wake(found.id)
        application.runtime.mirror(found)
    _print_state(found, json=json)


@app.command()
def workers(
    context: typer.Context,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Look at those of this machine or container only: exit code 7 unless each raises its heartbeat within a lease and the broker, if there is one, lets them in.",
        ),
    ] = False,
    at_least: Annotated[int, typer.Option(min=1, help="With --check: how many there must be.")] = 1,
    json: JsonOption = False,
) -> None:
    """List the worker processes that are alive, on all machines, or check those of this one."""
    settings = settings_of(context)
    with closing(bootstrap.build(settings)) as application:
        if check:
            found = checking.beating(application.database, least=at_least, seconds=settings.lease_seconds)
            if settings.broker_url:
                checking.require_broker(settings.broker_url)
        else:
            with application.database.read() as connection:
                found = [worker for worker in presence.list_workers(connection) if not worker.is_gone]
    if json:
        print_json([asdict(worker) | {"here": worker.is_here} for worker in found])
        return
    rows = [
        asdict(worker) | {"queues": ", ".join(worker.queues), "here": "yes" if worker.is_here else "no"} for worker in found
    ]
    print_rows(rows, columns=("id", "pid", "runner", "queues", "here"))


def worker(
    context: typer.Context,
    queue: Annotated[list[str] | None, typer.Option(help="Take jobs from this queue; may be repeated.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, max=1024, help="How many worker processes.")] = None,
    child: Annotated[str | None, typer.Option(hidden=True, help="Be one of the worker processes, under this name.")] = None,
    job: Annotated[str | None, typer.Option(hidden=True, help="As a child: run this job only.")] = None,
) -> None:
    """Run jobs as they come, in processes that are held to their limits and restarted, until SIGTERM or Ctrl-C."""
    if queue:
        console.set_for_run(context, "queues", ",".join(queue))
    settings = settings_of(context)
    with closing(bootstrap.build(settings)) as application:
        if not job:
            logs.configure(settings.log_level, settings.log_format)  # a service tells more than a command
        if child:
            serve(application.runtime, child, job)
            return
        from labelmill.jobs.supervisor import Supervisor, worker_children

        supervisor = Supervisor(application.runtime, worker_children(concurrency or max(1, settings.workers)))
        supervisor.stop_on_signals()
        with application.listening():
            supervisor.run()


def serve(runtime: Runtime, worker_id: str, job_id: str | None = None) -> None:
    """Be a worker process: woken by messages where there is a broker, else, or for one job only, looking into the database."""
    queues = runtime.settings.queues
    if runtime.settings.broker_url is None or job_id:
        from labelmill.jobs.child import serve_child

        # Serving no queue where it is there for one job: nobody else should wait for it.
        serve_child(runtime, worker_id=worker_id, queues=() if job_id else queues, job_id=job_id)
    else:
        from labelmill.jobs.celery import serve_celery

        serve_celery(runtime, worker_id=worker_id, queues=queues)


def _find(runtime: Runtime, start: str) -> Job:
    with runtime.database.read() as connection:
        return service.find(connection, start)


def _print_state(job: Job, *, json: bool) -> None:
    if json:
        print_json(console.as_fields(job))
    else:
        say(f"Job {job.id} is {job.state}.")
