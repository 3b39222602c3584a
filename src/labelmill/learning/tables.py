"""Classifiers, the generations of their predictions, and the queue of records that are best labelled next."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, UniqueConstraint

from labelmill.db.tables import table
from labelmill.db.types import Flag, Id, Json, Real, UtcTime, Whole, name

classifiers = table(
    "classifiers",
    Column("id", Whole, primary_key=True),
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    # 1, 2, 3 ... in its dataset.
    Column("version", Whole, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # The newest annotation that it was trained on; the next training is due when enough have come after it.
    Column("trained_to", Whole, nullable=False),
    # Learner, its parameters, seed, featuriser; versions of libraries.
    Column("parameters", Json, nullable=False),
    # Records and labels that it was trained on, by label; init records among them; the labels' ids in the order of its classes.
    Column("data", Json, nullable=False),
    # Scores on the random share and, as the predecessor's precision, on a held-out part; null until they are known.
    Column("metrics", Json),
    # The blob that holds it (skops), and the job that made it.
    Column("blob", name(255), nullable=False),
    Column("job_id", Id, nullable=False),
    # Kept classifiers keep their predictions.
    Column("is_kept", Flag, nullable=False),
    UniqueConstraint("dataset_id", "version"),
    UniqueConstraint("job_id"),
)

generations = table(
    "generations",
    # All predictions of one classifier: one columnar file in the blob store, complete or absent.
    Column("id", Whole, primary_key=True),
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    # Null for the order that a dataset without any label begins with: it has no predictions to show.
    Column("classifier_id", Whole, ForeignKey("classifiers.id", ondelete="CASCADE")),
    Column("created_at", UtcTime, nullable=False),
    # Records that it has a prediction for: all up to this id.
    Column("records_to", Whole, nullable=False),
    Column("records", Whole, nullable=False),
    Column("blob", name(255)),
    # The job that made it, once.
    Column("job_id", Id),
    UniqueConstraint("job_id"),
    Index(None, "dataset_id", "id"),
)

current_generations = table(
    "current_generations",
    # Which generation a dataset shows. Switched in one transaction with nothing else to read: no record shows half of two.
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("generation_id", Whole, ForeignKey("generations.id", ondelete="CASCADE"), nullable=False),
)

queue_records = table(
    "queue_records",
    # The best few thousand records of a generation, in the order in which they are served, with what is shown beside them.
    Column("generation_id", Whole, ForeignKey("generations.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("place", Whole, primary_key=True, autoincrement=False),
    Column("record_id", Whole, ForeignKey("records.id", ondelete="CASCADE"), nullable=False),
    # Null where there is nothing to show.
    Column("label_id", Whole),
    Column("confidence", Real),
    Index(None, "record_id"),
)
