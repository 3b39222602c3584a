"""What goes over HTTP about datasets, their labels and their records."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field

from labelmill.datasets.labels import LONGEST_DESCRIPTION, MOST_LABELS
from labelmill.datasets.model import LONGEST_NAME, Counts, Dataset, Label, Record, RecordKind
from labelmill.datasets.store import LONGEST_GUIDELINES

#: No database of ours gives a larger one.
LARGEST_ID = 2**53
MOST_RECORDS = 1_000
LONGEST_LABEL = 100_000
LONGEST_CONTENT = 10_000_000
LONGEST_GIVEN = 10_000
LabelId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Revision = Annotated[int | None, Field(ge=1, le=LARGEST_ID)]
_SEEN = "The revision that the change began from; `If-Match` says the same."
_COLOUR = "Like #0072b2; one that no other label has is chosen where it is left out."
_SHORTCUT = "One letter, digit or sign; a free one is chosen where it is left out."
_SETTINGS: dict[str, Any] = {"order": "uncertainty", "labels_per_record": 2, "batch_size": 20}


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewLabelIn(_In):
    name: str = Field(min_length=1, max_length=LONGEST_LABEL, examples=["good"])
    colour: str = Field(default="", max_length=7, description=_COLOUR, examples=["#0072b2"])
    shortcut: str = Field(default="", max_length=4, description=_SHORTCUT, examples=["g"])
    description: str = Field(default="", max_length=LONGEST_DESCRIPTION, examples=["The author likes it."])


class AddedLabelIn(NewLabelIn):
    revision: Revision = Field(default=None, description=_SEEN)


class LabelChange(_In):
    name: str | None = Field(default=None, min_length=1, max_length=LONGEST_LABEL, examples=["very good"])
    colour: str | None = Field(default=None, min_length=1, max_length=7, description="Like #0072b2.", examples=["#0072b2"])
    shortcut: str | None = Field(default=None, max_length=4, description='One letter, digit or sign; "" for none.')
    description: str | None = Field(default=None, max_length=LONGEST_DESCRIPTION)
    revision: Revision = Field(default=None, description=_SEEN)


class LabelOrder(_In):
    labels: list[LabelId] = Field(min_length=1, max_length=MOST_LABELS, description="Each label once.", examples=[[2, 1, 3]])
    revision: Revision = Field(default=None, description=_SEEN)


class LabelMerge(_In):
    into: LabelId = Field(description="The label that the answers count for from now on.")
    revision: Revision = Field(default=None, description=_SEEN)


class NewDataset(_In):
    name: str = Field(min_length=1, max_length=LONGEST_NAME, examples=["posts"])
    kind: RecordKind = Field(default=RecordKind.TEXT, description="What its records are.")
    labels: list[NewLabelIn] = Field(
        default=[], max_length=MOST_LABELS, examples=[[{"name": "good"}, {"name": "bad"}]],
        description="In their order; `ignored` is added.",
    )  # fmt: skip
    guidelines: str = Field(default="", max_length=LONGEST_GUIDELINES, description="Markdown.", examples=["**good**: likes it"])
    settings: dict[str, Any] = Field(default={}, description="Those that differ from the default.", examples=[_SETTINGS])


class DatasetChange(_In):
    name: str | None = Field(default=None, min_length=1, max_length=LONGEST_NAME, examples=["posts of 2026"])
    guidelines: str | None = Field(default=None, max_length=LONGEST_GUIDELINES, description="Markdown.")
    settings: dict[str, Any] | None = Field(default=None, description="Those that change.", examples=[_SETTINGS])
    revision: Revision = Field(default=None, description=_SEEN)


class NewRecord(_In):
    given_id: str | None = Field(
        default=None, max_length=LONGEST_GIVEN, examples=["post-17"],
        description="Your own id: the same one is added once. Without it, the same content is.",
    )  # fmt: skip
    content: Annotated[str, Field(max_length=LONGEST_CONTENT)] | dict[str, Any] = Field(
        description="The text; of tabular data the fields.", examples=["What a day!", {"price": 3, "brand": "Ace"}]
    )


class NewRecords(_In):
    records: list[NewRecord] = Field(min_length=1, max_length=MOST_RECORDS, description="For more, import a file.")


class LabelOut(BaseModel):
    id: int
    name: str
    place: int = Field(description="Rises in the order in which labels are shown.")
    colour: str
    shortcut: str = Field(description='"" for none.')
    description: str
    is_ignored: bool = Field(description="The answer that a record is not worth labelling.")

    @classmethod
    def of(cls, label: Label) -> Self:
        """Return what is shown of a label."""
        return cls(**vars(label))


class LabelList(BaseModel):
    items: list[LabelOut]


class DatasetOut(BaseModel):
    id: int
    name: str
    kind: RecordKind
    records: int = Field(description="Their number.")
    revision: int = Field(description="Rises with each change; also the `ETag`.")
    created_at: datetime
    created_by: str | None
    archived_at: datetime | None

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Return what a list shows of a dataset."""
        return cls(**{name: getattr(dataset, name) for name in DatasetOut.model_fields})


class DatasetDetail(DatasetOut):
    guidelines: str
    settings: dict[str, Any]
    labels: list[LabelOut]

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Return all of a dataset but its records."""
        more = {"guidelines": dataset.guidelines, "settings": dataset.settings.as_dict()}
        return cls(**vars(DatasetOut.of(dataset)), **more, labels=[LabelOut.of(each) for each in dataset.labels])


class DatasetPage(BaseModel):
    items: list[DatasetOut]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class CountsOut(BaseModel):
    records: int
    answered: int = Field(description="Records with a majority.")
    tied: int = Field(description="Records whose labels share the most votes.")
    annotations: int = Field(description="Answers that count, of all annotators.")
    open: int = Field(description="Records that want more answers.")

    @classmethod
    def of(cls, counts: Counts) -> Self:
        """Return how far a dataset is."""
        return cls(**vars(counts))


class RecordOut(BaseModel):
    id: int
    given_id: str | None
    content: str = Field(description="The text; of tabular data its fields as JSON; of an image its size.")
    in_share: bool = Field(description="Whether it is in the random share, on which classifiers are scored.")
    is_open: bool = Field(description="Whether it wants more answers.")
    answers: int | None = Field(description="How many annotators answered. Null for annotators, who are not led by others.")
    majority_id: int | None = Field(description="The label with the majority. Null for annotators.")
    is_tied: bool | None = Field(description="Whether labels share the most votes. Null for annotators.")

    @classmethod
    def of(cls, record: Record, kind: RecordKind, *, hidden: bool) -> Self:
        """Return what is shown of a record; ``hidden`` without what others answered."""
        values = {name: getattr(record, name) for name in cls.model_fields}
        if kind is RecordKind.IMAGE:
            # Where its file lies is nobody's business.
            size = {name: value for name, value in orjson.loads(record.content).items() if name in {"width", "height"}}
            values["content"] = orjson.dumps(size).decode()
        return cls(**values | ({"answers": None, "majority_id": None, "is_tied": None} if hidden else {}))


class RecordPage(BaseModel):
    items: list[RecordOut]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")
    searched: float = Field(description="The share of the dataset in which a text was looked for up to here; else 1.")


class AddedOut(BaseModel):
    added: int
    known: int = Field(description="Those that were there already.")


class RemovalOut(BaseModel):
    job: str | None = Field(description="The job that removes the rest of its rows; null where nothing is left.")
