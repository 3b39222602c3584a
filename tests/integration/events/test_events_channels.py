"""The channels of Redis, against a real one: heard, said, ignored, and away."""

from __future__ import annotations

import queue
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from labelmill.events.channels import ChannelWaker, Listener, Publisher
from labelmill.jobs.waker import PollingWaker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNDERSTOOD = {"learner": ("init", "update"), "predictor": ("update",)}
SECONDS = 20


class Ear:
    """What a listener heard."""

    def __init__(self) -> None:
        self.heard: queue.Queue[tuple[str, str]] = queue.Queue()
        self.fails = False

    def hear(self, channel: str, message: str) -> None:
        self.heard.put((channel, message))
        if self.fails:
            raise RuntimeError("a fault of whoever heard")

    def next(self) -> tuple[str, str]:
        return self.heard.get(timeout=SECONDS)


@pytest.fixture
def client(redis_database: str) -> Iterator[Any]:
    made = redis.Redis.from_url(redis_database)
    yield made
    made.close()


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def listen(ear: Ear) -> Iterator[Callable[[str], Listener]]:
    started: list[Listener] = []

    def start(url: str) -> Listener:
        listener = Listener(url, UNDERSTOOD, ear.hear)
        listener.start()
        started.append(listener)
        return listener

    yield start
    for each in started:
        each.stop()


# Channels are the same in every database of a Redis: other tests may be heard here, so that each says what only it says.
def test_l29_messages_are_heard_and_others_ignored(
    redis_database: str, client: Any, ear: Ear, listen: Callable[[str], Listener]
) -> None:
    assert listen(redis_database).listening.wait(SECONDS)
    for channel, message in (
        ("learner", "nonsense"), ("learner", b"\xff\xfe"), ("learner", "x" * 100_000), ("learner", ""), ("predictor", "init"),
        ("dl_manager", "clf-7"), ("learner", "update "), ("predictor", "update"),
    ):  # fmt: skip
        client.publish(channel, message)
    while ear.next() != ("predictor", "update"):
        pass
    client.publish("learner", "init")
    while ear.next() != ("learner", "init"):
        pass
    assert all(each in {("learner", "update"), ("predictor", "update"), ("learner", "init")} for each in ear.heard.queue)


def test_many_messages_at_once_are_few_wake_ups(
    redis_database: str, client: Any, ear: Ear, listen: Callable[[str], Listener]
) -> None:
    assert listen(redis_database).listening.wait(SECONDS)
    pipe = client.pipeline()
    for _ in range(5000):
        pipe.publish("learner", "init")
    pipe.execute()
    ear.next()
    time.sleep(2)
    assert ear.heard.qsize() < 20


def test_what_fails_while_it_is_heard_ends_nothing(
    redis_database: str, client: Any, ear: Ear, listen: Callable[[str], Listener]
) -> None:
    ear.fails = True
    assert listen(redis_database).listening.wait(SECONDS)
    for _ in range(2):
        client.publish("learner", "init")
        while ear.next() != ("learner", "init"):
            pass
        time.sleep(0.5)


def test_p10_a_listener_that_was_cut_off_listens_again(
    redis_database: str, client: Any, ear: Ear, listen: Callable[[str], Listener]
) -> None:
    listener = listen(redis_database)
    assert listener.listening.wait(SECONDS)
    mine = [each["id"] for each in client.client_list(_type="pubsub") if each["db"] == str(_number(redis_database))]
    assert mine
    for each in mine:
        client.client_kill_filter(_id=each)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        client.publish("learner", "init")
        try:
            if ear.heard.get(timeout=0.5) == ("learner", "init"):
                return
        except queue.Empty:
            continue
    pytest.fail("it never listened again")


def test_p10_who_publishes_to_a_redis_that_is_away_waits_for_nothing() -> None:
    with socket.socket() as blackhole:
        blackhole.bind(("127.0.0.1", 0))
        blackhole.listen(0)  # takes connections and says nothing
        for port in (blackhole.getsockname()[1], 1):
            waker = ChannelWaker(PollingWaker(), Publisher(f"redis://127.0.0.1:{port}/0"), ("learner",))
            begun = time.monotonic()
            for _ in range(1000):
                waker.wake([("step", "learner")])
            assert time.monotonic() - begun < 20  # a thousand times the time after which it gives up would be hours
            begun = time.monotonic()
            waker.close()
            assert time.monotonic() - begun < 10


def test_a_listener_ends_while_its_redis_is_away(ear: Ear) -> None:
    listener = Listener("redis://127.0.0.1:1/0", UNDERSTOOD, ear.hear)
    listener.start()
    time.sleep(0.2)
    listener.stop()
    assert "listener" not in {each.name for each in threading.enumerate()}


def test_the_channels_of_the_steps_queues_are_told_once(redis_database: str, client: Any) -> None:
    told: list[list[tuple[str, str]]] = []

    class Inner(PollingWaker):
        def wake(self, steps: Any) -> None:
            told.append(list(steps))

    subscription = client.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe("channel-a", "channel-b", "channel-c")
    subscription.get_message(timeout=SECONDS)
    waker = ChannelWaker(Inner(), Publisher(redis_database), ("channel-a", "channel-b"))
    waker.wake([("1", "channel-a"), ("2", "channel-a"), ("3", "default"), ("4", "channel-c")])
    waker.announce("channel-b", "init")
    waker.close()
    heard = []
    until = time.monotonic() + SECONDS
    while len(heard) < 2 and time.monotonic() < until:
        message = subscription.get_message(timeout=1)
        if message is not None:
            heard.append((message["channel"], message["data"]))
    assert sorted(heard) == [(b"channel-a", b"update"), (b"channel-b", b"init")]
    assert told == [[("1", "channel-a"), ("2", "channel-a"), ("3", "default"), ("4", "channel-c")]]


def _number(url: str) -> int:
    return int(url.rpartition("/")[2])
