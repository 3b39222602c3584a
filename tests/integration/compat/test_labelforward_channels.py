"""LabelForward's channels `learner` and `predictor`: published where something is due, understood as wake-ups, and never needed."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis
import sqlalchemy as sa

import labelforward
import webapp
from labelmill.datasets import service as datasets
from labelmill.jobs.tables import jobs
from labelmill.jobs.waker import PollingWaker
from labelmill.learning.wakeups import WakeUps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from webapp import Site

SECONDS = 20
AWAY = "redis://127.0.0.1:1/0"


@pytest.fixture
def live(tmp_path: Path, redis_database: str) -> Iterator[Site]:
    with webapp.site(tmp_path, redis_url=redis_database) as made:
        yield made


@pytest.fixture
def said(redis_database: str) -> Iterator[Callable[[tuple[str, str]], bool]]:
    """Tells whether a message comes within some time."""
    client = redis.Redis.from_url(redis_database, decode_responses=True)
    subscription = client.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe("learner", "predictor")
    subscription.get_message(timeout=SECONDS)

    def wait(wanted: tuple[str, str]) -> bool:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            message = subscription.get_message(timeout=1)
            if message is not None and (message["channel"], message["data"]) == wanted:
                return True
        return False

    yield wait
    subscription.close()
    client.close()


def _jobs(site: Site) -> list[str]:
    with site.app.database.read() as connection:
        return list(connection.scalars(sa.select(jobs.c.kind).order_by(jobs.c.id)))


def _label(client: Any, count: int) -> None:
    for _ in range(count):
        text = client.ask("GET", "texts/text").json()
        assert client.label(text["text_id"], "good").status_code == 201


def test_l8_a_training_that_is_due_is_published(live: Site, said: Callable[[tuple[str, str]], bool]) -> None:
    dataset = labelforward.make_dataset(live, texts=3, batch_size=2)
    _label(labelforward.join(live, dataset, "ann@example.org"), 2)
    assert _jobs(live) == ["train"]
    assert said(("learner", "update"))


def test_l1_loaded_data_is_published(live: Site, said: Callable[[tuple[str, str]], bool]) -> None:
    live.app.tell_loaded()
    assert said(("learner", "init"))


def test_l8_what_is_heard_has_a_due_training_submitted_once(live: Site, redis_database: str) -> None:
    """Whoever wrote the labels died before it submitted the training: any message makes up for it, many messages no more than once."""
    dataset = labelforward.make_dataset(live, texts=3, batch_size=1000)
    _label(labelforward.join(live, dataset, "ann@example.org"), 2)
    live.app.database.transact(datasets.change, dataset.id, settings={"batch_size": 2})
    assert _jobs(live) == []
    client = redis.Redis.from_url(redis_database)
    with live.app.listening(), live.app.listening():
        until = time.monotonic() + SECONDS
        while not _jobs(live) and time.monotonic() < until:
            client.publish("learner", "update")
            time.sleep(0.3)
        for _ in range(5):
            client.publish("learner", "update")
        time.sleep(1)
    client.close()
    assert _jobs(live) == ["train"]


@pytest.mark.parametrize(("message", "expected"), [("update", []), ("init", ["train"]), ("nonsense", [])])
def test_l6_init_looks_for_what_new_data_asks_for(site: Site, message: str, expected: list[str]) -> None:
    labelforward.make_dataset(site, texts=3)
    for _ in range(2):
        WakeUps(site.app.runtime, PollingWaker()).hear("learner", message)
    WakeUps(site.app.runtime, PollingWaker()).hear("predictor", "update")
    assert _jobs(site) == expected


def test_workers_are_woken_and_nothing_is_said_again(site: Site) -> None:
    labelforward.make_dataset(site, texts=3)
    woken: list[tuple[str, str]] = []

    class Inner(PollingWaker):
        def wake(self, steps: Any) -> None:
            woken.extend(steps)

    WakeUps(site.app.runtime, Inner()).hear("learner", "init")
    assert [name for _, name in woken] == ["learner"]


def test_p10_labelling_goes_on_without_redis(tmp_path: Path) -> None:
    with webapp.site(tmp_path, redis_url=AWAY) as site:
        dataset = labelforward.make_dataset(site, texts=6, batch_size=2)
        client = labelforward.join(site, dataset, "ann@example.org")
        with site.app.listening():
            begun = time.monotonic()
            _label(client, 6)
            assert time.monotonic() - begun < 30
        assert _jobs(site)[:1] == ["train"]


def test_without_the_setting_nothing_listens_or_publishes(site: Site) -> None:
    assert isinstance(site.app.waker, PollingWaker)
    with site.app.listening():
        site.app.tell_loaded()


def test_l29_a_learner_alone_hears_its_channel(tmp_path: Path, redis_database: str) -> None:
    with webapp.site(tmp_path) as site:
        dataset = labelforward.make_dataset(site, texts=3, batch_size=1000)
        _label(labelforward.join(site, dataset, "ann@example.org"), 2)
        site.app.database.transact(datasets.change, dataset.id, settings={"batch_size": 2})
        sets = ["--set", f"data_dir={site.app.settings.data_dir}", "--set", f"redis_url={redis_database}"]
        learner = subprocess.Popen([sys.executable, "-m", "labelmill", *sets, "learner"])
        client = redis.Redis.from_url(redis_database)
        try:
            until = time.monotonic() + 60
            while "train" not in _jobs(site) and time.monotonic() < until:
                client.publish("learner", "update")
                time.sleep(0.5)
            assert _jobs(site)[:1] == ["train"]
        finally:
            client.close()
            learner.terminate()
            assert learner.wait(60) == 0
