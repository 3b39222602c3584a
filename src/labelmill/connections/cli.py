"""``labelmill connection``: the databases that label tasks may use."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from labelmill.bootstrap import opened
from labelmill.connections import service, trial
from labelmill.connections.schemas import ConnectionOut, TrialOut
from labelmill.console import JsonOption, print_fields, print_rows, settings_of

app = typer.Typer(no_args_is_help=True, help="Named connections to databases that label tasks may read and write.")

Name = Annotated[str, typer.Argument(help="The connection's name.")]


@app.command("add")
def add(
    context: typer.Context,
    name: Name,
    url: Annotated[str, typer.Argument(help="Like postgresql://reader@host/shop, mariadb://... or sqlite:///posts.db.")],
    *,
    read: Annotated[list[str] | None, typer.Option("--read", help="A schema that may be read; may be repeated.")] = None,
    write: Annotated[
        list[str] | None, typer.Option("--write", help="A schema that may be written to; may be repeated.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input, so that no history keeps it.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Add a connection; its password is kept encrypted."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with opened(settings_of(context)) as built:
        added = built.database.transact(
            service.add, built, name=name, url=url, password=password, readable=read or (), writable=write or (), confined=False
        )
    print_rows([ConnectionOut.of(added, whole=True).model_dump(mode="json")], json=json)


@app.command("list")
def show(context: typer.Context, json: JsonOption = False) -> None:
    """List the connections, without their passwords."""
    with opened(settings_of(context)) as built, built.database.read() as connection:
        found = service.list_connections(connection)
    print_rows([ConnectionOut.of(one, whole=True).model_dump(mode="json") for one in found], columns=_COLUMNS, json=json)


_COLUMNS = ("name", "kind", "url", "readable", "writable", "created_at")


@app.command("test")
def try_out(context: typer.Context, name: Name, json: JsonOption = False) -> None:
    """Connect for real and list the tables that may be read."""
    with opened(settings_of(context)) as built:
        found = TrialOut.of(trial.try_connection(built, name))
    print_rows([{"table": table} for table in found.tables], columns=("table",), json=json)


@app.command("remove")
def remove(context: typer.Context, name: Name, json: JsonOption = False) -> None:
    """Remove a connection; tables and files behind it stay as they are."""
    with opened(settings_of(context)) as built:
        built.database.transact(service.remove, name)
    print_fields({"removed": name}, json=json)
