"""Whether the worker processes of this machine, or of this container, are alive and can hear what they are woken for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill import clock
from labelmill.deadline import within
from labelmill.errors import LabelmillError, Unavailable
from labelmill.jobs import presence

if TYPE_CHECKING:
    from labelmill.db.database import Database
    from labelmill.jobs.presence import Worker

#: Seconds that a broker has for an answer.
ANSWER_SECONDS = 8
LOOK_SECONDS = 0.1


def beating(database: Database, *, least: int, seconds: float) -> list[Worker]:
    """Return the workers of this machine once each has raised its heartbeat; raises Unavailable for one that has not after ``seconds``.

    As many as ``least`` must be there: one that has been silent for a lease is forgotten by everybody, though its process may stand still here.
    """
    first: dict[str, int] = {}
    deadline = clock.monotonic() + seconds
    while True:
        with database.read() as connection:
            here = [worker for worker in presence.list_workers(connection) if worker.is_here]
        silent = [worker for worker in here if worker.beat == first.setdefault(worker.id, worker.beat)]
        if len(here) >= least and not silent:
            return here
        if clock.monotonic() > deadline:
            raise Unavailable(_reason(here, silent, least, seconds), way_out="See the log of the worker, or restart it.")
        clock.sleep(LOOK_SECONDS)


def _reason(here: list[Worker], silent: list[Worker], least: int, seconds: float) -> str:
    if silent:
        names = ", ".join(f"{worker.id} (process {worker.pid})" for worker in silent)
        return f"No sign of life within {seconds:g} seconds from {names}."
    return f"Of at least {least} worker processes on this machine {len(here)} are alive."


def require_broker(url: str) -> None:
    """Log in to the broker as a worker does; raises Unavailable where that fails."""
    from labelmill.jobs.celery import make_celery

    def log_in() -> None:
        with make_celery(url, ()).connection_for_write() as connection:
            connection.connect()

    try:
        within(ANSWER_SECONDS, log_in, "The broker")
    except LabelmillError:
        raise
    except Exception as error:
        # Each broker's library has its own errors.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Unavailable(f"The broker does not let workers in: {reason}") from error
