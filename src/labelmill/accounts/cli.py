"""``labelmill token``: API tokens for programs, and the link with which an administrator signs in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from labelmill.accounts import Scope, service
from labelmill.accounts.schemas import MadeToken, TokenOut
from labelmill.bootstrap import opened
from labelmill.console import JsonOption, print_fields, print_json, print_rows, settings_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

app = typer.Typer(no_args_is_help=True, help="API tokens for programs, and links to sign in.")

Owner = Annotated[str | None, typer.Option("--for", metavar="EMAIL", help="Whose token; the administrator's by default.")]
_COLUMNS = ("id", "email", "name", "scope", "created_at", "expires_at", "last_used_at", "revoked_at")


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for, in your own words.")] = "command line",
    *,
    scope: Annotated[Scope, typer.Option(help="How much of its owner's role it carries.")] = Scope.WRITE,
    days: Annotated[int, typer.Option(help="It expires after this many days.")] = 365,
    owner: Owner = None,
    json: JsonOption = False,
) -> None:
    """Make an API token and print it; it is shown this once."""

    def make(connection: Connection) -> MadeToken:
        annotator = service.find_annotator(connection, owner) if owner else service.ensure_admin(connection)
        made, secret = service.create_token(connection, annotator.id, name=name, scope=scope, days=days)
        return MadeToken(**vars(made), token=secret)

    with opened(settings_of(context)) as built:
        made = built.database.transact(make)
    if json:
        print_rows([made.model_dump(mode="json")], json=True)
    else:
        print(made.token)


@app.command("list")
def show(context: typer.Context, json: JsonOption = False) -> None:
    """List everybody's API tokens; never the tokens themselves."""
    with opened(settings_of(context)) as built, built.database.read() as connection:
        found = service.list_tokens(connection)
    print_rows([TokenOut.of(one).model_dump(mode="json") for one in found], columns=_COLUMNS, json=json)


@app.command("revoke")
def revoke(
    context: typer.Context,
    token_id: Annotated[str, typer.Argument(help="The token's id, from the list.")],
    json: JsonOption = False,
) -> None:
    """End an API token and every session that was begun with it."""
    with opened(settings_of(context)) as built:
        with built.database.read() as connection:
            service.get_token(connection, token_id)
        built.database.transact(service.revoke_token, token_id)
    print_fields({"revoked": token_id}, json=json)


@app.command("link")
def link(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The port that `labelmill up --port` was given.")] = None,
    json: JsonOption = False,
) -> None:
    """Print a link that signs the administrator in once, within a day."""
    settings = settings_of(context)
    with opened(settings.model_copy(update={"port": port}) if port is not None else settings) as built:
        made = service.first_admin_link(built)
    if json:
        print_json({"link": made})
    else:
        print(made)
