"""The labelling loop while its workers, its broker and its database are killed. The seed of every random choice is printed."""

from __future__ import annotations

import signal
import sys
import threading
import time

import pytest

import loop_crowd
from label_crowd import LONGEST_SECONDS
from loop_crowd import Loop, hurt, many_things

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]
#: What a client may be told.
FINE = {"200", "409", "503", "away", "lost", "repeated"}
IMPORTS, LABELS = 50, 5000
HURTS, GENERATIONS = 15, 3


def tell(loop, crowd, **more):
    figures = {"acknowledged": len(crowd.acknowledged()), "longest": round(crowd.longest(), 2), "imports": len(loop.imported)}
    sys.stdout.write(f"{figures | more} {dict(crowd.told())}\n")


class Watcher(threading.Thread):
    """Looks at the predictions that are shown all the time: what a generation says may never change, nor be of half the records."""

    def __init__(self, loop, records):
        super().__init__(daemon=True)
        self.seen, self.wrong = {}, []
        self._loop, self._records, self._stop_looking = loop, records, threading.Event()

    def run(self):
        while not self._stop_looking.wait(0.1):
            found = self._loop.patiently(self._loop.predictions)
            if found is not None:
                generation, classifier, frame = found
                before = self.seen.setdefault(generation, (classifier, frame))
                if before[0] != classifier or not before[1].equals(frame) or frame["record_id"].n_unique() != self._records:
                    self.wrong.append(generation)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stop_looking.set()
        self.join()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    return request.getfixturevalue(f"{request.param}_database")


def test_p07_p23_workers_that_are_killed_and_stopped_train_each_batch_once_and_switch_whole(url, tmp_path, seed, chance):
    """SIGKILL, and SIGSTOP beyond two leases, until several classifiers have come and gone."""
    with Loop(tmp_path, url, clients=6, records=8000, wanted=2, workers=3) as loop:
        with Watcher(loop, 8000) as watcher, many_things(loop, seed) as crowd:
            hurts = 0
            while hurts < HURTS or len(watcher.seen) < GENERATIONS:
                done = loop.steps_done()
                if len(loop.imported) < IMPORTS:
                    loop.begin_import(len(loop.imported))
                time.sleep(chance.uniform(0.5, 2.5))
                if hurts < HURTS and (pids := loop.victims(learning=chance.random() < 0.5)):
                    _hurt(loop, chance.choice(pids), chance)
                    hurts += 1
                loop.await_step(done)
        tell(loop, crowd, classifiers=loop.require_trainings(), generations=len(watcher.seen))
        crowd.require_exact()
        loop.require_imports()
        assert watcher.wrong == []
        # A process that is stopped may hold SQLite's one lock or a row's; who waits for it is told so.
        assert set(crowd.told()) <= {"200", "409", "503", "lost", "repeated"}


def _hurt(loop, pid, chance):
    if chance.random() < 0.7 or loop.is_last_try():
        hurt(pid, signal.SIGKILL)
        return
    hurt(pid, signal.SIGSTOP)
    threading.Timer(2.5 * loop_crowd.QUICK["lease_seconds"], hurt, (pid, signal.SIGCONT)).start()


def test_p09_a_broker_that_restarts_and_forgets_loses_no_import_and_no_training(
    broker, sqlite_database, tmp_path, seed, chance
):
    """Emptied, stopped for a while and restarted under load: labels are taken all the time, and every job ends with its effect once."""
    more = {"clients": 6, "records": 6000, "wanted": 2, "broker_url": broker.url}
    with Loop(tmp_path, sqlite_database, **more) as loop:
        with many_things(loop, seed) as crowd:
            for action in ("forget", "restart", "forget", "restart", "forget"):
                for _ in range(3):
                    loop.begin_import(len(loop.imported))
                time.sleep(chance.uniform(1, 4))
                if action == "restart":
                    broker.restart(chance.uniform(1, 5))
                else:
                    broker.forget(*(f"labelmill.{queue}" for queue in loop.settings.queues))
                crowd.await_label()
        tell(loop, crowd, classifiers=loop.require_trainings())
        crowd.require_exact()
        loop.require_imports()
        assert set(crowd.told()) <= {"200", "409", "lost", "repeated"}
        assert crowd.longest() < LONGEST_SECONDS


def test_p11_a_database_that_restarts_gives_quick_503s_and_exact_counts(rough_postgresql, tmp_path, seed, chance):
    """Stopped and crashed every 5 to 40 seconds while people label and jobs run; nobody lends a hand."""
    with Loop(tmp_path, rough_postgresql.url, clients=20, records=40_000, wanted=2) as loop:
        restarts = 0
        with many_things(loop, seed) as crowd:
            while restarts < 5 or len(loop.imported) < IMPORTS or len(crowd.acknowledged()) < LABELS:
                end = time.monotonic() + chance.uniform(5, 40)
                while time.monotonic() < end:
                    if len(loop.imported) < IMPORTS:
                        loop.begin_import(len(loop.imported))
                    time.sleep(0.5)
                chance.choice([rough_postgresql.restart, rough_postgresql.crash])(chance.uniform(0, 3))
                restarts += 1
                crowd.await_label()
        tell(loop, crowd, restarts=restarts, classifiers=loop.require_trainings())
        crowd.require_exact()
        loop.require_imports()
        assert len(loop.imported) == IMPORTS
        assert set(crowd.told()) <= FINE
        assert crowd.told()["503"] > 0, "the database was never missed"
        assert crowd.longest() < LONGEST_SECONDS
