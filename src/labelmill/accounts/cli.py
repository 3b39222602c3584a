"""``labelmill token``: API tokens, and the link with which an administrator signs in; ``labelmill people``: everybody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from labelmill.accounts import Role, Scope, service
from labelmill.accounts.people_schemas import LARGEST_ID, AnnotatorOut, EntryOut, InvitationOut
from labelmill.accounts.schemas import MadeToken, TokenOut
from labelmill.bootstrap import opened
from labelmill.console import JsonOption, print_fields, print_json, print_rows, settings_of
from labelmill.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from labelmill.bootstrap import App

app = typer.Typer(no_args_is_help=True, help="API tokens for programs, and links to sign in.")

Owner = Annotated[str | None, typer.Option("--for", metavar="EMAIL", help="Whose token; the administrator's by default.")]
people = typer.Typer(no_args_is_help=True, help="Invite people, give them roles, close accounts, see who changed what.")
Person = Annotated[str, typer.Argument(metavar="EMAIL", help="Whose account.")]
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


@people.command("list")
def list_people(context: typer.Context, json: JsonOption = False) -> None:
    """List everybody with their role."""
    with opened(settings_of(context)) as built, built.database.read() as connection:
        found = service.list_annotators(connection)
    columns = ("email", "name", "role", "created_at", "disabled_at", "id")
    print_rows([AnnotatorOut.of(one).model_dump(mode="json") for one in found], columns=columns, json=json)


@people.command("invite")
def invite(
    context: typer.Context,
    emails: Annotated[list[str] | None, typer.Argument(help="Whom; without any, one link for whoever has it.")] = None,
    *,
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.ANNOTATOR,
    dataset: Annotated[str | None, typer.Option(help="A dataset that they join, by its name or number.")] = None,
    dataset_role: Annotated[Role, typer.Option(help="What they may do in it.")] = Role.ANNOTATOR,
    uses: Annotated[int, typer.Option(help="How many people a link without address lets in.")] = 1,
    days: Annotated[int, typer.Option(help="It ends after this many days.")] = 14,
    json: JsonOption = False,
) -> None:
    """Make invitations and print their links; they are shown this once, and no mail is sent."""
    settings = settings_of(context)
    with opened(settings) as built:
        into = _dataset_id(built, dataset)
        made = built.database.transact(
            service.invite, emails=emails or None, role=role, dataset_id=into,
            dataset_role=dataset_role if into is not None else None, uses=uses, days=days,
        )  # fmt: skip
    print_rows([{"email": email, "link": service.sign_up_url(settings, secret)} for email, secret in made], json=json)


@people.command("invitations")
def list_invitations(context: typer.Context, json: JsonOption = False) -> None:
    """List the newest invitations; never their links."""
    with opened(settings_of(context)) as built, built.database.read() as connection:
        found = service.list_invitations(connection, limit=1000)
    columns = ("id", "email", "role", "dataset_id", "dataset_role", "uses_left", "expires_at", "state")
    print_rows([InvitationOut.of(one).model_dump(mode="json") for one in found], columns=columns, json=json)


@people.command("revoke")
def revoke_invitation(
    context: typer.Context,
    invitation_id: Annotated[str, typer.Argument(help="The invitation's id, from the list.")],
    json: JsonOption = False,
) -> None:
    """End an invitation; who came in by it stays."""
    with opened(settings_of(context)) as built:
        built.database.transact(service.revoke_invitation, invitation_id)
    print_fields({"revoked": invitation_id}, json=json)


@people.command("role")
def change_role(
    context: typer.Context,
    email: Person,
    role: Annotated[Role, typer.Argument(help="What they may do from now on.")],
    json: JsonOption = False,
) -> None:
    """Give somebody another role."""
    _change(context, email, lambda connection, who: service.change_role(connection, who, role), json=json)


@people.command("disable")
def disable(context: typer.Context, email: Person, json: JsonOption = False) -> None:
    """Close an account: nobody gets in by it, what it labelled stays."""
    _change(context, email, service.disable_annotator, json=json)


@people.command("enable")
def enable(context: typer.Context, email: Person, json: JsonOption = False) -> None:
    """Open a closed account again."""
    _change(context, email, service.enable_annotator, json=json)


@people.command("link")
def reset_link(context: typer.Context, email: Person, json: JsonOption = False) -> None:
    """Print a link with which somebody chooses a new password, once within a day; the old one and their sessions end now."""
    settings = settings_of(context)

    def make(connection: Connection) -> str:
        return service.make_reset_link(connection, service.find_annotator(connection, email).id)

    with opened(settings) as built:
        made = service.reset_url(settings, built.database.transact(make))
    if json:
        print_json({"link": made})
    else:
        print(made)


@people.command("audit")
def audit(
    context: typer.Context,
    dataset: Annotated[str | None, typer.Option(help="Only what was done in this dataset: its name or number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 50,
    json: JsonOption = False,
) -> None:
    """List who changed what, newest first."""
    with opened(settings_of(context)) as built, built.database.read() as connection:
        found = service.list_audit(connection, dataset_id=_once_dataset_id(built, dataset), limit=limit)
    columns = ("at", "actor_email", "action", "object", "dataset_id", "details")
    print_rows([EntryOut.of(one).model_dump(mode="json") for one in found], columns=columns, json=json)


def _dataset_id(built: App, text: str | None) -> int | None:
    """Return the id of the dataset that is named, as every verb finds it; raises NotFound."""
    if text is None:
        return None
    from labelmill.datasets import service as datasets  # slow to import

    with built.database.read() as connection:
        return datasets.find(connection, text).id


def _once_dataset_id(built: App, text: str | None) -> int | None:
    """Return the id of a dataset that is named, which may be gone: what was done in it stays known by its number."""
    try:
        return _dataset_id(built, text)
    except NotFound:
        if text is None or not (text.isascii() and text.isdigit()) or int(text) > LARGEST_ID:
            raise
        return int(text)


def _change(context: typer.Context, email: str, verb: Callable[[Connection, str], service.Annotator], *, json: bool) -> None:
    def change(connection: Connection) -> service.Annotator:
        return verb(connection, service.find_annotator(connection, email).id)

    with opened(settings_of(context)) as built:
        changed = built.database.transact(change)
    print_fields(AnnotatorOut.of(changed).model_dump(mode="json"), json=json)
