"""What an archive is made of, fixed by its first step: whatever people do until it is made, all its members tell of one moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import orjson

from labelmill.archives.choices import Choices
from labelmill.exports.service import Moment, Reading, copied, fields_from, fields_of, kept_fields, kept_moment, moment_of
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from labelmill.archives.model import Archive
    from labelmill.blobs import Blobs
    from labelmill.db.database import Database
    from labelmill.learning.service import Classifier


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
        return orjson.dumps(asdict(self) | {"moment": kept_moment(self.moment), "fields": kept_fields(self.fields)})

    @classmethod
    def load(cls, content: bytes) -> Self:
        kept = orjson.loads(content)
        classifier = kept["classifier"]
        return cls(
            requested_at=datetime.fromisoformat(kept["requested_at"]), choices=Choices.from_dict(kept["choices"]),
            moment=moment_of(kept["moment"]), predictions=kept["predictions"],
            classifier=classifier and learning.Classifier(**classifier | {"created_at": datetime.fromisoformat(classifier["created_at"])}),
            fields=fields_from(kept["fields"]),
        )  # fmt: skip


def make_plan(database: Database, blobs: Blobs, archive: Archive, copy: str) -> Plan:
    """Return the plan of an archive. The classifier's predictions are kept as the blob ``copy``: newer ones may replace them."""
    with database.read() as connection:
        moment = Moment.now(
            connection, archive.dataset_id, archive.choices.annotators, number=archive.number, to=archive.records_to
        )
        classifier = archive.classifier_id and learning.get_classifier(connection, archive.classifier_id)
        known = archive.classifier_id and learning.predictions_blob(connection, archive.classifier_id)
    has_copy = bool(known) and copied(blobs, str(known), copy)
    return Plan(
        requested_at=archive.requested_at, choices=archive.choices, moment=moment, classifier=classifier or None,
        predictions=copy if has_copy else None, fields=fields_of(Reading(database, moment)),
    )  # fmt: skip
