"""``labelmill jobs workers``: what the health checks of worker containers ask."""

from __future__ import annotations

import os
import signal

import pytest

from labelmill.errors import Unavailable
from labelmill.jobs import checking, presence

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def _check(lab, least=1, seconds=20.0):
    return {worker.pid for worker in checking.beating(lab.database, least=least, seconds=seconds)}


@SQLITE
def test_p07_a_worker_that_stands_still_is_told_from_one_that_works(lab):
    """Stopped by a signal, as by a machine that swaps: at first it is silent, then forgotten, and after all it is well again."""
    with lab.supervised(2):
        lab.until(lambda: len(lab.alive()) == 2)
        pids = _check(lab, least=2)
        sleeper = min(pids)
        os.kill(sleeper, signal.SIGSTOP)
        try:
            with pytest.raises(Unavailable, match=rf"No sign of life .*process {sleeper}\)"):
                _check(lab, least=2, seconds=0.5)
            lab.until(lambda: len(lab.alive()) == 1)
            with pytest.raises(Unavailable, match="Of at least 2 worker processes on this machine 1 are alive"):
                _check(lab, least=2, seconds=0.5)
            assert _check(lab) == pids - {sleeper}
        finally:
            os.kill(sleeper, signal.SIGCONT)
        lab.until(lambda: len(lab.alive()) == 2)
        assert _check(lab, least=2) == pids
    with pytest.raises(Unavailable, match="Of at least 1 worker processes on this machine 0 are alive"):
        _check(lab, seconds=0.1)


@SQLITE
def test_workers_of_other_machines_do_not_count(lab, monkeypatch):
    """A container answers for itself: neither is it well by others, nor ill by them."""
    with lab.supervised(1):
        lab.until(lambda: len(lab.alive()) == 1)
        here = presence.this_machine()
        monkeypatch.setattr(presence, "this_machine", lambda: "elsewhere/1/pid:[2]")
        lab.database.transact(presence.arrive, "far-1", runner="local", queues=["default"])
        with pytest.raises(Unavailable, match="No sign of life"):
            _check(lab, seconds=0.5)
        monkeypatch.setattr(presence, "this_machine", lambda: here)
        assert _check(lab) == {worker.pid for worker in lab.alive() if worker.id != "far-1"}


def test_a_broker_that_lets_workers_in_is_well(broker_url):
    checking.require_broker(broker_url)


@pytest.mark.parametrize("url", ["amqp://guest:wrong@127.0.0.1:1//", "redis://127.0.0.1:1/0"])
def test_a_broker_that_is_away_is_told(url):
    with pytest.raises(Unavailable, match=r"^The broker ") as told:
        checking.require_broker(url)
    assert "wrong" not in told.value.message


def test_a_broker_that_refuses_the_password_is_told(rabbitmq_url):
    """It accepts connections: a look at its port would be green."""
    wrong = rabbitmq_url.replace("guest:guest@", "guest:no-such-word@")
    assert wrong != rabbitmq_url
    with pytest.raises(Unavailable, match=r"^The broker does not let workers in: ") as told:
        checking.require_broker(wrong)
    assert "no-such-word" not in told.value.message


def test_the_verb_lists_and_checks(run, monkeypatch):
    monkeypatch.setenv("LABELMILL_HEARTBEAT_SECONDS", "0.1")
    monkeypatch.setenv("LABELMILL_LEASE_SECONDS", "1.5")
    assert run("jobs", "workers", "--json")[:2] == (0, [])
    code, _, said = run("jobs", "workers", "--check", "--json")
    assert (code, "Of at least 1 worker processes on this machine 0 are alive" in said) == (7, True)


def test_the_verb_tells_what_it_found(lab, run, monkeypatch, capsys):
    monkeypatch.setenv("LABELMILL_DATABASE_URL", lab.settings.database_url)
    with lab.supervised(1):
        lab.until(lambda: len(lab.alive()) == 1)
        (worker,) = lab.alive()
        capsys.readouterr()  # what the supervisor logged
        for options in ((), ("--check",)):
            code, (told,), _ = run("jobs", "workers", *options, "--json")
            assert (code, told["id"], told["pid"], told["here"]) == (0, worker.id, worker.pid, True)
            assert tuple(told["queues"]) == worker.queues
        monkeypatch.setenv("LABELMILL_BROKER_URL", "redis://127.0.0.1:1/0")
        code, _, said = run("jobs", "workers", "--check")
        assert (code, "The broker " in said) == (7, True)
