"""Worker processes under a supervisor, fed by the database itself, by RabbitMQ and by Redis: the same promises hold for all."""

from __future__ import annotations

from contextlib import closing

import kombu
import pytest

from job_lab import Lab

PLACES = ("sqlite-local", "postgresql-rabbitmq", "mariadb-redis")
BROKERS = {"rabbitmq": "rabbitmq_url", "redis": "redis_database"}


@pytest.fixture(params=PLACES)
def place(request, tmp_path, queue_prefix):
    """Give a lab with one kind of database and one kind of runner, on a queue of its own."""
    kind, runner = request.param.split("-")
    url = request.getfixturevalue(f"{kind}_migrated")
    broker = request.getfixturevalue(BROKERS[runner]) if runner in BROKERS else None
    lab = Lab(url, tmp_path, queues=(f"{queue_prefix}q",), broker_url=broker)
    yield lab
    lab.close()
    if runner == "rabbitmq":
        with kombu.Connection(broker) as connection, closing(connection.channel()) as channel:
            channel.queue_delete(f"labelmill.{lab.queue}")


def test_p07_p15_p16_jobs_end_as_they_should_behind_each_other(place):
    """Poisonous, endless and greedy jobs are parked with their reason; everything beside them is done exactly once."""
    plain = place.submit("add", steps=6, each=4)
    parked = {
        "worker-died": place.submit("crash", tries=2),
        "time-limit": place.submit("loop", tries=1, limit_seconds=1.0),
        "memory-limit": place.submit("hoard", tries=1, memory_mb=400),
        "internal": place.submit("fault", tries=1, odd=True),
        "bad-input": place.submit("refuse"),
    }
    killed_before = place.submit("add", die="before", steps=3)
    killed_after = place.submit("add", die="after", steps=3)
    with place.supervised(2):
        ended = {code: place.wait(job, seconds=60) for code, job in parked.items()}
        for job in (plain, killed_before, killed_after):
            place.wait(job, seconds=60)
    assert {code: (job.state, job.error["code"]) for code, job in ended.items()} == {code: ("failed", code) for code in parked}
    assert [place.holds_exactly(job) for job in (plain, killed_before, killed_after)] == [True] * 3
    assert {code: len(place.runs(job)) for code, job in parked.items()} == {
        "worker-died": 2, "time-limit": 1, "memory-limit": 1, "internal": 1, "bad-input": 1,
    }  # fmt: skip
    assert ended["worker-died"].error["detail"].endswith("code 3 in the middle of the step.")
    assert ended["bad-input"].error["way_out"] == "Mend it."
    assert ended["internal"].error["detail"] == "RuntimeError: a fault with a lone \\ud800 surrogate"
    assert place.alive() == []


def test_p17_workers_that_are_told_to_stop_finish_or_hand_back(place):
    """Nothing is lost and no try is spent, whether the step listens or not."""
    listening = place.submit("sleep", tries=1, seconds=60)
    with place.supervised(1):
        place.until(lambda: place.runs(listening))
    step = place.steps(listening)[0]
    assert (step["state"], step["tries"], step["owner"], place.job(listening).state) == ("queued", 0, None, "running")
    assert place.alive() == []
