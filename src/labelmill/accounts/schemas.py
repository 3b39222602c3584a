"""What goes over HTTP about people and their API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from labelmill.accounts.model import Actor, Annotator, Role, Scope
from labelmill.accounts.service import LONGEST_TOKEN_DAYS, ApiToken


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


class AnnotatorList(BaseModel):
    items: list[AnnotatorOut]


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


class TokenList(BaseModel):
    items: list[TokenOut]
