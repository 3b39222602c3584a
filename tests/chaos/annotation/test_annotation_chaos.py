"""Labels while the web process is killed and the database's connections are cut. The seed of every random choice is printed."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

import fresh
import label_crowd

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
CLIENTS = 50
ROUNDS = 20


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request):
    return request.getfixturevalue(f"{request.param}_database")


def tell(crowd, **more):
    figures = {"acknowledged": len(crowd.acknowledged()), "longest": round(crowd.longest(), 2), **more}
    sys.stdout.write(f"{figures} {dict(crowd.told())}\n")


def test_p01_p02_what_was_acknowledged_is_stored_once_though_the_web_process_is_killed(url, tmp_path, seed, chance):
    """Fifty clients without think time, some of which hang up early; who got no answer sends the same key again."""
    with label_crowd.Server(tmp_path, url, clients=CLIENTS, records=20_000, wanted=2) as server:
        crowd = label_crowd.Crowd(server, seed)
        with crowd.at_work():
            for _ in range(ROUNDS):
                crowd.await_label()
                time.sleep(chance.uniform(0.3, 1.5))
                server.kill()
                crowd.require_kept()
                server.start()
            crowd.await_label()
        tell(crowd)
        crowd.require_exact()
        assert crowd.told()["repeated"] > 0, "no answer was lost after it was stored"
        assert set(crowd.told()) <= {"200", "409", "503", "away", "lost", "repeated"}
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(url).database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def cut(url):
    """End every connection to the database, and return how many there were."""
    ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
    with fresh.administration(make_url(url).set(database="postgres")) as connection:
        return connection.scalar(sa.text(ended), {"name": make_url(url).database})


def test_p11_connections_that_are_cut_every_second_lose_no_label_and_hold_nobody_up(
    postgresql_database, tmp_path, seed, chance
):
    """Who is told 503 sends the same key again; it heals unaided, and nobody waits for long."""
    with label_crowd.Server(tmp_path, postgresql_database, clients=10, records=6000, wanted=2) as server:
        crowd = label_crowd.Crowd(server, seed)
        ended = 0
        with crowd.at_work():
            for _ in range(10):
                time.sleep(chance.uniform(0.5, 1.5))
                ended += cut(postgresql_database)
                crowd.await_label()
        tell(crowd, ended=ended)
        crowd.require_exact()
        assert ended > 10
        assert set(crowd.told()) <= {"200", "409", "503", "lost", "repeated"}
        assert crowd.longest() < label_crowd.LONGEST_SECONDS
