"""What goes over HTTP about other people: accounts, invitations, members of datasets, the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from labelmill import clock
from labelmill.accounts.invitations import LONGEST_DAYS, MOST_EMAILS, MOST_USES
from labelmill.accounts.model import LONGEST_EMAIL, Annotator, Role
from labelmill.accounts.service import Entry, Invitation, Member

LARGEST_ID = 2**53


class AnnotatorOut(BaseModel):
    id: str
    email: str
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None

    @classmethod
    def of(cls, annotator: Annotator) -> Self:
        """Return what is shown of somebody."""
        return cls(**vars(annotator))


class AnnotatorPage(BaseModel):
    items: list[AnnotatorOut]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class AnnotatorChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    closed: bool | None = Field(default=None, description="Whether nobody gets in by this account; what it labelled stays.")


class LinkOut(BaseModel):
    link: str = Field(description="An address that signs somebody in once, within a day. It is shown this once.")


class NewInvitation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    emails: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_EMAILS,
        description="A link for each; without them one link for whoever has it.",
        examples=[["ann@example.org"]],
    )
    role: Role = Role.ANNOTATOR
    dataset_id: int | None = Field(default=None, ge=1, le=LARGEST_ID, description="Let them into this dataset too.")
    dataset_role: Role | None = Field(default=None, description="As what; given together with the dataset.")
    uses: int = Field(default=1, ge=1, le=MOST_USES, description="How many people one link without address lets in.")
    days: int = Field(default=14, ge=1, le=LONGEST_DAYS, description="It ends after this many days.")


class MadeInvitation(BaseModel):
    email: str | None = Field(max_length=LONGEST_EMAIL)
    link: str = Field(description="The address to sign up at. It is shown this once.")


class MadeInvitations(BaseModel):
    items: list[MadeInvitation]


class InvitationOut(BaseModel):
    id: str
    email: str | None
    role: Role
    dataset_id: int | None
    dataset_role: Role | None
    created_at: datetime
    created_by: str | None
    expires_at: datetime
    uses_left: int
    revoked_at: datetime | None
    state: str = Field(description="open, used, expired or revoked.")

    @classmethod
    def of(cls, invitation: Invitation) -> Self:
        """Return what is shown of an invitation."""
        return cls(**vars(invitation), state=invitation.state(clock.now()))


class InvitationPage(BaseModel):
    items: list[InvitationOut]
    next: str | None


class Acceptance(BaseModel):
    model_config = ConfigDict(extra="forbid")

    link: str = Field(
        min_length=1, max_length=1000, description="The address that the invitation is, or the secret at its end."
    )


class Joined(BaseModel):
    dataset_ids: list[int]


class MemberRole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Role


class MemberOut(BaseModel):
    annotator_id: str
    email: str
    name: str
    role: Role
    joined_at: datetime
    disabled_at: datetime | None

    @classmethod
    def of(cls, member: Member) -> Self:
        """Return what is shown of a member."""
        return cls(**vars(member))


class MemberPage(BaseModel):
    items: list[MemberOut]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class EntryOut(BaseModel):
    id: int
    at: datetime
    actor_id: str | None = Field(description="Nobody: the command line.")
    actor_email: str | None
    action: str
    object: str
    dataset_id: int | None
    details: dict[str, Any]

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Return what is shown of an entry."""
        values = vars(entry)
        return cls(object=entry.thing, **{name: value for name, value in values.items() if name != "thing"})


class EntryPage(BaseModel):
    items: list[EntryOut]
    next: str | None
