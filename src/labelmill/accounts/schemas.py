"""What goes over HTTP about oneself and one's API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from labelmill.accounts.model import LONGEST_EMAIL, Actor, Role, Scope
from labelmill.accounts.passwords import LONGEST, SHORTEST
from labelmill.accounts.service import LONGEST_TOKEN_DAYS, ApiToken, Session


class Me(BaseModel):
    id: str
    email: str
    name: str
    role: Role
    scope: Scope = Field(description="How much of the role this token or session carries.")

    @classmethod
    def of(cls, actor: Actor) -> Self:
        """Return what is shown of who asks."""
        return cls(id=actor.annotator_id, email=actor.email, name=actor.name, role=actor.role, scope=actor.scope)


class AccountOut(Me):
    has_password: bool = Field(description="Without one it takes a link or a token to sign in.")


class NewPassword(BaseModel):
    model_config = ConfigDict(extra="forbid")

    old: SecretStr = Field(default=SecretStr(""), max_length=LONGEST, description="Not asked of who has none yet.")
    new: SecretStr = Field(
        max_length=LONGEST, description=f"At least {SHORTEST} characters, and none that everybody tries first."
    )


class NewEmail(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: str = Field(max_length=LONGEST_EMAIL, examples=["ann@example.org"])
    password: SecretStr = Field(max_length=LONGEST)


class SessionOut(BaseModel):
    id: str
    scope: Scope
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str = Field(description="What the browser says of itself.")
    current: bool = Field(description="The one that asks.")

    @classmethod
    def of(cls, session: Session, actor: Actor) -> Self:
        """Return what its owner sees of a session."""
        return cls(**vars(session), current=session.id == actor.session_id)


class SessionList(BaseModel):
    items: list[SessionOut]


class Ended(BaseModel):
    ended: int = Field(description="How many sessions.")


class NewToken(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200, examples=["nightly export"])
    scope: Scope = Field(default=Scope.WRITE, description="read looks, write does, admin keeps accounts and connections.")
    days: int = Field(default=365, ge=1, le=LONGEST_TOKEN_DAYS, description="It expires after this many days.")


class TokenOut(BaseModel):
    id: str
    annotator_id: str
    email: str
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, token: ApiToken) -> Self:
        """Return what is shown of a token."""
        return cls(**vars(token))


class MadeToken(TokenOut):
    token: str = Field(description="The token itself. It is shown this once.")


class TokenPage(BaseModel):
    items: list[TokenOut]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")
