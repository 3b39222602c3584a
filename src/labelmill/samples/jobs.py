"""Two datasets to try labelling on, each half answered by people who do not exist. A job makes them; what is there stays."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from labelmill import clock
from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import record_key
from labelmill.datasets import service as datasets
from labelmill.errors import NotFound
from labelmill.jobs.model import StepResult
from labelmill.jobs.registry import JobKind
from labelmill.samples.digits import can_make, make_digits
from labelmill.samples.service import KIND
from labelmill.samples.topics import TOPICS, make_topic_posts

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from labelmill.blobs import Blobs
    from labelmill.db.database import Database
    from labelmill.jobs.registry import StepContext

DIGITS, POSTS = 400, 2_000
SEED: Final = 7
#: The days over which the answers were given, the last one yesterday.
DAYS: Final = 5
#: How often somebody hits the wrong key, and how often a post on two topics is filed under the second.
SLIPS, DOUBTS = 0.02, 0.4
#: Every so many answered posts also has the second annotator's answer.
SECOND: Final = 5
_PEOPLE: Final = (("ada@sample.invalid", "Ada (sample)"), ("ben@sample.invalid", "Ben (sample)"))
_GUIDELINES: Final = {
    "digits": "Press the digit that you see. What could be anything is **ignored**.",
    "posts": "What is the post mostly about? Where it speaks of two topics, take the one under which **you** would look for it.",
}


class SampleSteps:
    """The handler of the job's one step. A second try goes on with the dataset that is missing: each is one transaction."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def kind(self) -> JobKind:
        return JobKind(name=KIND, handlers={"make": self.make})

    def make(self, context: StepContext) -> StepResult:
        """Make the datasets whose names are free; the result says which, and why one is missing."""
        made = {}
        for name in ("digits", "posts") if can_make() else ("posts",):
            if self._is_there(name):
                continue
            frame = self._frame(name, lambda: context.report(0))
            context.fence()
            made[name] = self._database.transact(_add, name, frame, context.params.get("by"))
        left_out = {} if can_make() else {"left out": "digits: they need Pillow, pip install 'labelmill[images]'"}
        return StepResult(done=len(made), job_result={"datasets": made} | left_out)

    def _is_there(self, name: str) -> bool:
        try:
            with self._database.read() as connection:
                datasets.find(connection, name)
        except NotFound:
            return False
        return True

    def _frame(self, name: str, going_on: Callable[[], None]) -> pl.DataFrame:
        return make_digits(DIGITS, self._blobs, going_on) if name == "digits" else make_topic_posts(POSTS, SEED)


def _add(connection: Connection, name: str, frame: pl.DataFrame, by: str | None) -> int:
    """Make a dataset of ``frame`` and return its id; half of its records have an answer, and its training is submitted."""
    labels = [str(digit) for digit in range(10)] if name == "digits" else list(TOPICS)
    keys = [label if label.isdigit() else str(place) for place, label in enumerate(labels, 1)]
    dataset = datasets.create(
        connection,
        name=name,
        kind=datasets.RecordKind.IMAGE if name == "digits" else datasets.RecordKind.TEXT,
        labels=[datasets.NewLabel(name=label, shortcut=key) for label, key in zip(labels, keys, strict=True)],
        guidelines=_GUIDELINES[name],
        settings=datasets.DatasetSettings(labels_per_record=1 if name == "digits" else 2, warm_start=50, random_share=0.25),
        created_by=by,
    )
    accounts.note(connection, None, "make dataset", f"dataset {dataset.id}", dataset.id, name=name)
    rows = frame.select(pl.Series("record_key", [record_key(given, "") for given in frame["given_id"]]), "given_id", "content")
    datasets.add_records(connection, dataset.id, rows)
    people = [_person(connection, dataset.id, *each) for each in _PEOPLE[: dataset.settings.labels_per_record]]
    annotation.add_answers(connection, dataset, _answers(connection, dataset, frame, people))
    return dataset.id


def _person(connection: Connection, dataset_id: int, email: str, name: str) -> str:
    """Return the id of a sample annotator. Nobody can sign in as one: they have no password, and no mail reaches them."""
    try:
        found = accounts.find_annotator(connection, email)
    except NotFound:
        found = accounts.add_annotator(connection, email=email, name=name, role=Role.ANNOTATOR)
    accounts.set_member(connection, dataset_id, found.id, Role.ANNOTATOR)
    return found.id


def _answers(connection: Connection, dataset: datasets.Dataset, frame: pl.DataFrame, people: list[str]) -> pl.DataFrame:
    """Return the answers of the first annotator to half of the records, and of the second to some of these."""
    draw = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    known = {row["given_id"]: row for row in frame.iter_rows(named=True)}
    stored = datasets.list_records(connection, dataset.id, limit=frame.height)
    answered = draw.sample(stored, len(stored) // 2)
    labels = {label.name: label.id for label in dataset.labels if not label.is_ignored}
    today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for place, annotator_id in enumerate(people):
        mine = answered[:: SECOND if place else 1]
        for number, record in enumerate(mine):
            shown_at, answered_at = _times(draw, number, len(mine), today + timedelta(hours=9 + 4 * place))
            label_id = labels[_choice(draw, known[record.given_id], list(labels))]
            found.append((record.id, annotator_id, label_id, answered_at, shown_at))
    times = {name: pl.Datetime("us", "UTC") for name in ("answered_at", "shown_at")}
    schema = {"record_id": pl.Int64, "annotator_id": pl.String, "label_id": pl.Int64} | times
    return pl.DataFrame(found, schema=schema, orient="row")


def _choice(draw: random.Random, row: dict[str, Any], labels: list[str]) -> str:
    if draw.random() < SLIPS:
        return draw.choice(labels)
    doubts = row.get("other") and draw.random() < DOUBTS
    return str(row["other"] if doubts else row["topic"])


def _times(draw: random.Random, number: int, total: int, hour: datetime) -> tuple[datetime, datetime]:
    """Return when the answer ``number`` of ``total`` was shown and given: some on each day from ``hour`` on, one every ten seconds."""
    per_day = -(-total // DAYS)
    day, nth = divmod(number, per_day)
    shown_at = hour - timedelta(days=DAYS - day) + timedelta(seconds=10 * nth)
    return shown_at, shown_at + timedelta(seconds=round(draw.uniform(1.5, 9), 3))
