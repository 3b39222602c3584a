"""Celery as the runner: messages that carry a step's id wake worker processes; the database still decides who runs what."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from celery import Celery
from kombu.entity import Exchange, Queue

from labelmill import clock
from labelmill.errors import Unavailable
from labelmill.jobs.child import GRACE_SECONDS, stop_with_parent
from labelmill.jobs.worker import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labelmill.jobs.runtime import Runtime

log = structlog.get_logger(__name__)

TASK = "labelmill.step"
#: Seconds until an unacknowledged message is delivered again by Redis; harmless, since a leased step is not run twice.
VISIBILITY_SECONDS = 3600
#: Seconds that a broker has for an answer to whoever wakes workers.
ANSWER_SECONDS = 5
#: Seconds without another attempt after a broker did not answer.
QUIET_SECONDS = 3.0
#: Seconds between two looks into the database of a worker whom a message should have told.
LOOK_SECONDS = 5.0


def make_celery(broker_url: str, queues: Sequence[str]) -> Celery:
    """Return a Celery app that speaks JSON, acknowledges late, prefetches one message and keeps no results."""
    app = Celery("labelmill", broker=broker_url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=4,
        broker_heartbeat=0,
        broker_transport_options={"visibility_timeout": VISIBILITY_SECONDS, "socket_timeout": 10, "socket_connect_timeout": 4},
        enable_utc=True,
        result_backend=None,
        task_acks_late=True,
        task_create_missing_queues=True,
        task_ignore_result=True,
        task_queues=[broker_queue(name) for name in queues],
        task_reject_on_worker_lost=True,
        task_serializer="json",
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
    )
    return app


def broker_queue(queue: str) -> Any:
    """Return a queue as the broker knows it, apart by its name from those of other programs there."""
    exchange = Exchange("labelmill", type="direct")  # type: ignore[no-untyped-call]
    return Queue(f"labelmill.{queue}", exchange, routing_key=queue)  # type: ignore[no-untyped-call]


class CeleryWaker:
    """Sends one message per free step; what cannot be sent is left to the sweep."""

    runner = "celery"

    def __init__(self, broker_url: str, *, queues: Sequence[str]) -> None:
        self._app = make_celery(broker_url, queues)
        # Whoever submits a job waits for this: not for a broker that accepts connections and then says nothing.
        self._app.conf.broker_transport_options |= {"read_timeout": ANSWER_SECONDS, "write_timeout": ANSWER_SECONDS}
        self._quiet_until = 0.0

    def wake(self, steps: Sequence[tuple[str, str]]) -> None:
        # A broker that does not answer costs its caller some seconds: not again and again.
        if not steps or clock.monotonic() < self._quiet_until:
            return
        try:
            with self._app.connection_for_write() as connection, self._app.amqp.Producer(connection) as producer:
                for step_id, queue in steps:
                    self._send(producer, step_id, queue)
        except Exception as error:  # noqa: BLE001 - each broker's library has its own errors; whatever it was, the sweep wakes later
            self._quiet_until = clock.monotonic() + QUIET_SECONDS
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            log.warning("broker away, workers are woken later", reason=reason, steps=len(steps))

    def _send(self, producer: Any, step_id: str, queue: str) -> None:
        self._app.send_task(TASK, args=[step_id], queue=broker_queue(queue), producer=producer, ignore_result=True, retry=False)


def serve_celery(runtime: Runtime, *, worker_id: str, queues: Sequence[str]) -> None:
    """Run the steps that messages name, one at a time in this process, until the parent closes our standard input."""
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    app = make_celery(runtime.settings.broker_url or "", queues)
    process = WorkerProcess(runtime, worker_id=worker_id, queues=queues, stop=stop)
    turn = threading.Lock()  # one step at a time, whoever found it

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def run(step_id: str) -> None:
        try:
            with turn:
                process.run_next(step_id=str(step_id))
        except Unavailable as error:
            # The message may go: the sweep sends another one once the database is back.
            log.warning("database away", reason=error.message)

    def end() -> None:
        stop.set()
        os.kill(os.getpid(), signal.SIGTERM)

    stop_with_parent(end, seconds=runtime.settings.stop_seconds + GRACE_SECONDS)
    with process, _looking(process, turn):
        app.Worker(
            hostname=worker_id,
            pool_cls="solo",
            concurrency=1,
            loglevel=runtime.settings.log_level.upper(),
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        ).start()


@contextmanager
def _looking(process: WorkerProcess, turn: threading.Lock) -> Iterator[None]:
    """Have a worker look into the database now and then: its broker may be away, and after a restart of Redis it may hear nothing more."""

    def look() -> None:
        while not process.stop.wait(LOOK_SECONDS):
            try:
                while not process.stop.is_set():
                    with turn:
                        if not process.run_next():
                            break
            except Unavailable as error:
                log.warning("database away, trying again", reason=error.message)
            except Exception:
                log.exception("look failed")

    thread = threading.Thread(target=look, name="look")
    thread.start()
    try:
        yield
    finally:
        process.stop.set()
        thread.join()
