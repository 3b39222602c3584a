"""Whether this process is alive, and whether what it needs answers."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from labelmill.db import migrate
from labelmill.deadline import within
from labelmill.errors import BadSettings, LabelmillError, Unavailable
from labelmill.logs import log_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelmill.bootstrap import App

#: Seconds that one check may take.
SECONDS = 4.0
LEAST_FREE_MB = 100
_PORTS = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}


@dataclass(frozen=True, kw_only=True)
class Check:
    """How one part is: ``reason`` is for people, empty when it is well, and never holds an address, a user or a password."""

    name: str
    ok: bool
    reason: str = ""


def check_all(app: App) -> list[Check]:
    """Return how every part is, asked at once; none is waited for longer than SECONDS."""
    probes: dict[str, Callable[[], None]] = {"database": lambda: _database(app), "files": lambda: _files(app)}
    if app.settings.blobs_url:
        probes["store"] = lambda: _store(app)
    if app.settings.broker_url:
        probes["broker"] = lambda: _broker(str(app.settings.broker_url))
    with ThreadPoolExecutor(len(probes)) as pool:
        return list(pool.map(_probed, probes, probes.values()))


def _probed(name: str, probe: Callable[[], None]) -> Check:
    try:
        within(SECONDS, probe, name)
    except _Failed as error:
        return Check(name=name, ok=False, reason=str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the part is not well; the log tells the whole
        identity = log_error(error, check=name)
        slow = isinstance(error, Unavailable) and "within" in error.message
        reason = f"no answer within {SECONDS:g} seconds" if slow else "no answer"
        return Check(name=name, ok=False, reason=f"{reason}; the log tells more under {identity}")
    return Check(name=name, ok=True)


class _Failed(Exception):
    """A part answers and is not well; the message may be shown to anybody."""


def _database(app: App) -> None:
    try:
        migrate.require_current(app.database.engine)
    except LabelmillError as error:
        if isinstance(error, Unavailable):
            raise
        raise _Failed(error.message) from error


def _files(app: App) -> None:
    folder = app.settings.data_dir
    try:
        descriptor, probe = tempfile.mkstemp(dir=folder, prefix=".ready-")
        try:
            os.write(descriptor, b"ready")
        finally:
            os.close(descriptor)
            with suppress(OSError):
                os.unlink(probe)  # noqa: PTH108 - the name came from mkstemp as text
        free_mb = shutil.disk_usage(folder).free // 1024 // 1024
    except OSError as error:
        raise _Failed(f"the data folder cannot be written to: {error.strerror}") from error
    if free_mb < LEAST_FREE_MB:
        raise _Failed(f"only {free_mb} MB are free in the data folder; at least {LEAST_FREE_MB} are needed")


def _store(app: App) -> None:
    try:
        app.blobs.exists("ready")
    except BadSettings as error:
        raise _Failed(error.message) from error


def _broker(url: str) -> None:
    """Ask whether the broker accepts connections; whether it accepts ours is seen by the workers, which log it."""
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or _PORTS[parts.scheme])
    try:
        socket.create_connection(address, timeout=SECONDS - 1).close()
    except OSError as error:
        raise _Failed(f"the broker does not accept connections: {error.strerror or type(error).__name__}") from error
