"""What people answered. Annotations are appended: an answer, its change and its withdrawal are rows with rising numbers."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, UniqueConstraint

from labelmill.db.tables import table
from labelmill.db.types import Flag, Id, UtcTime, Whole, name

annotation_rows = table(
    "annotations",
    # Rises with time: "as of number n" is one consistent state of a dataset.
    Column("id", Whole, primary_key=True),
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("record_id", Whole, ForeignKey("records.id", ondelete="CASCADE"), nullable=False),
    Column("annotator_id", Id, nullable=False),
    # What a client calls this answer, so that the same one sent again changes nothing.
    Column("key", name(64), nullable=False),
    # A withdrawn answer is a row without labels.
    Column("is_withdrawal", Flag, nullable=False),
    # Settles a tie: it decides the majority alone.
    Column("is_settling", Flag, nullable=False),
    Column("shown_at", UtcTime),
    Column("answered_at", UtcTime, nullable=False),
    UniqueConstraint("annotator_id", "key"),
    Index(None, "dataset_id", "id"),
    Index(None, "record_id", "annotator_id", "id"),
    Index("ix_annotations_annotator_id_dataset", "annotator_id", "dataset_id", "id"),
)

annotation_labels = table(
    "annotation_labels",
    Column("annotation_id", Whole, ForeignKey("annotations.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("label_id", Whole, ForeignKey("labels.id"), primary_key=True, autoincrement=False),
    Index(None, "label_id"),
)

current_annotations = table(
    "current_annotations",
    # The newest annotation of each annotator and record; withdrawn ones have no row.
    Column("record_id", Whole, ForeignKey("records.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("annotator_id", Id, primary_key=True),
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("annotation_id", Whole, ForeignKey("annotations.id", ondelete="CASCADE"), nullable=False),
    Index(None, "annotator_id", "dataset_id", "annotation_id"),
    Index(None, "dataset_id", "annotation_id"),
)

record_leases = table(
    "record_leases",
    # A record that lies before an annotator, who counts among its answers until the lease expires.
    Column("record_id", Whole, ForeignKey("records.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("annotator_id", Id, primary_key=True),
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("shown_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Index(None, "dataset_id", "expires_at"),
    Index(None, "annotator_id", "dataset_id"),
)

skips = table(
    "skips",
    # Records that an annotator put off: they come again after all others.
    Column("record_id", Whole, ForeignKey("records.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("annotator_id", Id, primary_key=True),
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("skipped_at", UtcTime, nullable=False),
    Index(None, "annotator_id", "dataset_id", "skipped_at"),
)

cursors = table(
    "cursors",
    # How far an annotator is in an order that never changes: all records up to there were answered or skipped by them, or filled.
    Column("annotator_id", Id, primary_key=True),
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("order_name", name(16), primary_key=True),
    Column("shuffle", Whole, nullable=False),
    Column("record_id", Whole, nullable=False),
)
