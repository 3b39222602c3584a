"""A server of a test's own that may be treated badly: stopped, killed, emptied and started again at the same address."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import kombu
import redis

import private_servers
import testservers

if TYPE_CHECKING:
    from collections.abc import Iterator


class RoughServer:
    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self._folder = kind, folder
        self.url = private_servers.start(kind, folder, self._probe)

    def restart(self, pause: float = 0) -> None:
        """Stop it as an administrator does, and start it ``pause`` seconds later."""
        self.stop()
        time.sleep(pause)
        self.start()

    def crash(self, pause: float = 0) -> None:
        """Have PostgreSQL end without a word to anybody, as after a kill; it recovers from its log when it starts again."""
        os.kill(int((self._folder / "pid").read_text()), signal.SIGQUIT)
        self.restart(pause)

    def start(self) -> None:
        assert private_servers.start(self.kind, self._folder, self._probe) == self.url

    def stop(self) -> None:
        private_servers.stop(self.kind, self._folder)

    def forget(self, *queues: str) -> None:
        """Lose every message of a Redis; of a RabbitMQ these queues with all that lies in them."""
        if self.kind == "redis":
            with closing(redis.Redis.from_url(self.url)) as client:
                client.flushall()
            return
        with kombu.Connection(self.url) as connection, closing(connection.channel()) as channel:
            for queue in queues:
                channel.queue_delete(queue)

    def _probe(self, url: str) -> None:
        testservers.SERVERS[self.kind].probe(url)


@contextmanager
def running(kind: str) -> Iterator[RoughServer]:
    """Give a new server of this kind; it is stopped and forgotten at the end."""
    # Not below pytest's folder: as root the servers run under accounts of their own, which may not look in there.
    with tempfile.TemporaryDirectory(prefix="labelmill-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = RoughServer(kind, folder)
        try:
            yield made
        finally:
            made.stop()
