"""The shape of every error, as the OpenAPI document tells it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from labelmill.errors import LabelmillError

MEDIA_TYPE = "application/problem+json"


class Mistake(BaseModel):
    """One field that cannot be used as it is."""

    where: str
    message: str


class Problem(BaseModel):
    """What went wrong; the shape of every error."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str = Field(description="A name for the reason that never changes.")
    detail: str
    id: str = Field(description="Stands in the log line that reports this error.")
    instance: str = Field(description="The path that was asked for.")
    way_out: str | None = Field(default=None, description="How to go on.")
    where: str | None = Field(default=None, description="The row, field or file at fault.")
    errors: list[Mistake] | None = Field(default=None, description="Every field at fault.")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the entries for the OpenAPI document of the problems with these statuses."""
    schema = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return {status: {"description": _title(status), **schema} for status in statuses}


def _title(status: int) -> str:
    kinds = [LabelmillError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    found = next((kind for kind in kinds if kind.status == status and kind is not LabelmillError), LabelmillError)
    return (found.__doc__ or "").strip().splitlines()[0]
