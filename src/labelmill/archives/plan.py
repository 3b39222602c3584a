"""What an archive is made of, fixed by its first step: whatever people do until it is made, all its members tell of one moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import orjson
import polars as pl

from labelmill.archives.choices import Choices
from labelmill.datasets import Dataset, DatasetSettings, Label, RecordKind
from labelmill.errors import NotFound
from labelmill.exports.service import Moment, Reading, fields_of
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from labelmill.archives.model import Archive
    from labelmill.blobs import Blobs
    from labelmill.db.database import Database
    from labelmill.learning.service import Classifier

_TYPES: Any = {"String": pl.String(), "Int64": pl.Int64(), "Float64": pl.Float64(), "Boolean": pl.Boolean()}


@dataclass(frozen=True, kw_only=True)
class Plan:
    requested_at: datetime
    choices: Choices
    moment: Moment
    classifier: Classifier | None
    #: The blob with the classifier's predictions, the archive's own copy; None where they are gone, or without a classifier.
    predictions: str | None
    #: Names and types of a table's fields.
    fields: dict[str, Any]

    @property
    def machine(self) -> str:
        """The name of the member with what the classifier says."""
        return f"machine_labeled_data_{'none' if self.classifier is None else self.classifier.id}.json"

    def dump(self) -> bytes:
        fields = {name: str(kind) for name, kind in self.fields.items()}
        # As a list: an object's keys would be sorted or be no numbers.
        moment = asdict(self.moment) | {
            name: list(getattr(self.moment, name).items()) for name in ("labels", "merged", "people")
        }
        return orjson.dumps(asdict(self) | {"moment": moment, "fields": list(fields.items())})

    @classmethod
    def load(cls, content: bytes) -> Self:
        kept = orjson.loads(content)
        moment, classifier = kept["moment"], kept["classifier"]
        maps = {name: dict(moment[name]) for name in ("labels", "merged", "people")}
        return cls(
            requested_at=datetime.fromisoformat(kept["requested_at"]), choices=Choices.from_dict(kept["choices"]),
            moment=Moment(**moment | maps | {"dataset": _dataset(moment["dataset"])}), predictions=kept["predictions"],
            classifier=classifier and learning.Classifier(**classifier | {"created_at": datetime.fromisoformat(classifier["created_at"])}),
            fields={name: _TYPES[kind] for name, kind in kept["fields"]},
        )  # fmt: skip


def make_plan(database: Database, blobs: Blobs, archive: Archive, copy: str) -> Plan:
    """Return the plan of an archive. The classifier's predictions are kept as the blob ``copy``: newer ones may replace them."""
    with database.read() as connection:
        moment = Moment.now(
            connection, archive.dataset_id, archive.choices.annotators, number=archive.number, to=archive.records_to
        )
        classifier = archive.classifier_id and learning.get_classifier(connection, archive.classifier_id)
        known = archive.classifier_id and learning.predictions_blob(connection, archive.classifier_id)
    has_copy = bool(known) and _copied(blobs, str(known), copy)
    return Plan(
        requested_at=archive.requested_at, choices=archive.choices, moment=moment, classifier=classifier or None,
        predictions=copy if has_copy else None, fields=fields_of(Reading(database, moment)),
    )  # fmt: skip


def _copied(blobs: Blobs, known: str, copy: str) -> bool:
    try:
        blobs.put_file(copy, blobs.path(known))
    except (NotFound, FileNotFoundError):
        return False
    return True


def _dataset(kept: dict[str, Any]) -> Dataset:
    times = {name: kept[name] and datetime.fromisoformat(kept[name]) for name in ("created_at", "archived_at")}
    labels = tuple(Label(**each) for each in kept["labels"])
    settings = DatasetSettings.from_dict(kept["settings"])
    return Dataset(**kept | times | {"kind": RecordKind(kept["kind"]), "settings": settings, "labels": labels})
