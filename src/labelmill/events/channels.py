"""Redis channels: a message there is a wake-up and nothing else. Whoever misses one finds what is due in the database."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import structlog

from labelmill import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

log = structlog.get_logger(__name__)

#: Seconds that a Redis has for an answer, and the pauses after which one that is away is tried again.
ANSWER_SECONDS: Final = 2.0
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 15.0
#: Seconds between two looks at what was heard: many messages in one of them are one.
BREATH: Final = 0.2
#: Bytes of a message; ours are shorter, and what is longer is not for us.
LONGEST: Final = 64
#: Messages that are taken at once; who sends more is heard in the next look.
AT_ONCE: Final = 1000


class Publisher:
    """Sends messages from a thread of its own: whoever publishes never waits. Messages for a Redis that is away are dropped."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pending: dict[tuple[str, str], None] = {}
        self._lock = threading.Lock()
        self._there = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = False

    def publish(self, channel: str, message: str) -> None:
        """Send a message soon; what is sent already and not away yet is sent once."""
        with self._lock:
            self._pending[channel, message] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
                self._thread.start()
        self._there.set()

    def close(self) -> None:
        """Send what is left, as long as a Redis answers at once, and end the thread."""
        self._closing = True
        self._there.set()
        if self._thread is not None:
            self._thread.join(ANSWER_SECONDS)

    def _run(self) -> None:
        connection: Any = None
        quiet_until = 0.0
        while True:
            self._there.wait()
            self._there.clear()
            with self._lock:
                pending, self._pending = list(self._pending), {}
            if pending and clock.monotonic() >= quiet_until:
                try:
                    connection = connection or connect(self._url)
                    for channel, message in pending:
                        connection.publish(channel, message)
                except Exception as error:  # noqa: BLE001 - whatever it was, the database tells everybody what is due
                    log.warning("redis away, nobody is woken by it", reason=_reason(error))
                    connection, quiet_until = None, clock.monotonic() + FIRST_PAUSE
            if self._closing:
                return


class Listener:
    """Hears messages in a thread of its own, and connects again, however long its Redis is away.

    ``understood`` names the messages of each channel; all others are ignored. ``heard`` is called with a channel and a message, once
    for many that come together, and never with two at a time; what it raises is logged.
    """

    def __init__(self, url: str, understood: Mapping[str, Container[str]], heard: Callable[[str, str], None]) -> None:
        self._url = url
        self._understood = dict(understood)
        self._heard = heard
        self._stop = threading.Event()
        #: Set while it listens.
        self.listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(ANSWER_SECONDS * 2)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                connection = connect(self._url)
                try:
                    with connection.pubsub(ignore_subscribe_messages=True) as subscription:
                        subscription.subscribe(*self._understood)
                        connection.ping()
                        log.info("listening", channels=sorted(self._understood))
                        pause = FIRST_PAUSE
                        self._serve(subscription)
                finally:
                    self.listening.clear()
                    connection.close()
            except Exception as error:  # noqa: BLE001 - a Redis that is away harms nothing, whatever its library raises
                log.warning("redis away, wake-ups wait for it", reason=_reason(error))
                self._stop.wait(pause)
                pause = min(LONGEST_PAUSE, pause * 2)

    def _serve(self, subscription: Any) -> None:
        self.listening.set()
        while not self._stop.is_set():
            heard: dict[tuple[str, str], None] = {}
            message = subscription.get_message(timeout=BREATH)
            for _ in range(AT_ONCE):
                if message is None:
                    break
                channel, text = _text(message.get("channel")), _text(message.get("data"))
                if text in self._understood.get(channel, ()):
                    heard[channel, text] = None
                message = subscription.get_message(timeout=0)
            for each in heard:
                self._tell(*each)
            if heard:
                self._stop.wait(BREATH)

    def _tell(self, channel: str, message: str) -> None:
        try:
            self._heard(channel, message)
        except Exception:
            log.exception("a wake-up came to nothing", channel=channel, message=message)


class ChannelWaker:
    """Wakes workers as another waker does, and publishes ``update`` on the channel that is called like the steps' queue."""

    def __init__(self, inner: Any, publisher: Publisher, channels: Iterable[str]) -> None:
        self.inner = inner
        self._publisher = publisher
        self._channels = frozenset(channels)
        #: ``local`` or ``celery``.
        self.runner: str = inner.runner

    def wake(self, steps: Sequence[tuple[str, str]]) -> None:
        """Tell workers that these steps are free; never raises."""
        self.inner.wake(steps)
        for channel in sorted({queue for _, queue in steps} & self._channels):
            self._publisher.publish(channel, "update")

    def announce(self, channel: str, message: str) -> None:
        """Publish another message."""
        self._publisher.publish(channel, message)

    def close(self) -> None:
        self._publisher.close()


def connect(url: str) -> Any:
    """Return a client that gives up soon, where the library's own would try for half a minute."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, retry=Retry(NoBackoff(), 0)
    )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) and len(value) <= LONGEST else ""


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
