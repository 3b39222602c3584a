"""What pages show of records, answers and progress."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson
import sqlalchemy as sa

from labelmill import clock
from labelmill.annotation.history import mine
from labelmill.annotation.tables import annotation_rows, current_annotations
from labelmill.annotation.tallying import annotations_of, labelled
from labelmill.datasets import RecordKind
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from labelmill.annotation.model import Annotation
    from labelmill.annotation.serving import ServedRecord
    from labelmill.datasets import Dataset, Record

#: Somebody's newest answers among which those of today are counted; nobody gives more in a day.
MOST_A_DAY: Final = 20_000
#: Seconds: no zone's midnight lies between two quarters of an hour.
QUARTER: Final = 900


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    label_id: int
    #: 0 to 1.
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A record as templates and scripts draw it."""

    id: int
    given_id: str | None
    content: str
    #: Where a browser gets its image; None for other kinds.
    image: str | None = None
    shown_at: str | None = None
    suggestion: Suggestion | None = None
    #: The labels that who looks has given it; None for none.
    answer: tuple[int, ...] | None = None

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Return the names and texts of a row's fields, in their order."""
        return [(name, _text(value)) for name, value in orjson.loads(self.content).items()]

    def as_json(self) -> dict[str, Any]:
        """Return what the page's scripts want."""
        values = {name: getattr(self, name) for name in ("id", "given_id", "content", "image", "shown_at", "answer")}
        return values | {"suggestion": vars(self.suggestion) if self.suggestion else None}


def shown(
    dataset: Dataset, record: Record, *, answer: tuple[int, ...] | None = None, suggestion: Suggestion | None = None
) -> Shown:
    """Return a record of a dataset as it is drawn."""
    is_image = dataset.kind == RecordKind.IMAGE
    image = f"/v1/datasets/{dataset.id}/records/{record.id}/image" if is_image else None
    content = "" if is_image else record.content
    return Shown(id=record.id, given_id=record.given_id, content=content, image=image, answer=answer, suggestion=suggestion)


def served_shown(dataset: Dataset, served: ServedRecord) -> Shown:
    """Return a record that was just served, with the model's suggestion where the dataset shows any."""
    values = vars(shown(dataset, served.record)) | {"shown_at": served.shown_at.isoformat()}
    if served.suggestion and dataset.settings.suggest:
        values["suggestion"] = Suggestion(label_id=served.suggestion[0], confidence=served.suggestion[1])
    return Shown(**values)


def answers_by(connection: Connection, dataset_id: int, annotator_id: str, record_ids: Sequence[int]) -> dict[int, Annotation]:
    """Return somebody's answers that count to these records, by the record's id."""
    which = current_annotations.c.record_id.in_(record_ids), current_annotations.c.annotator_id == annotator_id
    found = annotations_of(connection.execute(labelled(*which, current_annotations.c.dataset_id == dataset_id, counting=True)))
    return {each.record_id: each for each in found}


def mine_shown(connection: Connection, dataset: Dataset, annotator_id: str, limit: int) -> list[Shown]:
    """Return the records that somebody answered last, with their answers, the oldest first."""
    newest = mine(connection, dataset, annotator_id, limit=limit)
    return [shown(dataset, record, answer=answer.label_ids) for answer, record in reversed(newest)]


def today_by_quarter(connection: Connection, dataset_id: int, annotator_id: str) -> dict[int, int]:
    """Return how many answers somebody gave in each quarter of an hour of the last day, by its beginning in seconds since 1970.

    What "today" is, the browser knows: it adds up the quarters since its own midnight.
    """
    mine = current_annotations.c.annotator_id == annotator_id, current_annotations.c.dataset_id == dataset_id
    joined = sa.join(current_annotations, annotation_rows, annotation_rows.c.id == current_annotations.c.annotation_id)
    query = sa.select(annotation_rows.c.answered_at).select_from(joined).where(*mine)
    newest = query.order_by(current_annotations.c.annotation_id.desc()).limit(MOST_A_DAY).subquery()
    since = clock.now() - timedelta(days=1)
    moments = connection.scalars(sa.select(newest.c.answered_at).where(newest.c.answered_at >= since))
    return dict(Counter(int(each.timestamp()) // QUARTER * QUARTER for each in moments))


@dataclass(frozen=True, kw_only=True)
class ModelLine:
    """What is said of the newest classifier in one line."""

    version: int
    records: int
    at: datetime


def model_line(connection: Connection, dataset_id: int) -> ModelLine | None:
    """Return what is said of a dataset's newest classifier, None where it has none."""
    newest = next(iter(learning.list_classifiers(connection, dataset_id, limit=1)), None)
    if newest is None:
        return None
    return ModelLine(version=newest.version, records=int(newest.data.get("records", 0)), at=newest.created_at)


def _text(value: Any) -> str:
    if value is None:
        return "\N{EN DASH}"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
