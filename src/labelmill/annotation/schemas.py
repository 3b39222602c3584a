"""What goes over HTTP about annotations."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from labelmill.annotation.agreement import Agreement
from labelmill.annotation.answering import LONGEST_KEY, Answered
from labelmill.annotation.history import Progress, Tied
from labelmill.annotation.leases import MOST_HELD
from labelmill.annotation.model import Annotation, State, Tally
from labelmill.annotation.serving import Served, ServedRecord
from labelmill.datasets import Record
from labelmill.http.documents import Problem

MOST_AT_ONCE = 50
MOST_ANSWERS = 100
#: No database of ours gives a larger one.
LARGEST_ID = 2**53
RecordId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Key = Annotated[
    str, Field(min_length=1, max_length=LONGEST_KEY, description="A text of your own: the same answer is stored once.")
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ToServe(_In):
    count: int = Field(default=1, ge=1, le=MOST_AT_ONCE)
    held: list[RecordId] = Field(
        default=[],
        max_length=MOST_HELD,
        description="What is in hand, answers that are not sent yet too: it is not served again.",
    )


class NewAnswer(_In):
    label_ids: list[RecordId] = Field(max_length=100)
    key: Key
    shown_at: AwareDatetime | None = Field(default=None, description="Counts where the record was not served by `next`.")


class AnswerOfRecord(NewAnswer):
    record_id: RecordId


class ToAnswer(_In):
    answers: list[AnswerOfRecord] = Field(min_length=1, max_length=MOST_ANSWERS)


class ToUndo(_In):
    key: Key


class ToWithdraw(_In):
    record_id: RecordId
    key: Key


class ToSkip(_In):
    record_id: RecordId


class ToRelease(_In):
    record_ids: list[RecordId] | None = Field(default=None, max_length=MOST_HELD, description="All by default.")


class ToSettle(_In):
    record_id: RecordId
    label_id: RecordId
    key: Key


class Suggested(BaseModel):
    label_id: int
    confidence: float = Field(description="0 to 1.")


class RecordOut(BaseModel):
    id: int
    given_id: str | None
    content: str

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return what is shown of a record to who labels it: nothing that somebody else answered."""
        return cls(id=record.id, given_id=record.given_id, content=record.content)


class ServedRecordOut(RecordOut):
    shown_at: datetime
    suggestion: Suggested | None

    @classmethod
    def of_served(cls, served: ServedRecord, *, suggest: bool) -> Self:
        """Return a record that was served, with what a classifier says where the dataset shows it."""
        said = served.suggestion if suggest else None
        suggestion = Suggested(label_id=said[0], confidence=said[1]) if said else None
        return cls(**RecordOut.of(served.record).model_dump(), shown_at=served.shown_at, suggestion=suggestion)


class ServedOut(BaseModel):
    state: State
    records: list[ServedRecordOut]
    retry_seconds: int | None = Field(description="When to ask again; null unless waiting.")

    @classmethod
    def of(cls, served: Served, *, suggest: bool) -> Self:
        """Return what is served."""
        records = [ServedRecordOut.of_served(each, suggest=suggest) for each in served.records]
        return cls(state=served.state, records=records, retry_seconds=served.retry_seconds)


class AnnotationOut(BaseModel):
    id: int = Field(description="Rises with time.")
    record_id: int
    annotator_id: str
    label_ids: list[int]
    shown_at: datetime | None
    answered_at: datetime
    is_withdrawal: bool
    is_settling: bool

    @classmethod
    def of(cls, annotation: Annotation) -> Self:
        """Return what is shown of an annotation."""
        return cls(**vars(annotation) | {"label_ids": list(annotation.label_ids)})


class TallyOut(BaseModel):
    answers: int
    is_open: bool
    majority_id: int | None
    is_tied: bool

    @classmethod
    def of(cls, tally: Tally) -> Self:
        """Return what a record's answers come to."""
        return cls(**vars(tally))


class AnsweredOut(BaseModel):
    annotation: AnnotationOut
    record: TallyOut
    repeated: bool = Field(description="It was stored before; nothing changed.")

    @classmethod
    def of(cls, answered: Answered) -> Self:
        """Return what was stored."""
        annotation, tally = AnnotationOut.of(answered.annotation), TallyOut.of(answered.tally)
        return cls(annotation=annotation, record=tally, repeated=answered.repeated)


class Outcome(BaseModel):
    """What became of one answer of many: it was stored, or there is a problem."""

    stored: AnsweredOut | None = None
    problem: Problem | None = None


class Outcomes(BaseModel):
    items: list[Outcome] = Field(description="In the order of the answers.")


class Released(BaseModel):
    released: int


class MineOut(BaseModel):
    annotation: AnnotationOut
    record: RecordOut

    @classmethod
    def of(cls, found: tuple[Annotation, Record]) -> Self:
        """Return an answer of one's own."""
        return cls(annotation=AnnotationOut.of(found[0]), record=RecordOut.of(found[1]))


class MinePage(BaseModel):
    items: list[MineOut]
    next: str | None = Field(description="The cursor of the next page, null on the last one.")


class HistoryOut(BaseModel):
    items: list[AnnotationOut] = Field(description="The oldest first.")


class TiedOut(BaseModel):
    record: RecordOut
    answers: list[AnnotationOut]

    @classmethod
    def of(cls, tied: Tied) -> Self:
        """Return a tied record."""
        return cls(record=RecordOut.of(tied.record), answers=[AnnotationOut.of(each) for each in tied.answers])


class TiedPage(BaseModel):
    items: list[TiedOut]
    next: str | None = Field(description="The cursor of the next page, null on the last one.")


class PairOut(BaseModel):
    first: str
    second: str
    records: int
    percent: float
    kappa: float | None


class LabelAgreementOut(BaseModel):
    label_id: int
    answers: int
    percent: float | None
    alpha: float | None


class AgreementOut(BaseModel):
    records: int = Field(description="Those with at least two answers.")
    percent: float | None = Field(description="The share of equal pairs of answers, 0 to 1.")
    fleiss: float | None
    alpha: float | None = Field(description="Krippendorff's, for labels without an order.")
    labels: list[LabelAgreementOut]
    pairs: list[PairOut] = Field(description="For managers only.")

    @classmethod
    def of(cls, agreement: Agreement, *, pairs: bool) -> Self:
        """Return how far annotators agree."""
        return cls(
            records=agreement.records,
            percent=agreement.percent,
            fleiss=agreement.fleiss,
            alpha=agreement.alpha,
            labels=[LabelAgreementOut(**vars(each)) for each in agreement.labels],
            pairs=[PairOut(**vars(each)) for each in agreement.pairs] if pairs else [],
        )


class AnnotatorProgressOut(BaseModel):
    annotator_id: str
    answers: int
    today: int
    median_seconds: float | None
    last_at: datetime


class DayOut(BaseModel):
    day: date
    answers: int


class ProgressOut(BaseModel):
    records: int
    answered: int = Field(description="Records with a majority.")
    tied: int
    annotations: int
    open: int = Field(description="Records that want more answers.")
    annotators: list[AnnotatorProgressOut] = Field(description="All for managers, oneself for everybody else.")
    days: list[DayOut] = Field(description="Answers by the day on which they were given (UTC).")

    @classmethod
    def of(cls, counts: object, progress: Progress, *, only: str | None) -> Self:
        """Return how far a dataset is; ``only`` leaves other annotators out."""
        people = [each for each in progress.annotators if only in {None, each.annotator_id}]
        names = ("records", "answered", "tied", "annotations", "open")
        return cls(
            **{name: getattr(counts, name) for name in names},
            annotators=[AnnotatorProgressOut(**vars(each)) for each in people],
            days=[DayOut(day=day, answers=number) for day, number in progress.days],
        )
