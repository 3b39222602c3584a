"""Finds the servers that the tests need, or starts them, or says how to get them.

    python scripts/testservers.py up      find, else install (root on Debian), else start; exit code 1 in CI when one is missing
    python scripts/testservers.py down    stop what ``up`` started

A server is looked for in this order: the URL in its environment variable (and then nowhere else), the one that ``up`` started, the
usual one on loopback. Tests ask ``find`` in the same way, so pytest run by hand sees what `make test` saw.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

import private_servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PROBE_TIMEOUT = 5  # seconds


def _probe_postgresql(url: str) -> None:
    import psycopg

    parts = make_url(url).set(drivername="postgresql")
    with psycopg.connect(parts.render_as_string(hide_password=False), connect_timeout=PROBE_TIMEOUT) as connection:
        connection.execute("SELECT 1")


def _probe_mariadb(url: str) -> None:
    import pymysql

    parts = make_url(url)
    connection = pymysql.connect(
        host=parts.host or "127.0.0.1",
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        connect_timeout=PROBE_TIMEOUT,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _probe_redis(url: str) -> None:
    import redis

    with redis.Redis.from_url(url, socket_timeout=PROBE_TIMEOUT, socket_connect_timeout=PROBE_TIMEOUT) as client:
        client.ping()


def _probe_rabbitmq(url: str) -> None:
    import kombu

    with kombu.Connection(url, connect_timeout=PROBE_TIMEOUT) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=PROBE_TIMEOUT)


@dataclass(frozen=True, kw_only=True)
class Server:
    kind: str
    name: str
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    default_url: str
    probe: Callable[[str], None]

    @property
    def variable(self) -> str:
        return f"LABELMILL_TEST_{self.kind.upper()}_URL"

    @property
    def remedy(self) -> str:
        return f"apt-get install {' '.join(self.packages)}"

    @property
    def folder(self) -> Path:
        return home() / self.kind


SERVERS = {
    server.kind: server
    for server in (
        Server(
            kind="postgresql",
            name="PostgreSQL",
            programs=("postgres",),
            packages=("postgresql",),
            default_url="postgresql+psycopg://postgres@127.0.0.1:5432/test",
            probe=_probe_postgresql,
        ),
        Server(
            kind="mariadb",
            name="MariaDB",
            programs=("mariadbd", "mysqld"),
            packages=("mariadb-server",),
            default_url="mysql+pymysql://root@127.0.0.1:3306/test",
            probe=_probe_mariadb,
        ),
        Server(
            kind="redis",
            name="Redis",
            programs=("redis-server",),
            packages=("redis-server",),
            default_url="redis://127.0.0.1:6379/0",
            probe=_probe_redis,
        ),
        Server(
            kind="rabbitmq",
            name="RabbitMQ",
            programs=("rabbitmq-server",),
            packages=("rabbitmq-server",),
            default_url="amqp://guest:guest@127.0.0.1:5672//",
            probe=_probe_rabbitmq,
        ),
    )
}

BROWSER = "Chromium"
BROWSER_PACKAGES = ("chromium", "fonts-noto-cjk")  # without the fonts, pages with Chinese names show boxes
BROWSER_REMEDY = f"apt-get install {' '.join(BROWSER_PACKAGES)}"


def home() -> Path:
    """Return the folder of the private servers. As root not below /root: the servers' accounts may not enter it."""
    if given := os.environ.get("LABELMILL_TEST_SERVER_DIR"):
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/labelmill-test")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "labelmill-test"


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true"}


def find(kind: str) -> str | None:
    """Return the URL under which the server answers now, or None."""
    server = SERVERS[kind]
    return next((url for url in _candidates(server) if _answers(server, url)), None)


def _candidates(server: Server) -> list[str]:
    """Return the URLs to try, in order. A URL that was set is meant: if it is wrong, no other server may stand in silently."""
    if given := os.environ.get(server.variable):
        return [given]
    started = private_servers.remembered_url(server.folder)
    only_private = os.environ.get("LABELMILL_TEST_SERVERS") == "private"
    return [url for url in (started, None if only_private else server.default_url) if url]


def _answers(server: Server, url: str) -> bool:
    try:
        server.probe(url)
    except Exception:  # noqa: BLE001 - each driver has its own tree of errors, and each of them means "no"
        return False
    return True


def find_browser() -> str | None:
    """Return the path of a Chromium, or None."""
    if given := os.environ.get("LABELMILL_TEST_CHROMIUM"):
        return shutil.which(given)
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


def up() -> int:
    """Find, install or start everything; return the exit code."""
    absent = [server for server in SERVERS.values() if not _report_found(server)]
    startable = [server for server in absent if not os.environ.get(server.variable)]
    _install(_missing_packages(startable))
    missing = [_sentence(server) for server in absent if server not in startable or not _start(server)]
    if find_browser() is None:
        missing.append(f"{BROWSER} is missing: its tests are left out. To get it: {BROWSER_REMEDY}")
    for sentence in missing:
        _say(sentence)
    return 1 if missing and in_ci() else 0


def _report_found(server: Server) -> bool:
    url = find(server.kind)
    if url:
        _say(f"{server.name} answers at {_address(url)}")
    return url is not None


def _address(url: str) -> str:
    parts = make_url(url)
    return f"{parts.host}:{parts.port}"


def _missing_packages(servers: Iterable[Server]) -> list[str]:
    packages = [name for server in servers if private_servers.program(*server.programs) is None for name in server.packages]
    return packages if find_browser() else [*packages, *BROWSER_PACKAGES]


def _install(packages: list[str]) -> None:
    """Install Debian packages where that is possible; what stays missing is named later."""
    if not packages or not _may_install():
        return
    _say(f"Installing {' '.join(packages)} ...")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(["/usr/bin/apt-get", *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            _say(f"apt-get {' '.join(arguments)} failed with exit code {done.returncode}")
            return


def _may_install() -> bool:
    return os.geteuid() == 0 and Path("/usr/bin/apt-get").exists() and os.environ.get("LABELMILL_TEST_INSTALL") != "no"


def _start(server: Server) -> bool:
    """Start a private server when its program is installed; return whether it answers."""
    if private_servers.program(*server.programs) is None:
        return False
    try:
        url = private_servers.start(server.kind, server.folder, server.probe)
    except private_servers.ServerFailedError as error:
        _say(f"{server.name} could not be started: {error}")
        return False
    _say(f"{server.name} was started for the tests at {_address(url)} (folder {server.folder})")
    return True


def _sentence(server: Server) -> str:
    if os.environ.get(server.variable):
        return f"{server.name} does not answer at the URL in {server.variable}: correct it, or unset it"
    return f"{server.name} is missing: its tests are left out. To get it: {server.remedy}"


def down() -> int:
    """Stop every server that ``up`` started; their data stays for the next time."""
    for server in SERVERS.values():
        if private_servers.stop(server.kind, server.folder):
            _say(f"{server.name} was stopped")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is a command


def main(arguments: list[str]) -> int:
    verbs = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in verbs:
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    return verbs[arguments[0]]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
