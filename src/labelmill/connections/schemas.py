"""What goes over HTTP about connections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from labelmill.connections.model import NamedConnection
from labelmill.connections.trial import Trial

SchemaName = Annotated[str, Field(min_length=1, max_length=128)]


class NewConnection(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=64, examples=["shop"])
    url: str = Field(min_length=1, max_length=2000, examples=["postgresql://reader@db.example.org/shop"])
    password: SecretStr | None = Field(default=None, description="Kept encrypted and never given back.")
    readable: list[SchemaName] = Field(default=[], description="Schemas that may be read; of SQLite `main`.")
    writable: list[SchemaName] = Field(default=[], description="Schemas that may be written to (and read).")


class ConnectionOut(BaseModel):
    name: str
    kind: str = Field(description="sqlite, postgresql or mysql.")
    url: str | None = Field(description="Without its password; for administrators only.")
    readable: list[str]
    writable: list[str]
    created_at: datetime

    @classmethod
    def of(cls, found: NamedConnection, *, whole: bool) -> Self:
        """Return what is shown; ``whole`` for an administrator."""
        return cls(
            name=found.name,
            kind=found.kind,
            url=found.url if whole else None,
            readable=list(found.readable),
            writable=list(found.writable),
            created_at=found.created_at,
        )


class ConnectionPage(BaseModel):
    items: list[ConnectionOut]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class TrialOut(BaseModel):
    tables: list[str] = Field(description="As schema.table.")
    more: bool = Field(description="Whether there are more than are listed.")
    seconds: float

    @classmethod
    def of(cls, trial: Trial) -> Self:
        """Return what is shown of a trial."""
        return cls(tables=list(trial.tables), more=trial.more, seconds=round(trial.seconds, 3))
