"""``labelmill up``: one web process and worker processes on one machine, under one parent."""

from __future__ import annotations

import errno
import os
import signal
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from labelmill import bootstrap
from labelmill.console import say, settings_of
from labelmill.errors import BadSettings, Conflict
from labelmill.jobs.console import set_for_run

if TYPE_CHECKING:
    from labelmill.bootstrap import App
    from labelmill.settings import Settings

#: Whether several processes can listen on one port, the system dealing out the connections.
CAN_SHARE = hasattr(socket, "SO_REUSEPORT")
#: Seconds that a web process whose parent has died may take to end.
WEB_GRACE_SECONDS = 10.0


def up(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="How many worker processes.")] = None,
    *,
    processes: Annotated[
        int | None, typer.Option(help="How many web processes; more than one is for PostgreSQL and MariaDB.")
    ] = None,
    child: Annotated[bool, typer.Option("--web-child", hidden=True, help="Be the web process.")] = False,
) -> None:
    """Run the pages and workers on this machine until SIGTERM or Ctrl-C."""
    for name, value in {"host": host, "port": port, "workers": workers, "web_processes": processes}.items():
        if value is not None:
            set_for_run(context, name, str(value))
    if child:
        _serve_web()
        return
    settings = settings_of(context)
    if settings.origin("compat_trusted_networks") == "default":
        # Clients of the predecessors on this machine send no token.
        settings = settings.model_copy(update={"compat_trusted_networks": THIS_MACHINE})
    run_up(settings)


#: The addresses of this machine to itself.
THIS_MACHINE = ("127.0.0.0/8", "::1/128")


def run_up(settings: Settings) -> None:
    """Serve the pages and run jobs until SIGTERM or Ctrl-C; raises Conflict when the port is in use."""
    require_free(settings.host, settings.port)
    if settings.web_processes > 1 and not CAN_SHARE:
        raise BadSettings("Processes cannot share a port on this system.", where="LABELMILL_WEB_PROCESSES", way_out="Run one.")
    with closing(bootstrap.build(settings)) as app:
        _supervise(app)


def require_free(host: str, port: int) -> None:
    """Raise Conflict when another process listens on the port already, and BadSettings when the address is not this machine's."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                # As the server does: what is left of closed connections is not in the way.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"Port {port} of {host} is in use.",
                way_out="Stop what listens there, or choose another one: `labelmill up --port N`.",
            ) from error
        raise BadSettings(
            f"Nothing can listen on port {port} of {host}: {error.strerror}.",
            where="LABELMILL_HOST",
            way_out="Use an address of this machine; 127.0.0.1 for this machine only, 0.0.0.0 for all.",
        ) from error


def _supervise(app: App) -> None:
    from labelmill.jobs.supervisor import Child, Supervisor, python_child, worker_children

    names = ["web", *(f"web {number}" for number in range(2, app.settings.web_processes + 1))]
    web = [Child(name, lambda _: python_child("up", "--web-child"), is_worker=False) for name in names]
    supervisor = Supervisor(app.runtime, [*web, *worker_children(app.settings.workers)])
    supervisor.stop_on_signals()
    _greet(app)
    with app.listening():
        supervisor.run()


def _greet(app: App) -> None:
    say(f"labelmill is at {address(app.settings)} (Ctrl-C stops it).")
    from labelmill.accounts import service

    link = service.first_admin_link(app)
    if link:
        say(f"The first admin signs in here, once: {link}")


def address(settings: Settings) -> str:
    """Return the address to type into a browser on this machine, or the public one."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared, not listened on
    return settings.public_url or f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{settings.port}/"


def _serve_web() -> None:
    """Be the web process, and end when the parent closes our standard input or dies."""
    from labelmill import cli
    from labelmill.jobs.child import stop_with_parent

    stop_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM), seconds=WEB_GRACE_SECONDS)
    raise typer.Exit(cli.run(["web"]))
