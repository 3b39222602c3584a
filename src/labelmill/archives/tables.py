"""Archives as they are stored. Each has the id of the job that makes it, which says how far it is."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index

from labelmill.db.tables import table
from labelmill.db.types import Id, Json, UtcTime, Whole, name

archives = table(
    "archives",
    Column("id", Id, primary_key=True),
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    # Null where there was no classifier.
    Column("classifier_id", Whole, ForeignKey("classifiers.id", ondelete="CASCADE")),
    # The newest annotation and the newest record that are in it: fixed when it was requested.
    Column("number", Whole, nullable=False),
    Column("records_to", Whole, nullable=False),
    # What labelmill.archives.model.Choices says.
    Column("choices", Json, nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("requested_by", Id),
    # Set together, once the file is there; the blob is null again after it expired.
    Column("blob", name(255)),
    Column("bytes", Whole),
    Column("made_at", UtcTime),
    Column("expires_at", UtcTime),
    Index(None, "dataset_id", "id"),
    Index(None, "classifier_id", "id"),
)
