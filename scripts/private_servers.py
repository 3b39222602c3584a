"""Starts and stops database servers and brokers of our own: own data folder, own free port on 127.0.0.1, own password.

They need no root (the programs refuse root, so as root they run under their Debian account), touch no server that was there before, and
may be killed at will by chaos tests. A folder holds ``data``, ``log``, ``pid``, ``port`` and ``url``; the last one is written when
the server has answered.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

START_TIMEOUT = 240.0  # seconds; RabbitMQ needs about 10 on a slow machine, and minutes on one with much else to do
STOP_TIMEOUT = 30.0  # seconds
USER = "labelmill_test"
PORTS = range(20_000, 32_000)


class ServerFailedError(Exception):
    """A server did not start; the text ends with the last lines of its log."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one private server lives and how it is reached."""

    folder: Path
    port: int
    password: str
    account: str | None
    """The Debian account to run under, as root only."""

    @property
    def data(self) -> Path:
        return self.folder / "data"


def program(*names: str) -> str | None:
    """Return the path of the first program that exists; Debian keeps PostgreSQL's and RabbitMQ's outside of PATH."""
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True), Path("/usr/lib/rabbitmq/bin")]
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def _version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


def _needed(*names: str) -> str:
    if (found := program(*names)) is None:
        raise ServerFailedError(f"{names[0]} is not installed")
    return found


def free_port() -> int:
    """Return a port that nobody has: one of those that no system lends to clients, so that it stays free while its server is away."""
    return next(port for port in random.SystemRandom().sample(PORTS, len(PORTS)) if _is_free(port))


# ---------------------------------------------------------------------------------------------- one function for each server


def postgresql(place: Place) -> tuple[list[str], dict[str, str], str]:
    """Return command, environment and URL; make the data folder first when there is none.

    fsync is off: a killed server loses nothing by that, only a machine that loses power would.
    """
    if not place.data.exists():
        secret = place.folder / "password"
        _write(secret, place.password, place.account)
        draft = place.folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        options = [f"--username={USER}", f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        _run([_needed("initdb"), f"--pgdata={draft}", "--no-sync", *options], place)
        draft.rename(place.data)
        secret.unlink()
    settings = {"listen_addresses": "127.0.0.1", "port": str(place.port), "unix_socket_directories": "", "fsync": "off"}
    command = [
        _needed("postgres"),
        "-D",
        str(place.data),
        *(part for item in settings.items() for part in ("-c", "=".join(item))),
    ]
    return command, {}, f"postgresql+psycopg://{USER}:{place.password}@127.0.0.1:{place.port}/postgres"


def mariadb(place: Place) -> tuple[list[str], dict[str, str], str]:
    """Return command, environment and URL; make the data folder first when there is none."""
    if not place.data.exists():
        draft = place.folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        _run([_needed("mariadb-install-db"), "--no-defaults", f"--datadir={draft}", "--skip-test-db"], place)
        draft.rename(place.data)
    first = place.folder / "first.sql"
    user = f"'{USER}'@'127.0.0.1'"
    statements = (
        f"CREATE OR REPLACE USER {user} IDENTIFIED BY '{place.password}';\n"
        f"GRANT ALL ON *.* TO {user} WITH GRANT OPTION;\n"
        "CREATE DATABASE IF NOT EXISTS test;\n"
    )
    _write(first, statements, place.account)
    options = {
        "datadir": place.data,
        "port": place.port,
        "bind-address": "127.0.0.1",
        "socket": place.folder / "socket",
        "pid-file": place.folder / "mariadbd.pid",
        "init-file": first,
        "character-set-server": "utf8mb4",
        "innodb-flush-log-at-trx-commit": 2,
    }
    command = [_needed("mariadbd", "mysqld"), "--no-defaults", "--skip-name-resolve"]
    command += [f"--{name}={value}" for name, value in options.items()]
    return command, {}, f"mysql+pymysql://{USER}:{place.password}@127.0.0.1:{place.port}/test"


def redis(place: Place) -> tuple[list[str], dict[str, str], str]:
    """Return command, environment and URL."""
    settings = place.folder / "redis.conf"  # not on the command line: there everybody could read the password
    lines = ["bind 127.0.0.1", f"port {place.port}", f"requirepass {place.password}", f"dir {place.folder}", 'save ""']
    _write(settings, "\n".join(lines) + "\n", place.account)
    return [_needed("redis-server"), str(settings)], {}, f"redis://:{place.password}@127.0.0.1:{place.port}/0"


def rabbitmq(place: Place) -> tuple[list[str], dict[str, str], str]:
    """Return command, environment and URL."""
    settings, plugins = place.folder / "rabbitmq.conf", place.folder / "enabled_plugins"
    _write(settings, f"default_user = {USER}\ndefault_pass = {place.password}\nloopback_users = none\n", place.account)
    _write(plugins, "[].\n", place.account)
    environment = {
        "HOME": str(place.folder),  # of the Erlang cookie
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"labelmill-{place.port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(place.port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(place.data),
        "RABBITMQ_LOG_BASE": str(place.folder / "logs"),
        "RABBITMQ_CONFIG_FILE": str(settings),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_PID_FILE": str(place.folder / "rabbitmq.pid"),
    }
    return [_needed("rabbitmq-server")], environment, f"amqp://{USER}:{place.password}@127.0.0.1:{place.port}//"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    prepare: Callable[[Place], tuple[list[str], dict[str, str], str]]
    account: str
    stop_signal: signal.Signals = signal.SIGTERM


RECIPES = {
    "postgresql": Recipe(prepare=postgresql, account="postgres", stop_signal=signal.SIGINT),  # SIGTERM waits for every client
    "mariadb": Recipe(prepare=mariadb, account="mysql"),
    "redis": Recipe(prepare=redis, account="redis"),
    "rabbitmq": Recipe(prepare=rabbitmq, account="rabbitmq"),
}


# ---------------------------------------------------------------------------------------------- start, look, stop


def start(kind: str, folder: Path, probe: Callable[[str], None]) -> str:
    """Start the server of ``kind`` in ``folder`` and return its URL once ``probe`` has accepted it.

    Raises ServerFailedError when the program is missing, ends early or does not answer in time.
    """
    recipe = RECIPES[kind]
    stop(kind, folder)
    place = _place(folder, recipe.account)
    command, environment, url = recipe.prepare(place)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=_environment() | environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=place.account,
            group=place.account,
            extra_groups=[] if place.account else None,
        )
    (folder / "pid").write_text(str(process.pid))
    try:
        _wait_until_it_answers(process, url, probe, folder)
    except ServerFailedError:
        stop(kind, folder)
        raise
    finally:
        process.returncode = 0  # it outlives us on purpose, or is stopped and waited for: no warning about a child that runs
    _write(folder / "url", url, None)
    return url


def _place(folder: Path, account: str) -> Place:
    """Make the folder, its password and its port, or take those of the last start."""
    as_root = os.geteuid() == 0
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    if as_root:
        shutil.chown(folder, account, account)
    password, port = folder / "secret", folder / "port"
    if not password.exists():
        _write(password, secrets.token_hex(16), None)
    if not port.exists() or not _is_free(int(port.read_text())):
        port.write_text(str(free_port()))
    return Place(folder=folder, port=int(port.read_text()), password=password.read_text(), account=account if as_root else None)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closed connection's rest does not block
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _write(path: Path, text: str, account: str | None) -> None:
    """Write a file that only its owner may read: each may hold a password."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if account:
        shutil.chown(path, account, account)


def _environment() -> dict[str, str]:
    """Return what a server may know of our environment: nothing but where programs are."""
    path = os.environ.get("PATH", "")
    return {"PATH": f"{path}{os.pathsep}/usr/sbin{os.pathsep}/usr/bin{os.pathsep}/bin", "LC_ALL": "C.UTF-8"}


def _run(command: list[str], place: Place) -> None:
    done = subprocess.run(
        command,
        cwd=place.folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        user=place.account,
        group=place.account,
        extra_groups=[] if place.account else None,
    )
    if done.returncode:
        raise ServerFailedError(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str, probe: Callable[[str], None], folder: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            probe(url)
        except Exception as error:
            if process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            tail = "\n".join((folder / "log").read_text(errors="replace").splitlines()[-15:])
            raise ServerFailedError(f"it does not answer ({error}); its log ends with:\n{tail}") from error
        return


def remembered_url(folder: Path) -> str | None:
    path = folder / "url"
    return path.read_text() if path.exists() else None


def stop(kind: str, folder: Path) -> bool:
    """Stop the server that was started in ``folder``; return whether one ran."""
    pid_file = folder / "pid"
    if not pid_file.exists():
        return False
    pid = int(pid_file.read_text())
    if ran := _is_ours(pid, folder):
        _signal_group(pid, RECIPES[kind].stop_signal)
        deadline = time.monotonic() + STOP_TIMEOUT
        while _group_lives(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        _signal_group(pid, signal.SIGKILL)
    pid_file.unlink()
    (folder / "url").unlink(missing_ok=True)
    return ran


def _is_ours(pid: int, folder: Path) -> bool:
    """Return whether ``pid`` is still the server of this folder: numbers are used again."""
    try:
        return Path(psutil.Process(pid).cwd()).is_relative_to(folder.resolve())
    except psutil.Error:
        return False


def _group_lives(pid: int) -> bool:
    """Return whether the server or one of its children is left; RabbitMQ's first process ends before its last."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # started by this very process: a dead child stays listed until it is waited for
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
