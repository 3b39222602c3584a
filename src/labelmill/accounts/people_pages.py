"""The pages on other people: accounts and roles, invitations, members of a dataset, the audit log."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated, Any

import orjson
from fastapi import Form, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.engine import Connection

from labelmill import clock
from labelmill.accounts import Action, Actor, Role, may, people_routes, require, service
from labelmill.accounts.invitations import LISTED, MOST_EMAILS, MOST_USES
from labelmill.accounts.people_routes import DatasetId, Id, end_invitation
from labelmill.bootstrap import App
from labelmill.datasets import service as datasets
from labelmill.errors import LabelmillError, NotFound
from labelmill.http import SignedIn, TheApp, page_router, render, see_other
from labelmill.http.datasets import dataset_frame
from labelmill.http.sheets import Column, columns, csv_of, csv_response, sheet, written
from labelmill.http.spreadsheet import as_csv

router = page_router()
MOST_SHOWN = 200
#: Entries of the audit log that are read at a time for its CSV.
AUDIT_PIECE = 1_000
AUDIT_COLUMNS = ("at", "actor", "actor_id", "actor_email", "action", "object", "dataset", "dataset_id", "details")
Text = Annotated[str, Form(max_length=300)]
Emails = Annotated[str, Form(max_length=300 * MOST_EMAILS)]
Number = Annotated[int, Form()]
#: Roles that somebody can have in one dataset.
INSIDE = (Role.VIEWER, Role.ANNOTATOR, Role.MANAGER)


def _state(annotator: service.Annotator) -> str:
    return "closed" if annotator.disabled_at else "open"


_ACTIONS = Column(name="actions", is_silent=True)
PEOPLE = (*columns("name", "email", "role", "created_at"), Column(name="state", value=_state), _ACTIONS)
MEMBERS = columns("name", "email", "role", "joined_at")


@router.get("/people")
def people_page(request: Request, app: TheApp, actor: SignedIn, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    """List the people whose name or address holds ``q``, and the newest invitations, with the form for new ones.

    ``?sort=`` sorts a table and ``?csv=`` gives it as CSV.
    """
    require(actor, Action.VIEW_ANNOTATORS)
    return _people(request, app, actor, q=q)


@router.post("/people/invitations")
def invite(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    *,
    emails: Emails = "",
    role: Annotated[Role, Form()] = Role.ANNOTATOR,
    dataset_id: Annotated[str, Form(pattern="^[0-9]{0,15}$")] = "",
    dataset_role: Annotated[Role, Form()] = Role.ANNOTATOR,
    uses: Number = 1,
    days: Number = 14,
) -> Response:
    """Invite by the form and show the links this once."""
    require(actor, Action.VIEW_ANNOTATORS)
    dataset = int(dataset_id) if dataset_id else None
    inside = dataset_role if dataset else None
    try:
        made = _invite(
            app, actor, emails=_words(emails), role=role, dataset_id=dataset, dataset_role=inside, uses=uses, days=days
        )
    except LabelmillError as error:
        return _people(request, app, actor, error=error, typed={"emails": emails, "uses": uses, "days": days})
    return _people(request, app, actor, made=made)


@router.post("/people/invitations/{invitation_id}/revoke")
def revoke(app: TheApp, actor: SignedIn, invitation_id: Id, *, next: Text = "/people") -> Response:  # noqa: A002 - the field
    """End an invitation."""
    app.database.transact(end_invitation, actor, invitation_id)
    return see_other(next)


@router.post("/people/{annotator_id}/role")
def change_role(request: Request, app: TheApp, actor: SignedIn, annotator_id: Id, role: Annotated[Role, Form()]) -> Response:
    """Give somebody another role."""
    require(actor, Action.KEEP_ANNOTATORS)
    return _do(request, app, actor, service.change_role, annotator_id, role)


@router.post("/people/{annotator_id}/close")
def close(request: Request, app: TheApp, actor: SignedIn, annotator_id: Id) -> Response:
    """Let somebody in no more."""
    require(actor, Action.KEEP_ANNOTATORS)
    return _do(request, app, actor, service.disable_annotator, annotator_id)


@router.post("/people/{annotator_id}/open")
def open_again(request: Request, app: TheApp, actor: SignedIn, annotator_id: Id) -> Response:
    """Let somebody in again."""
    require(actor, Action.KEEP_ANNOTATORS)
    return _do(request, app, actor, service.enable_annotator, annotator_id)


@router.post("/people/{annotator_id}/link")
def make_link(request: Request, app: TheApp, actor: SignedIn, annotator_id: Id) -> Response:
    """Make a link for somebody who forgot their password and show it this once."""
    require(actor, Action.KEEP_ANNOTATORS)

    def make(connection: Connection) -> tuple[str, str]:
        secret = service.make_reset_link(connection, annotator_id, by=actor)
        return service.get_annotator(connection, annotator_id).email, service.reset_url(app.settings, secret)

    try:
        link = app.database.transact(make)
    except LabelmillError as error:
        return _people(request, app, actor, error=error)
    return _people(request, app, actor, reset=link)


@router.get("/datasets/{dataset_id}/members")
def members_page(request: Request, app: TheApp, actor: SignedIn, dataset_id: DatasetId) -> Response:
    """List who may do what in a dataset, with its invitations and the form for new ones; ``?sort=`` and ``?csv=`` as for people."""
    return _members(request, app, actor, dataset_id)


@router.post("/datasets/{dataset_id}/members/invitations")
def invite_member(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    dataset_id: DatasetId,
    *,
    emails: Emails = "",
    dataset_role: Annotated[Role, Form()] = Role.ANNOTATOR,
    uses: Number = 1,
    days: Number = 14,
) -> Response:
    """Invite to a dataset and show the links this once; of labelmill itself they become annotators."""
    words = {"emails": _words(emails), "dataset_role": dataset_role, "uses": uses, "days": days}
    try:
        made = _invite(app, actor, role=Role.ANNOTATOR, dataset_id=dataset_id, **words)
    except LabelmillError as error:
        typed = {"emails": emails, "uses": uses, "days": days}
        return _members(request, app, actor, dataset_id, error=error, typed=typed)
    return _members(request, app, actor, dataset_id, made=made)


@router.get("/audit")
def audit_page(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    *,
    actor_id: Annotated[str, Query(max_length=64)] = "",
    dataset_id: people_routes.MaybeDataset = None,
    cursor: Annotated[str, Query(max_length=1024)] = "",
    csv: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    """Show who changed what, newest first; ``?csv=audit`` gives all of it as CSV."""
    if csv == "audit":
        return _audit_csv(app, actor, actor_id=actor_id, dataset_id=dataset_id)
    page = people_routes.list_audit(app, actor, dataset_id=dataset_id, actor_id=actor_id, cursor=cursor or None, limit=50)
    with app.database.read() as connection:
        people = {one.id: one.name for one in service.list_annotators(connection)} if page.items else {}
        names = _dataset_names(connection, {one.dataset_id for one in page.items if one.dataset_id})
    return render(
        request, "accounts/audit.html", entries=page, first=not cursor, actor_id=actor_id, dataset_id=dataset_id, people=people,
        dataset_names=names,
    )  # fmt: skip


def _audit_csv(app: App, actor: Actor, *, actor_id: str, dataset_id: int | None) -> Response:
    """Return every entry that may be seen, with the names that people and datasets have now."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = people_routes.list_audit(
            app, actor, dataset_id=dataset_id, actor_id=actor_id, cursor=cursor or None, limit=AUDIT_PIECE
        )
        rows += [one.model_dump() for one in page.items]
        cursor = page.next
    with app.database.read() as connection:
        people = {one.id: one.name for one in service.list_annotators(connection)}
        names = _dataset_names(connection, {row["dataset_id"] for row in rows if row["dataset_id"]})
    for row in rows:
        named = {"actor": people.get(row["actor_id"] or "", ""), "dataset": names.get(row["dataset_id"], "")}
        row.update(named | {"at": written(row["at"]), "details": orjson.dumps(row["details"]).decode()})
    return csv_response(as_csv(rows, AUDIT_COLUMNS), "audit")


def _dataset_names(connection: Connection, ids: set[int]) -> dict[int, str]:
    """Return what datasets are called; those that were removed are left out."""
    names = {}
    for one in ids:
        with suppress(NotFound):
            names[one] = datasets.get(connection, one).name
    return names


def _words(emails: str) -> list[str] | None:
    """Return the addresses of a text with anything between them, None where there are none: then one link is meant."""
    return [word.strip("<>\"'") for word in re.split(r"[\s,;]+", emails) if word] or None


def _invite(app: App, actor: Actor, *, role: Role, dataset_id: int | None, **words: Any) -> list[tuple[str | None, str]]:
    def make(connection: Connection) -> list[tuple[str | None, str]]:
        service.require_invite(connection, actor, role, dataset_id)
        return service.invite(connection, role=role, dataset_id=dataset_id, **words, created_by=actor.annotator_id)

    return [(email, service.sign_up_url(app.settings, secret)) for email, secret in app.database.transact(make)]


def _do(request: Request, app: App, actor: Actor, verb: Any, *arguments: Any) -> Response:
    try:
        app.database.transact(verb, *arguments, by=actor)
    except LabelmillError as error:
        return _people(request, app, actor, error=error)
    return see_other("/people")


def _people(request: Request, app: App, actor: Actor, *, q: str = "", **told: Any) -> Response:
    keeps = may(actor, Action.KEEP_ANNOTATORS)
    with app.database.read() as connection:
        known = service.list_annotators(connection)
        invitations = service.list_invitations(connection)
        dataset_names = {one.id: one.name for one in datasets.list_datasets(connection, limit=MOST_SHOWN)}
    found = [one for one in known if q.strip().casefold() in f"{one.email} {one.name.casefold()}"]
    people = sheet(request, "people", PEOPLE, found, place="/people")
    context = {"q": q, "people": people, "most": MOST_SHOWN, "keeps": keeps, "invites": may(actor, Action.INVITE)}
    roles = list(Role) if keeps else list(LISTED)
    return csv_of(request, [people]) or _render(
        request, "accounts/people.html", invitations, dataset_names, **context, all_roles=list(Role), roles=roles, **told
    )


def _members(request: Request, app: App, actor: Actor, dataset_id: int, **told: Any) -> Response:
    frame = dataset_frame(app, actor, dataset_id, Action.KEEP_MEMBERS)
    with app.database.read() as connection:
        found = service.list_members(connection, dataset_id)
        invitations = service.list_invitations(connection, dataset_id=dataset_id)
    members = sheet(request, "members", MEMBERS, found, place=f"/datasets/{dataset_id}/members")
    return csv_of(request, [members]) or _render(
        request, "accounts/members.html", invitations, {}, **frame, members=members, **told
    )


def _render(
    request: Request, template: str, invitations: list[service.Invitation], dataset_names: dict[int, str], **context: Any
) -> HTMLResponse:
    error = context.get("error")
    nothing: dict[str, Any] = {"error": None, "made": None, "reset": None, "typed": {}}
    now = clock.now()
    shown = [(one, one.state(now)) for one in invitations]
    common = {"invitations": shown, "dataset_names": dataset_names, "inside_roles": INSIDE, "most_uses": MOST_USES}
    return render(request, template, status=error.status if error else 200, **(nothing | common | context))
