"""Other people over HTTP: accounts and roles, invitations, members of datasets, the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response
from sqlalchemy.engine import Connection

from labelmill.accounts import Action, Actor, Role, require, service
from labelmill.accounts.people_schemas import (
    LARGEST_ID,
    Acceptance,
    AnnotatorChange,
    AnnotatorOut,
    AnnotatorPage,
    EntryOut,
    EntryPage,
    InvitationOut,
    InvitationPage,
    Joined,
    LinkOut,
    MadeInvitation,
    MadeInvitations,
    MemberOut,
    MemberPage,
    MemberRole,
    NewInvitation,
)
from labelmill.errors import BadInput
from labelmill.http import SignedIn, TheApp, TheOnce, api_router, documented
from labelmill.paging import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, decode_cursor, page_of

router = api_router("", "people")
Id = Annotated[str, Path(max_length=64)]
DatasetId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
MaybeDataset = Annotated[int | None, Query(ge=1, le=LARGEST_ID)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=LONGEST_CURSOR)]


@router.get("/annotators")
def list_annotators(app: TheApp, actor: SignedIn, *, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> AnnotatorPage:
    """Return people, by address."""
    require(actor, Action.VIEW_ANNOTATORS)
    after = decode_cursor(cursor, "after")["after"] if cursor else ""
    with app.database.read() as connection:
        found = service.list_annotators(connection, after=after, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"after": one.email})
    return AnnotatorPage(items=[AnnotatorOut.of(one) for one in page.items], next=page.next)


@router.patch("/annotators/{annotator_id}", responses=documented(404, 409))
def change_annotator(app: TheApp, actor: SignedIn, annotator_id: Id, change: AnnotatorChange) -> AnnotatorOut:
    """Give somebody another role, close their account or open it again. The last administrator stays."""
    require(actor, Action.KEEP_ANNOTATORS)
    return AnnotatorOut.of(app.database.transact(_change, actor, annotator_id, change.role, closed=change.closed))


@router.post("/annotators/{annotator_id}/link", status_code=201, response_model=LinkOut, responses=documented(404, 409))
def make_link(app: TheApp, actor: SignedIn, once: TheOnce, annotator_id: Id) -> Response:
    """Make a link with which somebody who forgot their password chooses a new one. The old one and their sessions end now."""
    require(actor, Action.KEEP_ANNOTATORS)

    def make(connection: Connection) -> LinkOut:
        return LinkOut(link=service.reset_url(app.settings, service.make_reset_link(connection, annotator_id, by=actor)))

    return once.run(make)


@router.get("/invitations")
def list_invitations(
    app: TheApp, actor: SignedIn, *, dataset_id: MaybeDataset = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> InvitationPage:
    """Return invitations, newest first; those to one dataset also to its managers."""
    before = decode_cursor(cursor, "before")["before"] if cursor else ""
    with app.database.read() as connection:
        if dataset_id is None:
            require(actor, Action.VIEW_ANNOTATORS)
        else:
            service.require_in(connection, actor, Action.KEEP_MEMBERS, dataset_id)
        found = service.list_invitations(connection, dataset_id=dataset_id, before=before, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"before": one.id})
    return InvitationPage(items=[InvitationOut.of(one) for one in page.items], next=page.next)


@router.post("/invitations", status_code=201, response_model=MadeInvitations, responses=documented(404, 409))
def invite(app: TheApp, actor: SignedIn, once: TheOnce, new: NewInvitation) -> Response:
    """Invite people by their addresses, or by a link for whoever has it. The answer is the only place where the links are shown."""

    def make(connection: Connection) -> MadeInvitations:
        service.require_invite(connection, actor, new.role, new.dataset_id)
        made = service.invite(connection, **new.model_dump(), created_by=actor.annotator_id)
        items = [MadeInvitation(email=email, link=service.sign_up_url(app.settings, link)) for email, link in made]
        return MadeInvitations(items=items)

    return once.run(make)


@router.post("/invitations/accept", responses=documented(404))
def accept(app: TheApp, actor: SignedIn, acceptance: Acceptance) -> Joined:
    """Use an invitation with the account that one has. Somebody without one signs up at its address."""
    require(actor, Action.CHANGE_ACCOUNT)
    secret = acceptance.link.rpartition("link=")[2]
    return Joined(dataset_ids=app.database.transact(service.accept, actor, secret))


@router.delete("/invitations/{invitation_id}", status_code=204, responses=documented(404))
def revoke_invitation(app: TheApp, actor: SignedIn, invitation_id: Id) -> None:
    """End an invitation. Who came in by it stays."""
    app.database.transact(end_invitation, actor, invitation_id)


@router.get("/datasets/{dataset_id}/members", responses=documented(404))
def list_members(
    app: TheApp, actor: SignedIn, dataset_id: DatasetId, *, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> MemberPage:
    """Return who was given a role in a dataset, by address. Managers and administrators of the whole may do everything in each."""
    after = decode_cursor(cursor, "after")["after"] if cursor else ""
    with app.database.read() as connection:
        service.require_in(connection, actor, Action.KEEP_MEMBERS, dataset_id)
        found = service.list_members(connection, dataset_id, after=after, limit=limit + 1)
    page = page_of(found, limit, lambda one: {"after": one.email})
    return MemberPage(items=[MemberOut.of(one) for one in page.items], next=page.next)


@router.put("/datasets/{dataset_id}/members/{annotator_id}", status_code=204, responses=documented(404))
def set_member(app: TheApp, actor: SignedIn, dataset_id: DatasetId, annotator_id: Id, member: MemberRole) -> None:
    """Give somebody a role in a dataset, whatever it was before."""

    def change(connection: Connection) -> None:
        service.require_in(connection, actor, Action.KEEP_MEMBERS, dataset_id)
        service.set_member(connection, dataset_id, annotator_id, member.role, by=actor)

    app.database.transact(change)


@router.delete("/datasets/{dataset_id}/members/{annotator_id}", status_code=204, responses=documented(404))
def remove_member(app: TheApp, actor: SignedIn, dataset_id: DatasetId, annotator_id: Id) -> None:
    """Let somebody out of a dataset; what they labelled stays."""

    def change(connection: Connection) -> None:
        service.require_in(connection, actor, Action.KEEP_MEMBERS, dataset_id)
        service.require_dataset(connection, dataset_id)
        service.remove_member(connection, dataset_id, annotator_id, by=actor)

    app.database.transact(change)


@router.get("/audit")
def list_audit(
    app: TheApp,
    actor: SignedIn,
    *,
    dataset_id: MaybeDataset = None,
    actor_id: Annotated[str, Query(max_length=64)] = "",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> EntryPage:
    """Return who changed what, newest first; what was done in one dataset also to its managers."""
    before = _number(decode_cursor(cursor, "before")["before"]) if cursor else None
    with app.database.read() as connection:
        if dataset_id is None:
            require(actor, Action.VIEW_AUDIT)
        else:
            service.require_in(connection, actor, Action.VIEW_AUDIT, dataset_id)
        found = service.list_audit(connection, dataset_id=dataset_id, actor_id=actor_id, before=before, limit=limit + 1)
    page = page_of(found, limit, lambda entry: {"before": str(entry.id)})
    return EntryPage(items=[EntryOut.of(one) for one in page.items], next=page.next)


def end_invitation(connection: Connection, actor: Actor, invitation_id: str) -> None:
    """End an invitation, by somebody who may make such ones; raises NotFound and what ``require_invite`` raises."""
    require(actor, Action.VIEW_ACCOUNT)
    known = service.get_invitation(connection, invitation_id)
    service.require_invite(connection, actor, known.role, known.dataset_id)
    service.revoke_invitation(connection, invitation_id, by=actor)


def _change(
    connection: Connection, actor: Actor, annotator_id: str, role: Role | None, *, closed: bool | None
) -> service.Annotator:
    if role is not None:
        service.change_role(connection, annotator_id, role, by=actor)
    if closed is not None:
        verb = service.disable_annotator if closed else service.enable_annotator
        verb(connection, annotator_id, by=actor)
    return service.get_annotator(connection, annotator_id)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= LARGEST_ID):
        raise BadInput("This is no cursor of this list.", where="cursor")
    return int(text)
