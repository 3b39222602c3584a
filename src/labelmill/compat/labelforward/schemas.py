"""What goes over HTTP in LabelForward's contract: its names and its types. Fields that it does not know are ignored, as ever."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, SecretStr

#: Characters of an address and of a password; the account's own rules come after.
LONGEST_EMAIL, LONGEST_PASSWORD = 254, 200
LONGEST_LABEL = 10_000
#: Ids are numbers; clients that keep them in a page's attributes send them as text.
Number = Annotated[
    int,
    BeforeValidator(lambda value: int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value),
    Field(ge=1, le=2**53, strict=True),
]


class Credentials(BaseModel):
    email: str = Field(max_length=LONGEST_EMAIL, examples=["ann@example.org"])
    password: SecretStr = Field(max_length=LONGEST_PASSWORD)


class NewEmail(BaseModel):
    newEmail: str = Field(max_length=LONGEST_EMAIL, examples=["ann@example.org"])  # noqa: N815 - the contract's name
    password: SecretStr = Field(max_length=LONGEST_PASSWORD)


class NewPassword(BaseModel):
    oldPassword: SecretStr = Field(max_length=LONGEST_PASSWORD)  # noqa: N815 - the contract's name
    newPassword: SecretStr = Field(max_length=LONGEST_PASSWORD)  # noqa: N815 - the contract's name


class Success(BaseModel):
    success: Literal[True] = True


class Text(BaseModel):
    text: str = Field(description="The record's content.")
    text_id: int
    state: Literal["record"] = "record"


class Labels(BaseModel):
    labels: list[str] = Field(description="In the dataset's order, without `ignored`, which is always one.")


class NewLabelling(BaseModel):
    label: str = Field(max_length=LONGEST_LABEL, description="The name of a label of the dataset, or `ignored`.")
    text_id: Number


class ClassifierRow(BaseModel):
    clfId: int  # noqa: N815 - the contract's name
    precision: float | None = Field(description="Micro average on a held-out tenth, as LabelForward's; null until it is known.")
    timestamp: datetime
    download: Literal[0, 1, 2] = Field(
        default=0, description="0: to be requested (never was, has failed or expired). 1: it is made. 2: it can be fetched."
    )
    downloadReason: str | None = Field(default=None, description="Why the last one failed.")  # noqa: N815 - in the contract's manner


class Classifiers(BaseModel):
    clfData: list[ClassifierRow] = Field(description="Oldest first.")  # noqa: N815 - the contract's name


class LabelShare(BaseModel):
    labelShare: float | None = Field(description="Records with a majority label, 0 to 1; null without records.")  # noqa: N815


class NewDownload(BaseModel):
    clfId: Number  # noqa: N815 - the contract's name
