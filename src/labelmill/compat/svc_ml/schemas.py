"""What goes over HTTP in the contract of image tasks."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from labelmill.compat.audience.schemas import Invalid

PROCESSING: Final = "Processing"
OK, NOT_OK = "ok", "not ok"
Text = Annotated[str | None, Field(max_length=1000)]


class FilterData(BaseModel):
    """What rows must be equal to, in every field that is given; fields that it does not know are ignored, as ever."""

    gender: Text = Field(default=None, examples=["Men"])
    masterCategory: Text = None  # noqa: N815 - the contract's
    subCategory: Text = None  # noqa: N815
    articleType: Text = None  # noqa: N815
    season: Text = Field(default=None, examples=["Fall"])
    year: int | None = Field(default=None, examples=[2010], ge=-(10**9), le=10**9)
    usage: Text = None


class Task(BaseModel):
    """A task that waits or runs."""

    task_id: str
    status: str = Field(default=PROCESSING, examples=[PROCESSING])


class Result(BaseModel):
    """A task that has ended."""

    task_id: str
    status: str = Field(description=f"`{OK}` or `{NOT_OK}`.", examples=[OK])
    reason: str | None = Field(description="Why it is not ok, or what was left out; null where all was delivered.")


class Refusal(BaseModel):
    """What went wrong; the id under which it stands in the log is the header `X-Error-ID`."""

    detail: str


def refused(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return the entries of errors for the OpenAPI document."""
    meanings = {
        401: "Nobody is signed in.", 403: "This may not be done.", 404: "There is no such task.",
        409: "The catalogue is being loaded.", 429: "Too many wrong tokens.", 503: "The database does not answer.",
    }  # fmt: skip
    shapes: dict[int | str, dict[str, Any]] = {422: {"model": Invalid, "description": Invalid.__doc__}}
    return shapes | {code: {"model": Refusal, "description": meanings[code]} for code in (*codes, 401, 403, 429, 503)}
