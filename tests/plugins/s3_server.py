"""A real S3-compatible server (rclone, which the requirements for tests bring), with a key of its own."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError

import private_servers
from labelmill.blobs.s3 import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class S3Server:
    endpoint: str
    access_key: str
    secret_key: str
    folder: Path

    def client(self, **changed: Any) -> Any:
        values = {"endpoint": self.endpoint, "access_key": self.access_key, "secret_key": self.secret_key, "region": None}
        return connect(**values | changed)

    @cached_property
    def usual(self) -> Any:
        """A client with the right key; to make one takes a while."""
        return self.client()

    def bucket(self) -> str:
        """Make a bucket that no other test uses, and return its name."""
        name = f"bucket-{secrets.token_hex(6)}"
        self.usual.create_bucket(Bucket=name)
        return name

    def url(self, bucket: str, prefix: str = "") -> str:
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}"


@contextmanager
def running(folder: Path) -> Iterator[S3Server]:
    """Start a server with its files in ``folder``, and end it."""
    program = private_servers.program("rclone") or str(Path(sys.executable).with_name("rclone"))
    port, access_key, secret_key = private_servers.free_port(), secrets.token_hex(10), secrets.token_hex(20)
    command = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--config", os.devnull, str(folder)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"'}
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        server = S3Server(endpoint=f"http://127.0.0.1:{port}", access_key=access_key, secret_key=secret_key, folder=folder)
        try:
            _wait(server, process)
            yield server
        finally:
            process.kill()


def _wait(server: S3Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    client = server.usual
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.list_buckets()
        except (OSError, BotoCoreError):
            time.sleep(0.1)
        else:
            return
    process.kill()
    raise RuntimeError(f"rclone does not answer: {process.communicate()[1].decode()[-1000:]}")
