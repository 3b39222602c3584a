"""What goes over HTTP about archives."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from labelmill.archives.model import Archive, ArchiveState
from labelmill.exports import Naming


class NewArchive(BaseModel):
    model_config = ConfigDict(extra="forbid")

    classifier_id: int | None = Field(
        default=None, ge=1, le=2**53, description="The newest where it is left out, none without any."
    )
    annotators: Naming = Field(default=Naming.PSEUDONYM, description="What annotators are called in it.")
    pickle: bool = Field(
        default=False, description="With `clf.p`, a pickle of the classifier: opening it runs code, so it is unsafe."
    )


class ArchiveOut(BaseModel):
    """An archive; `GET /v1/datasets/{dataset_id}/archives/{id}/file` fetches it once it is `available`."""

    id: str
    state: ArchiveState
    classifier_id: int | None
    version: int | None = Field(description="The classifier's version in its dataset.")
    as_of: int = Field(description="The newest annotation that is in it: fixed when it was requested.")
    annotators: Naming
    pickle: bool
    requested_at: datetime
    done: int = Field(description="Records done.")
    total: int | None = Field(description="Records in all, once it is known.")
    reason: str | None = Field(description="Why it failed.")
    bytes: int | None
    made_at: datetime | None
    expires_at: datetime | None = Field(description="Since when its file is gone, or will be.")

    @classmethod
    def of(cls, one: Archive) -> Self:
        names = set(cls.model_fields) - {"as_of", "annotators", "pickle"}
        return cls(
            **{name: getattr(one, name) for name in names},
            as_of=one.number,
            annotators=one.choices.annotators,
            pickle=one.choices.pickle,
        )


class ArchivePage(BaseModel):
    items: list[ArchiveOut]
    next: str | None = None
